"""Altered copies of waveforms: speed, tempo, pitch, shift, gain and noise, by audiomentations.

Each of the first six functions takes a waveform, float32 (samples,) in [-1, 1], its rate in samples
per second and the amount of one change, and returns float32 (samples,): as long as before, cut or
padded with silence at both ends.
"""

import hashlib
import random

import numpy as np
from audiomentations import AddGaussianSNR, Gain, PitchShift, Resample, Shift, TimeStretch

from preprocessing.voice import spectra

RANGES = {
    "speed": (0.9, 1.1),
    "tempo": (0.9, 1.1),
    "pitch": (-1.5, 1.5),
    "shift": (-0.2, 0.2),
    "gain": (-6.0, 6.0),
    "noise": (15.0, 35.0),
}
"""Lowest and highest amount of each change, in the unit of its function."""


def change_speed(waveform, rate_hz, factor):
    """Play a waveform faster or slower, pitch and tempo together (Ko et al. 2015).

    1.1 is a tenth faster, and 1.65 semitones higher.
    """
    slower_hz = round(rate_hz / factor)
    return _apply(Resample(slower_hz, slower_hz, p=1.0), waveform, rate_hz)


def change_tempo(waveform, rate_hz, factor):
    """Speak faster or slower at the same pitch; 1.1 is a tenth faster."""
    stretch = TimeStretch(factor, factor, leave_length_unchanged=False, p=1.0)
    return _apply(stretch, waveform, rate_hz)


def shift_pitch(waveform, rate_hz, semitones):
    """Raise or lower the voice at the same tempo; 12 is an octave up, -12 an octave down."""
    return _apply(PitchShift(semitones, semitones, p=1.0), waveform, rate_hz)


def shift_time(waveform, rate_hz, seconds):
    """Let a waveform begin later or earlier, at most by its length; silence fills the gap."""
    furthest = len(waveform) / rate_hz
    seconds = min(max(seconds, -furthest), furthest)
    shift = Shift(seconds, seconds, "seconds", rollover=False, fade_duration=0.0, p=1.0)
    return _apply(shift, waveform, rate_hz)


def change_gain(waveform, rate_hz, gain_db):
    """Make a waveform louder or softer; 6.02 doubles the amplitude, which may leave [-1, 1]."""
    return _apply(Gain(gain_db, gain_db, p=1.0), waveform, rate_hz)


def add_noise(waveform, rate_hz, snr_db, *, rng):
    """Add white Gaussian noise at a given ratio of the clip's power to the noise's.

    30 dB is faint, 10 strong. Zero padding would count as signal, and silence stays silent.
    """
    noise = AddGaussianSNR(snr_db, snr_db, p=1.0)
    return _apply(noise, waveform, rate_hz, seed=int(rng.integers(2**32)))


AUGMENTATIONS = {
    "speed": change_speed,
    "tempo": change_tempo,
    "pitch": shift_pitch,
    "shift": shift_time,
    "gain": change_gain,
    "noise": add_noise,
}
"""Every change by name, in the order in which they are made."""


def augment_waveform(waveform, rate_hz, *, rng, ranges=RANGES, probability=0.5):
    """Return an altered copy of a waveform, and what was done to it.

    Each change is made with the given probability, by an amount drawn evenly from its range; at
    least one is made. A result that leaves [-1, 1] is scaled back to its peak.

    Args:
        waveform, rate_hz: As the changes take them.
        rng: numpy random generator.
        ranges: dict of (lowest, highest) amounts by name of the change; one that is not named is
            not made, an empty dict makes none.
        probability: Chance of each change.

    Returns:
        float32 (samples,), and a dict of the amount by name of each change made.

    Raises:
        ValueError: A name is unknown.
    """
    if unknown := set(ranges) - set(AUGMENTATIONS):
        raise ValueError(
            f"Unknown augmentation {', '.join(sorted(unknown))}; "
            f"expected some of {', '.join(AUGMENTATIONS)}."
        )
    altered = spectra.check_waveform(waveform).copy()
    ranges = {name: ranges[name] for name in AUGMENTATIONS if name in ranges}
    chosen = rng.random(len(ranges)) < probability
    if ranges and not chosen.any():
        chosen[rng.integers(len(ranges))] = True
    drawn = {name: float(rng.uniform(low, high)) for name, (low, high) in ranges.items()}
    amounts = {name: drawn[name] for name, made in zip(ranges, chosen, strict=True) if made}
    for name, amount in amounts.items():
        options = {"rng": rng} if name == "noise" else {}
        altered = AUGMENTATIONS[name](altered, rate_hz, amount, **options)
    peak = np.abs(altered).max(initial=0.0)
    return (altered / peak if peak > 1 else altered), amounts


def make_copies(waveform, rate_hz, *, n_copies, seed_parts, **changes):
    """Return altered copies of one clip, the same ones whenever and wherever they are made.

    Args:
        waveform, rate_hz, **changes: As ``augment_waveform`` takes them.
        n_copies: Number of copies.
        seed_parts: What decides them, a tuple of ints and strings such as ``(seed, clip_id)``.

    Returns:
        float32 (copy, samples), and a list with each copy's dict of changes made.
    """
    digest = hashlib.sha256(repr(tuple(seed_parts)).encode()).digest()
    children = np.random.SeedSequence(int.from_bytes(digest[:16], "big")).spawn(n_copies)
    copies, amounts = np.zeros((n_copies, len(waveform)), np.float32), []
    for row, child in zip(copies, children, strict=True):
        rng = np.random.default_rng(child)
        row[:], made = augment_waveform(waveform, rate_hz, rng=rng, **changes)
        amounts.append(made)
    return copies, amounts


def _apply(transform, waveform, rate_hz, *, seed=0):
    """Return a waveform after one transform of audiomentations, its middle still the middle.

    audiomentations draws from Python's and numpy's global generators: both are seeded for this
    one call and then put back.
    """
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        altered = transform(np.require(waveform, np.float32, ["C", "W"]), rate_hz)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    altered = altered.astype(np.float32, copy=False)
    surplus = len(altered) - len(waveform)
    if surplus >= 0:
        return altered[surplus // 2 : surplus // 2 + len(waveform)]
    before = -surplus // 2
    return np.pad(altered, (before, -surplus - before))
