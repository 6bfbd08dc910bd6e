import errno
import json
import os
import re
import subprocess
import sys
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing import corpora
from preprocessing.disk import arrays
from preprocessing.disk.resumable import ResumableArrays
from tests.made_corpus import write_made_corpus


def make_clips(n_clips=3):
    """Return a small table of clips."""
    rows = [
        dict.fromkeys(corpora.COLUMNS, "")
        | {"clip_id": f"{i:02d}", "actor": f"{i:02d}", "emotion": "happy", "video_bytes": 1}
        for i in range(n_clips)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def folder(tmp_path):
    arrays.write_clips(tmp_path, make_clips())
    return tmp_path


def write_waveforms(folder, parameters, n_clips=3):
    waveforms = np.ones((n_clips, 8), np.float32)
    arrays.write_stage(folder, "waveforms", parameters=parameters, arrays={"waveforms": waveforms})


def test_ids_and_actors_stay_text(folder):
    clips = arrays.read_clips(folder)
    assert list(clips["clip_id"]) == ["00", "01", "02"]
    assert list(clips["actor"]) == ["00", "01", "02"]
    assert (clips["video"] == "").all()


def test_duplicate_clip_ids_are_refused(tmp_path):
    with pytest.raises(ValueError, match="found twice: 00"):
        arrays.write_clips(tmp_path, pd.concat([make_clips(), make_clips()]))


def test_missing_index_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="10_corpus"):
        arrays.read_clips(tmp_path)


def test_stage_is_current_only_with_its_parameters(folder):
    write_waveforms(folder, {"rate_hz": 16000})
    assert arrays.is_current(folder, "waveforms", {"rate_hz": 16000})
    assert not arrays.is_current(folder, "waveforms", {"rate_hz": 8000})
    (folder / "waveforms.npy").unlink()
    assert not arrays.is_current(folder, "waveforms", {"rate_hz": 16000})


def test_arrays_of_other_clips_are_refused(folder):
    write_waveforms(folder, {})
    assert arrays.read_array(folder, "waveforms").shape == (3, 8)
    arrays.write_clips(folder, make_clips().assign(emotion="sad"))
    with pytest.raises(ValueError, match="Rerun preprocessing/11_faces"):
        arrays.read_array(folder, "waveforms")


def test_quality_columns_do_not_make_arrays_stale(folder):
    write_waveforms(folder, {})
    arrays.write_clips(folder, arrays.read_clips(folder).assign(status="ok", has_voice=True))
    assert arrays.is_current(folder, "waveforms", {})


def test_remade_upstream_makes_a_stage_stale(folder):
    write_waveforms(folder, {"rate_hz": 16000})
    mels = np.zeros((3, 4, 5), np.float32)
    arrays.write_stage(folder, "audio", parameters={}, arrays={"mels": mels})
    assert arrays.read_array(folder, "mels").shape == (3, 4, 5)
    write_waveforms(folder, {"rate_hz": 8000})
    with pytest.raises(ValueError, match="Rerun preprocessing/12_audio"):
        arrays.read_array(folder, "mels")


def test_array_with_wrong_number_of_rows_is_refused(folder):
    with pytest.raises(ValueError, match=r"2 rows; clips\.csv has 3"):
        write_waveforms(folder, {}, n_clips=2)


def test_facts_name_axes_counts_and_versions(folder):
    write_waveforms(folder, {"rate_hz": 16000})
    facts = json.loads((folder / "waveforms.json").read_text())
    assert facts["axes"] == {"waveforms": ["clip", "sample"]}
    assert facts["clips_per_emotion"] == {"happy": 3}
    assert "numpy" in facts["versions"]


def test_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path):
    arrays.write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        arrays.write_json(tmp_path / "a.json", {"new": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


JOURNAL = "rows.journal"
SPECS = {"faces": ((5, 2, 3), np.uint8), "waveforms": ((5, 4), np.float32)}


def make_row(row):
    return {"faces": np.full((2, 3), row + 1), "waveforms": np.full(4, row + 0.5)}


def list_done(writer, n_rows=5):
    return {row for row in range(n_rows) if writer.is_done(row)}


@settings(max_examples=60, deadline=None)
@given(
    order=st.permutations(range(5)),
    cut=st.integers(0, 5),
    torn=st.integers(0, 300),
    victim=st.sampled_from([JOURNAL, "faces.npy.partial", "waveforms.npy.partial"]),
)
def test_rows_survive_a_file_cut_short_at_any_point(tmp_path_factory, order, cut, torn, victim):
    folder = tmp_path_factory.mktemp("arrays")
    writer = ResumableArrays(folder, SPECS, "signature", journal=JOURNAL)
    for row in order[:cut]:
        writer.write_row(row, make_row(row), {"row": row})
    writer.close()
    victim = folder / victim
    victim.write_bytes(victim.read_bytes()[: max(0, victim.stat().st_size - torn)])
    writer = ResumableArrays(folder, SPECS, "signature", journal=JOURNAL)
    assert list_done(writer) <= set(order[:cut])
    assert torn or list_done(writer) == set(order[:cut])
    for row in list_done(writer):
        assert writer.read_record(row) == {"row": row}
    for row in set(order) - list_done(writer):
        writer.write_row(row, make_row(row), {"row": row})
    writer.finish()
    writer.discard_journal()
    for row in range(5):
        for name, values in make_row(row).items():
            assert (np.load(folder / f"{name}.npy")[row] == values).all()
    assert sorted(path.name for path in folder.iterdir()) == ["faces.npy", "waveforms.npy"]


def test_only_the_rows_that_were_cut_off_are_made_anew(tmp_path):
    with closing(ResumableArrays(tmp_path, SPECS, "s", journal=JOURNAL)) as writer:
        for row in range(5):
            writer.write_row(row, make_row(row), {})
    path = tmp_path / "waveforms.npy.partial"
    path.write_bytes(path.read_bytes()[:-20])  # the last row and a part of the one before it
    with closing(ResumableArrays(tmp_path, SPECS, "s", journal=JOURNAL)) as writer:
        assert list_done(writer) == {0, 1, 2}


@pytest.mark.parametrize(
    "line", ["7", "{}", '{"row": 1}', '{"row": 9, "crc32": {}, "record": {}}', '{"row": 1, "crc32"']
)
def test_a_line_that_is_no_entry_costs_no_row_that_is_whole(tmp_path, line):
    with closing(ResumableArrays(tmp_path, SPECS, "s", journal=JOURNAL)) as writer:
        writer.write_row(0, make_row(0), {})
    with (tmp_path / JOURNAL).open("a") as journal:
        journal.write(f"{line}\n")
    with closing(ResumableArrays(tmp_path, SPECS, "s", journal=JOURNAL)) as writer:
        assert list_done(writer) == {0}


def test_rows_of_another_signature_are_discarded(tmp_path):
    with closing(ResumableArrays(tmp_path, SPECS, "old", journal=JOURNAL)) as writer:
        writer.write_row(0, make_row(0), {})
    with closing(ResumableArrays(tmp_path, SPECS, "new", journal=JOURNAL)) as writer:
        assert writer.n_done == 0


def test_kill_between_the_renames_loses_nothing(tmp_path):
    with closing(ResumableArrays(tmp_path, SPECS, "s", journal=JOURNAL)) as writer:
        for row in range(5):
            writer.write_row(row, make_row(row), {})
        writer.finish()
    (tmp_path / "faces.npy").rename(tmp_path / "faces.npy.partial")
    with closing(ResumableArrays(tmp_path, SPECS, "s", journal=JOURNAL)) as again:
        assert list_done(again) == {0, 1, 2, 3, 4}
        again.finish()
    assert (np.load(tmp_path / "faces.npy")[:, 0, 0] == [1, 2, 3, 4, 5]).all()


def test_array_that_was_cut_short_afterwards_is_neither_read_nor_current(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    folder = write_made_corpus(tmp_path, actors=range(1, 3))
    parameters = arrays.read_facts(folder, "faces")["parameters"]
    assert arrays.is_current(folder, "faces", parameters)
    path = folder / "faces.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert not arrays.is_current(folder, "faces", parameters)
    with pytest.raises(ValueError, match=r"faces.npy .* not whole.*11_faces"):
        arrays.read_array(folder, "faces")


def test_facts_that_were_cut_short_count_as_absent(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    folder = write_made_corpus(tmp_path, actors=range(1, 3))
    parameters = arrays.read_facts(folder, "faces")["parameters"]
    (folder / "faces.json").write_text('{"stage": "fa')
    assert not arrays.is_current(folder, "faces", parameters)


FILL_DISK = """
import resource, signal, sys, numpy as np
from preprocessing.disk import arrays
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
arrays.write_array(sys.argv[1], np.ones(100000))
"""


def test_full_disk_is_an_error_and_leaves_the_old_array(tmp_path):
    path = tmp_path / "faces.npy"
    arrays.write_array(path, np.zeros(3))
    done = subprocess.run([sys.executable, "-c", FILL_DISK, path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "OSError" in done.stderr
    assert os.strerror(errno.EFBIG) in done.stderr or "requested and" in done.stderr
    assert np.load(path).shape == (3,)
    assert [p.name for p in tmp_path.iterdir()] == ["faces.npy"]


def test_same_input_writes_the_same_facts(folder):
    write_waveforms(folder, {})
    before = (folder / "waveforms.json").read_text()
    write_waveforms(folder, {})
    assert (folder / "waveforms.json").read_text() == before


def test_changed_clips_make_every_stage_above_them_stale(folder):
    write_waveforms(folder, {})
    mels = np.zeros((3, 4, 5), np.float32)
    arrays.write_stage(folder, "audio", parameters={}, arrays={"mels": mels})
    arrays.write_clips(folder, make_clips().assign(emotion="sad"))
    assert not arrays.is_current(folder, "audio", {})
    with pytest.raises(ValueError, match="Rerun preprocessing/12_audio"):
        arrays.read_array(folder, "mels")


def make_index(rows):
    """Return clips of (id, actor, emotion, bytes of the video, bytes of the audio)."""
    names = ["clip_id", "actor", "emotion", "video_bytes", "audio_bytes"]
    return pd.DataFrame(rows, columns=names).assign(status="indexed", intensity="")


def test_examples_are_of_different_emotions_and_of_one_actor():
    clips = make_index(
        [
            (f"{actor}-{e}-{take}", actor, e, 9, 9)
            for actor in "12"
            for e in ("sad", "happy", "neutral")
            for take in "ab"
        ]
    )
    assert arrays.choose_examples(clips, 3) == ["1-happy-a", "1-sad-a", "1-neutral-a"]
    assert arrays.choose_examples(clips, 4)[3] == "1-happy-b"
    clips["intensity"] = ["strong" if name.endswith("b") else "" for name in clips["clip_id"]]
    assert arrays.choose_examples(clips, 3) == ["1-happy-b", "1-sad-b", "1-neutral-b"]


def test_examples_have_both_modalities_where_any_clip_has():
    rows = [("a", "1", "happy", 0, 9), ("b", "2", "happy", 9, 9), ("c", "1", "sad", 9, 0)]
    assert arrays.choose_examples(make_index(rows)) == ["b"]
    assert arrays.choose_examples(make_index([rows[0], rows[2]])) == ["a", "c"]


def test_examples_do_not_depend_on_later_columns_or_on_the_order_of_rows():
    clips = make_index([(f"{i}", f"{i % 3}", "sad", 9, 9) for i in range(9)])
    shuffled = clips.sample(frac=1, random_state=1).assign(status="ok", has_face=False)
    assert arrays.choose_examples(shuffled) == arrays.choose_examples(clips) == ["0", "3", "6", "1"]


def test_examples_can_be_read_where_any_clip_can():
    clips = make_index([(f"{i}", "1", "sad", 9, 9) for i in range(3)])
    assert arrays.choose_examples(clips.assign(status=["failed", "ok", "ok"])) == ["1", "2"]
    assert arrays.choose_examples(clips.assign(status="failed")) == ["0", "1", "2"]


def test_duration_is_said_in_words():
    assert re.fullmatch(r"\d+ s on (1 core|\d+ cores)", arrays.say_duration())
