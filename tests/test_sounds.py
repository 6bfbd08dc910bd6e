"""Sound is read as a person hears it: of any channels, formats, and files joined together."""

from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.clips import channels, decode, joined
from tests.broken_media import join, write_channels, write_clip, write_wav

RATE_HZ = 16000
RNG = np.random.default_rng(0)
VOICE = (0.2 * RNG.normal(size=RATE_HZ) * np.hanning(RATE_HZ)).clip(-0.9, 0.9).astype(np.float32)
NOISE = (0.2 * RNG.normal(size=RATE_HZ) * np.hanning(RATE_HZ)).clip(-0.9, 0.9).astype(np.float32)


def read_sound(path, **options):
    clip = decode.read_clip(None, path, **options)
    return clip.waveform, clip.problems


def put_in(position, n_channels, samples=VOICE):
    """Return float32 (samples, channel) with the samples in one channel alone."""
    return samples[:, None] * np.eye(1, n_channels, position, dtype=np.float32)


def measure_gain(waveform, samples=VOICE):
    """Return what ``samples`` were multiplied with to give the waveform."""
    gain = waveform @ samples / (samples @ samples)
    assert waveform == pytest.approx(gain * samples, abs=1e-6)
    return gain


# Channels


@settings(max_examples=60, deadline=None)
@given(st.floats(-1, 1), st.floats(0.1, 10))
def test_two_channels_of_any_correlation_never_lose_the_voice(correlation, level):
    other = level * (correlation * VOICE + np.sqrt(1 - correlation**2) * NOISE)
    pair = np.stack([VOICE, other], axis=1).astype(np.float32)
    [(_, mono)], problems = channels.mix_channels([(0.0, ("FL", "FR"), pair)])
    loudest = int(level > 1)
    mean = (pair.astype(np.float64).mean(axis=1)).astype(np.float32)
    if problems:
        assert correlation < -0.3
        assert problems[0].endswith(f"channel {1 + loudest} of 2 alone was read")
        assert mono.tolist() == pair[:, loudest].tolist()
    else:
        assert mono.tolist() == mean.tolist()
    assert mono.std() >= 0.31 * pair.std(axis=0).max()


@pytest.mark.parametrize("other", [-1.0, -0.97])
def test_of_channels_that_cancel_one_is_read(tmp_path, other):
    pair = np.stack([VOICE, other * VOICE], axis=1)
    waveform, problems = read_sound(write_wav(tmp_path / "a.wav", pair, RATE_HZ))
    assert waveform.tolist() == VOICE.tolist()
    assert problems == ["channels cancel each other or are empty: channel 1 of 2 alone was read"]


def test_channels_are_judged_once_a_clip(tmp_path):
    """The sign of the second channel is wrong for a tenth of a second alone."""
    pair = np.stack([VOICE, VOICE], axis=1)
    pair[8000:9600, 1] *= -1
    waveform, problems = read_sound(write_wav(tmp_path / "a.wav", pair, RATE_HZ))
    assert problems == []
    assert waveform.tolist() == pair.mean(axis=1).tolist()


@pytest.mark.parametrize("n_channels", [4, 24])
def test_a_voice_is_not_lost_among_empty_channels(tmp_path, n_channels):
    path = write_wav(tmp_path / "a.wav", put_in(2, n_channels), RATE_HZ)
    waveform, problems = read_sound(path)
    assert waveform.tolist() == VOICE.tolist()
    assert problems[0].endswith(f"channel 3 of {n_channels} alone was read")


def test_a_dead_channel_halves_the_voice_as_in_any_mean(tmp_path):
    assert read_sound(write_wav(tmp_path / "a.wav", put_in(1, 2), RATE_HZ))[1] == []
    assert measure_gain(read_sound(tmp_path / "a.wav")[0]) == pytest.approx(0.5)


@pytest.mark.parametrize("layout", ["unnamed", "stereo"])
def test_stereo_is_the_mean_of_both_to_the_last_bit(tmp_path, layout):
    pair = np.stack([VOICE, NOISE], axis=1)
    write = write_wav if layout == "unnamed" else write_channels
    path = write(tmp_path / "a.wav", pair, RATE_HZ, *[layout] * (layout != "unnamed"))
    mean = pair.mean(axis=1, dtype=np.float64).astype(np.float32)
    assert read_sound(path)[0].tobytes() == mean.tobytes()


GAINS = {"FL": 0.5, "FR": 0.5, "FC": 0.7071, "BC": 0.5, "SL": 0.3536, "BR": 0.3536}


@pytest.mark.parametrize("layout", ["3.0", "4.0", "quad", "5.1", "5.1(side)", "6.1", "7.1"])
def test_loudspeakers_are_mixed_by_the_standard(tmp_path, layout):
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    for position, name in enumerate(names):
        if name in GAINS:
            voice = put_in(position, len(names))
            path = write_channels(tmp_path / f"{name}.wav", voice, RATE_HZ, layout)
            assert measure_gain(read_sound(path)[0]) == pytest.approx(GAINS[name], abs=1e-4)


def test_the_loudspeaker_of_low_frequencies_is_not_read(tmp_path):
    names = [channel.name for channel in av.AudioLayout("5.1").channels]
    six = put_in(names.index("FC"), 6) + put_in(names.index("LFE"), 6, 4 * NOISE)
    six[100, names.index("LFE")] = np.nan
    waveform, problems = read_sound(write_channels(tmp_path / "a.wav", six, RATE_HZ, "5.1"))
    assert (measure_gain(waveform), problems) == (pytest.approx(0.7071, abs=1e-4), [])


def test_a_mix_louder_than_full_scale_is_made_softer_not_clipped(tmp_path):
    voice = (0.9 * VOICE / np.abs(VOICE).max()).astype(np.float32)
    six = np.repeat(voice[:, None], 6, axis=1)
    waveform, problems = read_sound(write_channels(tmp_path / "a.wav", six, RATE_HZ, "5.1"))
    assert measure_gain(waveform, voice) == pytest.approx(1 / 0.9, abs=1e-4)
    assert problems == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_channel_that_is_no_number_leaves_the_other(tmp_path, value):
    pair = np.stack([VOICE, VOICE], axis=1)
    pair[7000, 0] = value
    waveform, problems = read_sound(write_wav(tmp_path / "a.wav", pair, RATE_HZ))
    assert waveform.tolist() == VOICE.tolist()
    assert problems == [
        "audio holds NaN or infinite samples in channel 1 of 2: the others were read"
    ]


# Levels and formats


@pytest.mark.parametrize("offset", [0.5, -0.05])
def test_a_constant_under_the_voice_is_taken_off(tmp_path, offset):
    voice = VOICE / 4
    path = write_wav(tmp_path / "a.wav", (voice + offset).astype(np.float32), RATE_HZ)
    waveform, problems = read_sound(path)
    assert waveform == pytest.approx(voice - voice.mean(), abs=1e-6)
    assert problems == [f"audio lies {offset:.2g} off zero: moved back"]


def test_a_constant_alone_is_silence(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.full(RATE_HZ, 0.5, np.float32), RATE_HZ)
    with pytest.raises(decode.MediaError, match="silent audio$"):
        read_sound(path)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("rate_hz", [8000, 96000, 192000])
def test_a_tone_of_any_format_keeps_its_height_and_level(tmp_path, subtype, rate_hz):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate_hz) / rate_hz)
    soundfile.write(tmp_path / "a.wav", tone, rate_hz, subtype=subtype)
    waveform, problems = read_sound(tmp_path / "a.wav")
    assert (len(waveform), problems) == (2 * RATE_HZ, [])
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE_HZ) / RATE_HZ)
    inner = slice(100, -100)
    assert waveform[inner] == pytest.approx(expected[inner], abs=0.01)


# Files joined one behind the other

CODECS = {"opus": "libopus", "mka": "aac", "webm": "libopus", "ts": "aac", "aac": "aac"}


def find_clicks(clip):
    """Return when each click starts, in seconds."""
    loud = np.flatnonzero(np.abs(clip.waveform) > 0.25)
    return loud[np.diff(loud, prepend=-RATE_HZ) > RATE_HZ / 10] / RATE_HZ


@pytest.mark.parametrize("suffix", CODECS)
def test_sound_files_joined_are_heard_one_after_the_other(tmp_path, suffix):
    options = {"video": None, "audio": CODECS[suffix], "rate_hz": 48000}
    parts = [
        write_clip(tmp_path / f"{click_s}.{suffix}", click_s=click_s, **options)
        for click_s in (0.5, 1.2)
    ]
    clip = decode.read_clip(None, join(tmp_path / f"both.{suffix}", *parts))
    assert clip.problems == []
    assert clip.duration_s == pytest.approx(4.0, abs=0.06)
    assert find_clicks(clip) == pytest.approx([0.5, 3.2], abs=0.06)
    if suffix == "opus":  # a corpus's window is as long as the headers say
        assert decode.probe(tmp_path / "both.opus").durations_s["audio"] == pytest.approx(
            4, abs=0.06
        )


def test_vorbis_files_joined_are_heard_one_after_the_other(tmp_path):
    for hz in (300, 900):
        tone = 0.3 * np.sin(2 * np.pi * hz * np.arange(2 * RATE_HZ) / RATE_HZ)
        soundfile.write(tmp_path / f"{hz}.ogg", tone, RATE_HZ)
    waveform, problems = read_sound(
        join(tmp_path / "both.ogg", tmp_path / "300.ogg", tmp_path / "900.ogg")
    )
    assert (problems, len(waveform)) == ([], pytest.approx(4 * RATE_HZ, abs=0.02 * RATE_HZ))
    halves = waveform[1000:29000], waveform[35000:63000]
    heights = [np.abs(np.fft.rfft(half, RATE_HZ * 2)).argmax() / 2 for half in halves]
    assert heights == pytest.approx([300, 900], abs=2)


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_films_joined_keep_picture_and_sound_together(tmp_path, suffix):
    parts = [
        write_clip(tmp_path / f"{at_s}.{suffix}", flash_s=at_s, click_s=at_s) for at_s in (0.5, 1.2)
    ]
    path = join(tmp_path / f"both.{suffix}", *parts)
    clip = decode.read_clip(path, path, n_frames=300)
    bright = clip.frames.mean(axis=(1, 2, 3)) > 100
    flashes = np.unique(clip.frame_times[bright])
    assert clip.duration_s == pytest.approx(4.0, abs=0.06)
    assert find_clicks(clip) == pytest.approx([0.5, 3.2], abs=0.06)
    assert flashes == pytest.approx(find_clicks(clip), abs=0.04)


def test_sound_whose_format_changes_is_one_sound(tmp_path):
    parts = [
        write_clip(tmp_path / f"{rate_hz}.aac", video=None, rate_hz=rate_hz, layout=layout)
        for rate_hz, layout in ((44100, "stereo"), (48000, "mono"))
    ]
    waveform, problems = read_sound(join(tmp_path / "all.aac", *parts, parts[0]))
    assert (problems, len(waveform)) == ([], pytest.approx(6 * RATE_HZ, abs=0.15 * RATE_HZ))
    levels = [waveform[at : at + 8000].std() for at in (8000, 20000, 40000, 52000, 72000, 86000)]
    assert levels == pytest.approx([0.3 / np.sqrt(2)] * 6, rel=0.03)


def test_no_more_is_read_of_many_files_joined_than_of_a_long_one(tmp_path, monkeypatch):
    monkeypatch.setattr(decode.clock, "MAX_SECONDS", 5.0)
    part = write_clip(tmp_path / "a.opus", video=None, audio="libopus", rate_hz=48000)
    waveform, problems = read_sound(join(tmp_path / "many.opus", *[part] * 9))
    assert len(waveform) == pytest.approx(5 * RATE_HZ, abs=0.02 * RATE_HZ)
    assert problems == ["longer than 5 s: the rest was not read"]


def make_packets(seconds, stream=0):
    """Return packets of 0.1 s that start at the given seconds."""
    return [
        SimpleNamespace(
            dts=round(1000 * s),
            pts=round(1000 * s) + 40,
            duration=100,
            time_base=0.001,
            stream_index=stream,
        )
        for s in seconds
    ]


STEADY = np.arange(20) / 10
UNMOVED = {
    "steady": STEADY,
    "jitter": STEADY + np.tile([0.0, 0.3], 10),
    "gap": np.concatenate([STEADY, 7 + STEADY]),
    "one wrong packet": np.concatenate([STEADY, [9.0], 2 + STEADY]),
    "first packet wrong": np.concatenate([[9.0], STEADY]),
    "late pieces into a gap": np.concatenate([STEADY, 7 + STEADY, 3 + STEADY]),
}


@pytest.mark.parametrize("name", UNMOVED)
def test_timestamps_of_one_file_stay(name):
    packets = list(joined.continue_packets(make_packets(UNMOVED[name])))
    assert [packet.dts / 1000 for packet in packets] == pytest.approx(UNMOVED[name])


@pytest.mark.parametrize("start_s", [0.0, 1.0, -50.0])
def test_a_clock_that_starts_anew_goes_on(start_s):
    """The second file starts where the first did, within it, or long before it."""
    packets = make_packets(np.concatenate([STEADY, start_s + STEADY, start_s + STEADY]))
    found = [(packet.dts, packet.pts) for packet in joined.continue_packets(packets)]
    assert found == [(100 * at, 100 * at + 40) for at in range(60)]


def test_streams_of_a_joined_file_move_alike():
    """The first file's second stream is shorter; both move by the longer one's length."""
    first = [*make_packets(STEADY), *make_packets(STEADY[:15], 1)]
    second = [*make_packets(STEADY[:5], 1), *make_packets(STEADY)]
    moved = list(joined.continue_packets([*first, *second]))[len(first) :]
    assert [packet.dts for packet in moved[:5]] == [2000, 2100, 2200, 2300, 2400]
    assert [packet.dts for packet in moved[5:]] == [100 * at for at in range(20, 40)]
