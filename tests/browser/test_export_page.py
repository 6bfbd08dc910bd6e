"""The exported networks in a real browser: the same numbers as in Python, and nobody else asked."""

import threading
import wave

import numpy as np
import pytest

from modeling.export.taken import sound
from modeling.export.web import serving
from modeling.predict import networks
from tests.browser.conftest import CAMERA, find_browser

pytestmark = pytest.mark.slow
PATIENCE_MS = 90_000
RATE_HZ = 16000


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """Return a WAV file of a sound that rises and falls, with silence at both ends."""
    times = np.arange(int(2.2 * RATE_HZ)) / RATE_HZ
    sung = np.sin(2 * np.pi * (180 * times + 20 * np.sin(5 * times)))
    samples = 0.3 * sung * np.sin(np.pi * times / 2.2) * (1 + 0.5 * np.sin(25 * times))
    samples = np.concatenate([np.zeros(RATE_HZ), samples, np.zeros(RATE_HZ)])
    path = tmp_path_factory.mktemp("sounds") / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Serve the page; return its address."""
    folder = tmp_path_factory.mktemp("site")
    try:
        serving.gather_site(folder)
    except OSError as error:
        pytest.skip(f"onnxruntime-web cannot be fetched: {error}")
    server = serving.make_server(folder, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def page(site, voice):
    """Return the page in a Chromium that hears the file in place of a microphone."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    options = ["--no-sandbox", *CAMERA, f"--use-file-for-fake-audio-capture={voice}"]
    asked, said = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=options)
        opened = browser.new_context(permissions=["camera", "microphone"]).new_page()
        opened.on("request", lambda request: asked.append((request.method, request.url)))
        opened.on("console", lambda message: said.append(message.text))
        opened.on("pageerror", lambda error: said.append(str(error)))
        opened.goto(site)
        opened.get_by_text("Ready").wait_for(timeout=PATIENCE_MS)
        yield opened
        browser.close()
    foreign = [url for _, url in asked if not url.startswith((site, f"blob:{site}"))]
    assert not foreign
    assert {method for method, _ in asked} == {"GET"}, "nothing is sent"
    assert not said


def read_shares(page, side):
    """Return the shares of a side of the answer, float (emotion,)."""
    cells = page.locator(f"td[data-side='{side}']")
    cells.first.wait_for(timeout=PATIENCE_MS)
    return np.array([float(own.get_attribute("data-value")) for own in cells.all()])


def test_a_recording_is_heard_as_onnxruntime_hears_it_in_python(page, voice):
    page.get_by_label("A recording").set_input_files(str(voice))
    found = read_shares(page, "voice")
    samples = sound.cut_silence(sound.read_wave(voice, RATE_HZ), RATE_HZ)
    expected = networks.load_networks().hear([sound.cut_middle(samples, 3 * RATE_HZ)])[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert networks.load_networks().emotions[found.argmax()] in page.locator("#said").inner_text()
