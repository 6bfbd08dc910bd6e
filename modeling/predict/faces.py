"""Pictures that come one by one become tracks of faces: where, how they look, how the mouth moves.

A few seconds of pictures are held at a time. The detector sees few of them; faces are followed
between (`follow.follow_faces`), linked to tracks that end at cuts, and smoothed over the edges of
what is held. Of a face that was read only numbers are kept.
"""

from array import array
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from modeling.predict.detecting import Once
from modeling.predict.portraits import cut_portrait
from preprocessing.clips import cuts
from preprocessing.clips.sampling import SNAP_S
from preprocessing.faces import speaker, turned
from preprocessing.faces.boxes import pair_boxes, smooth_track, square_boxes
from preprocessing.faces.crop import follow_cheaply
from preprocessing.faces.frames import Frames, crop_frame

LOOKS_HZ = 10.0  # pictures a second that are looked at
WATCHED_HZ = 16.0  # at most, in which mouths are watched
SPAN_LOOKS = 30  # looks between two pictures that the detector sees at least
TURN_LOOKS = 10  # looks from one that tells whether a face is turned to the next
CONTEXT_LOOKS = 4  # looks on either side that smooth a box
CONTEXT_S = 0.45  # pictures on either side of one that tell whether it begins a shot
FACE_SIDE = 48  # of the crops that the network reads, in pixels
MAX_STEP_S = 0.25  # between two pictures of a mouth that show its motion
MAX_LOST_S = 1.0  # a face that comes back later, to the same place, may be another's
MIN_CONFIDENCE = 0.5  # detections below it are no faces
CHECKED_SPANS = 4  # one of so many spans, and the first of a shot, are looked at in full


def _floats():
    return array("f")


@dataclass(eq=False)
class Track:
    """One face within a shot, a row a look; boxes are pixels of the shown frame."""

    shot: int
    times: array = field(default_factory=lambda: array("d"))  # seconds
    boxes: array = field(default_factory=_floats)  # five a look: smoothed box, confidence
    expressions: array = field(default_factory=_floats)  # seven a look: posteriors
    changes: array = field(default_factory=_floats)  # mean change of grey since the look before
    mouth_times: array = field(default_factory=lambda: array("d"))  # between two pictures
    mouth_motions: array = field(default_factory=_floats)  # two each: `measure_mouth_motion`
    turns: array = field(default_factory=_floats)  # whether it is a profile; NaN where not looked
    portrait: np.ndarray | float = 0.0  # sum of `cut_portrait` of some looks
    raw: dict = field(default_factory=dict)  # box by number of look, as long as it is needed
    last_mouth: tuple | None = None  # seconds and crop of the mouth last watched
    last_face: np.ndarray | None = None  # int16, the crop last read


@dataclass
class _Held:
    """A picture that is still needed."""

    time_s: float
    source: object  # (frame, convert) of `frames.Frames`
    look: int | None  # its number among those looked at
    shot: int = 0
    _rgb: np.ndarray | None = None

    def as_source(self):
        """Return it for `frames.Frames`; its RGB is made once."""
        frame, convert = self.source

        def convert_once(shape):
            if self._rgb is None or (shape is not None and self._rgb.shape[:2] != shape[:2]):
                self._rgb = convert(shape)
            return self._rgb

        return frame, convert_once


class FaceReader:
    """Reads faces while pictures come: ``show`` each, then ``finish``.

    Attributes:
        tracks: List of `Track`.
        look_times: Seconds of each picture looked at.
        cuts_s: Seconds of the pictures that begin a shot.

    Args:
        detector: See `opencv_model.resnet_ssd`.
        look: Function of uint8 (face, 48, 48) that gives float32 (face, 7).
    """

    def __init__(self, detector, look):
        self.detector, self.look = Once(detector), look
        self.tracks, self.look_times, self.cuts_s = [], array("d"), array("d")
        self._held, self._small = deque(), deque()
        self._next_look_s = self._next_watched_s = -np.inf
        self._live, self._scale = [], 1.0
        self._numbered_s = -np.inf
        self._checked_shot, self._is_crowded, self._n_spans = None, False, 0
        self._n_followed = self._n_read = 0  # looks with boxes, looks that are read

    def show(self, picture):
        """Take a `stream.Picture`, in the order of time."""
        time_s = picture.time_s
        self._small.append((time_s, cuts.shrink_picture(picture.view_luma())))
        is_look = time_s >= self._next_look_s - SNAP_S
        if is_look or time_s >= self._next_watched_s - SNAP_S:
            look = None
            if is_look:
                look = len(self.look_times)
                self.look_times.append(time_s)
                self._next_look_s = _step_on(self._next_look_s, time_s, LOOKS_HZ)
            self._next_watched_s = _step_on(self._next_watched_s, time_s, WATCHED_HZ)
            self._held.append(_Held(time_s, picture.reduce(), look))
            self._scale = picture.frame.width / self._held[-1].source[0].width
        if len(self.look_times) - self._n_followed > SPAN_LOOKS + CONTEXT_S * LOOKS_HZ:
            self._read(time_s - CONTEXT_S)

    def finish(self):
        """Read what is still held."""
        if self.look_times:
            self._read(np.inf)
        self._held.clear()
        self._small.clear()

    def _read(self, until_s):
        """Follow faces up to an instant, and read them as far as their boxes are smooth."""
        self._number_shots(until_s)
        looks = [held for held in self._held if held.look is not None and held.time_s <= until_s]
        new = [held for held in looks if held.look >= self._n_followed - 1]  # and the last end
        if new:
            shots = np.array([held.shot for held in new])
            frames = Frames([held.as_source() for held in new])
            detector = self._choose_detector(frames, new[-1].shot)
            found, _, _ = follow_cheaply(frames, detector, shots, MIN_CONFIDENCE)
            for held, boxes in zip(new, found, strict=True):
                if held.look >= self._n_followed:
                    self._link(held, boxes)
            self._n_followed = new[-1].look + 1
        stop = self._n_followed - (0 if until_s == np.inf else CONTEXT_LOOKS)
        if stop > self._n_read:
            self._read_faces([held for held in looks if held.look < self._n_followed], stop)
            self._forget(stop)

    def _choose_detector(self, frames, shot):
        """Return the detector, without its reduced network in a shot of several faces."""
        is_due = shot != self._checked_shot or self._n_spans % CHECKED_SPANS == 0
        self._n_spans += 1
        if is_due:
            self._is_crowded &= shot == self._checked_shot
            boxes = self.detector.detect(frames[len(frames) - 1])
            self._is_crowded |= bool((boxes[:, 4] >= MIN_CONFIDENCE).sum() > 1)
            self._checked_shot = shot
        return SimpleNamespace(detect=self.detector.detect) if self._is_crowded else self.detector

    def _number_shots(self, until_s):
        """Give each held picture up to an instant the number of its shot."""
        times = np.array([time_s for time_s, _ in self._small])
        starts = times[cuts.find_cuts([small for _, small in self._small], times)]
        own = [held for held in self._held if held.time_s <= until_s]
        last_s = self._numbered_s
        for held in own:
            if held.time_s > last_s:
                self.cuts_s.extend(starts[(starts > last_s) & (starts <= held.time_s)].tolist())
                held.shot, last_s = len(self.cuts_s), held.time_s
        self._numbered_s = last_s
        while self._small and self._small[0][0] < last_s - CONTEXT_S:
            self._small.popleft()

    def _link(self, held, boxes):
        """Add the faces of a look to the tracks of its shot, as `boxes.link_tracks` does."""
        self._live = [
            track
            for track in self._live
            if track.shot == held.shot
            and held.time_s - self.look_times[max(track.raw)] <= MAX_LOST_S
        ]
        last = [track.raw[max(track.raw)][:4] for track in self._live]
        pairs = pair_boxes(np.array(last).reshape(-1, 4), boxes)
        owners = {face: self._live[track] for track, face in pairs}
        for face, box in enumerate(boxes):
            track = owners.get(face)
            if track is None:
                track = Track(held.shot)
                self.tracks.append(track)
                self._live.append(track)
            track.raw[held.look] = box

    def _read_faces(self, looks, stop):
        """Read each track's faces in the looks up to number ``stop``, and watch their mouths."""
        frames = Frames([held.as_source() for held in self._held])
        places = {held.look: i for i, held in enumerate(self._held) if held.look is not None}
        shots = np.array([held.shot for held in looks])
        waiting = []
        for track in self.tracks:
            if not any(self._n_read <= look < stop for look in track.raw):
                continue
            missing = np.full(5, np.nan, np.float32)
            raw = np.stack([track.raw.get(held.look, missing) for held in looks])
            smooth = smooth_track(raw[:, :4], shots)
            seen = np.flatnonzero(np.isfinite(smooth[:, 0]))
            for i in seen:
                if self._n_read <= looks[i].look < stop:
                    place = frames, places[looks[i].look]
                    face = self._read_face(track, place, looks[i], smooth[i], raw[i, 4])
                    waiting.append((track, face))
            self._watch(track, frames, [looks[i] for i in seen], smooth[seen], stop)
        if waiting:
            posteriors = self.look(np.stack([face for _, face in waiting]))
            for (track, _), posterior in zip(waiting, posteriors, strict=True):
                track.expressions.extend(posterior.tolist())

    def _read_face(self, track, place, held, box, confidence):
        """Note what a look shows of a track; return the face's crop."""
        square = square_boxes(box[None], margin=0.0)[0]
        face = crop_frame(*place, square, size=FACE_SIDE, grey=True)
        change = np.nan
        if track.last_face is not None:
            change = float(np.abs(face.astype(np.int16) - track.last_face).mean())
        track.last_face = face.astype(np.int16)
        track.times.append(held.time_s)
        track.boxes.extend([*(box * self._scale).tolist(), float(confidence)])
        track.changes.append(change)
        if len(track.times) % SPAN_LOOKS == 1:  # a portrait needs few
            track.portrait = track.portrait + cut_portrait(*place, box)
        track.turns.append(np.nan)
        if len(track.times) % TURN_LOOKS == 1:
            square = square_boxes(box[None], margin=turned.MARGIN)[0]
            wide = crop_frame(*place, square, size=turned.SIDE, grey=True)
            track.turns[-1] = turned.is_turned(wide)
        return face

    def _watch(self, track, frames, seen, boxes, stop):
        """Measure the motion of a track's mouth in all held pictures between its looks."""
        times = np.array([held.time_s for held in seen])
        first_s = max(times[0], track.last_mouth[0] + 1e-6 if track.last_mouth else -np.inf)
        last_s = min(times[-1], self.look_times[stop - 1])
        watched = [] if track.last_mouth is None else [track.last_mouth]
        for place, held in enumerate(self._held):
            if not first_s <= held.time_s <= last_s or held.shot != track.shot:
                continue
            after = np.searchsorted(times, held.time_s)
            if times[after] - times[max(after - 1, 0)] > MAX_LOST_S:
                continue
            box = np.array([np.interp(held.time_s, times, boxes[:, side]) for side in range(4)])
            square = square_boxes(box[None], margin=0.0)[0]
            mouth = crop_frame(frames, place, square, size=speaker.SIDE, grey=True)
            watched.append((held.time_s, mouth))
        if len(watched) > 1:
            moments = np.array([time_s for time_s, _ in watched])
            mouths = np.stack([mouth for _, mouth in watched])
            motions = speaker.measure_mouth_motion(mouths, moments)
            close = np.diff(moments) <= MAX_STEP_S
            track.mouth_times.extend(((moments[1:] + moments[:-1]) / 2)[close].tolist())
            track.mouth_motions.extend(motions[close].ravel().tolist())
        if watched:
            track.last_mouth = watched[-1]

    def _forget(self, stop):
        """Let go of what no later look needs."""
        self._n_read = stop
        keep = min(stop - CONTEXT_LOOKS, self._n_followed - 1)
        kept_s = self.look_times[max(keep, 0)]
        while self._held and self._held[0].time_s < kept_s:
            self._held.popleft()
        alive = {id(held._rgb) for held in self._held if held._rgb is not None}
        self.detector.known = {k: v for k, v in self.detector.known.items() if k[0] in alive}
        for track in self.tracks:
            if track.raw and track not in self._live:
                track.raw = {k: v for k, v in track.raw.items() if k >= keep}
            elif track.raw:
                newest = max(track.raw)
                track.raw = {k: v for k, v in track.raw.items() if k >= keep or k == newest}
            if not track.raw:  # it is over
                track.last_face = track.last_mouth = None


def _step_on(next_s, time_s, rate_hz):
    """Return the next instant of a grid that lies after ``time_s``; a late picture moves it."""
    if not np.isfinite(next_s):
        return time_s + 1 / rate_hz
    return next_s + (np.floor((time_s + SNAP_S - next_s) * rate_hz) + 1) / rate_hz
