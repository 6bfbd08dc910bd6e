"""Which of several faces speaks: the one whose mouth moves when the voice is heard."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from preprocessing.faces.boxes import square_boxes
from preprocessing.faces.frames import crop_frame
from preprocessing.voice.synchrony import GRID_HZ, measure_energy, measure_mouth_opening

SIDE = 64  # of the crops in which motion is measured, in pixels
MOUTH = slice(40, 61), slice(16, 48)  # its rows and columns in them
SMOOTH_S = 0.08  # standard deviation of the Gaussian over motion and loudness, in seconds
CLEAR_LEAD = 0.2
"""How much more one face must go with the voice than any other. Of speakers beside a listener whose
head sways, 89% of RAVDESS's and 86% of the drawn have this lead, and of these all and 98% are told
rightly; whose head is still, all. Where both speak at once it can hardly be told."""


def choose_speaker(tracks, times, frames, frame_times, waveform, rate_hz):
    """Return the index of the track that speaks, or None where none clearly does.

    Args:
        tracks: float32 (track, time, 5), box and confidence, NaN where the face is not seen.
        times: float (time,), seconds of the tracks' frames.
        frames, frame_times: Many frames of the same seconds, uint8 (frame, height, width, 3) or
            ``frames.Frames``, and their seconds.
        waveform, rate_hz: float32 (samples,) from 0 s, and samples per second.
    """
    leads = [
        measure_speaking(track, times, frames, frame_times, waveform, rate_hz) for track in tracks
    ]
    best, second = np.argsort(leads)[::-1][:2]
    return int(best) if leads[best] - leads[second] >= CLEAR_LEAD else None


def measure_speaking(track, times, frames, frame_times, waveform, rate_hz):
    """Return how a mouth's motion goes with the voice's loudness, -1 where that cannot be had.

    It is the mean of two correlations: of the change of grey in the mouth's region, which a
    moving head has too, and of the change of its opening, which hardly depends on where the mouth
    lies. Arguments are those of `choose_speaker`, for one track.
    """
    seen = np.isfinite(track[:, 4])
    inside = (frame_times >= times[seen][0]) & (frame_times <= times[seen][-1])
    numbers = np.flatnonzero(inside)
    if len(numbers) < 3:
        return -1.0
    own_times = frame_times[numbers]
    boxes = [np.interp(own_times, times[seen], track[seen, side]) for side in range(4)]
    squares = square_boxes(np.stack(boxes, axis=1), margin=0.0)
    crops = [
        crop_frame(frames, number, square, size=SIDE, grey=True)
        for number, square in zip(numbers, squares, strict=True)
    ]
    return match_voice(
        own_times[0],
        (own_times[1:] + own_times[:-1]) / 2,
        measure_mouth_motion(np.stack(crops), own_times),
        lambda grid: measure_energy(waveform, rate_hz, grid),
        own_times[-1],
    )


def measure_mouth_motion(faces, times):
    """Return how fast a mouth's region and its opening change, float64 (time - 1, 2).

    Args:
        faces: uint8 (time, `SIDE`, `SIDE`), grey, cropped without margin.
        times: float (time,), seconds, increasing.
    """
    mouths = faces[:, *MOUTH].astype(np.float32)
    grey = np.abs(np.diff(mouths, axis=0)).mean(axis=(1, 2))
    opening = np.abs(np.diff(measure_mouth_opening(faces)))
    return np.stack([grey, opening], axis=1) / np.diff(times)[:, None]


def match_voice(start_s, middles, motions, measure_loudness, end_s):
    """Return the mean correlation of a mouth's motions with a voice's loudness, -1 without any.

    Args:
        start_s, end_s: The seconds that are compared.
        middles: float (step,), seconds, each between two pictures.
        motions: float (step, 2), see ``measure_mouth_motion``.
        measure_loudness: Function of seconds, float (time,), that gives the loudness there.
    """
    grid = np.arange(start_s, end_s, 1 / GRID_HZ)
    loud = _smooth(measure_loudness(grid))
    return np.mean(
        [
            _correlate(np.log(_smooth(np.interp(grid, middles, motion)) + least), loud)
            for motion, least in zip(motions.T, (1.0, 0.003), strict=True)
        ]
    )


def _correlate(motion, loud):
    if min(motion.std(), loud.std()) < 1e-9:
        return -1.0
    return float(np.corrcoef(motion, loud)[0, 1])


def _smooth(values):
    return gaussian_filter1d(values, SMOOTH_S * GRID_HZ)
