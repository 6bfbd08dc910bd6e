"""From files to arrays: indexing and extraction, on good clips and on broken ones."""

import numpy as np
import pandas as pd
import pytest

from opencv_model import resnet_ssd
from preprocessing import extract, index
from preprocessing.disk import arrays
from tests import broken_media

ONE_FACE, TWO_FACES, NO_FACE, BREAKS = (64, 48), (96, 48), (32, 32), (48, 32)
"""Sizes of frames: what the fake detector goes by."""

FAILURES = {
    # name: (status, has a face, has a voice, what the reason says)
    "good": ("ok", True, True, "^$"),
    "ünï cödé/ein Clip ☺": ("ok", True, True, "^$"),
    "two_faces": ("ok", True, True, "^$"),
    "one_frame": ("ok", True, True, "sound from 0.04 to .* is without picture: not read"),
    "no_face": ("partial", False, True, "no face in 4 frames"),
    "no_audio": ("partial", True, False, "no audio stream"),
    "silent": ("partial", True, False, "silent audio"),
    "no_video": ("partial", False, True, "no video stream"),
    "cut_short": ("ok", True, True, "truncated"),
    "truncated": ("failed", False, False, "damaged at its start"),
    "empty": ("failed", False, False, "0 bytes"),
    "text": ("failed", False, False, "not a media file"),
    "missing": ("failed", False, False, "no such file"),
    "breaks": ("partial", False, True, "RuntimeError: detector broke"),
}


class FakeDetector:
    """Finds a face, two or none by the width of the frame; breaks on one width."""

    name = "fake"
    weights_sha256 = "0" * 64

    def detect(self, frame):
        if frame.shape[1] == BREAKS[0]:
            raise RuntimeError("detector broke")
        n_faces = {ONE_FACE[0]: 1, TWO_FACES[0]: 2}.get(frame.shape[1], 0)
        boxes = [[8 + 44 * i, 8, 40 + 44 * i, 40, 0.9] for i in range(n_faces)]
        return np.array(boxes, np.float32).reshape(-1, 5)


def write_files(folder):
    """Write a clip for each name of ``FAILURES`` but ``missing``."""
    (folder / "ünï cödé").mkdir(parents=True)
    half = {"duration_s": 0.5, "size": ONE_FACE}
    for name in ("good", "ünï cödé/ein Clip ☺", "truncated"):
        broken_media.write_clip(folder / f"{name}.mp4", **half)
    broken_media.truncate(folder / "truncated.mp4", 0.5)
    broken_media.write_clip(folder / "two_faces.mp4", duration_s=0.5, size=TWO_FACES)
    broken_media.write_clip(folder / "no_face.mp4", duration_s=0.5, size=NO_FACE)
    broken_media.write_clip(folder / "breaks.mp4", duration_s=0.5, size=BREAKS)
    broken_media.write_clip(folder / "one_frame.mp4", frame_times=[0.0], **half)
    broken_media.write_clip(folder / "no_audio.mp4", audio=None, **half)
    broken_media.write_clip(folder / "no_video.mp4", video=None, **half)
    broken_media.write_clip(folder / "silent.mp4", tone=0.0, **half)
    cut = broken_media.write_faststart_mp4(folder / "cut_short.mp4", duration_s=4, size=ONE_FACE)
    broken_media.truncate(cut, 0.6)
    broken_media.write_empty(folder / "empty.mp4")
    broken_media.write_text(folder / "text.mp4")


def write_list(folder, names):
    """Write the CSV of a folder corpus, each clip one file with picture and sound."""
    rows = [
        {"video": f"{name}.mp4", "audio": f"{name}.mp4", "emotion": "happy", "actor": str(i)}
        | {"clip_id": f"{i:02d}"}
        for i, name in enumerate(names)
    ]
    pd.DataFrame(rows).to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


@pytest.fixture(scope="module")
def media_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    write_files(folder)
    return folder


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def extracted(media_folder, module_patch, tmp_path_factory):
    """Return the corpus folder of all clips, extracted with four frames each."""
    module_patch.setenv("EMOTION_HOME", str(tmp_path_factory.mktemp("home")))
    module_patch.setattr(resnet_ssd, "open_detector", lambda *_, **__: FakeDetector())
    index.index_corpus("folder", write_list(media_folder, FAILURES), n_jobs=0, progress=False)
    run_extraction()
    return arrays.corpus_folder("folder")


def run_extraction(**choices):
    choices = extract.Choices(**{"n_frames": 4, "size": 16} | choices)
    return extract.extract_corpus("folder", choices, n_jobs=0, progress=False)


def read_bytes(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_wrong_with_a_clip_is_listed_and_the_run_goes_on(extracted, name):
    clip = arrays.read_clips(extracted).iloc[list(FAILURES).index(name)]
    status, has_face, has_voice, reason = FAILURES[name]
    assert (clip["status"], clip["has_face"], clip["has_voice"]) == (status, has_face, has_voice)
    assert pd.Series([clip["reason"]]).str.contains(reason).all(), clip["reason"]
    assert str(extracted) not in clip["reason"]
    assert "\n" not in clip["reason"]


def test_rows_without_a_modality_are_zeros_and_the_others_are_not(extracted):
    clips = arrays.read_clips(extracted)
    for name, column in (("faces", "has_face"), ("waveforms", "has_voice")):
        array = arrays.read_array(extracted, name)
        assert array.any(axis=tuple(range(1, array.ndim))).tolist() == clips[column].tolist()


def test_failures_are_a_table_with_file_and_reason(extracted):
    failures = extract.list_failures(arrays.read_clips(extracted))
    assert len(failures) == sum(reason != "^$" for *_, reason in FAILURES.values())
    assert (failures["reason"] != "").all()


def test_every_frame_of_every_face_has_a_row(extracted):
    table, clips = arrays.read_table(extracted, "face_quality"), arrays.read_clips(extracted)
    assert table.groupby("clip_id").size().eq(4).all()
    assert set(table["clip_id"]) == set(clips["clip_id"][clips["has_face"]])
    times = arrays.read_array(extracted, "face_times")[clips["has_face"]]
    assert np.allclose(table["time_s"], times.ravel(), atol=1e-3)


def test_two_faces_are_counted(extracted):
    n_faces = arrays.read_clips(extracted)["n_faces"]
    assert n_faces[list(FAILURES).index("two_faces")] == 2
    assert n_faces[list(FAILURES).index("good")] == 1


def test_facts_name_the_detector_and_the_choices(extracted):
    facts = arrays.read_facts(extracted, "faces")
    assert facts["detector"] == "fake"
    assert facts["parameters"]["detector_sha256"] == "0" * 64
    assert facts["parameters"]["n_frames"] == 4
    assert facts["axes"]["faces"] == ["clip", "time", "height", "width"]
    assert arrays.read_facts(extracted, "waveforms")["parameters"]["rate_hz"] == 16000


def test_nothing_is_done_twice(extracted, capsys):
    before = {path.name: path.stat().st_mtime_ns for path in extracted.glob("[!.]*")}
    run_extraction()
    assert "up to date" in capsys.readouterr().out
    assert before == {path.name: path.stat().st_mtime_ns for path in extracted.glob("[!.]*")}


def test_other_parameters_rebuild_and_the_same_ones_give_the_same_bytes(extracted):
    before = read_bytes(extracted)
    clips = run_extraction(n_frames=3, grey=False)
    assert arrays.read_array(extracted, "faces").shape == (len(clips), 3, 16, 16, 3)
    run_extraction()
    assert read_bytes(extracted) == before


def test_longer_window_than_the_clips_is_padded(extracted):
    run_extraction(window_s=1.0)
    waveforms = arrays.read_array(extracted, "waveforms")
    assert waveforms.shape[1] == 16000
    assert waveforms[0, 4000] != 0
    assert not waveforms[0, 9000:].any()
    run_extraction()


def test_other_clips_rebuild(extracted, media_folder):
    source = write_list(media_folder, ["good", "two_faces"])
    index.index_corpus("folder", source, n_jobs=0, progress=False)
    with pytest.raises(ValueError, match="Rerun preprocessing/11_faces"):
        arrays.read_array(extracted, "waveforms")
    run_extraction()
    assert arrays.read_array(extracted, "waveforms").shape[0] == 2
    index.index_corpus("folder", write_list(media_folder, FAILURES), n_jobs=0, progress=False)
    run_extraction()


def test_detector_that_cannot_be_had_stops_before_any_work(extracted, monkeypatch):
    def refuse(*_, **__):
        raise resnet_ssd.DetectorError("no weights")

    before = read_bytes(extracted)
    monkeypatch.setattr(resnet_ssd, "open_detector", refuse)
    with pytest.raises(resnet_ssd.DetectorError):
        run_extraction(detector="resnet_ssd")
    assert read_bytes(extracted) == before


def test_indexing_again_keeps_what_extraction_found(extracted, media_folder):
    before = read_bytes(extracted)
    source = write_list(media_folder, FAILURES)
    clips = index.index_corpus("folder", source, n_jobs=0, progress=False)
    assert clips["has_face"].sum() > 0
    assert read_bytes(extracted) == before


def test_index_reads_headers_and_names_what_cannot_be_read(media_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    source = write_list(media_folder, FAILURES)
    clips = index.index_corpus("folder", source, n_jobs=0, progress=False)
    clips.index = list(FAILURES)
    assert clips["duration_s"]["good"] == pytest.approx(0.5, abs=0.06)
    assert clips["fps"]["good"] == pytest.approx(25)
    failed = {"truncated", "empty", "text", "missing"}
    assert set(clips.index[clips["status"] == "failed"]) == failed
    assert clips["reason"]["no_audio"] == "no audio stream"
    assert (clips["reason"][sorted(failed)] != "").all()
    assert index.read_base("folder") == media_folder


def test_duplicate_clip_ids_are_refused(media_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    source = write_list(media_folder, ["good", "two_faces"])
    source.write_text(source.read_text("utf-8").replace("01\n", "00\n"), "utf-8")
    with pytest.raises(ValueError, match="'00' is not the only one"):
        index.index_corpus("folder", source, n_jobs=0, progress=False)
    assert not (tmp_path / "data" / "folder" / "clips.csv").exists()


def test_extraction_without_an_index_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="10_corpus"):
        run_extraction()


@pytest.mark.parametrize(
    ("durations", "asked", "window_s"),
    [([1.0, 2.31], 0, 2.4), ([1.0], 3, 3.0), ([90.0], 0, 6.0), ([np.nan], 0, 1.0)],
)
def test_window_is_the_longest_clip_unless_asked(durations, asked, window_s):
    clips = pd.DataFrame({"duration_s": durations})
    assert extract.choose_window(clips, asked) == pytest.approx(window_s)


def test_examples_that_cannot_be_read_are_named_and_left_out(extracted, monkeypatch, capsys):
    clips = arrays.read_clips(extracted)
    ids = arrays.choose_examples(clips)
    read_clip = index.decode.read_clip

    def fail_on_the_second(video, audio, **options):
        if video.as_posix().endswith(clips.set_index("clip_id")["video"][ids[1]]):
            raise index.decode.MediaError("made to fail")
        return read_clip(video, audio, **options)

    monkeypatch.setattr(index.decode, "read_clip", fail_on_the_second)
    examples = index.read_examples("folder", clips, n_frames=2)
    assert list(examples) == [ids[0], *ids[2:]]
    assert f"{ids[1]} cannot be read: made to fail" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"size": 0}, "size = 0; expected 1 or more"),
        ({"n_frames": -3}, "n_frames = -3"),
        ({"window_s": float("nan")}, "window_s = nan"),
        ({"min_confidence": 1.5}, "expected 0 to 1"),
    ],
)
def test_choices_with_which_every_clip_would_fail_are_refused(choice, words):
    with pytest.raises(ValueError, match=words):
        extract.Choices(**choice)
