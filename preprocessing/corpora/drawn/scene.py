"""Film drawn people side by side who talk in turn, or one alone."""

from pathlib import Path

import numpy as np

from preprocessing.corpora.drawn import clip, voice
from preprocessing.disk import files

FPS = 25
MARGIN = 60
"""Rows of background above and below, for a picture as wide as films are."""

SWAY = 0.5
"""Pixels by which a listener's head moves from frame to frame."""


def film_scene(path, takes, *, seed=7):
    """Write takes as one mp4, one after the other; return when who talks.

    The actor of the first take sits at the left; who does not talk, listens.

    Args:
        path: Path of the file.
        takes: List of ``clip.Take``.

    Returns:
        List of (start in seconds, end, actor), a turn each.
    """
    actors = list(dict.fromkeys(take.actor for take in takes))
    rng = np.random.default_rng(seed)
    played = [_play(take, seed) for take in takes]
    still = {take.actor: frames[0] for take, (frames, _) in zip(takes, played, strict=True)}
    parts, turns, now_s = [], [], 0.0
    for take, (frames, _) in zip(takes, played, strict=True):
        sides = [
            frames if actor == take.actor else _listen(still[actor], len(frames), rng)
            for actor in actors
        ]
        parts.append(np.concatenate(sides, axis=2))
        turns.append((now_s, now_s + len(frames) / FPS, take.actor))
        now_s = turns[-1][1]
    frames = np.pad(np.concatenate(parts), ((0, 0), (MARGIN, MARGIN), (0, 0), (0, 0)), mode="edge")
    waveform = np.concatenate([own for _, own in played])
    with files.replace_file(Path(path)) as partial:
        clip.write_mp4(partial, frames, FPS, waveform, voice.RATE_HZ)
    return turns


def _play(take, seed):
    """Return a take's frames at `FPS`, and its voice, equally long."""
    frames, fps, speech = clip.perform_take(take, seed=seed)
    n_frames = int(speech.duration_s * FPS)
    shown = np.minimum(np.arange(n_frames) * fps // FPS, len(frames) - 1)
    return frames[shown], speech.waveform[: round(n_frames / FPS * voice.RATE_HZ)]


def _listen(still, n_frames, rng):
    """Return so many frames of somebody who is silent, and sways, and is back at the end."""
    moves = np.cumsum(rng.normal(0, SWAY, (n_frames, 2)), axis=0)
    moves -= np.linspace(0, 1, n_frames)[:, None] * moves[-1]
    return np.stack([_move(still, *np.rint(move).astype(int)) for move in moves])


def _move(image, down, right):
    """Return an image moved by so many pixels, its edges stretched."""
    rows, columns = (
        np.clip(np.arange(size) - by, 0, size - 1)
        for size, by in zip(image.shape, (down, right), strict=False)
    )
    return image[rows][:, columns]
