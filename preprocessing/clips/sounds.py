"""Decoded sound becomes unbroken runs of mono samples at one rate."""

import av
import numpy as np

from preprocessing.clips.channels import mix_channels
from preprocessing.clips.clock import CLIPPED, SILENCE, Sound, find_fault
from preprocessing.clips.containers import DECODER_ERRORS, find_origin, find_promised_end

GAP_S = 0.02  # a larger jump in the timestamps of sound is a gap or an overlap, no rounding
OFFSET = 0.25
"""A mean further off zero, in standard deviations of the sound, is a constant that nobody hears;
that of 3,956 real voices is 0.04 at most."""


def collect_sound(container, stream, heard, rate_hz, problems, *, start_s=0.0):
    """Return a stream's Sound by its decoded frames, or None if it cannot serve as a voice.

    ``start_s`` is where frames begin that have no timestamps.
    """
    if stream is None:
        problems.append("no audio stream")
        return None
    runs, failures = [], []
    for begin_s, frames in _find_runs(container, heard, start_s):
        try:
            names = tuple(channel.name for channel in frames[0].layout.channels)
            runs.append((begin_s, names, resample_frames(frames, rate_hz)))
        except DECODER_ERRORS as error:
            failures.append(error)
    if failures:
        problems.append(f"audio damaged: stretches that cannot be resampled: {len(failures)}")
    runs, faults = mix_channels([run for run in runs if len(run[2])])
    problems += faults
    samples = np.concatenate([samples for _, samples in runs] or [np.empty(0)])
    if offset := _find_offset(samples):
        problems.append(f"audio lies {offset:.2g} off zero: moved back")
        runs = [(begin_s, samples - offset) for begin_s, samples in runs]
        samples = samples - offset
    if fault := find_fault(samples):
        problems.append(fault if runs else "audio cannot be decoded")
        return None
    if (peak := np.abs(samples).max()) > CLIPPED:
        problems.append(f"audio clipped: its peak is {peak:.3g} times full scale")
    return Sound(runs, rate_hz, find_promised_end(container, stream))


def _find_runs(container, heard, start_s):
    """Return decoded sound as unbroken runs of one format: their start in seconds, their frames."""
    runs, last_kind, end_s, origin_s = [], None, start_s, find_origin(container)
    is_raw, is_guessed = container.format.name == "aac", False  # FFmpeg counts at the first rate
    for frame in heard:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        is_guessed |= is_raw and frame.sample_rate != heard[0].sample_rate
        at_s = end_s if frame.pts is None or is_guessed else frame.time - origin_s
        if kind != last_kind or abs(at_s - end_s) > GAP_S:
            runs.append((at_s, []))
            end_s = at_s
        runs[-1][1].append(frame)
        end_s += frame.samples / frame.sample_rate
        last_kind = kind
    return runs


def _find_offset(samples):
    """Return the mean of sound as float32 if it is large, else 0."""
    if not len(samples) or not np.isfinite(samples).all():
        return np.float32(0)
    offset, deviation = samples.mean(dtype=np.float64), samples.std(dtype=np.float64)
    return np.float32(offset if abs(offset) > max(OFFSET * deviation, SILENCE) else 0)


def resample_frames(frames, rate_hz):
    """Return frames of one format and no gap as float32 (samples, channel) at ``rate_hz``."""
    layout = frames[0].layout
    # Interleaved, since PyAV reads past the planes of a frame of more than eight channels.
    resampler = av.AudioResampler(format="flt", layout=layout.name, rate=rate_hz)
    for frame in frames:
        frame.pts = None  # a run has no gaps; rounded timestamps would make some
    parts = [part.to_ndarray() for frame in [*frames, None] for part in resampler.resample(frame)]
    samples = np.concatenate(parts or [np.empty((1, 0), dtype=np.float32)], axis=1)
    return samples.reshape(-1, layout.nb_channels)
