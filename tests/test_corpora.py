"""The corpora on disk: what an index lists, what a validation names, what bad input says."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modeling.split.folds import PROTOCOLS
from preprocessing import corpora
from preprocessing.corpora import corpus, crema_d, folder, headers, ravdess

MP4 = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08moov" + b"\0\0\0\x08mdat"
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + b"\0" * 24
FLAC = b"fLaC\0\0\0\x22"
FLV = b"FLV\x01\x05\0\0\0\x09"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 72862\n"
ENDINGS = sorted(ending for endings, _ in headers.KINDS.values() for ending in endings)
TEMPORARY = tempfile.TemporaryDirectory()
CONTENT = {".mp4": MP4, ".wav": WAV, ".flac": FLAC, ".flv": FLV}


def make_file(path, content=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT[path.suffix.lower()] if content is None else content)
    return path


def make_actor(root, actor="01", modalities=("01", "03")):
    endings = {"01": "mp4", "02": "mp4", "03": "wav"}
    for clip_id in ravdess.list_clip_ids(actor):
        for modality in modalities:
            make_file(root / f"Actor_{actor}" / f"{modality}-{clip_id}.{endings[modality]}")


def list_found(table, problem):
    return table.loc[table["problem"] == problem, "file"].tolist()


@pytest.mark.parametrize("name", corpora.NAMES)
def test_every_corpus_has_the_same_anatomy(name):
    found = corpora.get(name)
    assert isinstance(found, corpus.Corpus)
    for fact in ("title", "licence", "citation", "how_to_get", "protocol"):
        assert isinstance(getattr(found, fact), str)
    assert found.protocol in PROTOCOLS
    assert found.index.__doc__ and found.validate.__doc__


def test_facts_are_known_without_the_code_that_opens_clips():
    code = (
        "import sys\nfrom preprocessing.corpora import get, ravdess\n"
        "assert get('ravdess').protocol and ravdess.read_clip_id('01-06-01-02-01-12')\n"
        "sys.exit(any(name.startswith('preprocessing.clips') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# RAVDESS


def test_whole_actor_gives_sixty_clips_and_no_problem(tmp_path):
    make_actor(tmp_path)
    clips = ravdess.CORPUS.index(tmp_path)
    assert list(clips.columns) == list(corpora.COLUMNS)
    assert clips["clip_id"].is_monotonic_increasing and clips["clip_id"].is_unique
    assert len(clips) == 60
    counts = clips["emotion"].value_counts()
    assert counts["neutral"] == 4 and (counts.drop("neutral") == 8).all()
    assert all(isinstance(value, str) for value in clips.to_numpy().ravel())
    assert ravdess.CORPUS.validate(tmp_path).empty


def test_name_is_read_into_every_column(tmp_path):
    make_file(tmp_path / "Actor_12/01-01-06-02-02-01-12.mp4")
    assert ravdess.CORPUS.index(tmp_path).iloc[0].to_dict() == {
        "clip_id": "01-06-02-02-01-12",
        "video": "Actor_12/01-01-06-02-02-01-12.mp4",
        "audio": "Actor_12/01-01-06-02-02-01-12.mp4",
        "emotion": "fearful",
        "actor": "12",
        "gender": "female",
        "intensity": "strong",
        "statement": "dogs",
        "repetition": "1",
    }


@pytest.mark.parametrize(
    ("modalities", "video", "audio"),
    [
        (("01", "02", "03"), "01", "01"),
        (("01", "03"), "01", "01"),
        (("02", "03"), "02", "03"),
        (("03",), "", "03"),
        (("02",), "02", ""),
    ],
)
def test_files_of_a_take_are_one_clip(tmp_path, modalities, video, audio):
    make_actor(tmp_path, modalities=modalities)
    clips = ravdess.CORPUS.index(tmp_path)
    assert len(clips) == 60
    for column, modality in (("video", video), ("audio", audio)):
        names = clips[column].str.rsplit("/").str[-1].str[:2]
        assert (names == modality).all()


def test_zip_folders_unicode_spaces_and_capitals(tmp_path):
    root = tmp_path / "Gefühle, two words"
    make_file(root / "Video_Speech_Actor_01/Actor_01/02-01-03-01-01-01-01.MP4", MP4)
    make_file(root / "Audio_Speech_Actors_01-24/Actor_01/03-01-03-01-01-01-01.FLAC", FLAC)
    (clip,) = ravdess.CORPUS.index(root).itertuples()
    assert clip.video == "Video_Speech_Actor_01/Actor_01/02-01-03-01-01-01-01.MP4"
    assert clip.audio == "Audio_Speech_Actors_01-24/Actor_01/03-01-03-01-01-01-01.FLAC"


def test_copies_are_one_clip_and_surplus(tmp_path):
    make_actor(tmp_path, modalities=("03",))
    copy = make_file(tmp_path / "backup/Actor_01/03-01-03-01-01-01-01.wav")
    flac = make_file(tmp_path / "Actor_01/03-01-03-01-01-01-01.flac")
    clips = ravdess.CORPUS.index(tmp_path)
    assert len(clips) == 60
    assert "Actor_01/03-01-03-01-01-01-01.wav" in set(clips["audio"])
    table = ravdess.CORPUS.validate(tmp_path)
    assert set(list_found(table, "surplus")) == {
        copy.relative_to(tmp_path).as_posix(),
        flac.relative_to(tmp_path).as_posix(),
    }


def test_songs_and_litter_are_passed_over(tmp_path):
    make_actor(tmp_path)
    make_file(tmp_path / "Actor_01/03-02-03-01-01-01-01.wav")
    make_file(tmp_path / "__MACOSX/Actor_01/03-01-03-01-01-01-01.wav")
    make_file(tmp_path / "Actor_01/._03-01-03-01-01-01-01.wav")
    make_file(tmp_path / "Actor_02.partial/03-01-03-01-01-01-02.wav")
    (tmp_path / "notes.txt").write_text("mine")
    assert len(ravdess.CORPUS.index(tmp_path)) == 60
    assert ravdess.CORPUS.validate(tmp_path).empty


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("03-01-09-01-01-01-01.wav", "emotion code 09"),
        ("03-01-03-01-01-01-25.wav", "actor code 25"),
        ("03-01-01-02-01-01-01.wav", "neutral"),
        ("01-01-03-01-01-01-01.wav", "modality 01 is a .mp4"),
        ("03-01-03-01-01-01-01 (1).wav", "not a RAVDESS name"),
    ],
)
def test_unknown_codes_are_named_and_skipped(tmp_path, name, reason):
    make_actor(tmp_path)
    make_file(tmp_path / "Actor_01" / name)
    assert len(ravdess.CORPUS.index(tmp_path)) == 60
    (row,) = ravdess.CORPUS.validate(tmp_path).itertuples()
    assert (row.file, row.problem) == (f"Actor_01/{name}", "unknown")
    assert reason in row.detail


def test_missing_takes_and_modalities_are_named(tmp_path):
    make_actor(tmp_path, "01")
    make_actor(tmp_path, "02")
    for modality, ending in (("01", "mp4"), ("03", "wav")):
        (tmp_path / f"Actor_01/{modality}-01-05-01-01-01-01.{ending}").unlink()
    (tmp_path / "Actor_01/01-01-06-01-01-01-01.mp4").unlink()
    table = ravdess.CORPUS.validate(tmp_path)
    assert list_found(table, "missing") == ["01-05-01-01-01-01", "01-06-01-01-01-01"]
    assert "picture" in table["detail"].iloc[1]


def test_what_most_of_an_actor_lacks_is_one_row(tmp_path):
    make_actor(tmp_path, "01")
    make_actor(tmp_path, "02", modalities=("03",))
    make_file(tmp_path / "Actor_03/01-01-03-01-01-01-03.mp4")
    table = ravdess.CORPUS.validate(tmp_path)
    assert list_found(table, "missing") == ["actor 02", "actor 03"]
    assert "60 of 60 clips have no picture" in table["detail"].iloc[0]
    assert "59 of 60 takes" in table["detail"].iloc[1]


def test_recordings_alone_are_one_row(tmp_path):
    make_actor(tmp_path, "01", modalities=("03",))
    make_actor(tmp_path, "02", modalities=("03",))
    assert list_found(ravdess.CORPUS.validate(tmp_path), "missing") == ["all actors"]


def test_unreadable_files_are_named(tmp_path):
    make_actor(tmp_path)
    make_file(tmp_path / "Actor_01/01-01-03-01-01-01-01.mp4", b"")
    make_file(tmp_path / "Actor_01/03-01-03-01-01-01-01.wav", b"<html>404 not found</html>")
    table = ravdess.CORPUS.validate(tmp_path)
    assert table[["problem", "detail"]].to_numpy().tolist() == [
        ["unreadable", "zero bytes"],
        ["unreadable", "text, not WAV"],
    ]


# CREMA-D


def make_crema(root, actors=("1001",), folders=(("VideoFlash", "flv"), ("AudioWAV", "wav"))):
    for actor in actors:
        for clip_id in crema_d.list_clip_ids(actor):
            for name, ending in folders:
                make_file(root / name / f"{clip_id}.{ending}")


def test_crema_d_indexes_flash_with_its_own_sound(tmp_path):
    make_crema(tmp_path)
    (tmp_path / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n1001,51,"Male"\n')
    clips = crema_d.CORPUS.index(tmp_path)
    assert len(clips) == 82
    assert (clips["video"] == clips["audio"]).all()
    assert set(clips["gender"]) == {"male"} and set(clips["repetition"]) == {""}
    assert list(clips["emotion"].unique()) != [] and "calm" not in set(clips["emotion"])
    assert clips["intensity"].value_counts().to_dict() == {"": 67, "low": 5, "medium": 5, "high": 5}
    assert clips["statement"].nunique() == 12
    assert crema_d.CORPUS.validate(tmp_path).empty


def test_crema_d_recordings_alone_and_no_demographics(tmp_path):
    make_crema(tmp_path, folders=(("AudioWAV", "wav"),))
    clips = crema_d.CORPUS.index(tmp_path / "AudioWAV")
    assert (clips["video"] == "").all() and (clips["gender"] == "").all()
    assert clips["audio"].iloc[0] == "1001_DFA_ANG_XX.wav"


def test_crema_d_known_oddities(tmp_path):
    make_crema(tmp_path, ("1001",))
    make_file(tmp_path / "AudioWAV/1040_ITH_SAD_X.wav")
    make_file(tmp_path / "AudioWAV/1092_ITH_SAD_XX.wav")
    (tmp_path / "AudioMP3").mkdir()
    (tmp_path / "AudioMP3/1001_ITH_SAD_XX.mp3").write_bytes(b"")
    make_file(tmp_path / "VideoFlash/1001_ITH_SAD_XX.flv", POINTER)
    published = ["1040_ITH_SAD_XX", *crema_d.list_clip_ids("1001")]
    lines = [f'{number},"{clip_id}"' for number, clip_id in enumerate(published)]
    (tmp_path / "SentenceFilenames.csv").write_text(
        "\n".join(['"Stimulus_Number","Filename"', *lines])
    )
    assert "1040_ITH_SAD_XX" in set(crema_d.CORPUS.index(tmp_path)["clip_id"])
    table = crema_d.CORPUS.validate(tmp_path)
    assert list_found(table, "missing") == ["1040_ITH_SAD_XX"]
    assert list_found(table, "unknown") == ["AudioWAV/1092_ITH_SAD_XX.wav"]
    (pointer,) = table[table["problem"] == "unreadable"].itertuples()
    assert "git lfs pull" in pointer.detail


# A folder with a CSV


HEADER = "video,audio,emotion,actor"


def write_table(path, *lines, encoding="utf-8"):
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_table_of_ones_own_in_any_dialect(tmp_path, encoding, separator):
    lines = [HEADER, "clips\\b ü.mp4,b.wav,Anger,Zoë", "", "a.mp4,,surprise,2,,", ",c.wav,sad,2"]
    lines = [line.replace(",", separator) for line in lines]
    table = write_table(tmp_path / "mine.csv", *lines, encoding=encoding)
    for source in (table, tmp_path):
        clips = folder.CORPUS.index(source)
        assert clips["clip_id"].tolist() == ["a", "b ü", "c"]
        assert clips["video"].tolist() == ["a.mp4", "clips/b ü.mp4", ""]
        assert clips["audio"].tolist() == ["", "b.wav", "c.wav"]
        assert clips["emotion"].tolist() == ["surprised", "angry", "sad"]
        assert clips["actor"].tolist() == ["2", "Zoë", "2"]
        assert (clips["gender"] == "").all()


def test_optional_columns_quotes_and_absolute_paths(tmp_path):
    table = write_table(
        tmp_path / "clips.csv",
        "Emotion, actor,video,audio,clip_id,statement,age,repetition",
        f'happy,07,{tmp_path}/x.mp4,../y.wav,one,"Well, then\ngo",33,2',
    )
    write_table(tmp_path / "other.csv", "nothing")
    (clip,) = folder.CORPUS.index(tmp_path).itertuples()
    assert (clip.clip_id, clip.actor, clip.repetition) == ("one", "07", "2")
    assert clip.video == f"{tmp_path}/x.mp4" and clip.audio == "../y.wav"
    assert clip.statement == "Well, then\ngo"
    assert folder.find_table(tmp_path) == table


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["video,audio,emotion", "a,b,sad"], ["lacks the column actor", "found video"]),
        ([HEADER], ["no rows"]),
        ([HEADER, "a.mp4,,bored,1", "b.mp4,,sad,1"], ["line 2", "'bored'", "fearful", "anger"]),
        ([HEADER, ",,sad,1"], ["line 2", "neither video nor audio"]),
        ([HEADER, "a.mp4,,sad,1", ",,,"], ["line 3", "empty"]),
        ([HEADER, "a.mp4,,sad,"], ["line 2", "no actor"]),
        ([HEADER, "x/a.mp4,,sad,1", "y/a.mp4,,sad,1"], ["'a'", "add a column clip_id"]),
        ([HEADER + ",clip_id", "a.mp4,,sad,1,q", "b.mp4,,sad,1,q"], ["line 3", "'q'"]),
        ([HEADER, "a,b.mp4,,sad,1"], ["line 2", "5 cells under 4"]),
        ([HEADER + ",audio", "a.mp4,,sad,1,b.wav"], ["the column audio twice"]),
        ([HEADER, "x" * 200_000 + ".mp4,,sad,1"], ["line 2", "field larger"]),
        ([""], ["lacks the column video"]),
    ],
)
def test_unusable_table_is_refused_by_row(tmp_path, lines, words):
    table = write_table(tmp_path / "clips.csv", *lines)
    with pytest.raises(ValueError) as caught:
        folder.CORPUS.index(table)
    for word in words:
        assert word in str(caught.value)


def test_many_faults_are_counted_not_poured_out(tmp_path):
    table = write_table(tmp_path / "clips.csv", HEADER, *(f"{i}.mp4,,odd,1" for i in range(900)))
    with pytest.raises(ValueError, match="and 895 more") as caught:
        folder.CORPUS.index(table)
    assert len(str(caught.value)) < 800


def test_table_of_another_encoding_says_so(tmp_path):
    table = write_table(tmp_path / "clips.csv", HEADER, "ä.mp4,,sad,1", encoding="cp1252")
    with pytest.raises(ValueError, match="not UTF-8"):
        folder.CORPUS.index(table)


def test_folder_without_or_with_several_tables(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        folder.CORPUS.index(tmp_path)
    write_table(tmp_path / "a.csv", HEADER)
    write_table(tmp_path / "b.csv", HEADER)
    with pytest.raises(FileNotFoundError, match="a.csv, b.csv"):
        folder.CORPUS.index(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        folder.CORPUS.index(tmp_path / "nowhere.csv")


def test_folder_validation_names_files(tmp_path):
    make_file(tmp_path / "a.mp4")
    make_file(tmp_path / "b.mp4", b"")
    write_table(
        tmp_path / "clips.csv", HEADER, "a.mp4,a.mp4,sad,1", "b.mp4,a.mp4,sad,2", ",c.wav,sad,2"
    )
    table = folder.CORPUS.validate(tmp_path)
    assert table[["file", "problem"]].to_numpy().tolist() == [
        ["c.wav", "missing"],
        ["b.mp4", "unreadable"],
        ["a.mp4", "surplus"],
    ]


# What all have in common


@pytest.mark.parametrize("module", [ravdess, crema_d])
def test_absent_or_empty_source_says_what_to_do(tmp_path, module):
    with pytest.raises(FileNotFoundError, match="does not exist.*README"):
        module.CORPUS.index(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="is a file"):
        module.CORPUS.index(make_file(tmp_path / "x.wav"))
    (tmp_path / "Video_Speech_Actor_01.zip").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="1 other media files and 1 zip files.*expected"):
        module.CORPUS.index(tmp_path)
    assert list_found(module.CORPUS.validate(tmp_path), "unknown") == ["x.wav"]


def test_index_opens_no_clip(tmp_path, monkeypatch):
    make_actor(tmp_path, modalities=("03",))
    monkeypatch.setattr(headers, "check_header", lambda path: pytest.fail("opened"))
    monkeypatch.setattr("builtins.open", lambda *args, **options: pytest.fail("opened"))
    monkeypatch.setattr("pathlib.Path.open", lambda *args, **options: pytest.fail("opened"))
    assert len(ravdess.CORPUS.index(tmp_path)) == 60


def test_unreadable_folder_is_a_clear_error(tmp_path, monkeypatch):
    make_actor(tmp_path)
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("Actor_01"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="Actor_01: Permission denied.*chmod"):
        ravdess.CORPUS.index(tmp_path)


def test_loop_of_links_ends(tmp_path):
    make_actor(tmp_path, modalities=("03",))
    (tmp_path / "Actor_01/loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "Actor_01/03-01-03-01-01-01-02.wav").symlink_to(tmp_path / "gone.wav")
    assert len(ravdess.CORPUS.index(tmp_path)) == 61
    missing = list_found(ravdess.CORPUS.validate(tmp_path), "missing")
    assert "Actor_01/03-01-03-01-01-01-02.wav" in missing


def test_linked_folder_is_followed(tmp_path):
    make_actor(tmp_path / "store", modalities=("03",))
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/speech").symlink_to(tmp_path / "store", target_is_directory=True)
    clips = ravdess.CORPUS.index(tmp_path / "corpus")
    assert len(clips) == 60 and clips["audio"].str.startswith("speech/Actor_01/").all()


def test_ten_thousand_files_are_indexed_in_a_moment(tmp_path, monkeypatch):
    ids = [clip_id for actor in crema_d.ACTORS for clip_id in crema_d.list_clip_ids(actor)]
    tree = [
        (tmp_path / "AudioWAV", [], [f"{clip_id}.wav" for clip_id in ids]),
        (tmp_path / "VideoFlash", [], [f"{clip_id}.flv" for clip_id in ids]),
    ]
    monkeypatch.setattr(os, "walk", lambda *args, **options: tree)
    start = time.process_time()
    assert len(crema_d.CORPUS.index(tmp_path)) == 91 * 82
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.mp4", MP4, ""),
        ("a.mov", b"\0\0\0\x08wide" + b"\0\0\0\x08mdat" + b"\0\0\0\x08moov", ""),
        ("a.wav", WAV, ""),
        ("a.wav", b"RIFF\xff\xff\xff\xffWAVEfmt ", ""),
        ("a.flac", FLAC, ""),
        ("a.flv", FLV, ""),
        ("a.avi", b"RIFF\x04\0\0\0AVI LIST", ""),
        ("a.mpg", b"\0\0\x01\xba\x21", ""),
        ("a.mpg", b"G@\0\x10", ""),
        ("a.gif", b"GIF89a", ""),
        ("a.caf", b"caff\0\x01", ""),
        ("a.amr", b"#!AMR-WB\n", ""),
        ("a.sph", b"NIST_1A\n   1024\n", ""),
        ("a.mpg", WAV, "named MPEG, but holds WAV"),
        ("a.xyz", b"anything", ""),
        ("a.mp4", b"", "zero bytes"),
        ("a.mp4", b"\0" * 100, "only zero bytes at the start"),
        ("a.mp4", "Grüße, kein Film. ".encode() * 9, "text, not MP4"),
        ("a.wav", bytes(range(128, 228)), "does not begin like WAV"),
        ("a.mp4", WAV, "named MP4, but holds WAV"),
        ("a.flv", POINTER, "a Git LFS pointer, not the clip: run git lfs pull"),
        ("a.mp4", MP4[:16], "truncated: no moov box, so the streams are not described"),
        ("a.mp4", MP4[:24] + b"\0\1\0\0mdat...", "truncated: 35 of 65560 bytes"),
        ("a.wav", b"RIFF\0\0\1\0WAVEfmt ", "truncated: 16 of 65544 bytes"),
        ("a", b"RIFF\0", "truncated: 5 of at least 12 bytes"),
    ],
)
def test_first_bytes_betray_a_broken_file(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    assert headers.check_header(path) == reason


@given(st.sampled_from([*ENDINGS, ""]), st.binary(max_size=200))
@example("", b"RIFF")
@example(".mp4", b"\0\0\0\1moov" + b"\xff" * 8)  # a box that ends far beyond any file
def test_any_bytes_are_judged(suffix, content):
    path = Path(TEMPORARY.name, f"any{suffix}")
    path.write_bytes(content)
    assert isinstance(headers.check_header(path), str)
    path.write_bytes(CONTENT.get(suffix, b"")[:16] + content)
    assert isinstance(headers.check_header(path), str)


@given(st.lists(st.lists(st.sampled_from(["", "a.mp4", "sad", "1", ";", '"', "\n", "\0", "ü"]))))
def test_any_table_is_indexed_or_refused(lines):
    table = Path(TEMPORARY.name, "any.csv")
    table.write_text("\n".join([HEADER, *(",".join(line) for line in lines)]), encoding="utf-8")
    try:
        clips = folder.CORPUS.index(table)
    except ValueError as error:
        assert "any.csv" in str(error)
    else:
        assert set(clips["emotion"]) == {"sad"} and clips["clip_id"].is_unique


def test_folder_named_like_a_clip_is_unreadable(tmp_path):
    (tmp_path / "a.wav").mkdir()
    assert headers.check_header(tmp_path / "a.wav") == "Is a directory"


# Real clips


@pytest.mark.real_data
def test_real_ravdess(real_data):
    clips = ravdess.CORPUS.index(real_data / "ravdess")
    assert len(clips) == 1440
    assert (clips.groupby("actor").size() == 60).all() and clips["actor"].nunique() == 24
    filmed = clips[clips["video"] != ""]
    assert len(filmed) == 10 and set(filmed["actor"]) == {"05"}
    assert (filmed["video"] == filmed["audio"]).all() and (clips["audio"] != "").all()
    table = ravdess.CORPUS.validate(real_data / "ravdess")
    assert list_found(table, "missing") == [f"actor {actor}" for actor in ravdess.ACTORS]
    assert set(table["problem"]) == {"missing"}


@pytest.mark.real_data
def test_real_table_of_one_actor(real_data):
    clips = folder.CORPUS.index(real_data / "actor05.csv")
    assert len(clips) == 60 and set(clips["actor"]) == {"5"}
    assert clips["clip_id"].iloc[0] == "01-01-01-01-01-01-05"
    for column in ("video", "audio"):
        assert all((real_data / name).is_file() for name in clips[column])
    table = folder.CORPUS.validate(real_data / "actor05.csv")
    assert isinstance(table, pd.DataFrame) and table.empty
