"""What a list at a URL names lies at public addresses or on its own server, or is refused."""

import functools
import socket
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from preprocessing import index
from preprocessing.clips import locations, web_guard
from tests import broken_media


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, sends "/to?URL" on to that URL, and counts what it is asked."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.n_asked += 1
        if not self.path.startswith("/to?"):
            return super().do_GET()
        self.send_response(302)
        self.send_header("Location", self.path.removeprefix("/to?"))
        self.send_header("Content-Length", "0")
        return self.end_headers()

    do_HEAD = do_GET


def serve(folder, host="127.0.0.1"):
    server = ThreadingHTTPServer((host, 0), functools.partial(Handler, directory=folder))
    server.n_asked = 0
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def servers(tmp_path):
    """Return the list's own server and another one of the same machine, with the same clip."""
    folder = tmp_path / "web"
    folder.mkdir()
    broken_media.write_clip(folder / "a.mp4", duration_s=0.4, size=(64, 48))
    both = [serve(folder), serve(folder)]
    yield both
    for server in both:
        server.shutdown()
        server.server_close()


@pytest.fixture
def resolve(monkeypatch):
    """Let names mean addresses, one after the other; every other name is looked up as ever."""
    names, look_up = {}, socket.getaddrinfo

    def answer(host, *arguments, **options):
        if host not in names:
            return look_up(host, *arguments, **options)
        addresses = names[host].pop(0) if len(names[host]) > 1 else names[host][0]
        return [hit for each in addresses for hit in look_up(each, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return names


def fetch(base, name):
    with locations.open_file(locations.join(base, name)) as file:
        return len(file.read())


@pytest.mark.parametrize(
    "name",
    [
        "http://127.0.0.1:{other}/a.mp4",
        "http://me:secret@127.0.0.1:{other}/a.mp4",
        "http://localhost:{other}/a.mp4",
        "http://[0:0:0:0:0:0:0:1]:{other}/a.mp4",
        "http://[0:0:0:0:0:ffff:127.0.0.1]:{other}/a.mp4",
        "http://0x7f000001:{other}/a.mp4",
        "http://2130706433:{other}/a.mp4",
        "http://0177.0.0.1:{other}/a.mp4",
        "http://127.1:{other}/a.mp4",
        "http://0.0.0.0:{other}/a.mp4",
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/a.mp4",
        "http://224.0.0.1/a.mp4",
        "http://240.0.0.1/a.mp4",
        "http://private.example:{other}/a.mp4",
        "http://both.example:{other}/a.mp4",
        "http://127.0.0.1:{own}/to?http://127.0.0.1:{other}/a.mp4",
        "http://127.0.0.1:{own}/to?http://private.example:{other}/a.mp4",
        "/to?http://127.0.0.1:{own}/to?http://127.0.0.1:{other}/a.mp4",
    ],
)
def test_a_list_at_a_url_does_not_lead_into_the_network(servers, resolve, name):
    own, other = (server.server_port for server in servers)
    resolve |= {"private.example": [["127.0.0.1"]], "both.example": [["127.0.0.1", "10.0.0.1"]]}
    name = name.format(own=own, other=other)
    base = f"http://127.0.0.1:{own}"
    url = web_guard.ListedUrl(base + name if name.startswith("/") else name, base)
    for read in (locations.measure_size, lambda url: fetch(base, url)):
        with pytest.raises(OSError, match="no public address|not a canonical|Invalid URL"):
            read(url)
    assert servers[1].n_asked == 0


def test_a_name_that_changes_its_meaning_is_refused(servers, resolve):
    own, other = (server.server_port for server in servers)
    resolve["rebound.example"] = [["93.184.215.14"], ["127.0.0.1"]]
    socket.getaddrinfo("rebound.example", 80)  # a check that somebody makes beforehand
    with pytest.raises(OSError, match="127.0.0.1 is no public address"):
        fetch(f"http://127.0.0.1:{own}", f"http://rebound.example:{other}/a.mp4")
    assert servers[1].n_asked == 0


@pytest.mark.parametrize(
    "name", ["a.mp4", "http://127.0.0.1:{own}/a.mp4", "http://127.0.0.1:{own}/to?/a.mp4"]
)
def test_a_list_leads_to_its_own_server(servers, name):
    own = servers[0].server_port
    base = f"http://localhost:{own}"
    assert fetch(base, name.format(own=own)) > 1000


def test_a_list_leads_to_public_addresses(servers, resolve, monkeypatch):
    own, other = (server.server_port for server in servers)
    resolve["public.example"] = [["127.0.0.1"]]
    monkeypatch.setattr(web_guard, "is_public", lambda address: address == "127.0.0.1")
    assert fetch("http://192.0.2.1", f"http://public.example:{other}/a.mp4") > 1000
    redirect = f"http://127.0.0.1:{own}/to?http://public.example:{other}/a.mp4"
    assert fetch("memory://lists", redirect) > 1000


def test_a_list_on_this_machine_names_what_it_likes(servers, tmp_path):
    assert fetch(tmp_path, f"http://127.0.0.1:{servers[1].server_port}/a.mp4") > 1000


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:4700::1111", True),
        ("64:ff9b::5db8:d70e", True),
        ("64:ff9b::a00:1", False),
        ("::ffff:93.184.215.14", True),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("2002:5db8:d70e::", True),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),
        ("fe80::1%1", False),
        ("fec0::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
    ],
)
def test_public_addresses_are_known(address, public):
    assert web_guard.is_public(address) == public


def test_a_clip_that_leads_astray_is_listed_and_the_others_are_read(servers, tmp_path, monkeypatch):
    own, other = (server.server_port for server in servers)
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    rows = ["a.mp4,,sad,1", f"http://127.0.0.1:{other}/a.mp4?key=1,,sad,2"]
    lines = [f"{name},{row}" for name, row in zip("xy", rows, strict=True)]
    table = "\n".join(["clip_id,video,audio,emotion,actor", *lines])
    (tmp_path / "web" / "list.csv").write_text(table)
    source = f"http://127.0.0.1:{own}/list.csv"
    clips = index.index_corpus("folder", source, n_jobs=1, progress=False)
    assert clips["status"].tolist() == ["indexed", "failed"]
    assert "no public address" in clips["reason"][1]
    assert servers[1].n_asked == 0
