"""A corpus's waveforms on disk become spectrograms, MFCCs and a table of named features."""

import time
from contextlib import closing

import numpy as np
import pandas as pd

from preprocessing.disk import arrays, files
from preprocessing.disk.lock import lock_corpus
from preprocessing.disk.resumable import ResumableArrays
from preprocessing.voice import spectra
from preprocessing.workers.parallel import stream_results

QUALITY = ("rms_db", "clipping", "speech_fraction", "snr_db")
"""Columns of ``clips.csv`` that say how good each recording is, see ``spectra.measure_quality``."""


@lock_corpus("analysing")
def analyse_corpus(
    corpus, *, n_mels=64, window_ms=32, hop_ms=16, n_mfcc=20, deltas=True, **workers
):
    """Turn a corpus's waveforms into ``mels.npy``, ``mfcc.npy`` and ``features.csv``.

    Each clip is analysed for as long as it lasts; behind its end, and in clips without a voice,
    stands what silence gives. Does nothing where the arrays on disk were made with the same options
    from the same waveforms; goes on where it was if it was killed.

    Args:
        corpus: A name of ``corpora.NAMES``, extracted before.
        n_mels, window_ms, hop_ms: As ``spectra.log_mel`` takes them.
        n_mfcc, deltas: As ``spectra.mfcc`` takes them.
        **workers: As ``index.index_corpus`` takes them.

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
    if set(clips) >= set(QUALITY) and arrays.is_current(folder, "audio", parameters):
        print(f"{arrays.shorten_path(folder)} is up to date: same waveforms, same parameters.")
        return clips
    started = time.perf_counter()
    n_times = spectra.count_frames(waveforms.shape[1], rate_hz, hop_ms=hop_ms)
    silence = make_silence(n_times, rate_hz, options)
    specs = {name: ((len(clips), *rows.shape), rows.dtype) for name, rows in silence.items()}
    signature = arrays.sign_stage(folder, "audio", parameters)
    writer = ResumableArrays(folder, specs, signature, journal="audio.journal")
    voices = list_voices(clips, waveforms, rate_hz)
    todo = [row for row in voices if not writer.is_done(row)]
    tasks = [(row, voices[row], rate_hz, options) for row in todo]
    workers |= {"title": "analysing", "lists_errors": True}
    with closing(writer):
        for _, done in stream_results(_analyse_voice, tasks, lost=_list_lost, **workers):
            row, made, record = done
            writer.write_row(row, _fill_up(made, silence), record)
        for row in range(len(clips)):
            if not writer.is_done(row):
                writer.write_row(row, silence, {})
        clips = _finish_analysis(folder, clips, writer, parameters)
    elapsed = time.perf_counter() - started
    print(f"{clips['has_voice'].sum()} of {len(clips)} clips have a voice; {elapsed:.0f} s.")
    return clips


def list_voices(clips, waveforms, rate_hz):
    """Return the waveform of each clip that has a voice, without the zeros behind its end.

    They are views of ``waveforms``, float32 (clip, samples), by row; ``clips`` has ``has_voice``
    and ``window_s``.
    """
    voices = {}
    for row in np.flatnonzero(clips["has_voice"]):
        n_samples = max(round(clips["window_s"][row] * rate_hz), 1)
        voices[int(row)] = np.asarray(waveforms[row, :n_samples])
    return voices


def make_silence(n_times, rate_hz, options):
    """Return ``mels`` and ``mfcc`` of a clip without a voice, float32 (time, value)."""
    mel, coefficients, _ = spectra.analyse(np.zeros(rate_hz, np.float32), rate_hz, **options)
    return {"mels": np.tile(mel[0], (n_times, 1)), "mfcc": np.tile(coefficients[0], (n_times, 1))}


def _analyse_voice(row, waveform, rate_hz, options):
    """Return the row, a voice's spectra by array name, and numbers by name."""
    mel, coefficients, named = spectra.analyse(waveform, rate_hz, **options)
    quality = spectra.measure_quality(waveform, rate_hz)
    numbers = {name: float(value) for name, value in (quality | named).items()}
    return row, {"mels": mel, "mfcc": coefficients}, {"numbers": numbers}


def _list_lost(reason, row, *_):
    """Return what ``_analyse_voice`` would of a voice that could not be analysed."""
    return row, {}, {"problem": f"voice not analysed ({reason})"}


def _fill_up(made, silence):
    """Return a clip's spectra with what silence gives behind its end."""
    return {
        name: np.concatenate([made[name], rows[len(made[name]) :]]) if name in made else rows
        for name, rows in silence.items()
    }


def _finish_analysis(folder, clips, writer, parameters):
    """Rename the finished arrays, write the tables and the facts, and return the clips."""
    (folder / "audio.json").unlink(missing_ok=True)
    columns = list(dict.fromkeys([*QUALITY, *spectra.FEATURE_NAMES]))
    values = np.full((len(clips), len(columns)), np.nan)
    for row in range(len(clips)):
        record = writer.read_record(row)
        values[row] = [record.get("numbers", {}).get(name, np.nan) for name in columns]
        if problem := record.get("problem"):
            clips.loc[row, ["has_voice", "status", "reason"]] = False, "partial", problem
    writer.finish()
    numbers = pd.DataFrame(values, index=clips.index, columns=columns)
    clips[list(QUALITY)] = numbers[list(QUALITY)].round(4)
    arrays.write_clips(folder, clips)
    features = pd.concat([clips["clip_id"], numbers[list(spectra.FEATURE_NAMES)]], axis=1)
    files.write_table(folder / "features.csv", features)
    shapes = {name: shape for name, (shape, _) in writer.specs.items()}
    tables = ["features"]
    arrays.write_facts(folder, "audio", parameters=parameters, shapes=shapes, tables=tables)
    writer.discard_journal()
    return arrays.read_clips(folder)
