"""Film a take: an actor says a statement with an emotion; picture and sound into one mp4."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from preprocessing import corpora
from preprocessing.corpora.drawn import expression, prosody, voice
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.face import draw_face
from preprocessing.disk import files

FPS = (15, 25)
"""Slowest and fastest rate of frames; each clip has one of its own."""


class Take(NamedTuple):
    """What is filmed, all but the randomness: the facts that a file's name carries.

    Actor and repetition count from 1; the emotion is a name of ``corpora.EMOTIONS``.
    """

    actor: int
    emotion: str
    repetition: int

    @property
    def clip_id(self):
        """Name of the clip, such as "d-03-happy-2"."""
        return f"d-{self.actor:02}-{self.emotion}-{self.repetition}"

    @property
    def file(self):
        """Path within the corpus folder, such as "Actor_03/d-03-happy-2.mp4"."""
        return f"Actor_{self.actor:02}/{self.clip_id}.mp4"

    @property
    def intensity(self):
        """Every second repetition is strong; neutral never is, as in RAVDESS."""
        return "strong" if self.repetition % 2 == 0 and self.emotion != "neutral" else "normal"

    @property
    def statement(self):
        """The statements alternate over actors, emotions and repetitions."""
        turn = self.actor + corpora.EMOTIONS.index(self.emotion) + self.repetition
        return "01" if turn % 2 else "02"


def perform_take(take, *, seed=7):
    """Return a ``Take``'s frames, their rate in frames per second, and its ``voice.Speech``.

    The frames are uint8 (time, 240, 320, 3) RGB; pictures and sound are equally long.
    """
    emotion = corpora.EMOTIONS.index(take.emotion)
    rng = np.random.default_rng([seed, take.actor, emotion, take.repetition])
    actor = cast_actor(take.actor, seed=seed)
    fps = int(rng.integers(FPS[0], FPS[1] + 1))
    strength = rng.uniform(*expression.STRENGTHS[take.intensity])
    spoken = prosody.choose_prosody(take.emotion, rng, strength=0.25 + 0.85 * strength)
    speech = voice.speak(take.statement, spoken, actor.voice, rng)
    units = expression.choose_expression(take.emotion, actor, rng, strength=strength)
    times = np.arange(round(speech.duration_s * fps)) / fps
    acted = expression.act_face(units, actor, times, speech, rng, emotion=take.emotion)
    frames = [draw_face(take.actor, now, pose=pose, seed=seed) for now, pose in acted]
    return np.stack(frames), fps, speech


def film_take(folder, take, *, seed=7):
    """Write a ``Take`` into the corpus folder as an mp4, never half; return its path there."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the processes already use every core
    frames, fps, speech = perform_take(take, seed=seed)
    cv2.setNumThreads(threads)
    with files.replace_file(Path(folder, take.file)) as partial:
        write_mp4(partial, frames, fps, speech.waveform, voice.RATE_HZ)
    return take.file


def write_mp4(path, frames, fps, waveform, rate_hz):
    """Write frames, uint8 (time, height, width, 3), and a mono waveform as H.264 and AAC."""
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        picture = container.add_stream("libx264", rate=fps)
        picture.height, picture.width = frames.shape[1:3]
        picture.pix_fmt = "yuv420p"
        picture.options = {"preset": "superfast", "crf": "20", "threads": "1"}
        sound = container.add_stream("aac", rate=rate_hz, layout="mono")
        sound.bit_rate, sound.options = 64000, {"aac_coder": "fast"}
        for image in frames:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(picture.encode(frame))
        block = av.AudioFrame.from_ndarray(waveform[None], format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = rate_hz, 0, Fraction(1, rate_hz)
        container.mux(sound.encode(block))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
