"""Frames that are converted when they are looked at give what an array of all of them gives."""

import numpy as np
import pytest

from preprocessing.clips import decode
from preprocessing.faces import crop, frames
from tests import broken_media


@pytest.fixture(params=["libx264", "mjpeg"], ids=["limited range", "full range"])
def clip(request, tmp_path):
    path = tmp_path / ("a.avi" if request.param == "mjpeg" else "a.mp4")
    options = {"video": request.param, "size": (128, 96), "pattern": True, "audio": None}
    return broken_media.write_clip(path, **options)


def read_both(path, **options):
    whole = decode.read_clip(path, None, n_frames=6, **options).frames
    return whole, decode.read_clip(path, None, n_frames=6, as_frames=True, **options).frames


def test_frames_are_the_same_in_either_form(clip):
    whole, lazy = read_both(clip)
    assert isinstance(lazy, frames.Frames)
    assert lazy.shape == whole.shape
    for index in (5, 0, 3, -1):
        np.testing.assert_array_equal(lazy[index], whole[index])
    assert len(list(lazy)) == len(lazy) == 6
    with pytest.raises(IndexError):
        lazy[6]


def test_grey_is_the_videos_own_luma_from_black_to_white(clip):
    whole, lazy = read_both(clip)
    for index in range(6):
        grey = frames.read_grey(lazy, index)
        of_rgb = frames.read_grey(whole, index)
        assert np.abs(grey.astype(int) - of_rgb).max() <= 3
    assert grey[:40, :56].max() <= 2  # the black quarter
    part = frames.read_grey(lazy, 2, slice(8, 40), slice(16, 80), shape=(16, 32))
    assert part.shape == (16, 32)


def test_turned_and_rescaled_frames_are_grey_by_way_of_rgb(tmp_path):
    path = broken_media.write_clip(tmp_path / "a.mp4", size=(96, 64), rotation=90, pattern=True)
    whole, lazy = read_both(path)
    assert lazy.shape == (6, 96, 64, 3)
    np.testing.assert_array_equal(frames.read_grey(lazy, 1), frames.read_grey(whole, 1))


def test_crops_differ_by_rounding_alone(clip):
    whole, lazy = read_both(clip)
    for box in ((10, 10, 70, 70), (-20, 40, 60, 120)):
        of_rgb = crop.crop_frame(whole, 2, box, size=24, grey=True).astype(int)
        assert np.abs(crop.crop_frame(lazy, 2, box, size=24, grey=True) - of_rgb).max() <= 4
        colour = crop.crop_frame(lazy, 2, box, size=24, grey=False)
        in_array = crop.crop_frame(whole, 2, box, size=24, grey=False)
        np.testing.assert_array_equal(colour, in_array)


def test_averaged_frames_stay_an_array(clip):
    _, lazy = read_both(clip, strategy="window_mean")
    assert isinstance(lazy, np.ndarray)


def test_resize_averages_where_a_picture_shrinks():
    noise = np.random.default_rng(0).integers(0, 256, (400, 420), np.uint8)
    small = frames.resize(noise, (20, 21))
    expected = noise.reshape(20, 20, 21, 20).mean(axis=(1, 3))
    assert np.abs(small - expected).max() <= 2
    assert frames.resize(noise[:5, :5], (20, 20)).shape == (20, 20)
