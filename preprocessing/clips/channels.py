"""Several channels of sound become one, as a person hears them. Arithmetic alone."""

import numpy as np

SHARES = {"FL": 0.5, "FR": 0.5, "FLC": 0.5, "FRC": 0.5, "FC": 0.5**0.5, "BC": 0.5}
SHARES |= {"LFE": 0.0, "LFE2": 0.0}
SURROUND = 0.5**1.5
"""Shares of loudspeakers in the one channel, `SURROUND` for those not listed: the mean of left and
right of ITU-R BS.775, where left is L + 0.71 C + 0.71 Ls and nothing of the low-frequency one."""

LOST = 0.1
"""A mix of less than this share of its loudest channel's energy (10 dB softer) has lost the voice.
Of two channels that have nothing in common it has a half, of one beside a dead one a quarter."""


def mix_channels(runs):
    """Return runs of one channel each, and what was wrong with the channels, in words.

    Each layout is judged once, over all of its runs. The mix is no louder than full scale unless a
    channel is.

    Args:
        runs: List of (start in seconds, name of each channel, float32 (samples, channel)).

    Returns:
        List of (start in seconds, float32 (samples,)); list of problems.
    """
    shares, problems = {}, []
    for layout in dict.fromkeys(names for _, names, _ in runs):
        together = np.concatenate([channels for _, names, channels in runs if names == layout])
        shares[layout], faults = find_shares(together, layout)
        problems += faults
    loudest, mixed = 1.0, []
    for start_s, names, channels in runs:
        heard = np.flatnonzero(shares[names])
        mono = np.einsum("sc,c->s", channels[:, heard], shares[names][heard], dtype=np.float64)
        mixed.append((start_s, mono.astype(np.float32)))
        loudest = max(loudest, np.abs(channels[:, heard]).max())
    peak = max((np.abs(samples).max() for _, samples in mixed), default=0.0)
    if peak > loudest:
        mixed = [(start_s, samples * np.float32(loudest / peak)) for start_s, samples in mixed]
    return mixed, problems


def find_shares(channels, names):
    """Return the share of each channel in their mix, float64 (channel,), and problems in words.

    The mean, or by `SHARES` where the names tell the left from the right. A channel that holds NaN
    or infinite samples is left out if others do not. Where channels cancel each other, or one is
    lost among empty ones, the loudest is taken alone; a constant counts for nothing.

    Args:
        channels: float32 (samples, channel), at least one of each.
        names: FFmpeg's name of each channel, "NONE" where it is not known.
    """
    shares, problems = np.full(len(names), 1 / len(names)), []
    if {"FL", "FR"} <= set(names):
        shares = np.array([SHARES.get(name, SURROUND) for name in names])
    heard = np.flatnonzero(shares)
    whole = heard[np.isfinite(channels[:, heard]).all(axis=0)]
    if 0 < len(whole) < len(heard):
        lost = ", ".join(str(1 + channel) for channel in np.setdiff1d(heard, whole))
        problems.append(
            f"audio holds NaN or infinite samples in channel {lost} of {len(names)}: "
            "the others were read"
        )
        kept = np.isin(np.arange(len(names)), whole)
        shares = np.where(kept, shares, 0.0) * (shares.sum() / shares[whole].sum())
        heard = whole
    if len(whole) == 0:
        return shares, problems
    covariance = np.atleast_2d(np.cov(channels[:, heard], rowvar=False, bias=True))
    energies = np.diag(covariance)
    if shares[heard] @ covariance @ shares[heard] < LOST * energies.max():
        loudest = heard[energies.argmax()]
        problems.append(
            "channels cancel each other or are empty: "
            f"channel {1 + loudest} of {len(names)} alone was read"
        )
        shares = np.eye(len(names))[loudest]
    return shares, problems
