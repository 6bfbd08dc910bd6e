"""Frames come as a player shows them: turned, mirrored, with square pixels, in ordinary light."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorTrc, VideoReformatter

from preprocessing.clips import decode, display
from preprocessing.faces import frames
from tests.broken_media import set_matrix, turn_first_picture, write_clip

# Where a step to the right and a step down lead (right, down), and how the picture then lies.
LAYS = {
    "upright": ((1, 0), (0, 1), lambda p: p),
    "quarter turn": ((0, 1), (-1, 0), lambda p: np.rot90(p, -1)),
    "half turn": ((-1, 0), (0, -1), lambda p: np.rot90(p, 2)),
    "three quarters": ((0, -1), (1, 0), lambda p: np.rot90(p)),
    "mirror": ((-1, 0), (0, 1), np.fliplr),
    "mirror, quarter turn": ((0, 1), (1, 0), lambda p: np.rot90(np.fliplr(p))),
    "mirror, half turn": ((1, 0), (0, -1), np.flipud),
    "mirror, three quarters": ((0, -1), (-1, 0), lambda p: np.rot90(np.fliplr(p), -1)),
}


def draw_quarter():
    """Return the picture of ``pattern=True``, bool (48, 64): what is not black."""
    stored = np.ones((48, 64), dtype=bool)
    stored[:24, :32] = False
    return stored


@pytest.mark.parametrize("lay", LAYS)
def test_all_eight_display_matrices_are_followed(tmp_path, lay):
    right, down, turn = LAYS[lay]
    path = write_clip(tmp_path / "phone.mp4", audio=None, pattern=True)
    clip = decode.read_clip(set_matrix(path, right, down), None, n_frames=2, as_frames=True)
    expected = turn(draw_quarter())
    assert clip.frames.shape[1:3] == expected.shape
    assert ((clip.frames[1][:, :, 0] > 30) == expected).mean() > 0.97
    assert ((frames.read_grey(clip.frames, 1) > 30) == expected).mean() > 0.97
    assert (clip.frames.read_luma(1)[0] is not None) == (lay == "upright")
    assert clip.problems == []


@pytest.mark.parametrize(
    ("right", "down", "shape"),
    [
        ((0.5, 0.866), (-0.866, 0.5), (64, 48)),
        ((0.866, 0.5), (-0.5, 0.866), (48, 64)),
    ],
)
def test_other_angles_are_rounded_and_named(tmp_path, right, down, shape):
    path = write_clip(tmp_path / "skew.mp4", audio=None, pattern=True)
    clip = decode.read_clip(set_matrix(path, right, down), None)
    assert clip.frames.shape[1:3] == shape
    assert clip.problems == ["display matrix is no quarter turn: rounded to one"]


@pytest.mark.parametrize(
    ("stretch", "shape"),
    [
        (Fraction(2), (48, 128)),
        (Fraction(3, 4), (64, 64)),
        (Fraction(64, 45), (48, 91)),
        (Fraction(101, 100), (48, 64)),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".flv"])
def test_pixels_become_square(tmp_path, suffix, stretch, shape):
    """FLV has no field for it: there the ratio comes from the stream of pictures itself."""
    path = write_clip(tmp_path / f"a{suffix}", audio=None, stretch=stretch, pattern=True)
    clip = decode.read_clip(path, None, n_frames=2, as_frames=True)
    assert clip.frames.shape == (2, *shape, 3)
    assert clip.problems == []
    for grey in (clip.frames[1][:, :, 0], frames.read_grey(clip.frames, 1)):
        assert grey.shape == shape
        dark = grey < 30
        assert dark.any(axis=0).mean() == pytest.approx(0.5, abs=0.04)
        assert dark.any(axis=1).mean() == pytest.approx(0.5, abs=0.04)
    averaged = decode.read_clip(path, None, n_frames=2, strategy="window_mean")
    assert averaged.frames.shape == clip.frames.shape


def test_pixels_are_stretched_before_the_picture_is_turned(tmp_path):
    path = write_clip(tmp_path / "a.mp4", audio=None, stretch=Fraction(2), rotation=90)
    assert decode.read_clip(path, None).frames.shape[1:3] == (128, 48)


def test_unbelievable_pixels_are_read_as_square_and_named(tmp_path):
    path = write_clip(tmp_path / "a.mkv", audio=None, stretch=Fraction(10))
    clip = decode.read_clip(path, None)
    assert clip.frames.shape[1:3] == (48, 64)
    assert clip.problems == ["pixels 10 times as wide as high: read as square"]


def test_turn_that_only_the_first_picture_tells_is_that_of_all(tmp_path):
    made = write_clip(tmp_path / "a.mp4", audio=None, pattern=True, duration_s=0.4)
    path = turn_first_picture(made, tmp_path / "turned.mp4")
    clip = decode.read_clip(path, None, n_frames=10, as_frames=True)
    expected = np.rot90(draw_quarter())
    assert clip.frames.shape == (10, *expected.shape, 3)
    for index in (0, 9):
        assert ((clip.frames[index][:, :, 0] > 30) == expected).mean() > 0.97
        assert ((frames.read_grey(clip.frames, index) > 30) == expected).mean() > 0.97


@pytest.mark.parametrize(
    ("size", "problems"),
    [
        ((32, 24), []),
        (
            (48, 64),
            [
                "pictures change their shape, from 64×48 to 48×64 pixels: "
                "squeezed into the first one's"
            ],
        ),
    ],
)
def test_pictures_that_change_their_shape_are_named(tmp_path, size, problems):
    """As in a recorded call, when the caller turns the phone."""
    parts = [
        write_clip(tmp_path / f"{width}.ts", size=(width, height), audio=None, duration_s=1.0)
        for width, height in ((64, 48), size)
    ]
    path = tmp_path / "call.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = decode.read_clip(path, None, n_frames=4)
    assert clip.frames.shape == (4, 48, 64, 3)
    assert clip.problems == problems


def test_interlaced_pictures_are_named(tmp_path):
    path = write_clip(tmp_path / "a.mp4", audio=None, interlaced=True)
    assert decode.read_clip(path, None).problems == ["interlaced: what moves is combed"]


def encode_pq(nits):
    """Return the PQ signal of light (SMPTE ST 2084), in [0, 1]."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = (nits / 10000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def make_flat_frame(planes, pixels="yuv420p10le", *, matrix, curve, is_full=False):
    """Return a frame of 64×48 pixels, each plane of one value."""
    frame = av.VideoFrame(64, 48, pixels)
    dtype = np.uint16 if "10" in pixels else np.uint8
    for plane, value in zip(frame.planes, planes, strict=True):
        n_values = plane.buffer_size // np.dtype(dtype).itemsize
        plane.update(np.full(n_values, round(value), dtype).tobytes())
    frame.colorspace, frame.color_trc = matrix, curve
    frame.color_primaries = 9 if matrix == 9 else 1
    frame.color_range = 2 if is_full else 1
    return frame


def convert(frame):
    """Return the colour of a flat frame, int (3,)."""
    rgb = display.convert_to_rgb(frame, VideoReformatter(), 1.0, None)
    assert rgb.shape == (48, 64, 3)
    return rgb[24, 32].astype(int)


@pytest.mark.parametrize("curve", [ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67])
def test_high_dynamic_range_becomes_the_grey_of_an_ordinary_recording(curve):
    """BT.2408: grey cards and skin keep their share of white's light, 203 nits."""
    for reflectance in (0.02, 0.1, 0.18, 0.35, 0.5):
        nits = reflectance * 203
        if curve == ColorTrc.SMPTE2084:
            signal = encode_pq(nits)
        else:
            scene = (nits / 1000) ** (1 / 1.2)
            a, b, c = 0.17883277, 0.28466892, 0.55991073
            signal = np.sqrt(3 * scene) if scene <= 1 / 12 else a * np.log(12 * scene - b) + c
        grey = convert(make_flat_frame((64 + 876 * signal, 512, 512), matrix=9, curve=curve))
        srgb = 255 * (1.055 * reflectance ** (1 / 2.4) - 0.055)
        assert grey == pytest.approx([srgb] * 3, abs=3)


def test_light_brighter_than_white_is_compressed_not_cut():
    levels = [0, 50, 150, 203, 400, 800]
    frames_of = [
        make_flat_frame((64 + 876 * encode_pq(n), 512, 512), matrix=9, curve=16) for n in levels
    ]
    greys = [convert(frame)[0] for frame in frames_of]
    assert greys[0] == 0
    assert (np.diff(greys) > 0).all()
    assert 230 < greys[3] < 245


def test_luma_of_high_dynamic_range_is_not_taken_for_grey():
    frame = make_flat_frame((128, 128, 128), "yuv420p", matrix=9, curve=16)
    assert not display.is_shown_as_stored(frame)
    plain = make_flat_frame((128, 128, 128), "yuv420p", matrix=1, curve=1)
    assert display.is_shown_as_stored(plain)


COEFFICIENTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


@pytest.mark.parametrize("is_full", [False, True], ids=["limited range", "full range"])
@pytest.mark.parametrize("matrix", COEFFICIENTS, ids=["BT.709", "BT.601", "BT.2020"])
def test_colours_are_read_by_their_own_matrix_and_range(matrix, is_full):
    colour = np.array([200, 60, 90])
    red, green, blue = colour / 255
    of_red, of_blue = COEFFICIENTS[matrix]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    chroma = (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)
    if is_full:
        planes = (255 * luma, *(128 + 255 * c for c in chroma))
    else:
        planes = (16 + 219 * luma, *(128 + 224 * c for c in chroma))
    frame = make_flat_frame(planes, "yuv420p", matrix=matrix, curve=1, is_full=is_full)
    assert convert(frame) == pytest.approx(colour, abs=4)


def test_unknown_colour_matrix_costs_no_picture_and_is_named():
    frame = make_flat_frame((126, 128, 128), "yuv420p", matrix=3, curve=1)
    assert display.list_remarks(frame, 1.0) == ["colour matrix 3 is unknown: read as BT.601"]
    assert convert(frame) == pytest.approx([128] * 3, abs=2)
