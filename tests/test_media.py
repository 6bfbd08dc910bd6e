"""A clip read in one decode: picture and sound on one clock, whatever the file."""

import http.server
import os
import pickle
import threading

import av
import fsspec
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.clips import clock, decode, pictures
from preprocessing.voice import synchrony
from tests.broken_media import (
    damage,
    merge_tracks,
    truncate,
    write_clip,
    write_empty,
    write_faststart_mp4,
    write_noise,
    write_sphere,
    write_text,
    write_wav,
)

VFR = np.concatenate([np.arange(20) / 20, 1 + np.arange(40) / 40])
KINDS = {
    "h264_aac.mp4": {},
    "b_frames.mp4": {"b_frames": 2},
    "variable.mp4": {"frame_times": VFR},
    "h264_pcm.avi": {"audio": "pcm_s16le"},
    "b_frames_pcm.avi": {"audio": "pcm_s16le", "b_frames": 2},
    "mpeg4_mp3.avi": {"video": "mpeg4", "audio": "libmp3lame"},
    "h264_aac.flv": {},
    "flv1_mp3.flv": {"video": "flv", "audio": "libmp3lame"},
    "h264_aac.mkv": {},
    "mpeg1_mp2.mpg": {"video": "mpeg1video", "audio": "mp2"},
    "vp8_opus.webm": {"video": "libvpx", "audio": "libopus", "rate_hz": 48000},
}


def find_flash(clip):
    """Return when the brightest frame comes on screen, in seconds on the clip's clock."""
    return clip.frame_times[clip.frames.mean(axis=(1, 2, 3)).argmax()]


def find_click(clip):
    """Return when the sound first passes a quarter of full scale, in seconds."""
    return (np.abs(clip.waveform) > 0.25).argmax() / clip.rate_hz


def decode_all(path):
    """Return the times and RGB frames of a video, by plain decoding."""
    with av.open(str(path)) as container:
        frames = [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    return np.array([time for time, _ in frames]), np.stack([frame for _, frame in frames])


@pytest.mark.parametrize("name", KINDS)
def test_flash_and_click_of_one_instant_are_one_frame_apart_at_most(tmp_path, name):
    path = write_clip(tmp_path / name, flash_s=1.2, click_s=1.2, **KINDS[name])
    clip = decode.read_clip(path, path, n_frames=300)
    assert clip.problems == []
    assert abs(find_flash(clip) - find_click(clip)) <= 1 / 25
    assert clip.start_s + find_click(clip) == pytest.approx(1.2, abs=0.03)
    assert len(clip.waveform) == round(clip.duration_s * 16000)
    assert clip.duration_s == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("name", [n for n in KINDS if n.endswith(("mp4", "pcm.avi", "mkv"))])
def test_formats_that_store_exact_times_are_exact(tmp_path, name):
    path = write_clip(tmp_path / name, flash_s=1.2, click_s=1.2, **KINDS[name])
    clip = decode.read_clip(path, path, n_frames=300)
    assert find_flash(clip) == pytest.approx(1.2, abs=0.001)
    assert find_click(clip) == pytest.approx(1.2, abs=0.002)
    assert clip.start_s == 0


@pytest.mark.parametrize("sound", ["sound.wav", "sound.flac", "sound.m4a", "sound.mp3"])
@pytest.mark.parametrize("name", ["h264_aac.mp4", "variable.mp4", "h264_pcm.avi", "h264_aac.flv"])
def test_separate_files_share_a_clock_that_starts_with_each(tmp_path, name, sound):
    codecs = {".wav": "pcm_s16le", ".flac": "flac", ".m4a": "aac", ".mp3": "libmp3lame"}
    video = write_clip(tmp_path / name, flash_s=1.2, **{**KINDS[name], "audio": None})
    audio = tmp_path / sound
    write_clip(audio, click_s=1.2, duration_s=2.2, video=None, audio=codecs[audio.suffix])
    clip = decode.read_clip(video, audio, n_frames=300)
    assert clip.problems == []
    assert find_flash(clip) == pytest.approx(1.2, abs=0.001)
    assert find_click(clip) == pytest.approx(1.2, abs=0.003)
    assert clip.duration_s == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize(
    ("name", "shift", "flash_s", "click_s"),
    [
        ("late_picture.mp4", {"video_start_s": 0.5}, 1.7, 1.2),
        ("late_sound.mkv", {"audio_start_s": 0.5}, 1.2, 1.7),
        ("both_late.mkv", {"audio_start_s": 3.0, "video_start_s": 2.5}, 1.2, 1.7),
    ],
)
def test_window_starts_where_both_streams_have_started(tmp_path, name, shift, flash_s, click_s):
    path = write_clip(tmp_path / name, flash_s=1.2, click_s=1.2, **shift)
    clip = decode.read_clip(path, path, n_frames=300)
    assert clip.start_s == pytest.approx(0.5, abs=0.001)
    assert clip.duration_s == pytest.approx(1.5, abs=0.025)
    assert clip.start_s + find_flash(clip) == pytest.approx(flash_s, abs=0.002)
    assert clip.start_s + find_click(clip) == pytest.approx(click_s, abs=0.002)
    assert clip.frame_times[0] == 0


OFFSETS = {"none": {}, "picture": {"video_start_s": 0.4}, "sound": {"audio_start_s": 0.4}}
LAYOUTS = ["h264_aac.mp4", "b_frames.mp4", "variable.mp4", "h264_aac.flv"]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_start_offsets_are_kept_to_within_a_frame(tmp_path, name, offset):
    """Flash and click lie at 1.2 s of their streams; the later stream moves its own."""
    options = {**KINDS[name], **OFFSETS[offset]}
    path = write_clip(tmp_path / name, flash_s=1.2, click_s=1.2, **options)
    clip = decode.read_clip(path, path, n_frames=300)
    apart_s = options.get("video_start_s", 0) - options.get("audio_start_s", 0)
    assert find_flash(clip) - find_click(clip) == pytest.approx(apart_s, abs=1 / 25)


@pytest.mark.parametrize("lag_s", [-0.3, -0.033, 0.0, 0.25])
@pytest.mark.parametrize("name", [*LAYOUTS, "h264_pcm.avi"])
def test_separate_recording_is_laid_on_the_sound_beside_the_picture(tmp_path, name, lag_s):
    """The recording started at ``lag_s`` on the picture's clock, so its click comes earlier."""
    video = write_clip(tmp_path / name, flash_s=1.2, click_s=1.2, **KINDS[name])
    audio = tmp_path / "sound.wav"
    write_clip(audio, click_s=1.2 - lag_s, duration_s=2.5, video=None, audio="pcm_s16le")
    clip = decode.read_clip(video, audio, n_frames=300)
    assert [problem for problem in clip.problems if "is without picture" not in problem] == []
    assert clip.audio_lag_s == pytest.approx(lag_s, abs=0.03 if name.endswith("flv") else 0.002)
    assert abs(find_flash(clip) - find_click(clip)) <= 1 / 25
    assert clip.start_s == pytest.approx(max(clip.audio_lag_s, 0), abs=0.03)
    duration_s, _ = decode.read_frame_times(video, audio)
    assert duration_s == pytest.approx(clip.duration_s, abs=1e-4)


def test_known_lag_is_taken_as_given(tmp_path):
    video = write_clip(tmp_path / "clip.mp4", flash_s=1.2, audio=None)
    audio = write_clip(tmp_path / "s.wav", click_s=0.9, video=None, audio="pcm_s16le")
    clip = decode.read_clip(video, audio, n_frames=300, audio_lag_s=0.3)
    assert (clip.audio_lag_s, clip.start_s) == (0.3, 0.3)
    assert find_flash(clip) == pytest.approx(find_click(clip), abs=0.003)
    assert decode.read_clip(video, audio).audio_lag_s == 0
    with pytest.raises(ValueError, match="audio_lag_s = nan"):
        decode.read_clip(video, audio, audio_lag_s=float("nan"))


@pytest.mark.parametrize("sound", [{"tone": 0}, {"click_s": 0.5}])
def test_sound_that_tells_no_lag_moves_nothing(tmp_path, sound):
    video = write_clip(tmp_path / "clip.mp4", **sound)
    noise = np.random.default_rng(0).normal(size=32000) * 3000
    audio = write_wav(tmp_path / "noise.wav", noise.astype(np.int16), 16000)
    clip = decode.read_clip(video, audio)
    assert (clip.audio_lag_s, clip.problems) == (0.0, [])


def test_window_is_cut_from_the_middle_for_picture_and_sound(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", flash_s=1.2, click_s=1.2)
    clip = decode.read_clip(path, path, n_frames=100, window_s=0.9)
    assert (clip.start_s, clip.duration_s) == pytest.approx((0.55, 0.9))
    assert find_flash(clip) == pytest.approx(1.2 - 0.55, abs=0.001)
    assert find_click(clip) == pytest.approx(1.2 - 0.55, abs=0.002)
    assert len(clip.waveform) == 14400
    assert clip.fps == pytest.approx(25)
    whole = decode.read_clip(path, path, window_s=9.0)
    assert (whole.start_s, whole.duration_s) == (0.0, 2.0)


@pytest.mark.parametrize("name", KINDS)
def test_chosen_frames_are_those_of_plain_decoding(tmp_path, name):
    path = write_clip(tmp_path / name, **{**KINDS[name], "audio": None})
    clip = decode.read_clip(path, None, n_frames=10)
    times, frames = decode_all(path)
    n = len(frames)
    if name == "variable.mp4":
        picked = np.searchsorted(times, (np.arange(10) + 0.5) / 10 * clip.duration_s, "right") - 1
        assert clip.frame_times == pytest.approx(times[picked])
    else:
        picked = (2 * np.arange(10) + 1) * n // 20
        assert clip.frame_times == pytest.approx(picked / 25, abs=0.001)
    assert (clip.frames == frames[picked]).all()


def test_unwanted_pictures_are_left_out_and_the_others_stay_equal(tmp_path, monkeypatch):
    """The decoder may skip B-frames; nothing after the last wanted frame is decoded."""
    path = write_clip(tmp_path / "clip.mp4", audio=None, b_frames=3, fps=30, size=(160, 120))
    taken = decode.read_clip(path, None, n_frames=5)
    n_decoded, decode_all = [], pictures.decode_packets

    def count(*args):
        for frame in decode_all(*args):
            n_decoded.append(1)
            yield frame

    monkeypatch.setattr(pictures, "decode_packets", count)
    assert decode.read_clip(path, None, n_frames=5).frames.tobytes() == taken.frames.tobytes()
    assert len(n_decoded) < 45
    n_decoded.clear()
    monkeypatch.setattr(pictures, "_take_only", lambda *_, **__: None)
    assert decode.read_clip(path, None, n_frames=5).frames.tobytes() == taken.frames.tobytes()
    assert len(n_decoded) == 60


def test_window_mean_averages_the_frames_of_each_span(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", audio=None)
    clip = decode.read_clip(path, None, n_frames=10, strategy="window_mean")
    _, frames = decode_all(path)
    means = frames.reshape(10, 5, *frames.shape[1:]).mean(axis=1)
    assert (clip.frames == np.floor(means + 0.5)).all()
    assert clip.frame_times == pytest.approx(np.arange(10) / 5 + 0.08)


def test_random_segments_follow_the_seed(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", audio=None)
    one, same, other = (
        decode.read_clip(path, None, strategy="random_segment", rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert (one.frame_times == same.frame_times).all()
    assert (one.frame_times != other.frame_times).any()


@settings(max_examples=15, deadline=None)
@given(
    st.floats(0.04, 2.0),
    st.sampled_from([10, 15, 25, 30]),
    st.integers(1, 24),
    st.none() | st.floats(0.05, 1.0),
    st.sampled_from([".mp4", ".avi", ".flv"]),
    st.sampled_from(["temporal_average", "stride", "linspace", "fixed_fps", "window_mean"]),
)
def test_any_clip_gives_n_frames_and_the_sound_of_the_same_seconds(
    tmp_path_factory, duration_s, fps, n_frames, window_s, suffix, strategy
):
    path = tmp_path_factory.mktemp("clips") / f"clip{suffix}"
    audio = "pcm_s16le" if suffix == ".avi" else "aac"
    write_clip(path, duration_s=duration_s, fps=fps, audio=audio)
    clip = decode.read_clip(path, path, n_frames=n_frames, window_s=window_s, strategy=strategy)
    assert clip.frames.shape == (n_frames, 48, 64, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.frame_times.shape == (n_frames,)
    assert (np.diff(clip.frame_times) >= 0).all()
    assert clip.frame_times[0] >= 0
    assert clip.frame_times[-1] <= clip.duration_s
    assert clip.waveform.dtype == np.float32
    assert len(clip.waveform) == max(round(clip.duration_s * clip.rate_hz), 1)
    assert np.abs(clip.waveform).max() <= 1
    assert clip.duration_s <= (window_s or 9) + 1e-9
    assert clip.fps == pytest.approx(fps, rel=0.1)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_sound_of_any_rate_and_channels_becomes_16_khz_mono(tmp_path, rate_hz, layout):
    path = write_clip(tmp_path / "clip.mp4", rate_hz=rate_hz, layout=layout)
    waveform = decode.read_clip(path, path).waveform
    assert waveform.shape == (32000,)
    spectrum = np.abs(np.fft.rfft(waveform[8000:24000]))
    assert spectrum.argmax() == 440
    assert np.sqrt(2 * np.mean(waveform[8000:24000] ** 2)) == pytest.approx(0.3, rel=0.05)


def test_channels_are_averaged(tmp_path):
    tone = 0.5 * np.sin(np.arange(16000) * 0.1)
    stereo = np.stack([tone, np.zeros(16000)], axis=1).astype(np.float32)
    clip = decode.read_clip(None, write_wav(tmp_path / "left.wav", stereo, 16000))
    assert clip.waveform == pytest.approx(tone / 2, abs=1e-6)
    six = (np.repeat(tone[:, None], 6, axis=1) * 32767).astype(np.int16)
    clip = decode.read_clip(None, write_wav(tmp_path / "six.wav", six, 16000))
    assert clip.waveform == pytest.approx(tone, abs=1e-3)


def test_many_channels_are_averaged(tmp_path):
    """PyAV crashes on planes beyond the eighth channel; a damaged AAC file can claim 23."""
    tone = 0.5 * np.sin(np.arange(16000) * 0.1).astype(np.float32)
    path = write_wav(tmp_path / "many.wav", np.repeat(tone[:, None], 23, axis=1), 16000)
    clip = decode.read_clip(None, path, rate_hz=8000)
    assert clip.waveform[100:-100] == pytest.approx(tone[::2][100:-100], abs=1e-3)


def test_gap_in_the_sound_keeps_what_follows_in_place(tmp_path):
    """Ten sound packets left out of a file: the click after them stays at its instant."""
    whole = write_clip(tmp_path / "whole.mkv", flash_s=1.2, click_s=1.2)
    path = tmp_path / "gap.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        copies = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            lost = packet.stream.type == "audio" and 0.4 < float(packet.dts or 0) / 1000 < 0.64
            if packet.dts is not None and not lost:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    clip = decode.read_clip(path, path, n_frames=100)
    assert find_click(clip) == pytest.approx(1.2, abs=0.002)
    assert find_flash(clip) == pytest.approx(1.2, abs=0.001)


@pytest.mark.parametrize("name", ["h264_aac.mp4", "h264_pcm.avi", "h264_aac.flv"])
def test_reading_again_gives_equal_bytes(tmp_path, name):
    path = write_clip(tmp_path / name, size=(320, 240), **KINDS[name])
    one, two = decode.read_clip(path, path), decode.read_clip(str(path), str(path))
    assert one.frames.tobytes() == two.frames.tobytes()
    assert one.waveform.tobytes() == two.waveform.tobytes()


def test_only_what_is_asked_for_is_read(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")
    seen = decode.read_clip(path, None)
    heard = decode.read_clip(None, path)
    assert (seen.waveform, seen.problems) == (None, [])
    assert (heard.frames, heard.fps, heard.problems) == (None, None, [])
    assert heard.frame_times.shape == (0,)


# Files that hold less than hoped for


def test_no_audio_stream_is_named_and_gives_the_pictures(tmp_path):
    path = write_clip(tmp_path / "mute.mp4", audio=None)
    clip = decode.read_clip(path, path)
    assert clip.frames.shape == (16, 48, 64, 3)
    assert clip.waveform is None
    assert clip.problems == ["no audio stream"]


def test_no_video_stream_is_named_and_gives_the_sound(tmp_path):
    path = write_clip(tmp_path / "sound.mp4", video=None)
    clip = decode.read_clip(path, path)
    assert clip.frames is None
    assert clip.waveform is not None
    assert clip.problems == ["no video stream"]


def test_silent_audio_is_no_voice(tmp_path):
    path = write_clip(tmp_path / "silent.mp4", tone=0)
    clip = decode.read_clip(path, path)
    assert clip.waveform is None
    assert clip.problems == ["silent audio"]
    with pytest.raises(decode.MediaError, match="^silent audio$"):
        decode.read_clip(None, path)


def test_silence_inside_the_window_is_no_voice(tmp_path):
    path = write_clip(tmp_path / "late.mp4", click_s=1.9)
    clip = decode.read_clip(path, path, window_s=0.5)
    assert clip.waveform is None
    assert clip.problems == ["silent audio"]


def test_nan_samples_fail_the_sound_only(tmp_path):
    samples = np.sin(np.arange(32000) * 0.1).astype(np.float32)
    samples[5000] = np.nan
    audio = write_wav(tmp_path / "nan.wav", samples, 16000)
    video = write_clip(tmp_path / "clip.mp4", audio=None)
    clip = decode.read_clip(video, audio)
    assert clip.frames is not None
    assert clip.waveform is None
    assert clip.problems == ["audio holds NaN samples"]
    with pytest.raises(decode.MediaError, match="^audio holds NaN samples$"):
        decode.read_clip(None, audio)


def test_float_sound_out_of_full_scale_is_clipped_and_named(tmp_path):
    samples = (9000 * np.sin(np.arange(16000) * 0.1)).astype(np.float32)
    clip = decode.read_clip(None, write_wav(tmp_path / "loud.wav", samples, 16000))
    assert np.abs(clip.waveform).max() == 1
    assert clip.problems == ["audio clipped: its peak is 9e+03 times full scale"]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".flv", ".mkv"])
@pytest.mark.parametrize("n", [1, 3])
def test_one_frame_and_100_ms_clips_repeat_their_frames(tmp_path, suffix, n):
    audio = "pcm_s16le" if suffix == ".avi" else "aac"
    path = write_clip(tmp_path / f"short{suffix}", duration_s=n / 30, fps=30, audio=audio)
    clip = decode.read_clip(path, path)
    assert clip.frames.shape == (16, 48, 64, 3)
    assert len(np.unique(clip.frame_times)) == n
    assert clip.duration_s == pytest.approx(n / 30, abs=0.012)
    assert len(clip.waveform) == round(clip.duration_s * 16000)
    mute = write_clip(tmp_path / f"mute{suffix}", duration_s=n / 30, fps=30, audio=None)
    assert decode.read_clip(mute, None).frames.shape == (16, 48, 64, 3)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.8])
def test_truncated_mp4_gives_its_beginning_and_says_so(tmp_path, part):
    path = truncate(write_faststart_mp4(tmp_path / "cut.mp4", flash_s=0.12), part)
    clip = decode.read_clip(path, path, n_frames=60)
    assert 0.1 < clip.duration_s < 1.75
    assert any("video truncated" in problem for problem in clip.problems)
    assert any("audio truncated" in problem for problem in clip.problems)
    assert find_flash(clip) == pytest.approx(0.12, abs=0.001)
    assert len(clip.waveform) == round(clip.duration_s * 16000)


@pytest.mark.parametrize("name", ["h264_pcm.avi", "h264_aac.flv", "h264_aac.mkv", "vp8_opus.webm"])
def test_truncated_files_of_other_kinds_say_so(tmp_path, name):
    path = truncate(write_clip(tmp_path / name, **KINDS[name]), 0.5)
    clip = decode.read_clip(path, path)
    assert clip.frames is not None
    assert clip.waveform is not None
    assert any("truncated" in problem for problem in clip.problems)


@pytest.mark.parametrize("name", ["sound.mp3", "sound.flac"])
def test_truncated_sound_says_so(tmp_path, name):
    codec = {"mp3": "libmp3lame", "flac": "flac"}[name[-4:].strip(".")]
    path = truncate(write_clip(tmp_path / name, video=None, audio=codec), 0.5)
    clip = decode.read_clip(None, path)
    assert any("audio truncated" in problem for problem in clip.problems)


def test_frames_lost_to_damage_are_not_chosen(tmp_path):
    """The second half of the bytes is zeros, as in an interrupted download: sizes are right."""
    path = write_faststart_mp4(tmp_path / "zeros.mp4", size=(160, 120))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    clip = decode.read_clip(path, path)
    assert clip.frames.shape[0] == 16
    assert clip.duration_s < 1.5
    assert any("video damaged" in problem for problem in clip.problems)
    assert any("audio damaged" in problem for problem in clip.problems)


def test_long_files_are_read_no_further_than_a_limit(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "long.mp4", duration_s=6.0)
    monkeypatch.setattr(clock, "MAX_SECONDS", 2.0)
    clip = decode.read_clip(path, path)
    assert clip.duration_s == pytest.approx(2.0, abs=0.001)
    assert len(clip.waveform) == 32000
    assert clip.problems == ["longer than 2 s (6 s by its header): the rest was not read"]


def test_streams_that_never_meet_give_the_pictures(tmp_path):
    path = write_clip(tmp_path / "apart.mkv", duration_s=0.5, audio_start_s=3.0)
    clip = decode.read_clip(path, path)
    assert clip.frames is not None
    assert clip.waveform is None
    assert clip.problems == ["sound and picture do not overlap: sound left out"]


def test_little_overlap_is_named(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", frame_times=np.arange(75) / 25, duration_s=0.5)
    clip = decode.read_clip(path, path)
    assert clip.duration_s == pytest.approx(0.5, abs=0.03)
    assert clip.problems == ["picture from 0.51 to 3.00 s is without sound: not read"]


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        (
            {"audio_start_s": 0.5},
            ["picture from 0.00 to 0.50 s is without sound", "sound from 2.0"],
        ),
        (
            {"video_start_s": 0.5},
            ["sound from 0.00 to 0.50 s is without picture", "picture from 2"],
        ),
        ({"audio_start_s": 0.2}, []),
        ({"frame_times": np.arange(45) / 25}, []),
    ],
)
def test_seconds_of_one_track_alone_are_named_before_any_cut(tmp_path, options, problems):
    path = write_clip(tmp_path / "clip.mkv", **options)
    for cut in ({}, {"window_s": 0.5}, {"trim": True}):
        found = decode.read_clip(path, path, **cut).problems
        found = [problem for problem in found if problem != clock.NO_SPEECH]  # the sound is made
        assert len(found) == bool(problems)
        assert all(problem in found[0] for problem in problems)


def test_sound_that_starts_after_the_limit_is_named(tmp_path):
    path = write_clip(tmp_path / "late.mkv", duration_s=0.5, audio_start_s=100.0)
    clip = decode.read_clip(path, path)
    assert clip.frames is not None
    assert clip.problems == ["audio starts after 60 s (at 100.0 s): not read"]
    with pytest.raises(decode.MediaError, match=r"^audio starts after 60 s \(at 100\.0 s\)"):
        decode.read_clip(None, path)


def test_picture_that_starts_after_the_limit_is_named(tmp_path):
    path = write_clip(tmp_path / "late.mkv", duration_s=0.5, video_start_s=100.0)
    clip = decode.read_clip(path, path)
    assert clip.frames is None
    assert clip.problems == ["video starts after 60 s (at 100.0 s): not read"]


@pytest.mark.parametrize(
    ("name", "sound", "picture", "disposition"),
    [
        ("marked.mp3", "libmp3lame", "mjpeg", Disposition.attached_pic),
        ("marked.mp4", "aac", "mjpeg", Disposition.attached_pic),
        ("plain.mp4", "aac", "mjpeg", Disposition(0)),
        ("plain.mkv", "aac", "mjpeg", Disposition.default),
        ("plain.avi", "libmp3lame", "mjpeg", Disposition.default),
    ],
)
def test_cover_is_no_video_and_leaves_the_whole_sound(tmp_path, name, sound, picture, disposition):
    song = write_clip(tmp_path / "song.mkv", video=None, audio=sound)
    cover = write_clip(tmp_path / "art.mkv", video=picture, audio=None, duration_s=0.04)
    tracks = [(song, Disposition.default), (cover, disposition)]
    path = merge_tracks(tmp_path / name, *(tracks[::-1] if name.endswith("avi") else tracks))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    clip = decode.read_clip(path, path)
    assert (clip.frames, clip.problems) == (None, ["no video stream"])
    assert clip.duration_s == pytest.approx(2.0, abs=0.1)
    assert "video" not in decode.probe(path).durations_s


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_pictures_that_move_are_no_cover_whatever_their_codec(tmp_path, suffix):
    path = write_clip(tmp_path / f"clip{suffix}", video="mjpeg", audio="pcm_s16le", flash_s=0)
    clip = decode.read_clip(path, path, n_frames=300)
    assert clip.problems == []
    assert find_flash(clip) == 0
    assert (clip.start_s, clip.duration_s) == (0, pytest.approx(2.0, abs=0.001))
    assert "video" in decode.probe(path).durations_s


def test_one_picture_without_sound_is_a_picture(tmp_path):
    path = write_clip(tmp_path / "one.mkv", video="mjpeg", audio=None, duration_s=0.04)
    assert decode.read_clip(path, None).frames.shape == (16, 48, 64, 3)
    assert "video" in decode.probe(path).durations_s


MARKS = {
    "second marked": ((Disposition(0), Disposition.default), 1, "number 2, marked default,"),
    "both marked": ((Disposition.default, Disposition.default), 0, "number 1, marked default,"),
}


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_is_read_from_the_track_marked_default(tmp_path, suffix, marks):
    dispositions, chosen, words = MARKS[marks]
    files = [
        write_clip(tmp_path / f"{click_s}.m4a", video=None, click_s=click_s)
        for click_s in (0.3, 1.2)
    ]
    tracks = zip(files, dispositions, strict=True)
    path = merge_tracks(tmp_path / f"tracks{suffix}", *tracks)
    clip = decode.read_clip(None, path)
    assert find_click(clip) == pytest.approx((0.3, 1.2)[chosen], abs=0.03)
    assert clip.problems == [f"2 audio tracks: {words} was read"]


def test_pictures_are_read_from_the_track_marked_default(tmp_path):
    films = [
        write_clip(tmp_path / f"{seconds}.mp4", audio=None, duration_s=seconds, flash_s=0.4)
        for seconds in (1.0, 2.0)
    ]
    path = tmp_path / "tracks.mp4"
    merge_tracks(path, (films[0], Disposition(0)), (films[1], Disposition.default))
    clip = decode.read_clip(path, None)
    assert clip.duration_s == 2.0
    assert clip.problems == ["2 video tracks: number 2, marked default, was read"]
    assert decode.probe(path).durations_s == {"video": 2.0}


@pytest.mark.parametrize("name", ["voice.amr", "voice.caf", "voice.sph"])
def test_kinds_of_sound_alone_are_read(tmp_path, name):
    path, options = tmp_path / name, {"video": None, "click_s": 1.2}
    if name.endswith("amr"):
        write_clip(path, audio="libopencore_amrnb", rate_hz=8000, **options)
    elif name.endswith("caf"):
        write_clip(path, audio="pcm_s16be", **options)
    else:
        samples = np.zeros(32000, np.int16)
        samples[19200:19280] = 20000
        write_sphere(path, samples, 16000)
    clip = decode.read_clip(None, path)
    loudest_s = np.abs(clip.waveform).argmax() / clip.rate_hz
    assert loudest_s == pytest.approx(1.2, abs=0.03)  # AMR's encoder delays it
    assert (clip.duration_s, clip.problems) == (pytest.approx(2.0, abs=0.04), [])


def test_moving_gif_is_read(tmp_path):
    path = write_clip(tmp_path / "clip.gif", video="gif", audio=None, flash_s=1.2)
    clip = decode.read_clip(path, None, n_frames=300)
    assert find_flash(clip) == pytest.approx(1.2, abs=0.001)
    assert (clip.fps, clip.problems) == (pytest.approx(25), [])


def test_unknown_kind_is_told_with_the_kinds_that_are_read(tmp_path):
    with pytest.raises(decode.MediaError, match=r"known kind \(mov, mp4, .*, amr\), or damaged"):
        decode.read_clip(write_text(tmp_path / "note.mp4"), None)


# Files behind URLs


class Server(http.server.BaseHTTPRequestHandler):
    """Serves one clip whole, or half of what it promises."""

    data = b""

    def do_GET(self):  # noqa: N802
        if "clip" not in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        cut = len(self.data) // 2 if "cut" in self.path else len(self.data)
        self.wfile.write(self.data[:cut])
        self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *args):
        """Stay quiet."""


@pytest.fixture
def served(tmp_path):
    """Return a clip's path and the address of a server of its bytes."""
    path = write_clip(tmp_path / "clip.mp4")
    Server.data = path.read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_clip_behind_a_url_is_that_of_the_local_file(served):
    path, address = served
    fsspec.filesystem("memory").pipe("/clips/clip.mp4", path.read_bytes())
    local = decode.read_clip(path, path)
    for url in ("memory://clips/clip.mp4", f"{address}/clip.mp4?key=secret"):
        clip = decode.read_clip(url, url)
        assert clip.problems == []
        assert clip.frames.tobytes() == local.frames.tobytes()
        assert clip.waveform.tobytes() == local.waveform.tobytes()
        assert decode.probe(url) == decode.probe(path)
        assert decode.read_frame_times(url, url)[0] == local.duration_s


@pytest.mark.parametrize(
    ("name", "reason"),
    [("/none.mp4?key=secret", "does not exist"), ("/cut/clip.mp4?key=secret", "cannot be")],
)
def test_url_that_fails_gives_a_reason_without_its_secrets(served, name, reason):
    for read in (decode.probe, lambda url: decode.read_clip(url, url)):
        with pytest.raises(decode.MediaError, match=reason) as caught:
            read(served[1] + name)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1:9/clip.mp4", "what://clip.mp4"])
def test_url_out_of_reach_gives_a_short_reason(url):
    with pytest.raises(decode.MediaError) as caught:
        decode.probe(url)
    assert "secret" not in str(caught.value)


def test_playlist_behind_a_url_opens_no_other_file(tmp_path):
    real = write_clip(tmp_path / "real.mp4")
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{real}\n#EXT-X-ENDLIST\n"
    fsspec.filesystem("memory").pipe("/list.m3u8", text.encode())
    with pytest.raises(decode.MediaError, match="not a media file"):
        decode.read_clip("memory://list.m3u8", None)


# Files that give nothing


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (write_empty, "empty file"),
        (write_text, "not a media file"),
        (write_noise, "not a media file"),
        (lambda path: truncate(write_clip(path), 0.5), "damaged at its start"),
        (lambda path: path.mkdir() or path, "a folder"),
        (lambda path: path, "no such file"),
        (lambda path: path.symlink_to(path) or path, "symbolic links"),
        (lambda path: os.mkfifo(path) or path, "not a regular file"),
        (lambda path: write_empty(path) / "inside.mp4", "not a directory"),
    ],
    ids=["empty", "text", "noise", "no_index", "folder", "missing", "loop", "pipe", "in_a_file"],
)
def test_what_is_no_media_file_ends_in_a_short_reason(tmp_path, make, reason):
    path = make(tmp_path / "clip.mp4")
    for read in (lambda: decode.read_clip(path, path), lambda: decode.probe(path)):
        with pytest.raises(decode.MediaError, match=reason) as caught:
            read()
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_refused_access_ends_in_a_short_reason(tmp_path, monkeypatch):
    """The refusal is made, because no mode keeps root out."""
    path = write_clip(tmp_path / "clip.mp4")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(decode.av, "open", refuse)
    with pytest.raises(decode.MediaError, match="^permission denied$"):
        decode.read_clip(path, path)


def test_text_cannot_make_us_open_other_files(tmp_path):
    """Playlists are text that names further files, even on the network."""
    write_clip(tmp_path / "real.mp4")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nreal.mp4\n#EXT-X-ENDLIST\n"
    for name, text in (("a.m3u8", playlist), ("b.mp4", "ffconcat version 1.0\nfile real.mp4\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(decode.MediaError, match="not a media file"):
            decode.read_clip(tmp_path / name, None)


def test_each_of_two_files_is_named_when_both_fail(tmp_path):
    empty = write_empty(tmp_path / "clip.mp4")
    with pytest.raises(
        decode.MediaError, match="video file: empty file.*; audio file: no such file"
    ):
        decode.read_clip(empty, tmp_path / "missing.wav")
    with pytest.raises(decode.MediaError, match="^empty file"):
        decode.read_clip(empty, None)
    with pytest.raises(decode.MediaError, match="neither a video nor an audio file is given"):
        decode.read_clip(None, "")


def test_one_bad_file_of_two_leaves_the_other(tmp_path):
    audio = write_clip(tmp_path / "sound.wav", video=None, audio="pcm_s16le")
    clip = decode.read_clip(write_text(tmp_path / "clip.mp4"), audio)
    assert clip.frames is None
    assert len(clip.waveform) == 32000
    assert clip.problems[0].startswith("video file: not a media file")


NAMES = ["ünïcode é.mp4", "漢字 かな.mp4", "with spaces & #1 %03d.mp4", "a:b.mp4", "-dash.mp4"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_read(tmp_path, name, monkeypatch):
    made = write_clip(tmp_path / "plain.mp4", duration_s=0.2)
    made.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / name, str(tmp_path / name), name):
        assert decode.read_clip(path, path).problems == []


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".mkv", ".avi", ".flv"])
def test_another_kind_of_file_with_the_suffix_of_mp4_is_read_whole(tmp_path, suffix):
    options = {"video": "mpeg1video", "audio": "mp2"} if suffix == ".mpg" else {}
    path = write_clip(tmp_path / f"made{suffix}", **options).rename(tmp_path / "sent.mp4")
    clip = decode.read_clip(path, path)
    assert clip.problems == []
    assert clip.duration_s == pytest.approx(2.0, abs=0.1)
    assert clip.frames is not None
    assert clip.waveform is not None
    assert set(decode.probe(path).durations_s) == {"video", "audio"}


def test_name_that_is_no_utf8_can_be_read(tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff.mp4")
    write_clip(tmp_path / "plain.mp4", duration_s=0.2).rename(path)
    assert decode.read_clip(path, path).problems == []


def test_wrong_options_are_errors_before_any_file_is_opened():
    for options, message in [
        ({"strategy": "nearest"}, "'nearest' is unknown"),
        ({"n_frames": 0}, "n_frames = 0"),
        ({"window_s": 0}, "window_s = 0"),
        ({"rate_hz": -1}, "rate_hz = -1"),
        ({"strategy": "random_segment"}, "rng"),
    ]:
        with pytest.raises(ValueError, match=message):
            decode.read_clip("missing.mp4", None, **options)


def test_damaged_files_print_nothing(tmp_path, capfd):
    path = truncate(write_clip(tmp_path / "clip.flv"), 0.5)
    decode.read_clip(path, path)
    with pytest.raises(decode.MediaError):
        decode.read_clip(write_noise(tmp_path / "noise.mp4"), None)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def sound_files(tmp_path_factory):
    """Return the bytes of one small file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    names = ["h264_aac.mp4", "h264_pcm.avi", "h264_aac.flv", "h264_aac.mkv", "vp8_opus.webm"]
    paths = [write_clip(folder / name, duration_s=0.5, **KINDS[name]) for name in names]
    paths.append(write_faststart_mp4(folder / "faststart.mp4", duration_s=0.5))
    paths.append(write_clip(folder / "s.wav", duration_s=0.5, video=None, audio="pcm_f32le"))
    paths.append(write_clip(folder / "s.flac", duration_s=0.5, video=None, audio="flac"))
    paths.append(write_clip(folder / "s.mp3", duration_s=0.5, video=None, audio="libmp3lame"))
    return {path.name: path.read_bytes() for path in paths}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_give_a_clip_or_a_media_error(sound_files, tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(sound_files)))
    seed, n_bytes = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(0, 100))
    path = tmp_path_factory.mktemp("damaged") / name
    check_damaged(path, sound_files[name], seed, n_bytes)


def test_packet_of_a_stream_that_is_not_there_is_no_crash(sound_files, tmp_path):
    """Damage makes FFmpeg find a third stream half way through, which PyAV does not know."""
    check_damaged(tmp_path / "damaged.flv", sound_files["h264_aac.flv"], 3685, 64)


def check_damaged(path, data, seed, n_bytes):
    """Read a damaged file: a clip or a short reason must come of it."""
    path.write_bytes(damage(data, np.random.default_rng(seed), n_bytes))
    try:
        clip = decode.read_clip(path, path, n_frames=4)
    except decode.MediaError as error:
        assert 0 < len(str(error)) < 300
        return
    assert clip.frames is not None or clip.waveform is not None
    assert 0 < clip.duration_s <= 60
    if clip.waveform is not None:
        assert np.isfinite(clip.waveform).all()


def test_probe_tells_what_the_header_promises(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", video_start_s=0.5, rate_hz=48000, layout="stereo")
    probe = decode.probe(path)
    assert probe.durations_s == pytest.approx({"video": 2.0, "audio": 2.0}, abs=0.001)
    assert probe.fps == 25.0
    flv = decode.probe(write_clip(tmp_path / "clip.flv"))
    assert flv.durations_s["video"] == pytest.approx(2.0, abs=0.05)
    sound = decode.probe(write_clip(tmp_path / "sound.m4a", video=None))
    assert set(sound.durations_s) == {"audio"}
    assert sound.fps is None


# Real clips


@pytest.mark.real_data
def test_ravdess_clips_have_their_known_shape(real_data):
    paths = sorted((real_data / "ravdess" / "Actor_05").glob("01-01-*.mp4"))
    assert len(paths) == 10
    for path in paths[:4]:
        clip = decode.read_clip(path, path)
        probe = decode.probe(path)
        assert clip.problems == []
        assert clip.frames.shape == (16, 720, 1280, 3)
        assert clip.fps == pytest.approx(30000 / 1001)
        assert 3.1 <= clip.duration_s <= 5.3
        assert clip.duration_s == pytest.approx(probe.durations_s["video"], abs=1e-4)
        assert len(clip.waveform) == round(clip.duration_s * 16000)
        assert clip.frame_times[-1] > clip.duration_s * (1 - 1 / 16)


@pytest.mark.real_data
def test_ravdess_clip_read_twice_gives_equal_bytes(real_data):
    path = real_data / "ravdess" / "Actor_05" / "01-01-06-02-01-01-05.mp4"
    one, two = decode.read_clip(path, path), decode.read_clip(path, path)
    assert one.frames.tobytes() == two.frames.tobytes()
    assert one.waveform.tobytes() == two.waveform.tobytes()
    assert one.frame_times.tolist() == two.frame_times.tolist()


@pytest.mark.real_data
def test_ravdess_clip_and_its_recording_sound_alike(real_data):
    """The 03 recording is the 01 clip's sound, started one video frame later."""
    folder = real_data / "ravdess" / "Actor_05"
    clip = decode.read_clip(
        folder / "01-01-06-02-01-01-05.mp4", folder / "01-01-06-02-01-01-05.mp4"
    )
    alone = decode.read_clip(None, folder / "03-01-06-02-01-01-05.flac")
    lag_s = synchrony.estimate_lag(clip.waveform, alone.waveform, 16000)
    assert lag_s == pytest.approx(1001 / 30000, abs=0.001)
    both = decode.read_clip(
        folder / "01-01-06-02-01-01-05.mp4", folder / "03-01-06-02-01-01-05.flac"
    )
    assert (both.audio_lag_s, both.problems) == (lag_s, [])


@pytest.mark.real_data
def test_ravdess_recordings_keep_every_sample(real_data):
    paths = sorted((real_data / "ravdess").glob("Actor_*/*-01-01-01-*.flac"))
    assert len(paths) >= 24
    for path in paths[:24]:
        probe, clip = decode.probe(path), decode.read_clip(None, path)
        assert set(probe.durations_s) == {"audio"}
        assert len(clip.waveform) == round(probe.durations_s["audio"] * 16000)
        assert clip.problems == []


@pytest.mark.real_data
def test_face_crops_and_recordings_share_the_shorter_length(real_data):
    videos = sorted((real_data / "ravdess_face_crops").glob("*.avi"))
    assert len(videos) == 60
    for video in videos[:12]:
        code = video.name[2 : len("01-01-01-01-01-01-05")]
        audio = real_data / "ravdess" / "Actor_05" / f"03{code}.flac"
        clip = decode.read_clip(video, audio, n_frames=15)
        recording = decode.probe(audio)
        assert clip.frames.shape == (15, 224, 224, 3)
        assert clip.fps == pytest.approx(5)
        assert clip.frame_times == pytest.approx(np.arange(15) / 5)
        assert clip.duration_s == pytest.approx(min(3.0, recording.durations_s["audio"]))


def test_frame_times_are_those_of_the_window_that_is_read(tmp_path):
    times = np.array([0.0, 0.1, 0.15, 0.4, 0.7, 0.9])
    path = write_clip(tmp_path / "a.mp4", frame_times=times, duration_s=0.8)
    duration_s, found = decode.read_frame_times(path, path)
    clip = decode.read_clip(path, path, strategy="linspace", n_frames=len(found))
    assert duration_s == clip.duration_s
    assert found == pytest.approx(clip.frame_times)
    assert found == pytest.approx(times[times < duration_s], abs=0.002)
    with pytest.raises(decode.MediaError, match="no video stream"):
        decode.read_frame_times(write_clip(tmp_path / "b.mp4", video=None))
