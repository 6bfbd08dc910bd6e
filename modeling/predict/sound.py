"""Sound that comes in stretches becomes voices: what utterances display, what windows sound like.

Where somebody speaks a network says (`voice.activity`), never how loud it is. A voice is read from
pause to pause, as it was trained; a window has the mean of its utterances. Of sound that was read
only numbers are kept, 31 a second.
"""

from array import array
from dataclasses import dataclass

import numpy as np

from modeling.predict import tones, windows
from modeling.predict.windows import CHUNK_S, measure_overlap
from preprocessing.voice import activity
from preprocessing.voice.synchrony import ENERGY_S, GRID_HZ, measure_energy

RATE_HZ = activity.RATE_HZ
WARM_S = 5.0  # sound before a stretch that the network of speech hears first
SLACK_S = 6.0  # sound that is kept beyond what is surely read
LOUD_DB = -45.0  # sound that is louder than this, relative to full scale, and no speech is named
OTHER = "sound without speech"
FULL, CLIPPED_SHARE = 0.985, 0.001  # samples at full scale, and the share of them that is named
LONGEST_WINDOWS = 1.5  # of an utterance: one that fills more windows than this is cut


@dataclass(frozen=True)
class Sound:
    """What a window sounds like."""

    speech_s: float  # seconds of speech in it
    is_clipped: bool
    other: str  # what sounds beside speech, or without it: see `_name_other`


@dataclass(frozen=True)
class Voice:
    """What a voice displays in an utterance."""

    posterior: np.ndarray  # float32 (8,)
    embedding: np.ndarray | None  # float32 (feature,), where it is asked for


class SoundReader:
    """Reads voices while sound comes: ``start``, ``hear`` each stretch, then ``finish``.

    Args:
        listen: Function of a list of float32 waveforms that gives float32 (n, 8), and embeddings
            (n, feature) or None.
        by, window_s, step_s: See `predict_clip`.
    """

    def __init__(self, listen, *, by, window_s, step_s):
        self._listen, self._by, self._window_s, self._step_s = listen, by, window_s, step_s
        longest_s = {"window": LONGEST_WINDOWS * window_s, "utterance": windows.LONGEST_S}
        self._longest_s = longest_s[by]
        self.start_s = None
        self.probabilities, self.energies = array("f"), array("f")
        self.loudness = array("f")  # root mean square on a grid of GRID_HZ from the start
        self.utterances = []  # (start, end) in seconds since the start
        self.voices = {}  # Voice by utterance, of those that are read
        self.sounds = {}  # Sound by window, (start, end) likewise
        self._samples, self._first = np.zeros(0, np.float32), 0  # what is kept, from which sample
        self._n_pauses = 0  # chunks that lie before what is still to be divided

    @property
    def end_s(self):
        """Seconds of sound that came, since the start."""
        return (self._first + len(self._samples)) / RATE_HZ

    def start(self, start_s):
        """Say at which second of the file the first window starts."""
        self.start_s = start_s

    def hear(self, sound):
        """Take a `clock.Sound`, in the order of time, and read the windows that are whole."""
        end_s = sound.end_s - self.start_s
        if end_s <= self.end_s:
            return
        if len(self._samples):  # the newest is kept until it is known whether it is the last
            self._measure(whole=False)
            self._read(end_s=None)
        add = sound.cut(self.start_s + self.end_s, sound.end_s)
        self._samples = np.concatenate([self._samples, add])

    def finish(self, end_s):
        """Read the windows that are left of a file that ends ``end_s`` after its start."""
        n_samples = round(end_s * RATE_HZ) - self._first
        if 0 < n_samples < len(self._samples):
            self._samples = self._samples[:n_samples]
        self._measure(whole=True)
        self._read(end_s=end_s)

    def _measure(self, *, whole):
        """Measure speech, energy and loudness of the samples that came since the last time."""
        done = len(self.probabilities) * activity.CHUNK
        n_new = self._first + len(self._samples) - done
        if not whole:
            n_new -= n_new % activity.CHUNK
        if n_new <= 0:
            return
        at = done - self._first
        warm = min(int(WARM_S / CHUNK_S) * activity.CHUNK, at)
        heard = self._samples[at - warm : at + n_new]
        probabilities = activity.measure_speech(heard, RATE_HZ)[warm // activity.CHUNK :]
        padded = np.zeros(len(probabilities) * activity.CHUNK)
        padded[:n_new] = self._samples[at : at + n_new]
        energies = np.square(padded).reshape(-1, activity.CHUNK).mean(axis=1)
        self.probabilities.extend(probabilities.tolist())
        self.energies.extend(energies.tolist())
        edge_s = 0.0 if whole else ENERGY_S
        until_s = self.end_s - edge_s
        grid = np.arange(len(self.loudness), int(until_s * GRID_HZ) + 1) / GRID_HZ
        first_s = self._first / RATE_HZ
        self.loudness.extend(measure_energy(self._samples, RATE_HZ, grid - first_s).tolist())

    def share_window(self, window, spans):
        """Return how many seconds of a window each utterance that is read has, a dictionary.

        Args:
            window: Start and end, seconds since the start.
            spans: List of the same, where the speaker is known to speak: only what an utterance has
                of these counts. Empty: all that it has in the window.
        """
        seconds = {
            utterance: sum(measure_overlap(utterance, window, span) for span in spans or [window])
            for utterance in self._find_near(window)
        }
        return {utterance: own for utterance, own in seconds.items() if own > 0}

    def _find_near(self, window):
        """Return the utterances that are read and may share seconds with a window."""
        return [own for own in self.voices if own[0] < window[1] and own[1] > window[0]]

    def _read(self, end_s):
        """Read utterances that are over and windows that are whole; all that are left at the end"""
        spoken, kept_s = self._plan_utterances(end_s)
        if self._by == "window":
            planned, needed_s = self._plan_windows(end_s)
            kept_s = min(kept_s, needed_s)
        else:
            planned = spoken
        for window in planned:
            self.sounds[window] = self._judge(window)
        if self._by == "window" and end_s is not None and len(self.sounds) == 1:
            spoken = [own for own, sound in self.sounds.items() if not _is_little(sound.speech_s)]
            self.utterances, self.voices = [], {}  # of a long one, some were read on the way
        self._read_utterances(spoken)
        first = max(int((kept_s - SLACK_S) * RATE_HZ), self._first)
        self._samples = self._samples[first - self._first :].copy()
        self._first = first

    def _read_utterances(self, spoken):
        """Read what is said in stretches of speech, without silence at their ends."""
        self.utterances += spoken
        voiced = [self._cut(*self.find_speech(utterance)) for utterance in spoken]
        posteriors, embeddings = self._listen(voiced) if voiced else ([], None)
        for row, (utterance, posterior) in enumerate(zip(spoken, posteriors, strict=True)):
            if np.isfinite(posterior).all():
                embedding = None if embeddings is None else embeddings[row]
                self.voices[utterance] = Voice(np.asarray(posterior, np.float32), embedding)

    def _plan_windows(self, end_s):
        """Return windows that are new and whole, and from which second sound is still needed."""
        sizes = {"window_s": self._window_s, "step_s": self._step_s}
        if end_s is None:
            n_whole = windows.count_whole(self.end_s, *sizes.values())
            starts = self._step_s * np.arange(n_whole)
            planned = np.stack([starts, starts + self._window_s], axis=1)
        else:
            planned = windows.list_windows(0.0, end_s, **sizes)
        new = [tuple(pair) for pair in planned.tolist() if tuple(pair) not in self.sounds]
        return new, len(planned) * self._step_s - self._window_s

    def _plan_utterances(self, end_s):
        """Return utterances that are over, and from which second sound is still needed."""
        probabilities = np.array(self.probabilities[self._n_pauses :])
        found = windows.find_utterances(probabilities, self._longest_s) + self._n_pauses
        if end_s is None:  # the last one may go on
            over = len(self.probabilities) - (windows.PAUSE_S + activity.PAD_S) / CHUNK_S
            found = found[found[:, 1] < over]
        if len(found):
            self._n_pauses = int(found[-1, 1])
        elif end_s is None:
            long_ago = len(self.probabilities) - int(2 * self._longest_s / CHUNK_S)
            self._n_pauses = max(self._n_pauses, long_ago)
        limit_s = self.end_s if end_s is None else end_s
        edges = np.minimum(found * CHUNK_S, limit_s)
        return [tuple(pair) for pair in edges.tolist()], self._n_pauses * CHUNK_S

    def _judge(self, window):
        """Return the `Sound` of a window."""
        first, stop = (round(edge / CHUNK_S) for edge in window)
        waveform = self._cut(*window)
        n_sure = (np.array(self.probabilities[first:stop]) >= activity.SURE).sum()
        power = np.square(waveform, dtype=np.float64).mean() if len(waveform) else 0.0
        is_loud = bool(power > 10 ** (LOUD_DB / 10))
        is_clipped = bool((np.abs(waveform) >= FULL).sum() > CLIPPED_SHARE * len(waveform))
        speech_s = min(float(n_sure * CHUNK_S), window[1] - window[0])
        is_speech = not _is_little(speech_s)
        other = _name_other(waveform, is_speech=is_speech) if is_loud else ""
        return Sound(speech_s, is_clipped, other)

    def find_speech(self, span):
        """Return the seconds since the start that are read of a stretch that holds speech."""
        first, stop = (round(edge / CHUNK_S) for edge in span)
        chunks = np.array(self.probabilities[first:stop]), np.array(self.energies[first:stop])
        start_s, end_s = (span[0] + edge * CHUNK_S for edge in activity.span_voice(*chunks))
        return max(start_s - activity.PAD_S, span[0]), min(end_s + activity.PAD_S, span[1])

    def _cut(self, start_s, end_s):
        """Return the samples between two seconds since the start, float32 (samples,)."""
        first = round(start_s * RATE_HZ) - self._first
        stop = first + max(round((end_s - start_s) * RATE_HZ), 1)
        return self._samples[max(first, 0) : stop]


def _is_little(speech_s):
    return speech_s < windows.LEAST_SPEECH_S


def _name_other(waveform, *, is_speech):
    """Return what a loud window's sound is beside speech: music, noise, or unknown without any."""
    named = tones.name_sound(waveform, is_speech=is_speech)
    return named or ("" if is_speech else OTHER)
