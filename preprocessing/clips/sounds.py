"""Decoded sound becomes unbroken runs of mono samples at one rate."""

import av
import numpy as np

from preprocessing.clips.clock import CLIPPED, Sound, find_fault
from preprocessing.clips.containers import DECODER_ERRORS, find_origin, find_promised_end

GAP_S = 0.02  # a larger jump in the timestamps of sound is a gap or an overlap, no rounding


def collect_sound(container, stream, heard, rate_hz, problems):
    """Return a stream's Sound by its decoded frames, or None if it cannot serve as a voice."""
    if stream is None:
        problems.append("no audio stream")
        return None
    runs, failures = [], []
    for start_s, frames in _find_runs(container, heard):
        try:
            runs.append((start_s, _resample(frames, rate_hz)))
        except DECODER_ERRORS as error:
            failures.append(error)
    if failures:
        problems.append(f"audio damaged: stretches that cannot be resampled: {len(failures)}")
    runs = [(start_s, samples) for start_s, samples in runs if len(samples)]
    samples = np.concatenate([samples for _, samples in runs] or [np.empty(0)])
    if fault := find_fault(samples):
        problems.append(fault if runs else "audio cannot be decoded")
        return None
    if (peak := np.abs(samples).max()) > CLIPPED:
        problems.append(f"audio clipped: its peak is {peak:.3g} times full scale")
    return Sound(runs, rate_hz, find_promised_end(container, stream))


def _find_runs(container, heard):
    """Return decoded sound as unbroken runs of one format: their start in seconds, their frames."""
    runs, last_kind, end_s, origin_s = [], None, 0.0, find_origin(container)
    for frame in heard:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        at_s = end_s if frame.pts is None else frame.time - origin_s
        if kind != last_kind or abs(at_s - end_s) > GAP_S:
            runs.append((at_s, []))
            end_s = at_s
        runs[-1][1].append(frame)
        end_s += frame.samples / frame.sample_rate
        last_kind = kind
    return runs


def _resample(frames, rate_hz):
    """Return frames of one format as float32 (samples,) at ``rate_hz``, the channels averaged."""
    layout = frames[0].layout
    # Interleaved, since PyAV reads past the planes of a frame of more than eight channels.
    resampler = av.AudioResampler(format="flt", layout=layout.name, rate=rate_hz)
    for frame in frames:
        frame.pts = None  # a run has no gaps; rounded timestamps would make some
    parts = [part.to_ndarray() for frame in [*frames, None] for part in resampler.resample(frame)]
    samples = np.concatenate(parts or [np.empty((1, 0), dtype=np.float32)], axis=1)
    mono = samples.reshape(-1, layout.nb_channels).mean(axis=1, dtype=np.float64)
    return mono.astype(np.float32)
