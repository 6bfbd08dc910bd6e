"""Draw a face: an actor of the cast, with any mixture of action units, in any pose."""

from dataclasses import dataclass

import cv2
import numpy as np

from preprocessing.corpora.drawn import features
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.painting import ORIGIN
from preprocessing.corpora.drawn.portrait import CENTRE, N_JAWS, SCALE, paint_portrait

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

PIVOT = (0.0, 120.0)
"""Where the head turns on the neck, in face units."""
LEFT, TOP, RIGHT, BOTTOM = 52, 0, 268, 205
"""The part of the frame that a head can reach."""


@dataclass(frozen=True)
class Pose:
    """Where the head is, relative to looking straight ahead in the middle.

    Attributes:
        x, y: Shift in pixels of the frame.
        angle: Tilt in degrees, counter-clockwise.
        scale: Size; 1.02 is a little nearer.
    """

    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0
    scale: float = 1.0


def draw_face(number, units=None, *, pose=None, seed=7):
    """Draw one frame.

    Args:
        number: The actor's number, from 1.
        units: Action units by name (see ``UNITS``); what is left out is at rest.
        pose: A ``Pose``; None is straight ahead.
        seed: Seed of the corpus.

    Returns:
        uint8 (240, 320, 3) RGB.

    Raises:
        ValueError: An unknown action unit.
    """
    units = _complete_units(units)
    actor, portrait = cast_actor(number, seed=seed), paint_portrait(number, seed)
    head = portrait.heads[round(units["jaw"] * (N_JAWS - 1))].copy()
    features.draw_creases(head, portrait.skin, actor, units)
    features.draw_eye(head, actor, units, -1)
    features.draw_eye(head, actor, units, 1)
    features.draw_brows(head, actor, units)
    features.draw_mouth(head, actor, units)
    return _lay_head(head, portrait, SCALE * actor.size, pose or Pose())


def _complete_units(units):
    """Return all of ``UNITS`` as floats, clipped to their range; what is not given is 0."""
    units = units or {}
    if unknown := sorted(set(units) - set(UNITS)):
        raise ValueError(f"Unknown action units {unknown}; expected some of {', '.join(UNITS)}.")
    low = {"gaze_x": -1.0, "gaze_y": -1.0}
    return {name: min(max(float(units.get(name, 0)), low.get(name, 0.0)), 1.0) for name in UNITS}


def _lay_head(head, portrait, scale, pose):
    """Return a head laid over the backdrop and under the clothes: uint8 (240, 320, 3)."""
    small = cv2.resize(head, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    turn = np.deg2rad(pose.angle)
    matrix = (
        scale * pose.scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    )
    foot = (np.array(CENTRE) + scale * np.array(PIVOT)) / 2 + (pose.x - LEFT, pose.y - TOP)
    shift = foot - matrix @ (np.array(ORIGIN) + PIVOT) / 2
    matrix = np.column_stack([matrix, shift + (matrix - np.eye(2)) @ (0.25, 0.25)])
    placed = cv2.warpAffine(small, matrix, (RIGHT - LEFT, BOTTOM - TOP), flags=cv2.INTER_LINEAR)
    frame = portrait.backdrop.copy()
    _lay_over(frame[TOP:BOTTOM, LEFT:RIGHT], placed)
    _lay_over(frame[portrait.clothes_top :], portrait.clothes[portrait.clothes_top :])
    return frame


def _lay_over(frame, layer):
    """Lay a premultiplied RGBA layer over a frame, in place; both uint8."""
    red, green, blue, alpha = cv2.split(layer)
    keep = cv2.merge([255 - alpha] * 3)
    frame[:] = cv2.add(cv2.multiply(frame, keep, scale=1 / 255), cv2.merge([red, green, blue]))
