"""Altered copies of waveforms: of the voice itself, and of what it passes on its way to a file.

Each of the first eight functions takes a waveform, float32 (samples,) in [-1, 1], its rate in
samples per second and the amount of one change, and returns float32 (samples,): as long as before,
cut or padded with silence at both ends. They are audiomentations'; ``acoustics`` and
``preprocessing.clips.lossy`` have others. (audiomentations has coloured noise too, but more than
half of its brown noise lies below 50 Hz; its rooms and MP3 need libraries of their own.)
"""

import hashlib
import random
from functools import partial

import numpy as np
from audiomentations import (
    AddGaussianSNR,
    Gain,
    HighPassFilter,
    LowPassFilter,
    PitchShift,
    Resample,
    Shift,
    TimeStretch,
)

from data_augmentation import acoustics
from preprocessing.clips import lossy
from preprocessing.voice import spectra


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


def cut_low(waveform, rate_hz, hz):
    """Take off what lies below a frequency, 24 dB an octave (Butterworth)."""
    return _apply(HighPassFilter(hz, hz, 24, 24, p=1.0), waveform, rate_hz)


def cut_high(waveform, rate_hz, hz):
    """Take off what lies above a frequency, 36 dB an octave (Butterworth)."""
    return _apply(LowPassFilter(hz, hz, 36, 36, p=1.0), waveform, rate_hz)


AUGMENTATIONS = {
    "speed": change_speed,
    "tempo": change_tempo,
    "pitch": shift_pitch,
    "shift": shift_time,
    "room": acoustics.add_room,
    "gain": change_gain,
    "noise": add_noise,
    "pink": partial(acoustics.add_coloured_noise, slope=1),
    "brown": partial(acoustics.add_coloured_noise, slope=2),
    "babble": acoustics.add_babble,
    "low_cut": cut_low,
    "high_cut": cut_high,
    "mulaw": lossy.compand,
    "mp3": partial(lossy.recode_sound, codec="mp3"),
    "opus": partial(lossy.recode_sound, codec="opus"),
}
"""Every change by name, in the order in which they are made."""

RANGES = {
    "speed": (0.9, 1.1),
    "tempo": (0.9, 1.1),
    "pitch": (-1.5, 1.5),
    "shift": (-0.2, 0.2),
    "room": (0.15, 1.0),
    "gain": (-20.0, 6.0),
    "noise": (-3.0, 25.0),
    "pink": (-3.0, 25.0),
    "brown": (-3.0, 25.0),
    "babble": (-3.0, 25.0),
    "low_cut": (50.0, 400.0),
    "high_cut": (2500.0, 7500.0),
    "mulaw": (8.0, 8.0),
    "mp3": (16.0, 32.0),
    "opus": (8.0, 24.0),
}
"""Lowest and highest amount of each change, in the unit of its function."""

ALTERNATIVES = (("noise", "pink", "brown", "babble"), ("mulaw", "mp3", "opus"))
"""Changes of which a copy gets one at most, each as likely as the others."""

DRAWN = ("room", "noise", "pink", "brown", "babble")
"""Changes that take an ``rng``."""


def make_change(waveform, rate_hz, name, amount, *, rng):
    """Return a waveform after one change of ``AUGMENTATIONS``.

    ``amount`` is a number, or a tuple of those that its function takes.
    """
    amounts = amount if isinstance(amount, tuple) else (amount,)
    options = {"rng": rng} if name in DRAWN else {}
    return AUGMENTATIONS[name](waveform, rate_hz, *amounts, **options)


def augment_waveform(waveform, rate_hz, *, rng, ranges=RANGES, probability=0.5):
    """Return an altered copy of a waveform, and what was done to it.

    Each change is made with the given probability, by an amount drawn evenly from its range; at
    least one is made. ``ALTERNATIVES`` share one probability. A result that leaves [-1, 1] is
    scaled back to its peak.

    Args:
        waveform, rate_hz: As the changes take them.
        rng: numpy random generator.
        ranges: dict of (lowest, highest) amounts by name of the change; one that is not named is
            not made, an empty dict makes none.
        probability: Chance of each change, or of one of its alternatives.

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
    groups = _group_alternatives(ranges)
    chosen = rng.random(len(groups)) < probability
    if groups and not chosen.any():
        chosen[rng.integers(len(groups))] = True
    drawn = {name: float(rng.uniform(low, high)) for name, (low, high) in ranges.items()}
    groups = [group for group, made in zip(groups, chosen, strict=True) if made]
    made = [group[rng.integers(len(group))] if len(group) > 1 else group[0] for group in groups]
    amounts = {name: amount for name, amount in drawn.items() if name in made}
    for name, amount in amounts.items():
        altered = make_change(altered, rate_hz, name, amount, rng=rng)
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


def _group_alternatives(names):
    """Return lists of the names of which one is made at most, in order; most are alone."""
    groups = {}
    for name in names:
        kind = next((kinds for kinds in ALTERNATIVES if name in kinds), name)
        groups.setdefault(kind, []).append(name)
    return list(groups.values())


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
