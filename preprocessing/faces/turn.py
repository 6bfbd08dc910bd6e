"""Whether a face lies on its side: the detector finds it anyhow, and nothing else would say so."""

import numpy as np

from preprocessing.faces.boxes import square_boxes
from preprocessing.faces.frames import crop_face

SIDE = 160  # pixels of the picture around a face that is shown to the reduced network
MARGIN = 1.0  # room around the face in it
CLEAR_LEAD = 1.0  # log-odds by which a turned picture must look more like a face


def find_turn(frames, boxes, detector):
    """Return by how many degrees, anticlockwise, a face must be turned to be upright.

    The reduced network's mean log-odds of the face in pictures turned by 0, 90, 180 and 270
    degrees are compared: in all of 114 frames (RAVDESS, its crops, drawn) upright looks most like
    a face, though the network finds faces that lie.

    Args:
        frames: uint8 (time, height, width, 3), RGB, or ``frames.Frames``: a few of the clip.
        boxes: float (time, 4), the face in each.
        detector: One with ``detect_close``.
    """
    odds = np.zeros((len(boxes), 4))
    for number, square in enumerate(square_boxes(boxes, margin=MARGIN)):
        picture = crop_face(frames[number], square, size=SIDE, grey=False)
        for turn in range(4):
            found = detector.detect_close(np.ascontiguousarray(np.rot90(picture, turn)))
            likely = np.clip(found[:, 4].max(initial=0), 0.001, 0.9999)
            odds[number, turn] = np.log(likely / (1 - likely))
    mean = odds.mean(axis=0)
    best = int(mean.argmax())
    return 90 * best if mean[best] - mean[0] >= CLEAR_LEAD else 0
