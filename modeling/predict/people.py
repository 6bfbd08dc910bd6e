"""Tracks of faces become persons, numbered in order of appearance."""

from dataclasses import dataclass

import numpy as np

from modeling.predict.portraits import describe_portrait, measure_likeness

LEAST_LOOKS = 3  # of a face that is taken for one, where so many pictures were looked at
SURE_CONFIDENCE = 0.8  # that a face must reach once
SAME_PERSON = 0.94
"""Likeness of two portraits from which on they show one person. 97% of pairs of RAVDESS's actor 05
reach it from clip to clip and size to size, wide to a head that fills two thirds of the picture,
and all but 0.4% of a drawn actor's; one in ten thousand of two drawn actors who are dressed
otherwise, and a third of those who differ in their faces alone."""
CLEAR_MARGIN = 0.05  # by which the likest person must be more alike than any other
LOOKED = {"times": -1, "boxes": (-1, 5), "expressions": (-1, 7), "changes": -1, "turns": -1}
WATCHED = {"mouth_times": -1, "mouth_motions": (-1, 2)}
"""What tracks hold of each look, and of each step of a mouth, and its shape."""
OVERLAP_S = 0.25  # for which two tracks may be of one face that was found twice
STILL_CHANGE = 0.35  # grey levels; a face that changes less from look to look is a still picture


@dataclass
class Person:
    """All looks at one person, in the order of time."""

    number: int
    times: np.ndarray  # float64 (look,), seconds
    boxes: np.ndarray  # float32 (look, 5), pixels of the shown frame, confidence
    expressions: np.ndarray  # float32 (look, 7)
    changes: np.ndarray  # float32 (look,), see `faces.Track`
    turns: np.ndarray  # float32 (look,), 1 for a profile, NaN where it was not looked for
    mouth_times: np.ndarray  # float64 (step,), seconds
    mouth_motions: np.ndarray  # float32 (step, 2)


def join_tracks(tracks, n_looks):
    """Return the list of `Person` that tracks show, numbered in order of appearance.

    A track joins the person whom its portrait resembles most, if clearly so and if that person is
    not seen elsewhere at the same time; else it is another person's.
    """
    tracks = [track for track in tracks if _is_face(track, n_looks)]
    tracks.sort(key=lambda track: (track.times[0], track.boxes[0]))
    people, portraits = [], []
    for track in tracks:
        portrait = describe_portrait(track.portrait)
        free = [
            number
            for number, own in enumerate(people)
            if all(_are_apart(track, other) for other in own)
        ]
        likeness = [
            max(measure_likeness(portrait, known) for known in portraits[number]) for number in free
        ]
        order = np.argsort(likeness)[::-1]
        is_known = len(order) > 0 and likeness[order[0]] >= SAME_PERSON
        if is_known and len(order) > 1:
            is_known = likeness[order[0]] - likeness[order[1]] >= CLEAR_MARGIN
        if is_known:
            people[free[order[0]]].append(track)
            portraits[free[order[0]]].append(portrait)
        else:
            people.append([track])
            portraits.append([portrait])
    return [_join(number, own) for number, own in enumerate(people, 1)]


def _is_face(track, n_looks):
    confidence = np.array(track.boxes[4::5])
    return len(confidence) >= min(LEAST_LOOKS, n_looks) and confidence.max() >= SURE_CONFIDENCE


def _are_apart(track, other):
    together = min(track.times[-1], other.times[-1]) - max(track.times[0], other.times[0])
    return together < OVERLAP_S


def _join(number, tracks):
    """Return the `Person` that some tracks show."""

    def stack(name, width):
        return np.concatenate([np.reshape(getattr(track, name), width) for track in tracks])

    own = {name: stack(name, width) for name, width in LOOKED.items()}
    once = np.unique(own["times"], return_index=True)[1]  # in the order of time
    own = {name: values[once] for name, values in own.items()}
    mouths = {name: stack(name, width) for name, width in WATCHED.items()}
    order = np.argsort(mouths["mouth_times"], kind="stable")
    return Person(number, **own, **{name: values[order] for name, values in mouths.items()})
