"""A real browser, and the page that it opens."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.conftest import REPOSITORY

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SERVE = """\
import sys
import uvicorn
from modeling.predict.page.jobs import Allowed
from modeling.predict.page.server import create_app
from tests import made_timelines

app = create_app(
    made_timelines.predict_stand_in,
    open_reader=made_timelines.StandInReader,
    allowed=Allowed(n_bytes=int(sys.argv[2])),
)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


@pytest.fixture(scope="session")
def browser():
    """Return a Chromium with a made camera and microphone; skip where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", *CAMERA])
        yield opened
        opened.close()


def find_free_port():
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(url, *, most_s=60):
    """Wait until a server answers."""
    for _ in range(10 * most_s):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


@pytest.fixture(scope="session")
def address():
    """Serve the page with a made predictor; return its address."""
    for package in ("starlette", "uvicorn"):
        pytest.importorskip(package, reason="the page needs requirements-demo.txt")
    port = find_free_port()
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", SERVE, str(port), "3000000"]
    server = subprocess.Popen(command, env=environment, cwd=REPOSITORY)
    url = f"http://127.0.0.1:{port}/"
    wait_for(url)
    yield url
    server.terminate()
    server.wait(10)


@pytest.fixture
def visit(browser, address):
    """Return a function that opens the page anew; every request and message must be in order."""
    contexts, asked, said = [], [], []

    def open_page(width=1280, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    foreign = [url for url in asked if not url.startswith((address, f"blob:{address}"))]
    assert not foreign
    refused = [text for text in said if "status of 4" not in text]
    assert not refused
