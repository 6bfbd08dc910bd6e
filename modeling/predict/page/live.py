"""A camera and a microphone are read while they run: the last seconds, again and again."""

import io
import threading
import time
from collections import deque

import numpy as np
from PIL import Image

from modeling.predict.page.jobs import FullError
from modeling.predict.timeline import name_answer, name_state
from preprocessing.corpora import EMOTIONS

WINDOW_S = 3.0  # that an answer is of
SILENT_S = 20.0  # after which a session is over
MOST_SESSIONS = 2
MOST_PIXELS = 1280 * 960
MOST_PICTURES = 10  # of one request
MIN_CONFIDENCE = 0.5  # of a face
FACE_SIDE = 48
FULL_LOOKS = 5  # of so many pictures of one large face, one is looked at in full
LEAST_PICTURES = 3  # with a face, for it to be read


class Sessions:
    """Visitors whose cameras are read at the moment.

    Args:
        open_reader: Function that gives a new `LiveReader`; None takes the shipped networks.
    """

    def __init__(self, open_reader=None):
        self._open_reader = open_reader or open_shipped_reader
        self._known, self._lock = {}, threading.Lock()

    def read(self, facts, data):
        """Return what is displayed now; see `server.take_live` for what comes.

        Raises:
            FullError: Too many cameras are read already.
            KeyError, TypeError, ValueError: What came cannot be read.
        """
        session = self._find(str(facts["session"])[:64])
        started_s = time.perf_counter()
        with session.lock:
            session.used_s = time.monotonic()
            for time_s, length in facts["pictures"][:MOST_PICTURES]:
                session.reader.show(decode_picture(data[:length]), float(time_s))
                data = data[length:]
            samples = np.frombuffer(data[: facts["sound"]], "<i2").astype(np.float32) / 32768
            session.reader.hear(samples, int(facts["rate_hz"]), float(facts["sound_s"]))
            answer = session.reader.answer()
        return answer | {"took_s": round(time.perf_counter() - started_s, 3)}

    def _find(self, key):
        with self._lock:
            now = time.monotonic()
            known = self._known.items()
            self._known = {k: s for k, s in known if now - s.used_s < SILENT_S}
            if key not in self._known:
                if len(self._known) >= MOST_SESSIONS:
                    raise FullError(f"{MOST_SESSIONS} cameras are being read; try again later.")
                self._known[key] = _Session(self._open_reader())
            return self._known[key]


class _Session:
    def __init__(self, reader):
        self.reader, self.lock, self.used_s = reader, threading.Lock(), time.monotonic()


def decode_picture(data):
    """Return a JPEG file as uint8 (height, width, 3), RGB.

    Raises:
        ValueError: It is none, or too large.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"a picture of {image.width}×{image.height} pixels")
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise ValueError("a picture is no JPEG file") from error


def open_shipped_reader():
    """Return a `LiveReader` of the shipped networks."""
    from modeling.predict.command import load_networks  # once for all visitors
    from opencv_model.resnet_ssd import open_detector

    return LiveReader(load_networks(), open_detector(quiet=True))


class LiveReader:
    """Keeps the last seconds of a camera and a microphone, and says what they display.

    Each face is read by itself. The voice is a face's where it is the only one, else nobody's: how
    mouths move is not seen in so few pictures.

    Args:
        networks: See `modeling.predict.networks.load_networks`.
        detector: See `opencv_model.resnet_ssd.open_detector`.
    """

    def __init__(self, networks, detector):
        self.networks, self.detector = networks, detector
        self.n_looks = 0
        self.faces, self.n_people = {}, 0  # of a number: deque of (seconds, box, expression)
        self.samples, self.rate_hz, self.end_s = np.zeros(0, np.float32), 0, 0.0
        self.size, self.now_s = (1, 1), 0.0

    def show(self, picture, time_s):
        """Take a picture, uint8 (height, width, 3), RGB, in the order of time."""
        from preprocessing.faces.boxes import pair_boxes, square_boxes
        from preprocessing.faces.frames import crop_face

        self.size, self.now_s = picture.shape[1::-1], max(self.now_s, time_s)
        found = self._find_faces(picture)
        boxes = found[found[:, 4] >= MIN_CONFIDENCE] if len(found) else np.zeros((0, 5))
        self._forget()
        numbers = list(self.faces)
        last = np.array([self.faces[n][-1][1][:4] for n in numbers]).reshape(-1, 4)
        owners = {face: numbers[k] for k, face in pair_boxes(last, boxes)}
        squares = square_boxes(boxes[:, :4], margin=0.0)
        crops = [crop_face(picture, box, size=FACE_SIDE, grey=True) for box in squares]
        expressions = self.networks.look(np.stack(crops)) if crops else []
        for k, expression in enumerate(expressions):
            if k not in owners:
                self.n_people += 1
                owners[k] = self.n_people
                self.faces[owners[k]] = deque()
            self.faces[owners[k]].append((time_s, boxes[k], expression))

    def _find_faces(self, picture):
        """Return a picture's faces, float32 (face, 5); a lone large one costs a third, mostly."""
        from preprocessing.faces.crop import CLOSE_CONFIDENCE, CLOSE_SIDE

        self.n_looks += 1
        is_due = len(self.faces) != 1 or self.n_looks % FULL_LOOKS == 0
        if not is_due and hasattr(self.detector, "detect_close"):
            found = self.detector.detect_close(picture)
            found = found[found[:, 4] >= CLOSE_CONFIDENCE]
            if len(found) == 1:
                x1, y1, x2, y2 = found[0, :4]
                if min(x2 - x1, y2 - y1) >= CLOSE_SIDE * min(picture.shape[:2]):
                    return found
        return self.detector.detect(picture)

    def hear(self, samples, rate_hz, end_s):
        """Take sound, float32 (samples,) in [-1, 1], that ends at ``end_s``."""
        if not 8000 <= rate_hz <= 192000:
            raise ValueError(f"sound of {rate_hz} samples a second")
        if rate_hz != self.rate_hz or end_s - self.end_s > len(samples) / rate_hz + 0.3:
            self.samples = self.samples[:0]  # another microphone, or a gap
        self.rate_hz, self.end_s = rate_hz, end_s
        self.samples = np.concatenate([self.samples, samples])[-int(WINDOW_S * rate_hz) :]

    def answer(self):
        """Return what the last seconds display, as JSON knows it: ``people``, a list.

        A person is {"person", "box" (x, y, width, height as shares of the picture) or None,
        "emotion", "confidence" or None, "state"}.
        """
        self._forget()
        voice = self._hear_voice()
        faces = {number: self._read_face(seen) for number, seen in self.faces.items()}
        read = [number for number, posterior in faces.items() if posterior is not None]
        speaker = None if voice is None else (read[0] if len(read) == 1 else 0)
        people = [
            self._tell(number, voice if number == speaker else None, posterior)
            for number, posterior in faces.items()
        ]
        if speaker == 0:
            people.append(self._tell(0, voice, None))
        return {"people": people}

    def _forget(self):
        for number, seen in list(self.faces.items()):
            while seen and seen[0][0] < self.now_s - WINDOW_S:
                seen.popleft()
            if not seen or seen[-1][0] < self.now_s - 1.0:
                del self.faces[number]

    def _hear_voice(self):
        """Return the voice's posterior, float32 (8,), or None where nobody speaks."""
        from preprocessing.voice.activity import RATE_HZ, find_speech

        if len(self.samples) < 0.5 * max(self.rate_hz, 1):
            return None
        waveform = self.samples
        if self.rate_hz != RATE_HZ:
            from scipy.signal import resample_poly

            waveform = resample_poly(waveform, RATE_HZ, self.rate_hz).astype(np.float32)
        span = find_speech(waveform, RATE_HZ)
        if span is None:
            return None
        first, stop = (round(edge * RATE_HZ) for edge in span)
        posterior = np.asarray(self.networks.hear([waveform[first:stop]])[0], np.float32)
        return posterior if np.isfinite(posterior).all() else None

    def _read_face(self, seen):
        if len(seen) < LEAST_PICTURES:
            return None
        times = np.array([time_s for time_s, _, _ in seen])
        expressions = np.stack([expression for _, _, expression in seen])
        return np.asarray(self.networks.judge(expressions, times - times[0]), np.float32)

    def _tell(self, number, voice, face):
        nothing = np.full(len(EMOTIONS), np.nan, np.float32)
        sides = [nothing if side is None else side for side in (voice, face)]
        both = self.networks.fuse(*(side[None] for side in sides))[0]
        state = name_state(is_heard=voice is not None, is_seen=face is not None)
        told = {"person": number, "state": state, "emotion": "", "confidence": None, "box": None}
        if number in self.faces:
            x1, y1, x2, y2 = (float(edge) for edge in self.faces[number][-1][1][:4])
            width, height = self.size
            told["box"] = [x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height]
        if np.isfinite(both).all():
            told["emotion"], confidence = name_answer(both, self.networks)
            told["confidence"] = round(confidence, 3)
        return told
