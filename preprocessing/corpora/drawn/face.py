"""Draw a face: an actor of the cast, with any mixture of action units, in any pose."""

import cv2
import numpy as np

from preprocessing.corpora.drawn import features
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.painting import FACE
from preprocessing.corpora.drawn.portrait import N_JAWS, Pose, paint_portrait, place

UNITS = {
    "AU1": "inner brow raiser",
    "AU2": "outer brow raiser",
    "AU4": "brow lowerer",
    "AU5": "upper lid raiser",
    "AU6": "cheek raiser",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU15": "lip corner depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU25": "lips part",
    "jaw": "jaw drop (AU26/27), 0 closed to 1 wide open",
    "round": "lips pursed as for an o (AU18/22)",
    "AU45": "eyes closed, as in a blink",
    "gaze_x": "look to the picture's left (-1) or right (1)",
    "gaze_y": "look up (-1) or down (1)",
}
"""What can move in a face: action units (Ekman, Friesen & Hager 2002), 0 rest to 1 full."""


def draw_face(number, units=None, *, pose=Pose(), seed=7):
    """Draw one frame.

    Args:
        number: The actor's number, from 1.
        units: Action units by name (see ``UNITS``); what is left out is at rest.
        pose: A ``Pose``; by default straight ahead.
        seed: Seed of the corpus.

    Returns:
        uint8 (240, 320, 3) RGB.

    Raises:
        ValueError: An unknown action unit.
    """
    units = _complete_units(units or {})
    actor, portrait = cast_actor(number, seed=seed), paint_portrait(number, seed)
    head = portrait.heads[round(units["jaw"] * (N_JAWS - 1))].copy()
    face = head[FACE]
    features.draw_creases(face, portrait.bare[FACE], actor, units)
    features.draw_eyes(face[:150], actor, units)
    features.draw_brows(face[:150], actor, units)
    features.draw_mouth(face, actor, units)
    frame = portrait.backdrop.copy()
    for layer in (place(head, actor.size, pose), portrait.clothes):
        red, green, blue, alpha = cv2.split(layer)
        behind = cv2.multiply(frame, cv2.merge([255 - alpha] * 3), scale=1 / 255)
        frame = cv2.add(behind, cv2.merge([red, green, blue]))
    return frame


def _complete_units(units):
    """Return all of ``UNITS`` as floats, clipped to their range; what is not given is 0."""
    if unknown := sorted(set(units) - set(UNITS)):
        raise ValueError(f"Unknown action units {unknown}; expected some of {', '.join(UNITS)}.")
    low = {"gaze_x": -1.0, "gaze_y": -1.0}
    return {name: float(np.clip(units.get(name, 0), low.get(name, 0.0), 1.0)) for name in UNITS}
