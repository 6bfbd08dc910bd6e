"""Tables that strangers wrote: any dialect is read; what is no table is refused early, by line."""

import os
import tracemalloc

import pytest

from preprocessing.corpora import folder, headers, ravdess, tables
from tests.test_corpora import HEADER, MP4, list_found, make_file, write_table


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-marked"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_encoding_separator_and_line_end_is_read(tmp_path, encoding, separator, newline):
    lines = ["Video,AUDIO,Emotion,actor", "ä.mp4,,joy,Zoë", ",b.wav,sad,“2”", ""]
    text = newline.join(lines).replace(",", separator)
    marked = encoding == "utf-16-be-marked"
    data = ("\ufeff" + text).encode("utf-16-be") if marked else text.encode(encoding)
    (tmp_path / "CLIPS.CSV").write_bytes(data)
    clips = folder.CORPUS.index(tmp_path)
    assert clips["clip_id"].tolist() == ["b", "ä"]
    assert clips["actor"].tolist() == ["“2”", "Zoë"]
    assert clips["emotion"].tolist() == ["sad", "happy"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (f"{HEADER}\na\0.mp4,,sad,1".encode(), "clips.csv, line 2 holds a NUL byte"),
        (HEADER.encode("utf-16-le"), "line 1 holds a NUL byte.*UTF-16 without"),
        (HEADER.encode("utf-32"), "line 1 holds a NUL byte"),
        (HEADER.encode() + b"\n\n\xe4.mp4,,sad,1", "line 3 is not UTF-8: .* byte 0xe4.*CSV UTF-8"),
        (HEADER.encode("utf-16") + b"x", "not UTF-16"),
        (b"\xff\xfe", "lacks the column video"),
        (MP4 * 100, "NUL byte"),
        (f'{HEADER}\n"a.mp4,,sad,1\n'.encode() + b"x,\n" * 90_000, "line .*field larger"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, data, words):
    (tmp_path / "clips.csv").write_bytes(data)
    with pytest.raises(ValueError, match=words):
        folder.CORPUS.index(tmp_path)


def test_endless_line_is_refused_without_reading_it(tmp_path):
    path = write_table(tmp_path / "clips.csv", HEADER, "a.mp4,,sad,1")
    with path.open("ab") as file:
        file.write(b"b" * tables.MAX_LINE_CHARS)
        file.write(b"b" * 30 * tables.MAX_LINE_CHARS)
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"line 3 is longer than {tables.MAX_LINE_CHARS}"):
        folder.CORPUS.index(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * tables.MAX_LINE_CHARS


def test_sparse_gigabyte_is_refused_at_once(tmp_path):
    path = tmp_path / "clips.csv"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ValueError, match="line 1 is longer"):
        folder.CORPUS.index(path)


def test_endless_lines_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_LINES", 100)
    path = write_table(tmp_path / "clips.csv", HEADER, *["a.mp4,,sad,1"] * 100)
    with pytest.raises(ValueError, match="line 101: more than 100 lines"):
        folder.CORPUS.index(path)


def test_list_of_ones_own_may_lead_out_of_its_folder(tmp_path):
    make_file(tmp_path / "store/a.mp4")
    table = tmp_path / "lists/clips.csv"
    table.parent.mkdir()
    write_table(table, HEADER, "../store/a.mp4,,sad,1")
    assert folder.CORPUS.index(table)["video"].tolist() == ["../store/a.mp4"]
    assert folder.CORPUS.validate(table).empty


def test_pipes_devices_and_loops_are_unreadable_not_awaited(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").symlink_to("b.mp4")
    table = write_table(
        tmp_path / "clips.csv", HEADER, "a.mp4,,sad,1", "b.mp4,,sad,2", "/dev/zero,,sad,3"
    )
    problems = folder.CORPUS.validate(table)
    assert set(list_found(problems, "unreadable")) == {"a.mp4", "b.mp4", "/dev/zero"}
    assert problems["detail"].str.contains("pipe or a device").sum() == 2


def test_mp4_of_countless_boxes_is_not_walked_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(headers, "MAX_BOXES", 10)
    path = make_file(tmp_path / "a.mp4", b"\0\0\0\x08free" * 1000)
    assert headers.check_header(path) == ""


def test_ten_thousand_real_files_are_listed_in_a_moment(tmp_path):
    for actor in range(20):
        (tmp_path / f"Actor_{actor:02}").mkdir()
        for number in range(500):
            (tmp_path / f"Actor_{actor:02}" / f"{number}.wav").touch()
    make_file(tmp_path / "Actor_01/03-01-03-01-01-01-01.wav")
    before = os.times()
    assert len(ravdess.CORPUS.index(tmp_path)) == 1
    after = os.times()
    assert after.user + after.system - before.user - before.system < 3
