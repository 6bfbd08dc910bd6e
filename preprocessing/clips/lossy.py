"""Sound as a lossy codec leaves it: encoded and decoded again, in memory."""

import io

import av
import numpy as np

from preprocessing.clips.sounds import resample_frames

CODECS = {"mp3": ("mp3", "libmp3lame"), "opus": ("ogg", "libopus")}
"""Container and encoder of each codec. Both say how much silence the encoder has put in front, and
the decoder takes it off again."""

MU = 255  # of mu-law
LOUDEST = 0.99  # sample that is encoded as it is; louder ones are clipped by integer formats


def recode_sound(waveform, rate_hz, kbit_s, *, codec):
    """Return a waveform as a codec leaves it, as long as before and on the same clock.

    A waveform that leaves [-1, 1] is encoded softer and made as loud again. Silence stays silence.

    Args:
        waveform: float32 (samples,), mono.
        rate_hz: Samples per second; the codec works at the next higher rate that it knows.
        kbit_s: Thousands of bits a second; MP3 takes the nearest rate that it has.
        codec: A name of `CODECS`.

    Returns:
        float32 (samples,).

    Raises:
        ValueError: The codec is unknown.
    """
    if codec not in CODECS:
        raise ValueError(f"codec = {codec!r}; expected one of {', '.join(CODECS)}.")
    if not waveform.any():
        return np.zeros_like(waveform)
    softer = max(float(np.abs(waveform).max()) / LOUDEST, 1.0)
    with io.BytesIO() as file:
        _encode(waveform / softer, rate_hz, file, *CODECS[codec], bit_s=round(1000 * kbit_s))
        file.seek(0)
        decoded = softer * _decode(file, rate_hz)[: len(waveform)]
    return np.pad(decoded, (0, len(waveform) - len(decoded))).astype(np.float32)


def compand(waveform, rate_hz, bits=8):
    """Return a waveform in steps that grow with it, as a telephone line leaves it: mu-law.

    ITU-T G.711 has 8 bits. Steps are a share of full scale, or of the peak where that is higher.
    """
    loudest = max(float(np.abs(waveform).max()), 1.0)
    n_steps = 2 ** (round(bits) - 1) - 1
    squeezed = np.round(n_steps * np.log1p(MU * np.abs(waveform) / loudest) / np.log1p(MU))
    spread = np.expm1(squeezed / n_steps * np.log1p(MU)) / MU
    return (np.sign(waveform) * spread * loudest).astype(np.float32)


def _encode(waveform, rate_hz, file, container, encoder, *, bit_s):
    """Write a waveform into an open file as its only stream."""
    known = sorted(av.Codec(encoder, "w").audio_rates)
    own_hz = next((hz for hz in known if hz >= rate_hz), known[-1])
    frame = av.AudioFrame.from_ndarray(waveform[None].astype(np.float32), "flt", "mono")
    frame.sample_rate = rate_hz
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(encoder, rate=own_hz, layout="mono", bit_rate=bit_s)
        stream.open()
        resampler = av.AudioResampler(stream.format, "mono", own_hz, stream.frame_size)
        for piece in (*resampler.resample(frame), *resampler.resample(None), None):
            output.mux(stream.encode(piece))


def _decode(file, rate_hz):
    """Return the sound of a file of one stream, float32 (samples,)."""
    with av.open(file) as container:
        frames = list(container.decode(audio=0))
    return resample_frames(frames, rate_hz)[:, 0] if frames else np.empty(0, np.float32)
