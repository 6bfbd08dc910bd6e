"""Fetching RAVDESS from a server that misbehaves: checksums, resuming, unpacking whole."""

import hashlib
import io
import json
import re
import stat
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from preprocessing.corpora import ravdess, zenodo

FILES = "/records/1188976/files/"


def make_zip(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Server:
    """A record on the local machine, with faults that a test can switch on."""

    def __init__(self):
        noise = bytes(range(256)) * 400
        self.files = {
            "Video_Speech_Actor_05.zip": make_zip(
                {
                    "Actor_05/01-01-03-01-01-01-05.mp4": noise,
                    "Actor_05/02-01-03-01-01-01-05.mp4": noise[::-1],
                    "__MACOSX/Actor_05/._01-01-03-01-01-01-05.mp4": b"litter",
                }
            ),
            ravdess.AUDIO_ZIP: make_zip(
                {f"Actor_{a}/03-01-03-01-01-01-{a}.wav": b"sound" + noise for a in ("05", "06")}
            ),
        }
        self.sums = {name: hashlib.md5(data).hexdigest() for name, data in self.files.items()}
        self.sizes = {}  # "size" of the record's entries, where a test wants it
        self.break_after = []  # bytes after which each of the next downloads breaks off
        self.ranges = True
        self.requests = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.answer(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request):
        asked = request.headers.get("Range")
        self.requests.append((request.path, asked))
        if request.path == "/records/1188976":
            files = [
                {"key": name, "checksum": f"md5:{sum_}"} | self.sizes.get(name, {})
                for name, sum_ in self.sums.items()
            ]
            return self.send(request, 200, json.dumps({"files": files}).encode())
        name = request.path.removeprefix(FILES).removesuffix("/content")
        if name not in self.files:
            return self.send(request, 404, b"")
        data = self.files[name]
        if not (asked and self.ranges):
            return self.send(request, 200, data)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1))
        if start >= len(data):
            return self.send(request, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        return self.send(request, 206, data[start:], headers)

    def send(self, request, status, body, headers=None):
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        for key, value in (headers or {}).items():
            request.send_header(key, value)
        request.end_headers()
        if "/files/" in request.path and self.break_after:
            body = body[: self.break_after.pop(0)]
        request.wfile.write(body)

    def list_ranges(self):
        return [asked for path, asked in self.requests if path.startswith(FILES)]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def list_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


VIDEOS = [
    "Video_Speech_Actor_05/Actor_05/01-01-03-01-01-01-05.mp4",
    "Video_Speech_Actor_05/Actor_05/02-01-03-01-01-01-05.mp4",
]
SOUND = "Audio_Speech_Actors_01-24/Actor_05/03-01-03-01-01-01-05.wav"


def test_chosen_actor_is_fetched_and_indexed(tmp_path, server):
    folder = ravdess.download(tmp_path / "new ü", actors=[5], base_url=server.url)
    assert list_files(folder) == sorted([*VIDEOS, SOUND])
    (clip,) = ravdess.CORPUS.index(folder).itertuples()
    assert clip.video == clip.audio == VIDEOS[0]


def test_second_call_asks_nothing(tmp_path, server):
    ravdess.download(tmp_path, actors=["05"], base_url=server.url)
    server.requests.clear()
    ravdess.download(tmp_path, actors=[5], base_url=server.url)
    assert server.requests == []


def test_further_actor_joins_the_first(tmp_path, server):
    for actor in (5, 6):
        ravdess.download(tmp_path, actors=[actor], what=["audio"], base_url=server.url)
    assert list_files(tmp_path) == [SOUND, SOUND.replace("05", "06")]


def test_broken_connection_goes_on_where_it_was(tmp_path, server):
    server.break_after = [30_000, 50_000]
    ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    first, second, third = server.list_ranges()
    assert first is None
    assert 0 < int(second[6:-1]) <= 30_000 < int(third[6:-1]) <= 80_000
    assert list_files(tmp_path) == VIDEOS


def test_interrupted_run_goes_on_in_the_next(tmp_path, server):
    server.break_after = [30_000, 10_000, 10_000]
    with pytest.raises(ConnectionError, match="kept.*By hand.*zenodo.org/records/1188976"):
        ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == ["Video_Speech_Actor_05.zip.partial"]
    server.requests.clear()
    ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    (asked,) = server.list_ranges()
    assert int(asked[6:-1]) > 10_000
    assert list_files(tmp_path) == VIDEOS


def test_server_without_ranges_starts_anew(tmp_path, server):
    server.ranges = False
    server.break_after = [30_000]
    ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == VIDEOS


@pytest.mark.parametrize("extra", [b"", b"left over from another version"])
def test_whole_or_overlong_partial_file_ends_well(tmp_path, server, extra):
    name = "Video_Speech_Actor_05.zip"
    (tmp_path / f"{name}.partial").write_bytes(server.files[name] + extra)
    ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == VIDEOS


def test_partial_file_of_another_version_is_replaced(tmp_path, server):
    (tmp_path / "Video_Speech_Actor_05.zip.partial").write_bytes(b"x" * 1000)
    ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == VIDEOS


def test_wrong_checksum_leaves_nothing(tmp_path, server):
    server.sums["Video_Speech_Actor_05.zip"] = "0" * 32
    with pytest.raises(ValueError, match="hash"):
        ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == []


def test_zip_fetched_by_hand_is_checked_and_used(tmp_path, server):
    name = "Video_Speech_Actor_05.zip"
    (tmp_path / name).write_bytes(server.files[name])
    ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert server.list_ranges() == []
    assert list_files(tmp_path) == VIDEOS


def test_half_unpacked_folder_is_unpacked_again(tmp_path, server):
    half = tmp_path / "Video_Speech_Actor_05/Actor_05.partial"
    half.mkdir(parents=True)
    (half / "01-01-04-01-01-01-05.mp4").write_bytes(b"half")
    ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == VIDEOS


def test_zip_cannot_write_outside_its_folder(tmp_path, server):
    name = "Video_Speech_Actor_05.zip"
    server.files[name] = make_zip(
        {
            "../../../escaped/01-01-03-01-01-01-05.mp4": b"a",
            "/absolute/02-01-03-01-01-01-05.mp4": b"b",
            "../evil.py": b"c",
        }
    )
    server.sums[name] = hashlib.md5(server.files[name]).hexdigest()
    ravdess.download(tmp_path / "in", actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == [f"in/{file}" for file in VIDEOS]


def serve(server, data, name="Video_Speech_Actor_05.zip"):
    server.files[name] = data
    server.sums[name] = hashlib.md5(data).hexdigest()


def test_link_in_a_zip_is_passed_over(tmp_path, server):
    link = zipfile.ZipInfo("Actor_05/01-01-03-01-01-01-05.mp4")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    serve(server, make_zip({link: b"/etc/passwd", "02-01-03-01-01-01-05.mp4": b"b"}))
    ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == VIDEOS[1:]
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


def test_zip_bomb_is_not_unpacked(tmp_path, server):
    zeros = {"Actor_05/01-01-03-01-01-01-05.mp4": bytes(3_000_000)}
    serve(server, make_zip(zeros, zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match="unpack to 3000000.*Nothing was unpacked"):
        ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == ["Video_Speech_Actor_05.zip"]


def test_member_larger_than_it_declares_is_refused(tmp_path, server):
    size = struct.pack("<I", 300_000)
    zeros = {"Actor_05/01-01-03-01-01-01-05.mp4": bytes(300_000)}
    data = make_zip(zeros, zipfile.ZIP_DEFLATED)
    assert data.count(size) == 2  # before the member, and in the table at the end
    serve(server, data.replace(size, struct.pack("<I", 100)))
    with pytest.raises(ValueError, match="Actor_05.zip is broken"):
        ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    assert list_files(tmp_path) == ["Video_Speech_Actor_05.zip"]


def test_download_longer_than_published_stops(tmp_path, server):
    name = "Video_Speech_Actor_05.zip"
    server.sizes[name] = {"size": 1000}
    with pytest.raises(OSError, match="longer than the 1000 bytes"):
        ravdess.download(tmp_path, actors=[5], what=["video"], base_url=server.url)
    (partial,) = tmp_path.iterdir()
    assert partial.stat().st_size <= 1000 + zenodo.CHUNK_BYTES


def test_zip_without_the_actor_is_an_error(tmp_path, server):
    with pytest.raises(ValueError, match="holds no file for Actor_07"):
        ravdess.download(tmp_path, actors=[7], what=["audio"], base_url=server.url)


def test_file_that_the_record_lacks_is_an_error(tmp_path, server):
    with pytest.raises(ValueError, match="no file Video_Speech_Actor_09.zip"):
        ravdess.download(tmp_path, actors=[9], what=["video"], base_url=server.url)


def test_no_network_says_how_to_do_it_by_hand(tmp_path, server):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(ConnectionError, match="Could not fetch Audio_Speech.*By hand: From https"):
        ravdess.download(tmp_path, actors=[5], base_url=server.url)


@pytest.mark.parametrize("options", [{"actors": [25]}, {"what": ["song"]}, {"what": "video"}])
def test_unknown_actor_or_kind_is_refused(tmp_path, options):
    with pytest.raises(ValueError, match="expected actors 1-24"):
        ravdess.download(tmp_path, base_url="http://127.0.0.1:9", **options)


def test_published_checksum_is_pinned_for_the_real_record():
    assert zenodo.BASE_URL == "https://zenodo.org/api"
    assert re.fullmatch(r"md5:[0-9a-f]{32}", ravdess.CHECKSUMS[ravdess.AUDIO_ZIP])
