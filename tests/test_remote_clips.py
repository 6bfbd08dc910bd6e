"""Clips at URLs give what the same clips give from a disk, and clear reasons where they cannot."""

import functools
import http.server
import os
import threading

import fsspec
import numpy as np
import pytest

from preprocessing import extract, index
from preprocessing.clips import containers, decode, locations
from preprocessing.disk import arrays
from tests import broken_media
from tests.test_extract import write_list


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; what is named "short" breaks off in the middle."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        if "short" not in self.path:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "50000")
        self.end_headers()
        return self.wfile.write(b"\0" * 100)


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a", "b b"):
        broken_media.write_clip(folder / f"{name}.mp4", duration_s=0.6, size=(64, 48))
    return folder


@pytest.fixture
def web(clips):
    handler = functools.partial(Handler, directory=str(clips))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def memory(clips):
    system = fsspec.filesystem("memory")
    for path in clips.iterdir():
        system.pipe(f"/clips/{path.name}", path.read_bytes())
    yield "memory://clips"
    system.rm("/clips", recursive=True)


def read_bytes(clip):
    return clip.frames.tobytes(), clip.waveform.tobytes(), clip.frame_times.tobytes()


@pytest.mark.parametrize("kind", ["web", "memory"])
def test_a_clip_at_a_url_is_read_like_a_file(clips, kind, request):
    url, path = f"{request.getfixturevalue(kind)}/a.mp4", clips / "a.mp4"
    assert decode.probe(url) == decode.probe(path)
    local = decode.read_clip(path, path, n_frames=4)
    assert read_bytes(decode.read_clip(url, url, n_frames=4)) == read_bytes(local)
    assert decode.read_frame_times(url)[0] == decode.read_frame_times(path)[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gone.mp4", "does not exist"), ("short.mp4", "."), ("a.txt", ".")],
)
def test_what_a_server_does_not_give_is_a_short_reason(web, clips, name, reason):
    (clips / "a.txt").write_text("#EXTM3U\nfile:///etc/passwd\n")
    for read in (decode.probe, lambda url: decode.read_clip(url, url, n_frames=2)):
        with pytest.raises(decode.MediaError, match=reason) as caught:
            read(f"{web}/{name}?token=secret")
        assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_a_short_reason():
    with pytest.raises(decode.MediaError):
        decode.read_clip("http://127.0.0.1:9/a.mp4", None, n_frames=2)


def test_too_large_a_file_is_not_fetched(memory, monkeypatch):
    monkeypatch.setattr(containers, "MAX_REMOTE_BYTES", 1000)
    with pytest.raises(decode.MediaError, match="fetch it to a disk first"):
        decode.read_clip(f"{memory}/a.mp4", None, n_frames=2)


def run(source, home, monkeypatch, n_jobs):
    monkeypatch.setenv("EMOTION_HOME", str(home))
    index.index_corpus("folder", str(source), n_jobs=n_jobs, progress=False)
    choices = extract.Choices(n_frames=3, size=16, detector="haar")
    extract.extract_corpus("folder", choices, n_jobs=n_jobs, progress=False)
    return np.array(arrays.read_array(arrays.corpus_folder("folder"), "waveforms"))


def test_a_corpus_at_a_url_gives_the_same_arrays(clips, web, tmp_path, monkeypatch):
    table = write_list(clips, ["a", "b b"])
    local = run(table, tmp_path / "local", monkeypatch, n_jobs=0)
    np.testing.assert_array_equal(run(f"{web}/list.csv", tmp_path / "web", monkeypatch, 2), local)
    fsspec.filesystem("memory").pipe("/clips/list.csv", table.read_bytes())
    for path in clips.glob("*.mp4"):
        fsspec.filesystem("memory").pipe(f"/clips/{path.name}", path.read_bytes())
    remote = run("memory://clips/list.csv", tmp_path / "memory", monkeypatch, 0)
    np.testing.assert_array_equal(remote, local)
    assert local.any(axis=1).all()


def test_a_remote_file_is_known_by_what_its_server_says_of_the_version(web, clips):
    location, path = f"{web}/a.mp4", clips / "a.mp4"
    before = locations.describe_file(location)
    assert before[0] == path.stat().st_size and before[1]
    assert locations.describe_file(location) == before
    os.utime(path, (1, 1))
    assert locations.describe_file(location) != before
