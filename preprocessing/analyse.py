"""Waveforms on disk become spectrograms, MFCCs and a table of named features, for a whole corpus.

Workers are pure functions from a waveform to small arrays; only the process that called writes.
"""

import time

import numpy as np
import pandas as pd

from preprocessing import arrays, audio
from preprocessing.indexing import explain_error
from preprocessing.parallel import stream_results

QUALITY = ("rms_db", "clipping", "speech_fraction")
"""Columns of ``clips.csv`` that say how good each recording is, see ``audio.measure_quality``."""


def analyse_corpus(
    corpus,
    *,
    n_mels=64,
    window_ms=32,
    hop_ms=16,
    n_mfcc=20,
    deltas=True,
    n_jobs=-1,
    progress=True,
):
    """Turn a corpus's waveforms into ``mels.npy``, ``mfcc.npy`` and ``features.csv``.

    Each clip is analysed for as long as it lasts, without the zeros behind it; behind its end,
    and in clips without a voice, stands what silence gives. Does nothing where the arrays on disk
    were made with the same options from the same waveforms.

    Args:
        corpus: A name of ``corpora.NAMES``, extracted before.
        n_mels: Number of mel bands.
        window_ms: Length of a spectrum's window, in milliseconds.
        hop_ms: Step between spectra, in milliseconds.
        n_mfcc: Number of cepstral coefficients.
        deltas: Whether the slopes of the coefficients are appended.
        n_jobs: Processes; -1 for one a core.
        progress: Show a progress bar.

    Returns:
        The table of clips with the columns of ``QUALITY``, as written to ``clips.csv``.

    Raises:
        FileNotFoundError: The waveforms have not been extracted.
        ValueError: An option is out of its range, or the waveforms are of another state.
    """
    folder = arrays.corpus_folder(corpus)
    clips, waveforms = arrays.read_clips(folder), arrays.read_array(folder, "waveforms")
    rate_hz = arrays.read_facts(folder, "waveforms")["parameters"]["rate_hz"]
    options = {"n_mels": n_mels, "window_ms": window_ms, "hop_ms": hop_ms}
    options |= {"n_mfcc": n_mfcc, "deltas": deltas}
    parameters = options | {"rate_hz": rate_hz}
    if arrays.is_current(folder, "audio", parameters):
        print(f"{arrays.shorten_path(folder)} is up to date: same waveforms, same parameters.")
        return clips
    started = time.perf_counter()
    n_times = audio.count_frames(waveforms.shape[1], rate_hz, hop_ms=hop_ms)
    mels, mfcc = make_silence(len(clips), n_times, rate_hz, options)
    columns = dict.fromkeys([*audio.FEATURE_NAMES, *QUALITY])
    numbers = pd.DataFrame(np.nan, index=clips.index, columns=list(columns))
    voices = list_voices(clips, waveforms, rate_hz)
    tasks, rows = [(voice, rate_hz, options) for voice in voices.values()], list(voices)
    for task, (mel, coefficients, named, problem) in stream_results(
        _analyse_voice, tasks, n_jobs=n_jobs, title="analysing", progress=progress
    ):
        if problem:
            clips.loc[rows[task], ["has_voice", "status", "reason"]] = False, "partial", problem
        else:
            mels[rows[task], : len(mel)], mfcc[rows[task], : len(mel)] = mel, coefficients
            numbers.loc[rows[task]] = named
    clips = _write_analysis(folder, clips, mels, mfcc, numbers, parameters)
    elapsed = time.perf_counter() - started
    print(f"{len(voices)} of {len(clips)} clips have a voice; analysed in {elapsed:.0f} s.")
    return clips


def list_voices(clips, waveforms, rate_hz):
    """Return the waveform of each clip that has a voice, without the zeros behind its end.

    Args:
        clips: DataFrame with ``has_voice`` and ``window_s``, as the extraction leaves it.
        waveforms: float32 (clip, samples), zeros behind each clip's end.
        rate_hz: Samples per second.

    Returns:
        Dict from row number to float32 (samples,), views of ``waveforms``.
    """
    voices = {}
    for row in np.flatnonzero(clips["has_voice"]):
        n_samples = max(round(clips["window_s"][row] * rate_hz), 1)
        voices[int(row)] = waveforms[row, :n_samples]
    return voices


def make_silence(n_clips, n_times, rate_hz, options):
    """Return spectrograms and MFCCs of nothing but silence, to be written into.

    Args:
        n_clips: Number of clips.
        n_times: Number of spectra a clip.
        rate_hz: Samples per second.
        options: Options of ``audio.analyse``; checked here, before the work begins.

    Returns:
        float32 (clip, time, mel) and float32 (clip, time, coefficient).

    Raises:
        ValueError: An option is out of its range.
    """
    mel, coefficients, _ = audio.analyse(np.zeros(rate_hz, np.float32), rate_hz, **options)
    shape = (n_clips, n_times, 1)
    return np.tile(mel[0], shape), np.tile(coefficients[0], shape)


def _analyse_voice(waveform, rate_hz, options):
    """Return a voice's spectrogram, MFCCs, numbers by name, and why there are none (or "")."""
    try:
        mel, coefficients, named = audio.analyse(waveform, rate_hz, **options)
        quality = audio.measure_quality(waveform, rate_hz)
    except Exception as error:  # one clip must never stop a run of thousands: it is listed
        problem = f"voice not analysed ({type(error).__name__}: {explain_error(error)})"
        return None, None, None, problem
    return mel, coefficients, {name: quality[name] for name in QUALITY} | named, ""


def _write_analysis(folder, clips, mels, mfcc, numbers, parameters):
    """Write the stage and the columns of ``QUALITY``; return the clips as they are on disk."""
    clips[list(QUALITY)] = numbers[list(QUALITY)].round(4)
    arrays.write_clips(folder, clips)
    features = pd.concat([clips["clip_id"], numbers[list(audio.FEATURE_NAMES)]], axis=1)
    arrays.write_stage(
        folder,
        "audio",
        parameters=parameters,
        arrays={"mels": mels, "mfcc": mfcc},
        tables={"features": features},
    )
    return arrays.read_clips(folder)
