"""Worse input on purpose, to see what it does to a trained model: worse sound, lost frames, blur.

Nothing here is written to disk and nothing is trained on. Each function changes a copy.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from preprocessing.disk import arrays


def change_voices(corpus, rows, name, changes, *, seed=0):
    """Return some clips' voices after changes such as noise, as an array on disk holds them.

    Args:
        corpus: A name of ``corpora.NAMES``.
        rows: Of ``clips.csv``.
        name: ``waveforms`` or ``mels``; the result is like those rows of that array.
        changes: dict of amounts by name, as ``waveforms.make_change`` takes them, made in this
            order: ``{"noise": 10}`` is white noise 10 dB below the clip.
        seed: Of what is random in them.
    """
    # Here, since modeling imports this module but none of what makes spectrograms.
    from data_augmentation import copies, waveforms
    from preprocessing.analyse import list_voices
    from preprocessing.voice import spectra

    folder = arrays.corpus_folder(corpus)
    rate_hz = arrays.read_facts(folder, "waveforms")["parameters"]["rate_hz"]
    if name == "mels":
        spectrum = arrays.read_facts(folder, "audio")["parameters"]
        options = {key: spectrum[key] for key in copies.SPECTRUM}
    sounds = arrays.read_array(folder, "waveforms")
    voices = list_voices(arrays.read_clips(folder), sounds, rate_hz)
    worse = np.array(arrays.read_array(folder, name)[rows])
    for place, row in enumerate(rows):
        if row not in voices:
            continue
        rng = np.random.default_rng([seed, row])
        voice = np.array(voices[row])
        for change, amount in changes.items():
            voice = waveforms.make_change(voice, rate_hz, change, amount, rng=rng)
        own = spectra.log_mel(voice, rate_hz, **options) if name == "mels" else voice
        worse[place, : len(own)] = own
    return worse


def lose_frames(sequences, share, *, rng):
    """Return sequences in which a share of the frames is lost, which then are zeros.

    Args:
        sequences: (clip, time, ...); all-zero frames are not there anyhow.
        share: Of the frames, 0 to 1; at least one of each clip stays.
        rng: ``numpy.random.Generator``.
    """
    worse = np.array(sequences)
    there = worse.reshape(*worse.shape[:2], -1).any(axis=2)
    for clip, own in zip(worse, there, strict=True):
        frames = np.flatnonzero(own)
        clip[rng.permutation(frames)[: min(round(share * len(frames)), len(frames) - 1)]] = 0
    return worse


def blur_faces(faces, sigma_px):
    """Return face sequences under a Gaussian of a standard deviation in pixels of the crop.

    They are uint8 (clip, time, height, width) or (clip, time, height, width, 3), before and after.
    """
    sigmas = (0, 0, sigma_px, sigma_px, *[0] * (faces.ndim - 4))
    return gaussian_filter(np.asarray(faces, np.float32), sigmas).round().astype(np.uint8)
