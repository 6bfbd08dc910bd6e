"""Statistics of spectra over time: a clip of any length becomes a row of numbers."""

import numpy as np
import pandas as pd

from preprocessing.disk import arrays

STATISTICS = ("mean", "std", "p10", "p25", "p50", "p75", "p90", "slope_std", "slope_abs")
"""Mean, deviation, percentiles, and deviation and mean size of the step from frame to frame."""

LEAST_FRAMES = 8


def describe_corpus(corpus):
    """Return the named features of a corpus and the functionals of its MFCCs and mel bands.

    Functionals of low-level descriptors are the classic input of speech emotion recognition
    (Schuller et al. 2009, "The INTERSPEECH 2009 emotion challenge").

    Returns:
        DataFrame indexed by clip id: the columns of ``features.csv``, then
        ``<array>_<number>_<statistic>``. A feature that cannot be measured in a clip, such as the
        pitch of a whisper, is 0.

    Raises:
        FileNotFoundError: The corpus has not been analysed.
    """
    folder = arrays.corpus_folder(corpus)
    clips, facts = arrays.read_clips(folder), arrays.read_facts(folder, "audio")
    hop_s = facts["parameters"]["hop_ms"] / 1000
    lengths = np.maximum((clips["window_s"].fillna(0) / hop_s).astype(int), LEAST_FRAMES)
    tables = [arrays.read_table(folder, "features").set_index("clip_id").fillna(0)]
    for name in ("mfcc", "mels"):
        values = arrays.read_array(folder, name)
        rows = [describe_frames(own[:n]) for own, n in zip(values, lengths, strict=True)]
        columns = [f"{name}_{n + 1:02d}_{s}" for s in STATISTICS for n in range(values.shape[2])]
        tables.append(pd.DataFrame(rows, index=tables[0].index, columns=columns))
    return pd.concat(tables, axis=1)


def describe_frames(frames):
    """Return the ``STATISTICS`` of frames (time, coefficient), float64, one after the other."""
    frames = np.asarray(frames, np.float64)
    steps = np.diff(frames, axis=0)
    percentiles = np.percentile(frames, [10, 25, 50, 75, 90], axis=0)
    moments = [frames.mean(axis=0), frames.std(axis=0)]
    slopes = [steps.std(axis=0), np.abs(steps).mean(axis=0)]
    return np.concatenate([*moments, *percentiles, *slopes])
