"""Whether a face is turned to the side: cascades of OpenCV that know faces from the front and not.

Viola & Jones (2001); where the cascades are absent (OpenCV 5) nothing is said to be turned.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np

SIDE, MARGIN = 128, 0.5  # of the crop that is looked at, in pixels, and about the box
FRONTAL = ("haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt2.xml")
PROFILE = "haarcascade_profileface.xml"  # faces that look to the picture's left
LEAST_SIDE = 48  # pixels of a face in the crop
STEP, FEW, SOME = 1.1, 1, 2  # from size to size; finds that make a frontal face, and a profile
TILTS = (0, -25, 25)  # degrees; a head that is tilted is seen from the front for all that


def is_turned(face):
    """Return whether a face is a profile: no cascade sees it from the front, one from the side.

    Args:
        face: uint8 (`SIDE`, `SIDE`), grey, cropped with `MARGIN`.
    """
    face = cv2.equalizeHist(face)
    if any(_sees(name, _tilt(face, degrees), FEW) for degrees in TILTS for name in FRONTAL):
        return False
    return any(_sees(PROFILE, own, SOME) for own in (face, np.ascontiguousarray(face[:, ::-1])))


def _tilt(face, degrees):
    if not degrees:
        return face
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), degrees, 1.0)
    return cv2.warpAffine(face, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)


def _sees(name, face, n_finds):
    cascade = _open_cascade(name)
    if cascade is None:
        return False
    return len(cascade.detectMultiScale(face, STEP, n_finds, minSize=(LEAST_SIDE,) * 2)) > 0


@cache
def _open_cascade(name):
    if not hasattr(cv2, "CascadeClassifier"):
        return None
    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades, name)))
