"""Sound that comes in stretches becomes voices, a window each: posteriors, and what is wrong.

Where somebody speaks a network says (`voice.activity`), never how loud it is. Of sound that was
read only numbers are kept, 31 a second.
"""

from array import array
from dataclasses import dataclass, replace

import numpy as np

from modeling.predict import windows
from modeling.predict.windows import CHUNK_S
from preprocessing.voice import activity
from preprocessing.voice.synchrony import ENERGY_S, GRID_HZ, measure_energy

RATE_HZ = activity.RATE_HZ
WARM_S = 5.0  # sound before a stretch that the network of speech hears first
SLACK_S = 6.0  # sound that is kept beyond what is surely read
LOUD_DB = -45.0  # sound that is louder than this, relative to full scale, and no speech is named
FULL, CLIPPED_SHARE = 0.985, 0.001  # samples at full scale, and the share of them that is named


@dataclass(frozen=True)
class Voice:
    """What was heard in a window."""

    speech_s: float  # seconds of speech in it
    posterior: np.ndarray | None  # float32 (8,); None where too little is said
    is_clipped: bool
    is_other: bool  # loud, and no speech: noise or music
    embedding: np.ndarray | None = None  # float32 (feature,), where it is asked for


class SoundReader:
    """Reads voices while sound comes: ``start``, ``hear`` each stretch, then ``finish``.

    Args:
        listen: Function of a list of float32 waveforms that gives float32 (n, 8), and embeddings
            (n, feature) or None.
        by, window_s, step_s: See `predict_clip`.
    """

    def __init__(self, listen, *, by, window_s, step_s):
        self._listen, self._by, self._window_s, self._step_s = listen, by, window_s, step_s
        self.start_s = None
        self.probabilities, self.energies = array("f"), array("f")
        self.loudness = array("f")  # root mean square on a grid of GRID_HZ from the start
        self.voices = {}  # Voice by window, (start, end) in seconds since the start
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

    def _read(self, end_s):
        """Read the windows that are whole; all that are left if the end is known."""
        plan = self._plan_utterances if self._by == "utterance" else self._plan_windows
        planned, kept_s = plan(end_s)
        waveforms = {}
        for window in planned:
            self.voices[window], waveform = self._judge(window)
            if waveform is not None:
                waveforms[window] = waveform
        posteriors, embeddings = self._listen(list(waveforms.values())) if waveforms else ([], None)
        for row, (window, posterior) in enumerate(zip(waveforms, posteriors, strict=True)):
            if np.isfinite(posterior).all():
                found = {"posterior": np.asarray(posterior, np.float32)}
                found["embedding"] = None if embeddings is None else embeddings[row]
                self.voices[window] = replace(self.voices[window], **found)
        first = max(int((kept_s - SLACK_S) * RATE_HZ), self._first)
        self._samples = self._samples[first - self._first :].copy()
        self._first = first

    def _plan_windows(self, end_s):
        """Return windows that can be read, and from which second sound is still needed."""
        sizes = {"window_s": self._window_s, "step_s": self._step_s}
        if end_s is None:
            n_whole = windows.count_whole(self.end_s, *sizes.values())
            starts = self._step_s * np.arange(n_whole)
            planned = np.stack([starts, starts + self._window_s], axis=1)
        else:
            planned = windows.list_windows(0.0, end_s, **sizes)
        new = [tuple(pair) for pair in planned.tolist() if tuple(pair) not in self.voices]
        return new, len(planned) * self._step_s - self._window_s

    def _plan_utterances(self, end_s):
        """Return utterances that are over, and from which second sound is still needed."""
        probabilities = np.array(self.probabilities[self._n_pauses :])
        found = windows.find_utterances(probabilities) + self._n_pauses
        if end_s is None:  # the last one may go on
            over = len(self.probabilities) - (windows.PAUSE_S + activity.PAD_S) / CHUNK_S
            found = found[found[:, 1] < over]
        if len(found):
            self._n_pauses = int(found[-1, 1])
        elif end_s is None:
            long_ago = len(self.probabilities) - int(2 * windows.LONGEST_S / CHUNK_S)
            self._n_pauses = max(self._n_pauses, long_ago)
        limit_s = self.end_s if end_s is None else end_s
        edges = np.minimum(found * CHUNK_S, limit_s)
        return [tuple(pair) for pair in edges.tolist()], self._n_pauses * CHUNK_S

    def _judge(self, window):
        """Return the `Voice` of a window, and its speech as float32 (samples,) if it is enough."""
        first, stop = (round(edge / CHUNK_S) for edge in window)
        probabilities = np.array(self.probabilities[first:stop])
        waveform = self._cut(*window)
        speech_s = float((probabilities >= activity.SURE).sum() * CHUNK_S)
        power = np.square(waveform, dtype=np.float64).mean() if len(waveform) else 0.0
        enough = speech_s >= windows.LEAST_SPEECH_S
        is_loud = bool(power > 10 ** (LOUD_DB / 10))
        is_clipped = bool((np.abs(waveform) >= FULL).sum() > CLIPPED_SHARE * len(waveform))
        voice = Voice(
            min(speech_s, window[1] - window[0]), None, is_clipped, is_loud and not enough
        )
        if not enough:
            return voice, None
        return voice, self._cut(*self.find_speech(window))

    def find_speech(self, window):
        """Return the seconds since the start that are read of a window that holds speech."""
        first, stop = (round(edge / CHUNK_S) for edge in window)
        heard = np.array(self.probabilities[first:stop]), np.array(self.energies[first:stop])
        start_s, end_s = (window[0] + edge * CHUNK_S for edge in activity.span_voice(*heard))
        start_s = max(start_s - activity.PAD_S, window[0])
        return start_s, min(end_s + activity.PAD_S, window[1])

    def _cut(self, start_s, end_s):
        """Return the samples between two seconds since the start, float32 (samples,)."""
        first = round(start_s * RATE_HZ) - self._first
        stop = first + max(round((end_s - start_s) * RATE_HZ), 1)
        return self._samples[max(first, 0) : stop]
