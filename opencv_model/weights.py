"""Find, download and check the weight files of the face detector."""

import hashlib
import os
import queue
import threading
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pooch

FOLDER = Path(__file__).resolve().parent
"""Where weights are looked for and downloaded to; git ignores them."""

NAME = "opencv_face_detector_uint8.pb"
URL = (
    "https://raw.githubusercontent.com/opencv/opencv_3rdparty/"
    f"8033c2bc31b3256f0d461c919ecc01c2428ca03b/{NAME}"
)
SHA256 = "5c71d752ef2cbf2f457ac82fdd580fcb2522fd04c5efdaed18eb6d9e2843fbed"
CAFFE_SHA256 = "2a56a11a57a4a295956b0660b4a3d76bbdca2206c4961cea8efe7d95c7cb2f2d"

CONNECT_S = 4.0
"""Seconds to wait for the server to answer before doing without."""


class DetectorError(RuntimeError):
    """The detector asked for cannot be had; the message says what to do."""


def find_weights(folder=FOLDER, *, caffe_only=False):
    """Find the weight file that a user or an earlier download has put in place.

    Args:
        folder: Where to look, unless the environment's ``EMOTION_DETECTOR`` names a file.
        caffe_only: Pass over TensorFlow's form.

    Returns:
        Path of a ``.pb`` (preferred) or ``.caffemodel``; None where there is neither.

    Raises:
        DetectorError: ``EMOTION_DETECTOR`` names no such file.
    """
    endings = (".caffemodel",) if caffe_only else (".pb", ".caffemodel")
    if named := os.environ.get("EMOTION_DETECTOR"):
        if Path(named).is_file() and Path(named).suffix in endings:
            return Path(named).resolve()
        raise DetectorError(
            f"EMOTION_DETECTOR names {named!r}, which is no file that ends in "
            f"{' or '.join(endings)}. Correct it, or unset it to have the weights fetched."
        )
    paths = [path for ending in endings for path in sorted(Path(folder).glob(f"*{ending}"))]
    return paths[0].resolve() if paths else None


def download_weights(folder=FOLDER, *, url=URL, sha256=SHA256):
    """Download the TensorFlow weights (2.7 MB), check them and put them in place whole.

    Args:
        folder: Where to put them.
        url: Where to get them.
        sha256: Checksum that they must have.

    Returns:
        Path of the file.

    Raises:
        DetectorError: No server, no such file there, a wrong checksum or no place to write.
    """
    pooch.get_logger().setLevel("WARNING")
    fetch = pooch.HTTPDownloader(timeout=(CONNECT_S, 15))
    try:
        _knock(url)
        path = pooch.retrieve(url, f"sha256:{sha256}", NAME, folder, downloader=fetch)
    except (OSError, ValueError) as error:
        reason = f"{type(error).__name__}: no file from {urlsplit(url).netloc}"
        if isinstance(error, ValueError) or error.errno:
            reason = " ".join(str(error).split())
        raise DetectorError(
            f"The face detector's weights are missing, and their download failed ({reason}). "
            f"Put {NAME} (2.7 MB, from {url}) into {Path(folder).name}/, or set "
            "EMOTION_DETECTOR to its path, and run this again."
        ) from error
    return Path(path).resolve()


def hash_weights(path):
    """Return the SHA-256 of a file, in hexadecimal; read again only when the file has changed."""
    return _hash_file(path, path.stat().st_mtime_ns)


@cache
def _hash_file(path, _modified):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _knock(url):
    """Raise OSError unless the server has the file; a name server may hang, so a thread asks."""
    answers = queue.SimpleQueue()

    def ask():
        fetch = pooch.HTTPDownloader(timeout=CONNECT_S)
        try:
            found = fetch(url, None, None, check_only=True)
            answers.put(None if found else FileNotFoundError("the server has no such file"))
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        error = answers.get(timeout=CONNECT_S)
    except queue.Empty:
        error = TimeoutError(f"no answer within {CONNECT_S:g} s")
    if error:
        raise error
