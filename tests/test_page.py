"""The page's server: what it takes, what it refuses, what it keeps."""

import io
import json
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the page needs requirements-demo.txt")

from starlette.testclient import TestClient

from modeling.predict.page import live
from modeling.predict.page.jobs import Allowed, clean_name
from modeling.predict.page.server import create_app
from tests.broken_media import write_clip
from tests.made_timelines import STATEMENT, predict_slowly, predict_stand_in

OWN = "http://127.0.0.1:8765"


@pytest.fixture
def open_page():
    """Return a function that opens the page with options of `create_app`; all end with the test."""
    clients = []

    def open_one(predictor=predict_stand_in, **options):
        clients.append(TestClient(create_app(predictor, **options), base_url=OWN))
        return clients[-1].__enter__()

    yield open_one
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("page") / "a.mp4", size=(320, 240)).read_bytes()


def give(page, data, name="holiday.mp4", **options):
    return page.post("/clips", params={"name": name}, content=data, **options)


def wait(page, job, limit_s=60):
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        job = page.get(f"/clips/{job['key']}").json()
        if job["state"] in ("done", "failed"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def list_uploads(page):
    return list(page.app.state.jobs.folder.rglob("upload*"))


def test_a_clip_is_answered_and_its_upload_deleted(open_page, clip):
    page = open_page()
    response = give(page, clip, "C:\\holiday <1>.mp4")
    assert response.status_code == 202
    job = wait(page, response.json())
    assert (job["state"], job["name"]) == ("done", "holiday _1_.mp4")
    assert not list_uploads(page)
    answer = page.get(f"/clips/{job['key']}/answer.json").json()
    assert answer["statement"] == STATEMENT
    assert [person["name"] for person in answer["people"]] == ["person 1", "a voice off screen"]
    assert answer["people"][0]["spans"][0]["from"] == 0
    assert sum(answer["people"][0]["shares"].values()) == pytest.approx(1, abs=1e-3)
    table = page.get(f"/clips/{job['key']}/answer.csv?download")
    assert table.text.startswith("start_s,end_s,person,state")
    assert table.headers["content-disposition"].endswith("holiday%20_1_.csv")
    film = page.get(f"/clips/{job['key']}/answer.mp4", headers={"Range": "bytes=0-99"})
    assert (film.status_code, len(film.content)) == (206, 100)
    assert page.delete(f"/clips/{job['key']}").status_code == 204
    assert page.get(f"/clips/{job['key']}/answer.csv").status_code == 404
    assert not list(page.app.state.jobs.folder.iterdir())


def test_what_is_no_video_is_said_to_be_none(open_page):
    page = open_page()
    job = wait(page, give(page, b"dear diary " * 100, "diary.mp4").json())
    assert job["state"] == "failed"
    assert job["reason"].startswith("This file cannot be read: not a media file")
    assert not list_uploads(page)
    assert give(page, b"").json() == {"reason": "This file is empty."}


def test_what_is_too_large_is_refused_with_the_limit(open_page, clip):
    page = open_page(allowed=Allowed(n_bytes=1000))
    for data in (clip, iter([clip[:600], clip[600:]])):  # the second does not say how long it is
        response = give(page, data)
        assert response.status_code == 413
        assert "0.001 MB" in response.json()["reason"]
    assert not list_uploads(page)


def test_what_is_too_long_is_refused_with_the_way_out(open_page, clip):
    page = open_page(allowed=Allowed(length_s=1.0))
    job = wait(page, give(page, clip).json())
    assert "python -m modeling.predict" in job["reason"]


def test_two_visitors_are_read_at_once_and_others_wait(open_page, clip):
    page = open_page(predict_slowly, allowed=Allowed(n_waiting=2))
    wait(page, give(page, clip).json())  # now the code is loaded, at least once
    began_s = time.monotonic()
    first, second = (give(page, clip, f"{k}.mp4").json() for k in range(2))
    time.sleep(1)
    states = [page.get(f"/clips/{job['key']}").json()["state"] for job in (first, second)]
    assert states == ["reading", "reading"]
    others = [give(page, clip, f"{k}.mp4") for k in range(2, 5)]
    assert [r.status_code for r in others[:2]] == [202, 202]
    assert page.get(f"/clips/{others[1].json()['key']}").json()["ahead"] == 1
    done = [wait(page, job) for job in (first, second)]
    assert [job["state"] for job in done] == ["done", "done"]
    assert time.monotonic() - began_s < 30
    assert first["key"] != second["key"]


def test_answers_expire(open_page, clip):
    page = open_page(allowed=Allowed(keep_s=0.0))
    job = wait(page, give(page, clip).json())
    time.sleep(0.01)
    page.app.state.jobs.sweep()
    assert page.get(f"/clips/{job['key']}").status_code == 404


def test_only_this_machine_and_this_page_may_ask(open_page, clip):
    page = open_page()
    assert page.get("/", headers={"Host": "attacker.example"}).status_code == 400
    assert page.get("/", headers={"Host": "localhost:8765"}).status_code == 200
    for sent in ({"Origin": "http://attacker.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert give(page, clip, headers=sent).status_code == 403
    assert give(page, clip, headers={"Origin": OWN}).status_code == 202


def test_pages_name_no_foreign_host_and_allow_none(open_page):
    page = open_page()
    for name in ("", "app.js", "live.js", "worklet.js", "style.css"):
        response = page.get(f"/{name}")
        assert response.status_code == 200
        assert "//" not in response.text.replace("// ", "").replace(" //", ""), name
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
    assert page.get("/server.py").status_code == 404
    assert page.get("/../server.py").status_code == 404


def test_names_lose_what_leads_elsewhere():
    assert clean_name("../../etc/passwd") == "passwd"
    assert clean_name("<b>é.mp4") == "_b_é.mp4"
    assert clean_name("..") == "clip"


class StandInNetworks:
    """Hears anger in every voice, sees joy in every face."""

    unsure_below = 0.5

    def look(self, faces):
        assert faces.shape[1:] == (48, 48)
        return np.full((len(faces), 7), 1 / 7, np.float32)

    def judge(self, expressions, times):
        assert len(expressions) == len(times)
        return np.eye(8, dtype=np.float32)[2]

    def hear(self, waveforms):
        return np.tile(np.eye(8, dtype=np.float32)[4], (len(waveforms), 1))

    def fuse(self, voice, face):
        return np.nanmean([voice, face], axis=0)


class OneFace:
    def detect(self, picture):
        return np.array([[10, 10, 50, 60, 0.99]], np.float32)


def ask_live(page, *, session="a", at_s=0.0, n=2, seconds=0.5, rate_hz=48000, loud=0.0):
    file = io.BytesIO()
    Image.new("RGB", (160, 120), "#808080").save(file, "jpeg")
    rng = np.random.default_rng(0)
    sound = (loud * rng.normal(size=int(seconds * rate_hz))).clip(-1, 1) * 32767
    sound = sound.astype("<i2").tobytes()
    times = [at_s + k / 5 for k in range(n)]
    head = {"session": session, "rate_hz": rate_hz, "sound": len(sound), "sound_s": at_s + seconds}
    head["pictures"] = [[t, len(file.getvalue())] for t in times]
    body = json.dumps(head).encode() + b"\n" + file.getvalue() * n + sound
    return page.post("/live", content=body)


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_a_camera_is_read_while_it_runs(open_page):
    page = open_page(open_reader=lambda: live.LiveReader(StandInNetworks(), OneFace()))
    first = ask_live(page).json()["people"]
    assert [(p["person"], p["state"]) for p in first] == [(1, "nothing to read")]
    later = ask_live(page, at_s=0.5).json()["people"]
    assert [(p["emotion"], p["confidence"], p["state"]) for p in later] == [("happy", 1.0, "face")]
    assert later[0]["box"] == pytest.approx([10 / 160, 10 / 120, 40 / 160, 50 / 120])


def test_second_face_is_found_though_one_is_followed_cheaply():
    class Cheap(OneFace):
        n_full = 0

        def detect(self, picture):
            self.n_full += 1
            both = np.array([[10, 10, 70, 80, 0.99], [90, 10, 140, 80, 0.99]], np.float32)
            return both if self.n_full > 1 else both[:1]

        def detect_close(self, picture):
            return np.array([[10, 10, 70, 80, 0.99]], np.float32)

    reader = live.LiveReader(StandInNetworks(), Cheap())
    n_faces = []
    for k in range(2 * live.FULL_LOOKS):
        reader.show(np.full((120, 160, 3), 128, np.uint8), k / 10)
        n_faces.append(len(reader.faces))
    assert n_faces.index(2) == live.FULL_LOOKS - 1 and n_faces[-1] == 2


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_a_voice_is_read_with_the_only_face_and_noise_is_not(open_page, monkeypatch):
    page = open_page(open_reader=lambda: live.LiveReader(StandInNetworks(), OneFace()))
    for k in range(3):
        noise = ask_live(page, at_s=k / 2, loud=0.1).json()["people"]
    assert noise[0]["state"] == "face"
    speech = "preprocessing.voice.activity.find_speech"
    monkeypatch.setattr(speech, lambda waveform, rate_hz: (0.1, len(waveform) / rate_hz))
    both = ask_live(page, at_s=1.5, loud=0.1).json()["people"]
    assert [(p["state"], p["confidence"]) for p in both] == [("face and voice", 0.5)]
    alone = ask_live(page, session="b", n=0, seconds=1.0).json()["people"]
    assert [(p["person"], p["emotion"]) for p in alone] == [(0, "angry")]


def test_live_requests_that_make_no_sense_are_refused(open_page):
    page = open_page(open_reader=lambda: live.LiveReader(StandInNetworks(), OneFace()))
    assert page.post("/live", content=b"{}").status_code == 400
    assert page.post("/live", content=b"no json").status_code == 400
    head = {"session": "a", "rate_hz": 16000, "pictures": [[0, 4]], "sound": 0, "sound_s": 0}
    assert page.post("/live", content=json.dumps(head).encode() + b"\nJPEG").status_code == 400
    assert page.post("/live", content=b"x" * 5_000_000).status_code == 413
    assert ask_live(page, session="b").status_code == 200
    assert ask_live(page, session="c").status_code == 503
