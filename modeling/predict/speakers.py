"""Each phrase goes to the person whose mouth moves with it, or to a voice off screen.

Arithmetic on numbers that were kept: motions of mouths, probability of speech, loudness.
"""

from dataclasses import dataclass, replace

import numpy as np

from modeling.predict.windows import CHUNK_S, measure_overlap
from preprocessing.faces import speaker
from preprocessing.voice.activity import SURE

PAUSE_S = 0.1  # ends a phrase, since another may go on
SHORTEST_S, LONGEST_S = 0.2, 2.0  # of a phrase; a longer one is cut, since nobody may have paused
AROUND_S = 0.15  # on either side of a phrase in which mouths are watched too
LEAST_STEPS = 5  # of a mouth that is watched
SOFTENED = 0.003  # of the opening of a mouth a second, below which motion is noise
STILL_MOUTH = -2.2
"""Mean logarithm of that motion, and half of how it goes with the voice, below which a mouth does
not speak. Of drawn people 98% of speakers reach it and 2% of listeners whose heads sway; of actor
05 of RAVDESS all speakers, and a third of his own silent seconds played to and fro."""
DOUBT = 0.4  # below it, in which a mouth may have spoken if it speaks just before or after
STILLEST_MOUTH, SURE_MATCH = -3.4, 0.7
"""Of a blurred or distant face: one that moves at least so much speaks if it goes with the voice so
well. Of drawn listeners nine in ten go with it by 0.4 at most, and all by less than 0.7."""
SLOW_S = 0.13  # between two pictures, from which on a mouth's motion is not seen well enough
CLEAR_LEAD = 0.25  # by which one mouth must go better with a phrase than any other
MOST = 0.5  # of a phrase, for which a face must be seen that may speak it
SHARED = 0.25  # of the speech of a window that a second person must have to be named
UNCLEAR, SEVERAL = "who speaks is unclear", "several people speak"


@dataclass(frozen=True)
class Phrase:
    """Speech without a pause."""

    start_s: float
    end_s: float
    speaker: int | None  # a person's number, 0 for a voice off screen, None where it is unclear


def find_phrases(probabilities, cuts_s=()):
    """Return where speech is between pauses, float64 (phrase, 2), seconds.

    Args:
        probabilities: As for `find_utterances`.
        cuts_s: Seconds at which the picture cuts, and phrases with it, ascending.
    """
    is_speech = np.asarray(probabilities) >= SURE
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_speech, [False]])))
    joined = []
    for first_s, last_s in edges.reshape(-1, 2) * CHUNK_S:
        if joined and first_s - joined[-1][1] < PAUSE_S:
            joined[-1][1] = last_s
        else:
            joined.append([first_s, last_s])
    phrases = []
    for first_s, last_s in joined:
        if last_s - first_s >= SHORTEST_S:
            inside = [cut_s for cut_s in cuts_s if first_s < cut_s < last_s]
            for part in zip([first_s, *inside], [*inside, last_s], strict=True):
                edges = np.linspace(*part, int(np.ceil((part[1] - part[0]) / LONGEST_S)) + 1)
                phrases += list(zip(edges[:-1], edges[1:], strict=True))
    return np.array(phrases, np.float64).reshape(-1, 2)


def attribute_phrases(people, sound, start_s, cuts_s=()):
    """Return the list of `Phrase` of a file.

    Args:
        people: List of `people.Person`.
        sound: `sound.SoundReader`.
        start_s: Second of the file at which its clock starts.
        cuts_s: Seconds of the file at which the picture cuts.
    """
    phrases, doubts, cuts_s = [], [], np.subtract(cuts_s, start_s)
    for first_s, last_s in find_phrases(sound.probabilities, cuts_s).tolist():
        span = first_s - AROUND_S, last_s + AROUND_S
        there = [person for person in people if _is_there(person, span, start_s)]
        scores = [judge_mouth(person, span, sound, start_s) for person in there]
        phrases.append(Phrase(first_s, last_s, _choose(there, scores)))
        pairs = zip(there, scores, strict=True)
        doubts.append({own.number for own, score in pairs if _may_move(score)})
    return _settle(phrases, doubts, cuts_s)


def _settle(phrases, doubts, cuts_s):
    """Return phrases, each of nobody's given to who says the one next to it and may say it too.

    ``doubts`` are sets of persons, one a phrase. Next to it: without a pause or cut between them.
    """
    settled = list(phrases)
    for place, own in enumerate(phrases):
        for other in phrases[max(place - 1, 0) : place + 2]:
            first, second = sorted((own, other), key=lambda phrase: phrase.start_s)
            is_cut = any(first.end_s <= cut_s <= second.start_s for cut_s in cuts_s)
            is_near = second.start_s - first.end_s < PAUSE_S and not is_cut
            if own.speaker == 0 and is_near and other.speaker in doubts[place]:
                settled[place] = replace(own, speaker=other.speaker)
    return settled


def judge_mouth(person, span, sound, start_s):
    """Return how much a mouth moves in a stretch and how that goes with the voice, or None.

    The first is the mean logarithm of the change of its opening, the second a correlation from -1
    to 1. None stands for a mouth that is seen too little, or too seldom, to tell.
    """
    rows = slice(*np.searchsorted(person.mouth_times, np.add(span, start_s)))
    times = person.mouth_times[rows] - start_s
    if len(times) < LEAST_STEPS or np.median(np.diff(times)) > SLOW_S:
        return None
    motions = person.mouth_motions[rows]
    first = max(int(times[0] * speaker.GRID_HZ), 0)
    loudness = np.array(sound.loudness[first : int(times[-1] * speaker.GRID_HZ) + 2])
    moves = float(np.log(motions[:, 1] + SOFTENED).mean())
    if not len(loudness):
        return moves, -1.0
    places = (first + np.arange(len(loudness))) / speaker.GRID_HZ

    def measure_loudness(grid):
        return np.interp(grid, places, loudness, right=0.0)

    match = speaker.match_voice(times[0], times, motions, measure_loudness, times[-1])
    return moves, float(match)


def _is_there(person, span, start_s):
    """Return whether a person's face is seen for most of a stretch."""
    own = person.times[slice(*np.searchsorted(person.times, np.add(span, start_s)))]
    return len(own) > 0 and own[-1] - own[0] >= MOST * (span[1] - span[0])


def _choose(there, scores):
    """Return who speaks a phrase by how each mouth moves, see `Phrase`."""
    if not there:
        return 0
    if None in scores:
        return there[0].number if len(there) == 1 else None
    moving = [i for i, score in enumerate(scores) if _is_moving(*score)]
    if not moving:
        return 0
    sums = sorted(((sum(scores[i]), i) for i in moving), reverse=True)
    if len(sums) > 1 and sums[0][0] - sums[1][0] < CLEAR_LEAD:
        return None
    return there[sums[0][1]].number


def _is_moving(moves, match):
    is_sure = moves >= STILLEST_MOUTH and match >= SURE_MATCH
    return is_sure or moves + match / 2 >= STILL_MOUTH


def _may_move(score):
    return score is not None and score[0] + score[1] / 2 >= STILL_MOUTH - DOUBT


def find_speaker(phrases, window):
    """Return who says most in a window, 0 for a voice off screen or nobody known, and a remark.

    Args:
        phrases: List of `Phrase`, in order.
        window: Start and end in seconds.
    """
    spoken = {}
    for phrase in phrases:
        seconds = measure_overlap((phrase.start_s, phrase.end_s), window)
        if seconds > 0:
            spoken[phrase.speaker] = spoken.get(phrase.speaker, 0.0) + seconds
    if not spoken:
        return 0, ""
    known = {person: seconds for person, seconds in spoken.items() if person is not None}
    if not known or spoken.get(None, 0.0) > sum(known.values()):
        return 0, UNCLEAR
    most = max(known, key=known.get)
    others = sum(known.values()) - known[most]
    return most, SEVERAL if others >= SHARED * sum(spoken.values()) else ""
