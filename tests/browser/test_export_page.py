"""The exported networks in a real browser: the same numbers as in Python, and nobody else asked."""

import json
import shutil
import threading

import cv2
import numpy as np
import pytest

from modeling.export.taken import faces, sound
from modeling.export.web import serving
from modeling.predict import networks
from opencv_model import resnet_ssd
from preprocessing.corpora.drawn import clip
from preprocessing.corpora.drawn import voice as drawn_voice
from preprocessing.faces.boxes import square_boxes
from tests.broken_media import write_wav
from tests.browser.conftest import BROWSERS, CAMERA

pytestmark = pytest.mark.slow
PATIENCE_MS = 90_000
RATE_HZ = 16000


@pytest.fixture(scope="module")
def take():
    """Return frames and sound of a drawn actor who speaks."""
    return clip.perform_take(clip.Take(1, "happy", 1))


@pytest.fixture(scope="module")
def voice(take, tmp_path_factory):
    """Return a WAV file, 16 bits at 16 kHz, with silence at both ends."""
    heard = sound.change_rate(take[2].waveform, drawn_voice.RATE_HZ, RATE_HZ)
    silence = np.zeros(RATE_HZ // 2)
    samples = np.concatenate([silence, heard, silence])
    path = tmp_path_factory.mktemp("sounds") / "voice.wav"
    return write_wav(path, (samples * 32767).astype(np.int16), RATE_HZ)


@pytest.fixture(scope="module")
def picture(take, tmp_path_factory):
    """Return a PNG file of a frame, and the frame, uint8 RGB."""
    frame = take[0][len(take[0]) // 2]
    path = tmp_path_factory.mktemp("pictures") / "face.png"
    cv2.imwrite(str(path), frame[:, :, ::-1])
    return path, frame


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
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    options = ["--no-sandbox", *CAMERA, f"--use-file-for-fake-audio-capture={voice}"]
    asked, said = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        opened = browser.new_context(permissions=["camera", "microphone"]).new_page()
        opened.on("request", lambda request: asked.append((request.method, request.url)))
        opened.on("console", lambda message: said.append(message.text))
        opened.on("pageerror", lambda error: said.append(str(error)))
        opened.goto(site)
        opened.get_by_text("Ready").wait_for(timeout=PATIENCE_MS)
        yield opened
        browser.close()
    assert not [url for _, url in asked if not url.startswith((site, f"blob:{site}"))]
    assert {method for method, _ in asked} == {"GET"}, "nothing is sent"
    assert not said, said


def read_shares(page, side):
    """Return the shares of a side of the answer, float (emotion,)."""
    cells = page.locator(f"td[data-side='{side}']")
    cells.first.wait_for(timeout=PATIENCE_MS)
    return np.array([float(own.get_attribute("data-value")) for own in cells.all()])


def test_a_recording_is_heard_as_onnxruntime_hears_it_in_python(page, voice):
    page.get_by_label("A recording").set_input_files(str(voice))
    found = read_shares(page, "voice")
    samples = sound.cut_silence(sound.read_wave(voice, RATE_HZ), RATE_HZ)
    shipped = networks.load_networks()
    expected = shipped.hear([sound.cut_middle(samples, 3 * RATE_HZ)])[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert shipped.emotions[expected.argmax()] in page.locator("#said").inner_text()


def test_a_face_is_found_and_seen_as_in_python(page, picture):
    path, frame = picture
    page.get_by_label("A picture").set_input_files(str(path))
    found = read_shares(page, "face")
    square = json.loads(page.locator("#shown").get_attribute("data-square"))
    box = resnet_ssd.open_detector("resnet_ssd_caffe").detect(frame)[0, :4]
    wanted = square_boxes(box[None], margin=0.0)[0]
    corners = [square["x"], square["y"], square["x"] + square["side"], square["y"] + square["side"]]
    np.testing.assert_allclose(corners, wanted, atol=0.02 * square["side"] + 2)
    left, top, side = (int(np.floor(square[name] + 0.5)) for name in ("x", "y", "side"))
    rows, columns = (
        np.clip(np.arange(start, start + side), 0, length - 1)
        for start, length in ((top, frame.shape[0]), (left, frame.shape[1]))
    )
    grey = frame[rows][:, columns] @ np.array([0.299, 0.587, 0.114])
    weights = faces.smooth(side, 48)
    seen = weights @ grey @ weights.T
    shipped = networks.load_networks()
    expressions = shipped._run("expression", seen[None, :, :, None].astype(np.float32))[0]
    np.testing.assert_allclose(found, shipped.judge(expressions), atol=1e-3)


def test_the_square_moves_by_keys_and_the_answer_with_it(page, picture):
    page.get_by_label("A picture").set_input_files(str(picture[0]))
    before = read_shares(page, "face")
    page.locator("#shown").focus()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(500)
    assert np.abs(read_shares(page, "face") - before).max() > 1e-4
    assert page.evaluate("document.activeElement.id") == "shown"


@pytest.mark.parametrize("button", ["of the microphone", "of camera and microphone"])
def test_microphone_and_camera_are_read(page, button):
    page.get_by_role("button", name=button).click()
    page.get_by_text("Recording …", exact=True).wait_for()
    page.get_by_text("Ready").wait_for(timeout=PATIENCE_MS)
    assert read_shares(page, "voice").sum() == pytest.approx(1, abs=1e-3)
    assert page.locator("#problem").inner_text() == ""
