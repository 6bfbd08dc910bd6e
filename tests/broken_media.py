"""Makers of small clips with known content, sound and broken ones, for tests of any stage."""

import contextlib
import struct
import wave
from fractions import Fraction

import av
import av.bitstream
import numpy as np

RATE_HZ = 44100
PIXEL_FORMATS = {
    "mjpeg": "yuvj420p",
    "gif": "rgb8",
    "png": "rgb24",
}  # of encoders that do not take yuv420p
OWN_CLOCKS = (".avi", ".mpg", ".gif")  # containers that count frames, not instants


def write_clip(
    path,
    *,
    duration_s=2.0,
    fps=25,
    frame_times=None,
    size=(64, 48),
    flash_s=None,
    click_s=None,
    tone=0.3,
    video="libx264",
    audio="aac",
    rate_hz=RATE_HZ,
    layout="mono",
    video_start_s=0.0,
    audio_start_s=0.0,
    b_frames=0,
    rotation=None,
    stretch=None,
    interlaced=False,
    pattern=False,
):
    """Write a clip whose frame k is a grey that grows with k, and whose sound is a tone.

    Args:
        path: File to write; its suffix is the container.
        duration_s: Length of the sound, and of the pictures unless ``frame_times`` is given.
        fps: Frames a second, constant.
        frame_times: Seconds of each frame instead, for a variable frame rate.
        size: (width, height) in pixels.
        flash_s: The frame on screen at this instant is white, the others dark.
        click_s: The tone is silence but for 5 ms from this instant on.
        tone: Amplitude of the tone, 440 Hz.
        video: Name of the encoder, or None for no pictures.
        audio: Name of the encoder, or None for no sound.
        rate_hz: Sampling rate of the sound.
        layout: Channel layout; all channels are equal.
        video_start_s: Shift of the pictures' timestamps.
        audio_start_s: Shift of the sound's timestamps.
        b_frames: Number of B-frames between reference frames.
        rotation: Degrees counterclockwise, written as the display matrix.
        stretch: Width of a pixel by its height, a Fraction, written as sample aspect ratio.
        interlaced: Whether the frames are marked as two fields (libx264 alone).
        pattern: Whether to blacken the upper left quarter of each frame.

    Returns:
        The path.
    """
    if frame_times is None:
        frame_times = np.arange(max(round(duration_s * fps), 1)) / fps
    with av.open(str(path), "w") as container:
        streams = []
        if video:
            pictures = container.add_stream(video, rate=fps)
            pictures.width, pictures.height = size
            pictures.pix_fmt = PIXEL_FORMATS.get(video, "yuv420p")
            pictures.codec_context.max_b_frames = b_frames
            if video == "libx264":
                pictures.options = {"crf": "10", "preset": "fast", "threads": "1"}
                pictures.options |= {"x264-params": f"interlaced={interlaced:d}"}
            if stretch is not None:
                pictures.codec_context.sample_aspect_ratio = stretch
            if path.suffix not in OWN_CLOCKS:
                pictures.codec_context.time_base = Fraction(1, 90000)
            if rotation is not None:
                pictures.set_display_rotation(rotation)
            base = pictures.codec_context.time_base or Fraction(1, fps)
            streams.append(
                (pictures, _draw_frames(frame_times, size, flash_s, video_start_s, base, pattern))
            )
        if audio:
            sound = container.add_stream(audio, rate=rate_hz, layout=layout)
            samples = _make_tone(duration_s, rate_hz, click_s, tone)
            streams.append((sound, _split_sound(samples, sound, audio_start_s)))
        for stream, frames in streams:
            for frame in frames:
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def _draw_frames(frame_times, size, flash_s, start_s, base, pattern):
    """Yield grey video frames with their timestamps."""
    frame_times = np.asarray(frame_times)
    flash = None if flash_s is None else np.searchsorted(frame_times, flash_s, side="right") - 1
    for number, time in enumerate(frame_times):
        level = 40 + 150 * number // len(frame_times) if flash is None else 20
        grey = 250 if number == flash else level
        array = np.full((size[1], size[0], 3), grey, dtype=np.uint8)
        if pattern:
            array[: size[1] // 2, : size[0] // 2] = 0
        frame = av.VideoFrame.from_ndarray(array, format="rgb24")
        frame.pts, frame.time_base = round((time + start_s) / base), base
        yield frame


def _make_tone(duration_s, rate_hz, click_s, amplitude):
    """Return float32 (samples,): a tone, or 5 ms of one."""
    times = np.arange(max(round(duration_s * rate_hz), 1)) / rate_hz
    samples = amplitude * np.sin(2 * np.pi * 440 * times)
    if click_s is not None:
        heard = (times >= click_s) & (times < click_s + 0.005)
        samples = np.where(heard, 0.8 * np.sin(2 * np.pi * 1500 * (times - click_s)), 0)
    return samples.astype(np.float32)


def _split_sound(samples, stream, start_s):
    """Yield audio frames of 1024 samples, in a format that the encoder takes."""
    rate_hz, channels = stream.rate, stream.layout.nb_channels
    resampler = av.AudioResampler(stream.format.name, stream.layout.name, rate_hz)
    for first in range(0, len(samples), 1024):
        part = samples[first : first + 1024]
        planes = np.repeat(part[None], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=stream.layout.name)
        frame.sample_rate = rate_hz
        frame.pts, frame.time_base = first + round(start_s * rate_hz), Fraction(1, rate_hz)
        yield from resampler.resample(frame)


def write_wav(path, samples, rate_hz):
    """Write (samples,) or (samples, channel) as WAV, 16-bit from int16, 32-bit float from float32.

    The float form is written by hand, since only it can hold NaN.
    """
    samples = np.asarray(samples)
    n_channels = 1 if samples.ndim == 1 else samples.shape[1]
    if samples.dtype == np.int16:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(n_channels)
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes(samples.tobytes())
        return path
    data = samples.astype("<f4").tobytes()
    numbers = [3, n_channels, 4 * n_channels, 32]
    head = b"WAVEfmt " + np.uint32(16).tobytes()
    head += np.array(numbers[:2], dtype="<u2").tobytes()
    head += np.array([rate_hz, rate_hz * numbers[2]], dtype="<u4").tobytes()
    head += np.array(numbers[2:], dtype="<u2").tobytes()
    head += b"data" + np.uint32(len(data)).tobytes() + data
    path.write_bytes(b"RIFF" + np.uint32(len(head)).tobytes() + head)
    return path


def write_channels(path, channels, rate_hz, layout, *, codec="pcm_f32le"):
    """Write float32 (samples, channel), each channel for its loudspeaker; return the path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        samples = np.ascontiguousarray(channels, dtype=np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        for part in av.AudioResampler(stream.format.name, layout, rate_hz).resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def join(path, *parts):
    """Write files one behind the other, byte by byte; return the path."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def write_sphere(path, samples, rate_hz):
    """Write int16 (samples,) as NIST SPHERE, the format of many speech corpora; return the path."""
    fields = {"sample_count": len(samples), "sample_rate": rate_hz, "channel_count": 1}
    fields |= {"sample_n_bytes": 2, "sample_sig_bits": 16}
    lines = [f"{name} -i {value}" for name, value in fields.items()]
    lines += ["sample_byte_format -s2 01", "sample_coding -s3 pcm", "end_head", ""]
    head = "\n".join(["NIST_1A", "   1024", *lines])
    path.write_bytes(head.encode().ljust(1024) + samples.astype("<i2").tobytes())
    return path


def merge_tracks(path, *tracks):
    """Write the first stream of each of several files into one container; return its path.

    Args:
        path: File to write.
        tracks: (file, its ``Disposition``) each, in order.
    """
    with av.open(str(path), "w") as target, contextlib.ExitStack() as stack:
        sources = [stack.enter_context(av.open(str(file))) for file, _ in tracks]
        copies = [target.add_stream_from_template(source.streams[0]) for source in sources]
        for copy, (_, disposition) in zip(copies, tracks, strict=True):
            copy.disposition = disposition
        for source, copy in zip(sources, copies, strict=True):
            for packet in source.demux(source.streams[0]):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
    return path


def set_matrix(path, right, down):
    """Write into an mp4 of one picture track where its display leads a step; return the path.

    Args:
        path: File to change.
        right: (right, down) on the display of a step to the right in the stored picture.
        down: The same of a step down.
    """
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    numbers = [round(65536 * number) for number in (*right, 0, *down, 0, 0, 0)]
    data[matrix : matrix + 36] = struct.pack(">9i", *numbers, 1 << 30)
    path.write_bytes(data)
    return path


def turn_first_picture(path, turned):
    """Copy a video of H.264; its first picture alone tells a quarter turn counterclockwise."""
    with av.open(str(path)) as source, av.open(str(turned), "w") as target:
        stored = source.streams.video[0]
        stream = target.add_stream_from_template(stored)
        mark = av.bitstream.BitStreamFilterContext(
            "h264_metadata=display_orientation=insert:rotate=90", stored
        )
        for packet in source.demux(stored):
            for marked in mark.filter(packet if packet.size else None):
                marked.stream = stream
                target.mux(marked)
    return turned


def truncate(path, part):
    """Cut a file to a part of its bytes, as an interrupted download does; return it."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def write_faststart_mp4(path, **options):
    """Write an mp4 with its index first, so that a truncated copy still opens; see `write_clip`."""
    plain = write_clip(path.with_suffix(".plain.mp4"), **options)
    with (
        av.open(str(plain)) as source,
        av.open(str(path), "w", options={"movflags": "faststart"}) as target,
    ):
        copies = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    plain.unlink()
    return path


def write_text(path):
    """Write a text under a media file's name; return it."""
    path.write_text("This is a note, not a film.\n" * 40, encoding="utf-8")
    return path


def write_empty(path):
    """Write a file of zero bytes; return it."""
    path.write_bytes(b"")
    return path


def write_noise(path, n_bytes=20000, seed=0):
    """Write random bytes; return the path."""
    path.write_bytes(np.random.default_rng(seed).bytes(n_bytes))
    return path


def damage(data, rng, n_bytes):
    """Return ``data`` with up to ``n_bytes`` random bytes overwritten, a piece cut or doubled."""
    damaged = np.frombuffer(data, dtype=np.uint8).copy()
    places = rng.integers(0, len(damaged), size=n_bytes)
    damaged[places] = rng.integers(0, 256, size=n_bytes)
    first, second = sorted(rng.integers(0, len(damaged), size=2))
    how = rng.integers(4)
    if how == 1:
        damaged = damaged[:second]
    elif how == 2:
        damaged = np.delete(damaged, slice(first, second))
    elif how == 3:
        damaged = np.insert(damaged, first, damaged[first : first + 2000])
    return damaged.tobytes()
