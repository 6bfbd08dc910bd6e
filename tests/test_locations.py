"""Clips at a URL are listed, checked and indexed like those in a folder, from few bytes."""

import functools
import io
import re
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from preprocessing import index
from preprocessing.clips import decode, locations
from preprocessing.corpora import crema_d, folder, headers, meld, ravdess
from tests.test_corpora import HEADER, MP4, WAV, make_file, write_table

CLIP = "01-01-06-02-02-01-12.mp4"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, with or without ranges, and counts the bytes that it sends."""

    ranges = True
    sent = 0

    def log_message(self, *args):
        pass

    def do_GET(self):
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return super().do_GET()
        data = path.read_bytes()
        if not (asked and type(self).ranges):
            return self.answer(200, data)
        start, end = int(asked[1]), int(asked[2] or len(data) - 1)
        where = f"bytes {start}-{min(end, len(data) - 1)}/{len(data)}"
        return self.answer(206, data[start : end + 1], where)

    def answer(self, status, data, where=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if where:
            self.send_header("Content-Range", where)
        self.end_headers()
        for start in range(0, len(data), 1 << 16):
            self.wfile.write(data[start : start + (1 << 16)])
            type(self).sent += len(data[start : start + (1 << 16)])


@pytest.fixture
def web(tmp_path):
    """Return the URL of a folder (``tmp_path / "web"``) and the handler's class."""
    (tmp_path / "web").mkdir()
    handler = type("Counted", (Handler,), {})
    make_handler = functools.partial(handler, directory=tmp_path / "web")
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def memory():
    """Return fsspec's file system in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


# Names


@pytest.mark.parametrize(
    ("base", "name", "joined"),
    [
        (Path("/a"), "b/c d.mp4", Path("/a/b/c d.mp4")),
        (Path("/a"), "/x/y.mp4", Path("/x/y.mp4")),
        (Path("/a"), "s3://b/y.mp4", "s3://b/y.mp4"),
        ("s3://b/x/", "c d#1.mp4", "s3://b/x/c d#1.mp4"),
        ("https://h/x", "c d#1?ü.mp4", "https://h/x/c%20d%231%3F%C3%BC.mp4"),
        ("https://h/x", "https://other/y.mp4", "https://other/y.mp4"),
        ("memory://", "a.csv", "memory://a.csv"),
        ("simplecache::s3://b/x", "a.mp4", "simplecache::s3://b/x/a.mp4"),
        ("zip://x::s3://b/all.zip", "a.mp4", "zip://x/a.mp4::s3://b/all.zip"),
    ],
)
def test_name_is_joined_to_folder_or_url(base, name, joined):
    assert locations.join(base, name) == joined


@pytest.mark.parametrize(
    ("source", "base", "name"),
    [
        ("https://h/x/list.csv?key=a/b.csv", "https://h/x", "list.csv"),
        ("s3://b/list.CSV", "s3://b", "list.CSV"),
        ("s3://b/ravdess", "s3://b/ravdess", "ravdess"),
        ("memory://list.csv", "memory://", "list.csv"),
        ("simplecache::s3://b/x/list.csv", "simplecache::s3://b/x", "list.csv"),
    ],
)
def test_base_of_a_list_is_its_folder(source, base, name):
    assert index.find_source("folder", source) == source
    assert locations.get_base(source) == base
    assert locations.get_path(source).name == name


def test_local_source_is_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_file(tmp_path / "list.txt", b"")
    (tmp_path / "loop").symlink_to("loop")
    assert index.find_source("folder", "list.txt") == tmp_path.resolve() / "list.txt"
    assert locations.get_base(tmp_path / "list.txt") == tmp_path
    assert index.find_source("folder", "loop").name == "loop"
    with pytest.raises(FileNotFoundError):
        ravdess.CORPUS.index(index.find_source("ravdess", "loop"))


@given(st.text(), st.text())
def test_any_name_is_split_and_joined_or_stands_for_itself(folder_name, name):
    base = f"s3://b/{folder_name}"
    joined = locations.join(base, name)
    assert locations.is_url(joined)
    assert isinstance(locations.get_path(joined).name, str)
    assert isinstance(locations.explain_refusal(base, name), str)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/etc/passwd.wav", "leads out"),
        ("x/../../a.wav", "leads out"),
        ("..\\a.wav", "leads out"),
        ("file:///etc/passwd.wav", "file:// is not followed"),
        ("local://a.wav", "local:// is not followed"),
        ("https://h/a.wav::file:///etc/passwd", "chain"),
    ],
)
def test_list_at_a_url_names_no_file_of_this_machine(memory, name, words):
    memory.pipe("/mine/clips.csv", f"{HEADER}\n,{name},sad,1".encode())
    with pytest.raises(ValueError, match=f"line 2: audio .*{words}"):
        folder.CORPUS.index("memory://mine")


# Listing and reading


def test_corpus_in_memory_is_indexed_and_validated(memory):
    for clip_id in ravdess.list_clip_ids("12"):
        memory.pipe(f"/bucket/ravdess/Actor_12/01-{clip_id}.mp4", MP4)
        memory.pipe(f"/bucket/ravdess/Actor_12/03-{clip_id}.wav", WAV)
    memory.pipe(f"/bucket/ravdess/__MACOSX/Actor_12/{CLIP}", b"litter")
    memory.pipe(f"/bucket/ravdess-old/Actor_12/{CLIP}", b"")
    clips = ravdess.CORPUS.index("memory://bucket/ravdess")
    assert len(clips) == 60 and f"Actor_12/{CLIP}" in set(clips["video"])
    assert ravdess.CORPUS.validate("memory://bucket/ravdess").empty
    memory.pipe(f"/bucket/ravdess/Actor_12/{CLIP}", b"<html>no")
    memory.pipe(
        "/bucket/ravdess/Actor_12/03-01-03-01-01-01-12.wav", WAV[:4] + b"\xff\xff\0\0" + WAV[8:]
    )
    table = ravdess.CORPUS.validate("memory://bucket/ravdess/")
    assert sorted(table["detail"]) == ["text, not MP4", "truncated: 44 of 65543 bytes"]


def test_tables_beside_a_corpus_in_memory_are_read(memory):
    memory.pipe("/c/AudioWAV/1001_DFA_ANG_XX.wav", WAV)
    memory.pipe("/c/VideoDemographics.csv", b"ActorID,Age,Sex\n1001,51,Male\n")
    assert crema_d.CORPUS.index("memory://c/AudioWAV")["gender"].tolist() == ["male"]
    memory.pipe("/m/dev_splits_complete/dia0_utt0.mp4", MP4)
    memory.pipe("/m/dev_sent_emo.csv", b"Speaker,Emotion,Dialogue_ID,Utterance_ID\nRoss,joy,0,0\n")
    assert meld.CORPUS.index("memory://m")["emotion"].tolist() == ["happy"]


def test_chained_links_are_listed_and_read(memory):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"Actor_12/{CLIP}", MP4)
    memory.pipe("/b/all.zip", buffer.getvalue())
    memory.pipe(f"/b/plain/{CLIP}", MP4)
    for source in ("zip://::memory://b/all.zip", "simplecache::memory://b/plain"):
        (clip,) = ravdess.CORPUS.index(source).itertuples()
        assert clip.video.endswith(CLIP)
        assert headers.check_header(locations.join(source, clip.video)) == ""


@pytest.mark.parametrize("ranges", [True, False])
def test_list_on_the_web_is_indexed_and_validated_from_few_bytes(tmp_path, web, ranges):
    url, handler = web
    handler.ranges = ranges
    make_file(tmp_path / "web/x/a b#1.mp4", MP4 + bytes(10_000_000))
    make_file(tmp_path / "web/x/c.wav", b"")
    lines = [HEADER, "a b#1.mp4,,sad,1", ",c.wav,sad,2", ",gone.wav,sad,2"]
    write_table(tmp_path / "web/x/mine.csv", *lines)
    source = f"{url}/x/mine.csv?key=1"
    clips = folder.CORPUS.index(source)
    assert clips["clip_id"].tolist() == ["a b#1", "c", "gone"]
    table = folder.CORPUS.validate(source)
    assert table[["file", "problem"]].to_numpy().tolist() == [
        ["gone.wav", "missing"],
        ["c.wav", "unreadable"],
    ]
    assert handler.sent < (200_000 if ranges else 9_000_000)


def test_index_pages_of_a_web_server_are_followed(tmp_path, web):
    url, _ = web
    make_file(tmp_path / "web/Gefühle two/Actor_12" / CLIP, MP4)
    make_file(tmp_path / "web/other/Actor_12" / CLIP, MP4)
    source = f"{url}/Gef%C3%BChle%20two"
    (clip,) = ravdess.CORPUS.index(source).itertuples()
    assert clip.video == f"Actor_12/{CLIP}"
    assert headers.check_header(locations.join(source, clip.video)) == ""


def test_what_cannot_be_reached_says_so(web):
    url, _ = web
    with pytest.raises(FileNotFoundError, match="does not exist"):
        folder.CORPUS.index(f"{url}/none.csv")
    with pytest.raises(FileNotFoundError, match="There is no .*clips.csv"):
        folder.CORPUS.index(f"{url}/")
    with pytest.raises(FileNotFoundError, match="No clips of RAVDESS|does not exist"):
        ravdess.CORPUS.index(f"{url}/nowhere")
    with pytest.raises(OSError, match=r"http://127.0.0.1:9/x.csv cannot be read"):
        folder.CORPUS.index("http://me:secret@127.0.0.1:9/x.csv?key=secret")
    with pytest.raises(OSError, match="Protocol not known: nonsense"):
        ravdess.CORPUS.index("nonsense://bucket")


def test_unknown_size_is_zero(memory, monkeypatch):
    memory.pipe("/a.wav", WAV)
    assert locations.measure_size("memory://a.wav") == len(WAV)
    monkeypatch.setattr(type(memory), "info", lambda self, path: {"size": None})
    assert locations.measure_size("memory://a.wav") == 0


def test_probe_is_given_the_url_of_a_clip(memory, monkeypatch):
    asked = []
    memory.pipe("/bucket/a.wav", WAV)

    def probe(location):
        asked.append(location)
        raise decode.MediaError("not decoded here")

    monkeypatch.setattr(decode, "probe", probe)
    facts = index._probe_clip("memory://bucket", "gone.mp4", "a.wav", {})
    assert asked == ["memory://bucket/a.wav"] and facts["audio_bytes"] == len(WAV)
    assert facts["status"] == "failed"
    assert facts["reason"] == (
        "video: memory://bucket/gone.mp4 does not exist; audio: not decoded here"
    )


def test_corpus_on_the_web_is_indexed_with_its_headers(tmp_path, web, monkeypatch):
    url, _ = web
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    sound = np.zeros(8000, np.float32)
    soundfile.write(tmp_path / "web/a ü.wav", sound, 8000)
    write_table(tmp_path / "web/clips.csv", HEADER, ",a ü.wav,sad,1", ",gone.wav,sad,2")
    clips = index.index_corpus("folder", f"{url}/clips.csv", n_jobs=1, progress=False)
    assert clips["status"].tolist() == ["indexed", "failed"]
    assert clips["duration_s"][0] == 1 and clips["audio_bytes"][0] > 16_000
    assert index.read_base("folder") == url
