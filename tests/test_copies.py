"""Copies of a corpus's voices: made like the spectrograms, repeatable, failures listed."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from data_augmentation import copies, gallery, plots, waveforms
from preprocessing import corpora
from preprocessing.disk import arrays
from preprocessing.voice import spectra

matplotlib.use("Agg")

RATE = 16000
SPECTRUM = {"n_mels": 24, "window_ms": 24, "hop_ms": 12}
SECONDS = {"a": 0.4, "b": 0.25, "mute": 0.5, "c": 0.301}


def write_voices(home, monkeypatch, clip_ids=tuple(SECONDS)):
    """Write clips, waveforms and spectrograms of a corpus without any video; return its folder."""
    monkeypatch.setenv("EMOTION_HOME", str(home))
    folder = arrays.corpus_folder("folder")
    rows = [dict.fromkeys(corpora.COLUMNS, "") | {"clip_id": clip_id} for clip_id in clip_ids]
    clips = pd.DataFrame(rows).assign(status="ok", reason="")
    clips["window_s"] = [SECONDS[clip_id] for clip_id in clip_ids]
    clips["has_voice"] = clips["clip_id"] != "mute"
    arrays.write_clips(folder, clips)
    sounds = np.zeros((len(clips), RATE // 2), np.float32)
    mels = np.full((len(clips), 42, 24), spectra.FLOOR_DB, np.float32)
    for row, clip_id in enumerate(clip_ids):
        if clip_id != "mute":
            voice = make_voice(SECONDS[clip_id])
            mel = spectra.log_mel(voice, RATE, **SPECTRUM)
            sounds[row, : len(voice)], mels[row, : len(mel)] = voice, mel
    arrays.write_stage(
        folder, "waveforms", parameters={"rate_hz": RATE}, arrays={"waveforms": sounds}
    )
    parameters = SPECTRUM | {"rate_hz": RATE}
    arrays.write_stage(folder, "audio", parameters=parameters, arrays={"mels": mels})
    return folder


def make_voice(seconds):
    times = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * 180 * times) * np.hanning(len(times))).astype(np.float32)


def copy(**options):
    return copies.copy_corpus("folder", n_jobs=0, progress=False, **options)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return write_voices(tmp_path, monkeypatch)


def test_copies_without_a_change_are_the_spectrograms_themselves(folder):
    copy(n_copies=3, ranges={})
    made, mels = arrays.read_array(folder, "mels_augmented"), arrays.read_array(folder, "mels")
    assert made.shape == (4, 3, 42, 24)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, np.repeat(mels[:, None], 3, axis=1))


def test_copies_differ_from_the_clip_and_each_other_and_stay_within_its_end(folder):
    table = copy(n_copies=2, keep_waveforms=True, ranges={"noise": (10, 20)})
    made, sounds = (arrays.read_array(folder, f"{n}_augmented") for n in ("mels", "waveforms"))
    assert (made[0, 0] != made[0, 1]).any()
    for row, (clip_id, seconds) in enumerate(SECONDS.items()):
        n_samples = round(seconds * RATE)
        assert not sounds[row, :, n_samples:].any()
        assert (made[row, :, spectra.count_frames(n_samples, RATE, hop_ms=12) :] == -100).all()
        if clip_id == "mute":
            assert not sounds[row].any()
            assert (made[row] == spectra.FLOOR_DB).all()
        else:
            sound = sounds[row, 1, :n_samples].astype(np.float32)
            mel = spectra.log_mel(sound, RATE, **SPECTRUM)
            np.testing.assert_allclose(made[row, 1, : len(mel)], mel, atol=0.5)  # 16-bit sound
            assert np.abs(sounds[row, :, n_samples - 1]).min() > 0  # noise up to the end
    assert list(zip(table["clip_id"], table["copy"], strict=True)) == [
        (clip_id, number) for clip_id in "abc" for number in (0, 1)
    ]


def test_table_holds_the_amount_of_every_change_made(folder):
    table = copy(n_copies=20, probability=0.3)
    assert len(table) == 60
    assert list(table) == ["clip_id", "copy", *waveforms.AUGMENTATIONS, "reason"]
    for name, (low, high) in waveforms.RANGES.items():
        assert table[name].dropna().between(low, high).all()
    for names in [("speed",), ("room",), ("low_cut",), *waveforms.ALTERNATIVES]:
        assert 4 < table[list(names)].notna().any(axis=1).sum() < 40
    assert table[list(waveforms.RANGES)].notna().any(axis=1).all()
    assert (table["reason"] == "").all()
    assert not (folder / "waveforms_augmented.npy").exists()


def test_copies_follow_seed_and_clip_not_the_other_clips_or_workers(tmp_path, monkeypatch):
    folder = write_voices(tmp_path / "all", monkeypatch)
    first_table = copy(seed=3)
    first = np.array(arrays.read_array(folder, "mels_augmented"))
    copy(seed=4)
    assert (arrays.read_array(folder, "mels_augmented")[0] != first[0]).any()
    few = write_voices(tmp_path / "few", monkeypatch, ("c", "a"))
    table = copies.copy_corpus("folder", n_jobs=2, progress=False, seed=3)
    np.testing.assert_array_equal(arrays.read_array(few, "mels_augmented"), first[[3, 0]])
    for clip_id in "ac":
        pd.testing.assert_frame_equal(
            *(t[t["clip_id"] == clip_id].reset_index(drop=True) for t in (table, first_table))
        )


def test_current_copies_are_left_alone_and_others_rebuilt(folder, capsys):
    path = folder / "mels_augmented.npy"
    table, made = copy(), path.stat().st_mtime_ns
    again = copy()
    assert path.stat().st_mtime_ns == made
    assert "data/folder is up to date" in capsys.readouterr().out
    pd.testing.assert_frame_equal(table, again)
    copy(ranges={"gain": [-3, 3]})
    assert path.stat().st_mtime_ns > made
    assert "6 copies of 3 clips with a voice, of 4, in" in capsys.readouterr().out


def test_clip_that_cannot_be_altered_is_itself_and_listed(folder, monkeypatch, capsys):
    make_copies = waveforms.make_copies

    def fail_for_b(waveform, rate_hz, *, seed_parts, **options):
        if seed_parts[1] == "b":
            raise RuntimeError("no\nluck")
        return make_copies(waveform, rate_hz, seed_parts=seed_parts, **options)

    monkeypatch.setattr(waveforms, "make_copies", fail_for_b)
    table = copy(keep_waveforms=True)
    failed = table[table["reason"] != ""]
    assert list(failed["clip_id"]) == ["b", "b"]
    assert set(failed["reason"]) == {"not altered (RuntimeError: no luck)"}
    assert failed[list(waveforms.RANGES)].isna().all(axis=None)
    assert "2 of them unaltered" in capsys.readouterr().out
    for name in ("mels", "waveforms"):
        made = arrays.read_array(folder, f"{name}_augmented")[1]
        itself = arrays.read_array(folder, name)[1].astype(made.dtype)
        np.testing.assert_array_equal(made, [itself] * 2)


def test_no_copies_are_an_empty_array(folder):
    assert len(copy(n_copies=0)) == 0
    assert arrays.read_array(folder, "mels_augmented").shape == (4, 0, 42, 24)


def test_unknown_change_stops_before_any_clip(folder):
    with pytest.raises(ValueError, match="Unknown augmentation echo"):
        copy(ranges={"echo": (0, 1)})
    assert not (folder / "augmented.json").exists()


def test_changes_work_on_arrays_read_from_disk(folder):
    voice = arrays.read_array(folder, "waveforms")[0]
    for name, (_, high) in waveforms.RANGES.items():
        rng = np.random.default_rng(0)
        assert len(waveforms.make_change(voice, RATE, name, high, rng=rng)) == len(voice)


def test_amounts_are_drawn_in_a_panel_per_change(folder):
    table = copy(n_copies=4)
    for rows in (table, table[:0]):
        axes = plots.plot_amounts(rows, waveforms.RANGES)
        assert len(axes) == len(waveforms.RANGES)
        assert "speed" in axes[0].get_title()
        plt.close(axes[0].figure)


def test_waveform_gallery_has_a_panel_each():
    voices = {"original": make_voice(0.2), "louder": 2 * make_voice(0.2)}
    axes = plots.plot_waveform_gallery(voices, RATE)
    assert [ax.get_title() for ax in axes] == list(voices)
    assert axes[0].get_ylim() == axes[1].get_ylim()
    plt.close(axes[0].figure)


def test_pictures_are_written_whole_and_shown_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    ax = plt.figure().subplots()
    picture = gallery.save_picture(ax, "a")
    assert capsys.readouterr().out == "saved data_augmentation/gallery/a.png\n"
    [path] = (tmp_path / gallery.FOLDER).iterdir()
    assert path.read_bytes() == picture.data
    assert not plt.fignum_exists(ax.figure.number)


def test_copies_of_voices_that_were_made_anew_meanwhile_are_refused(folder, monkeypatch):
    def alter_and_change(*arguments):
        sounds = np.array(arrays.read_array(folder, "waveforms")) / 2
        made = {"parameters": {"rate_hz": RATE, "trim": True}, "arrays": {"waveforms": sounds}}
        arrays.write_stage(folder, "waveforms", **made)
        return alter(*arguments)

    alter = copies._alter_voice
    monkeypatch.setattr(copies, "_alter_voice", alter_and_change)
    with pytest.raises(ValueError, match="The audio changed while augmented was made. Run"):
        copy(n_copies=1)
    assert not (folder / "augmented.json").exists()
