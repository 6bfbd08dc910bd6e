import errno
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing import arrays, corpora
from preprocessing.resumable import JOURNAL, ResumableArrays


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


SPECS = {"faces": ((5, 2, 3), np.uint8), "waveforms": ((5, 4), np.float32)}


def make_row(row):
    return {"faces": np.full((2, 3), row + 1), "waveforms": np.full(4, row + 0.5)}


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(5)), cut=st.integers(0, 5), torn=st.integers(0, 30))
def test_rows_survive_a_kill_at_any_point(tmp_path_factory, order, cut, torn):
    folder = tmp_path_factory.mktemp("arrays")
    writer = ResumableArrays(folder, SPECS, "signature")
    for row in order[:cut]:
        writer.write_row(row, make_row(row), {"row": row})
        writer.commit()
    writer.close()
    journal = folder / JOURNAL
    journal.write_bytes(journal.read_bytes()[: max(0, journal.stat().st_size - torn)])
    writer = ResumableArrays(folder, SPECS, "signature")
    assert all(writer.records[row] == {"row": row} for row in writer.records)
    assert len(writer.records) >= cut - 1 - torn // 10
    for row in set(order) - set(writer.records):
        writer.write_row(row, make_row(row), {"row": row})
    writer.finish()
    for row in range(5):
        for name, values in make_row(row).items():
            assert (np.load(folder / f"{name}.npy")[row] == values).all()
    assert not list(folder.glob("*.partial"))


def test_rows_of_another_signature_are_discarded(tmp_path):
    writer = ResumableArrays(tmp_path, SPECS, "old")
    writer.write_row(0, make_row(0), {})
    writer.commit()
    writer.close()
    assert ResumableArrays(tmp_path, SPECS, "new").records == {}


def test_kill_between_the_renames_loses_nothing(tmp_path):
    writer = ResumableArrays(tmp_path, SPECS, "s")
    for row in range(5):
        writer.write_row(row, make_row(row), {})
    writer.finish()
    (tmp_path / "faces.npy").rename(tmp_path / "faces.npy.partial")
    again = ResumableArrays(tmp_path, SPECS, "s")
    assert sorted(again.records) == [0, 1, 2, 3, 4]
    again.finish()
    assert (np.load(tmp_path / "faces.npy")[:, 0, 0] == [1, 2, 3, 4, 5]).all()


WRITE_FOREVER = """
import sys, numpy as np
from preprocessing.resumable import ResumableArrays
writer = ResumableArrays(sys.argv[1], {"faces": ((100000, 64), np.uint8)}, "s")
for row in range(len(writer.records), 100000):
    writer.write_row(row, {"faces": np.full(64, row % 251)}, {})
    writer.commit()
    print(row, flush=True)
"""


def test_sigkill_loses_at_most_the_row_in_flight(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, tmp_path], stdout=subprocess.PIPE, text=True
    )
    said = [int(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    said += [int(line) for line in process.stdout.read().split()]
    process.wait()
    writer = ResumableArrays(tmp_path, {"faces": ((100000, 64), np.uint8)}, "s")
    assert set(said) <= set(writer.records)
    rows = np.memmap(tmp_path / "faces.npy.partial", np.uint8, "r", offset=128).reshape(-1, 64)
    for row in writer.records:
        assert (rows[row] == row % 251).all()


FILL_DISK = """
import resource, signal, sys, numpy as np
from preprocessing import arrays
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
