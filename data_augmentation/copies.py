"""Altered copies of the voices of a whole corpus, on disk as spectrograms.

Copies are made of every clip, since which clips train differs from fold to fold; only those of
training clips are ever read, see ``modeling.training.inputs.add_copies``.
"""

import time

import numpy as np
import pandas as pd

from data_augmentation import waveforms
from data_augmentation.waveforms import AUGMENTATIONS, RANGES
from preprocessing.analyse import list_voices
from preprocessing.disk import arrays
from preprocessing.disk.lock import lock_corpus
from preprocessing.voice import spectra
from preprocessing.workers.parallel import stream_results

SPECTRUM = ("n_mels", "window_ms", "hop_ms")
"""The parameters of the audio stage that a spectrogram depends on."""


@lock_corpus("copying voices", name="augmented")
def copy_corpus(
    corpus, *, n_copies=2, ranges=RANGES, probability=0.5, seed=7, keep_waveforms=False, **workers
):
    """Write altered copies of every clip's voice as ``mels_augmented.npy``, and what was done.

    The spectrograms are made as those of ``mels.npy`` were. A clip's copies depend on its voice,
    its id and the seed, not on the other clips. A clip without a voice gets silence; one that
    cannot be altered gets itself, with the reason in the table. Does nothing where the copies on
    disk were made with the same options from the same spectrograms.

    Args:
        corpus: A name of ``corpora.NAMES``, analysed before.
        n_copies: Copies of each clip.
        ranges, probability: As ``waveforms.augment_waveform`` takes them.
        seed: Another seed gives other copies.
        keep_waveforms: Whether ``waveforms_augmented.npy`` is written too, float16
            (clip, copy, sample): ``n_copies`` times half as large as ``waveforms.npy``.
        **workers: As ``index.index_corpus`` takes them.

    Returns:
        DataFrame, a row a copy, as written to ``augmented.csv``: ``clip_id``, ``copy`` from 0, the
        amount of each change (NaN where it was not made), ``reason`` (empty where all went well).

    Raises:
        FileNotFoundError: The waveforms or spectrograms have not been made.
        ValueError: An option is out of its range, or the arrays are of another state.
    """
    folder = arrays.corpus_folder(corpus)
    clips, mels = arrays.read_clips(folder), arrays.read_array(folder, "mels")
    sounds = arrays.read_array(folder, "waveforms")
    spectrum = arrays.read_facts(folder, "audio")["parameters"]
    rate_hz = spectrum["rate_hz"]
    changes = {"n_copies": n_copies, "ranges": ranges, "probability": probability}
    parameters = changes | {"seed": seed, "keep_waveforms": keep_waveforms}
    if arrays.is_current(folder, "augmented", parameters):
        print(f"{arrays.shorten_path(folder)} is up to date: same voices, same parameters.")
        return arrays.read_table(folder, "augmented")
    signature = arrays.sign_stage(folder, "augmented", parameters)
    started = time.perf_counter()
    options = changes, {name: spectrum[name] for name in SPECTRUM}
    _alter_voice(np.zeros(rate_hz, np.float32), rate_hz, (seed, ""), *options)  # compiles, checks
    shape = (len(mels), n_copies, *mels.shape[1:])
    made = {"mels_augmented": np.full(shape, spectra.FLOOR_DB, np.float32)}
    if keep_waveforms:  # rounded 66 dB below the sound
        shape = (len(sounds), n_copies, sounds.shape[1])
        made["waveforms_augmented"] = np.zeros(shape, np.float16)
    voices, ids = list_voices(clips, sounds, rate_hz), clips["clip_id"].to_list()
    rows, records = list(voices), {}
    tasks = [(voices[row], rate_hz, (seed, ids[row]), *options) for row in voices]
    workers |= {"title": "copying", "lists_errors": True}
    for task, (altered, record) in stream_results(_alter_voice, tasks, lost=_list_lost, **workers):
        row = rows[task]
        records[row] = record
        itself = {"mels_augmented": mels[row][None], "waveforms_augmented": voices[row][None]}
        for name, array in made.items():
            values = (altered or itself)[name]
            array[row, :, : values.shape[1]] = values
    done = [
        {"clip_id": ids[row], "copy": copy} | record
        for row in rows
        for copy, record in enumerate(records[row])
    ]
    columns = ["clip_id", "copy", *AUGMENTATIONS, "reason"]
    table = pd.DataFrame(done, columns=columns).round(4)
    whole = {"parameters": parameters, "arrays": made, "tables": {"augmented": table}}
    arrays.write_stage(folder, "augmented", signature=signature, **whole)
    n_failed, elapsed = (table["reason"] != "").sum(), time.perf_counter() - started
    note = f"; {n_failed} of them unaltered, see the table" if n_failed else ""
    voices = f"{len(rows)} clips with a voice, of {len(clips)}"
    print(f"{len(table)} copies of {voices}, in {elapsed:.0f} s{note}.")
    return arrays.read_table(folder, "augmented")


def _alter_voice(voice, rate_hz, seed_parts, changes, spectrum):
    """Return a voice's altered copies, arrays by name, and a record of each."""
    altered, amounts = waveforms.make_copies(voice, rate_hz, seed_parts=seed_parts, **changes)
    n_times = spectra.count_frames(len(voice), rate_hz, hop_ms=spectrum["hop_ms"])
    mels = np.zeros((len(altered), n_times, spectrum["n_mels"]), np.float32)
    for copy, waveform in enumerate(altered):
        mels[copy] = spectra.log_mel(waveform, rate_hz, **spectrum)
    records = [amount | {"reason": ""} for amount in amounts]
    return {"mels_augmented": mels, "waveforms_augmented": altered}, records


def _list_lost(reason, voice, rate_hz, seed_parts, changes, spectrum):
    """Return no arrays and records that say why."""
    return None, [{"reason": f"not altered ({reason})"} for _ in range(changes["n_copies"])]
