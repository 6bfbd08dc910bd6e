"""The page in a real browser: a clip becomes a timeline, a camera is read, errors are said."""

import re

import pytest

from tests.broken_media import write_clip

pytestmark = pytest.mark.slow
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return write_clip(folder / "holiday.mp4", size=(640, 480), duration_s=6.0)


def give(page, path):
    page.get_by_label("Choose a clip").set_input_files(str(path))


def expect_answer(page):
    page.get_by_role("heading", name="Answer").wait_for(timeout=PATIENCE_MS)


def wait_for_film(page, condition):
    """Wait without ``wait_for_function``, which the page's policy forbids."""
    for _ in range(PATIENCE_MS // 100):
        if page.locator("#film").evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(condition)


def test_a_clip_becomes_a_timeline_and_a_film_that_plays(visit, clip):
    page = visit()
    give(page, clip)
    expect_answer(page)
    assert page.locator(":focus").inner_text() == "Answer"
    assert "person 1" in page.get_by_role("table").inner_text()
    assert "not what anybody feels" in page.locator("#statement").inner_text()
    film = page.locator("#film")
    wait_for_film(page, "film => film.readyState >= 2")
    assert film.evaluate("film => film.duration") == pytest.approx(6, abs=0.2)
    film.evaluate("film => { film.muted = true; return film.play(); }")
    wait_for_film(page, "film => film.currentTime > 1")
    film.evaluate("film => film.pause()")
    page.wait_for_timeout(200)
    shown = page.evaluate(
        "[parseFloat(document.getElementById('cursor').style.left) / 100 * 6,"
        " document.getElementById('film').currentTime]"
    )
    assert shown[0] == pytest.approx(shown[1], abs=0.15)


def test_the_timeline_is_moved_by_keys_and_says_where_it_is(visit, clip):
    page = visit()
    give(page, clip)
    expect_answer(page)
    lanes = page.get_by_role("slider", name="Timeline")
    lanes.focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    wait_for_film(page, "film => film.currentTime > 1.9")
    assert float(lanes.get_attribute("aria-valuenow")) == pytest.approx(2, abs=0.1)
    assert re.match(r"0:02 · person 1: \w+", lanes.get_attribute("aria-valuetext"))


def test_everything_is_reached_by_the_keyboard(visit, clip):
    page = visit()
    give(page, clip)
    expect_answer(page)
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"file", "record", "live", "film", "lanes", "csv", "mp4", "forget"} <= reached


def test_table_and_film_are_saved_under_the_clips_name(visit, clip):
    page = visit()
    give(page, clip)
    expect_answer(page)
    for link, name in (
        ("Download the table", "holiday.csv"),
        ("Download the video", "holiday.mp4"),
    ):
        with page.expect_download() as download:
            page.get_by_role("link", name=link).click()
        assert download.value.suggested_filename == name
        assert download.value.path().stat().st_size > 100
    page.get_by_role("button", name="Delete the answer").click()
    page.get_by_role("heading", name="Answer").wait_for(state="hidden")


def test_what_is_no_video_and_what_is_too_large_is_said(visit, tmp_path, clip):
    page = visit()
    (tmp_path / "diary.mp4").write_bytes(b"dear diary " * 1000)
    give(page, tmp_path / "diary.mp4")
    alert = page.get_by_role("alert")
    alert.filter(has_text="cannot be read: not a media file").wait_for(timeout=PATIENCE_MS)
    (tmp_path / "film.mp4").write_bytes(bytes(3_000_001))
    give(page, tmp_path / "film.mp4")
    alert.filter(has_text="takes 3 MB at most").wait_for(timeout=PATIENCE_MS)
    give(page, clip)
    expect_answer(page)
    assert alert.inner_text() == ""  # it stays there, for screen readers


def test_two_visitors_get_their_own_answers(visit, tmp_path):
    pages = [visit(), visit()]
    for page, seconds in zip(pages, (3.0, 5.0), strict=True):
        give(page, write_clip(tmp_path / f"{seconds:.0f}.mp4", duration_s=seconds))
    for page, seconds in zip(pages, (3.0, 5.0), strict=True):
        expect_answer(page)
        last = page.get_by_role("slider", name="Timeline").get_attribute("aria-valuemax")
        assert float(last) == pytest.approx(seconds, abs=0.1)


def test_what_a_browser_records_is_read(visit):
    page = visit()
    page.get_by_role("button", name="Record with the camera").click()
    page.wait_for_timeout(3000)
    page.get_by_role("button", name="Stop and read it").click()
    expect_answer(page)
    wait_for_film(page, "film => film.readyState >= 2")
    assert page.locator("#film").evaluate("film => film.videoWidth") >= 320


def test_a_camera_is_read_live_at_least_twice_a_second(visit):
    page = visit()
    page.get_by_role("button", name="Read the camera live").click()
    note = page.locator("#camera-note")
    note.filter(has_text="person 1: happy").wait_for(timeout=PATIENCE_MS)
    page.wait_for_timeout(4000)
    rate = re.match(r"([\d.]+) answers a second", page.locator("#pace").inner_text())
    assert float(rate[1]) >= 2
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("heading", name="Live").wait_for(state="hidden")


def test_a_live_reading_that_falls_behind_says_so(visit):
    page = visit()

    def delay(route):
        page.wait_for_timeout(1300)
        route.continue_()

    page.route("**/live", delay)
    page.get_by_role("button", name="Read the camera live").click()
    page.locator("#pace").filter(has_text="Falling behind").wait_for(timeout=PATIENCE_MS)
    page.unroute_all(behavior="ignoreErrors")
    page.get_by_role("button", name="Stop", exact=True).click()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(visit, clip, width):
    page = visit(width=width, height=800)
    give(page, clip)
    expect_answer(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        "[...document.querySelectorAll('button, a.button, label.button')]"
        ".filter(e => e.offsetParent).map(e => e.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 44
