"""What an answer loses when a part of its input is hidden (Zeiler & Fergus 2014).

A network is a function ``judge`` from inputs (n, ...) to posteriors (n, emotion), of any kind. What
is measured is a *drop*: log-odds of the emotion with all of the input, less those without a part.
Above 0 the part spoke for the emotion, below 0 against it.

What stands in the place of the hidden part is a choice, and the answer depends on it: the mean of
the clip itself, or silence.
"""

import numpy as np

from modeling.explain.contributions import measure_log_odds

BATCH = 32
FADE_S = 0.01
"""Of each edge of a silenced stretch, so that none clicks."""

BAND_EDGES_HZ = (0, 150, 300, 500, 800, 1200, 1800, 2700, 4000, 5500, 8000)
"""About as wide as an ear's critical bands taken two by two."""


def measure_drops(judge, x, hidden, emotion, *, batch=BATCH):
    """Return how many nats of log-odds each version of an input loses, float64 (version,).

    Args:
        judge: Function of inputs (n, ...), at most ``batch`` of them, to posteriors (n, emotion).
        x: The input, (...).
        hidden: Iterable of versions of it, each with a part hidden; NaN comes out of one that
            cannot be judged.
        emotion: Position of the emotion.
    """
    odds, waiting = [measure_log_odds(judge(x[None]), emotion)], []
    for version in hidden:
        waiting.append(version)
        if len(waiting) == batch:
            odds.append(measure_log_odds(judge(np.stack(waiting)), emotion))
            waiting = []
    if waiting:
        odds.append(measure_log_odds(judge(np.stack(waiting)), emotion))
    odds = np.concatenate(odds)
    return odds[0] - odds[1:]


def list_cells(shape, sizes):
    """Return the cells that a shape is cut into, a tuple of slices each, in the order of memory.

    ``sizes`` are the cells' own; None means all of an axis. The last of an axis may be smaller.
    """
    sizes = [size or length for size, length in zip(sizes, shape, strict=True)]
    counts = [-(-length // size) for size, length in zip(sizes, shape, strict=True)]
    return [
        tuple(slice(n * size, (n + 1) * size) for n, size in zip(place, sizes, strict=True))
        for place in np.ndindex(*counts)
    ]


def hide_cells(x, sizes, fill):
    """Yield copies of an input, each with one cell of ``list_cells`` filled from ``fill``."""
    fill = np.broadcast_to(fill, x.shape)
    for cell in list_cells(x.shape, sizes):
        version = x.copy()
        version[cell] = fill[cell]
        yield version


def map_cells(judge, x, sizes, emotion, *, fill, batch=BATCH):
    """Return the drop of each cell, spread over the input, float64 (...) of the input's shape.

    Args:
        judge, x, emotion: As for ``measure_drops``.
        sizes: Of a cell, one number an axis; None for all of the axis. (None, 8, 8) hides a patch
            in all frames of a face, (1, 8, 8) in one; (None, 4) hides mel bands, (8, None) time.
        fill: What stands in the hidden place, broadcast to the input's shape.
    """
    x = np.asarray(x, np.float32)
    drops = measure_drops(judge, x, hide_cells(x, sizes, fill), emotion, batch=batch)
    spread = np.zeros(x.shape)
    for cell, drop in zip(list_cells(x.shape, sizes), drops, strict=True):
        spread[cell] = drop
    return spread


def choose_fill(x):
    """Return what hides a part of an input without telling anything, of a shape that broadcasts.

    Of faces (time, height, width[, channel]): the mean of all frames that show a face. Of a
    spectrogram (time, mel): each band's mean over time.
    """
    x = np.asarray(x, np.float32)
    if x.ndim == 2:
        return x.mean(axis=0, keepdims=True)
    seen = x[x.any(axis=tuple(range(1, x.ndim)))]
    return (seen if len(seen) else x).mean(axis=(0, 1, 2), keepdims=True)


def silence_stretches(waveform, edges, rate_hz):
    """Yield copies of a waveform, float32 (sample,), each with one stretch silent.

    ``edges`` are samples (stretch + 1,), ascending.
    """
    n_fade = max(round(FADE_S * rate_hz), 1)
    ramp = 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, n_fade, dtype=np.float32))
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        gain = np.ones(len(waveform) + 2 * n_fade, np.float32)  # wider: fades beyond both ends
        gain[start + n_fade : stop + n_fade] = 0
        gain[start : start + n_fade] = ramp
        gain[stop + n_fade : stop + 2 * n_fade] = ramp[::-1]
        yield waveform * gain[n_fade:-n_fade]


def cut_stretches(n_samples, rate_hz, stretch_s):
    """Return the edges of stretches of one length, about; two at least; int64 (stretch + 1,)."""
    n_stretches = max(round(n_samples / rate_hz / stretch_s), 2)
    return np.linspace(0, n_samples, n_stretches + 1).round().astype(int)


def remove_bands(waveform, edges_hz, rate_hz):
    """Yield copies of a waveform, float32 (sample,), each without one band of frequencies."""
    spectrum = np.fft.rfft(waveform)
    hertz = np.fft.rfftfreq(len(waveform), 1 / rate_hz)
    for low, high in zip(edges_hz[:-1], edges_hz[1:], strict=True):
        kept = np.where((hertz >= low) & (hertz < high), 0, spectrum)
        yield np.fft.irfft(kept, len(waveform)).astype(np.float32)


def explain_waveform(judge, waveform, emotion, *, rate_hz, stretch_s=0.25):
    """Return what a voice's answer loses without a stretch of time, and without a band.

    Args:
        judge: Function of waveforms, float32 (n, sample), to posteriors (n, emotion).
        waveform: float32 (sample,).
        emotion: Position of the emotion.
        rate_hz: Samples a second.
        stretch_s: About how long a stretch is, in seconds.

    Returns:
        Dictionary of ``edges_s`` (stretch + 1,), ``times`` (stretch,), ``edges_hz`` (band + 1,) and
        ``bands`` (band,): drops in nats, see ``measure_drops``.
    """
    edges = cut_stretches(len(waveform), rate_hz, stretch_s)
    edges_hz = np.array([hz for hz in BAND_EDGES_HZ if hz < rate_hz / 2] + [rate_hz / 2 + 1])
    ways = silence_stretches(waveform, edges, rate_hz), remove_bands(waveform, edges_hz, rate_hz)
    times, bands = (measure_drops(judge, waveform, way, emotion, batch=8) for way in ways)
    edges_hz[-1] -= 1
    return {"edges_s": edges / rate_hz, "times": times, "edges_hz": edges_hz, "bands": bands}
