"""What a player shows of a decoded frame: upright or mirrored, its pixels square, as RGB."""

import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import Colorspace

from preprocessing.clips.containers import MediaError
from preprocessing.clips.tones import LIGHT_OF, map_tones

MAX_PIXELS = 4096 * 2304  # larger frames (than 4K) come from damaged headers
MOST_STRETCH = 4  # of a pixel; a larger one comes from a damaged header
LEAST_STRETCH = 1.02  # a smaller one is an encoder's rounding, and nobody sees it
MOST_SKEW = 0.02  # of a display matrix, beside a quarter turn
MATRICES = (0, 2, 6, *Colorspace)
"""Colour matrices that can be converted, by FFmpeg's AVColorSpace (2: it is not said)."""


def read_matrix(frame):
    """Return what a frame's display matrix makes of x and y, float64 (2, 2), or None without one.

    Row 0 is where a step to the right leads (right, down), row 1 where a step down does. A frame
    without its own has that of a frame before it, which its ``opaque`` holds.
    """
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return frame.opaque
    return np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2] / 65536


def find_orientation(frame):
    """Return whether rows and columns of a frame change places, then which of the new are reversed.

    Those are the eight ways to lay a picture on a table, mirrored or not; another angle is rounded
    to the nearest of them.

    Returns:
        (swaps, reverses_rows, reverses_columns), bool each.
    """
    matrix = read_matrix(frame)
    if matrix is None:
        return False, False, False
    (right, right_to_down), (down_to_right, down) = matrix
    if abs(right_to_down) + abs(down_to_right) > abs(right) + abs(down):
        return True, bool(right_to_down < 0), bool(down_to_right < 0)
    return False, bool(down < 0), bool(right < 0)


def is_shown_as_stored(frame):
    """Return whether a frame's luma is what a player shows, but for the shape of its pixels."""
    return frame.color_trc not in LIGHT_OF and not any(find_orientation(frame))


def read_stretch(stream):
    """Return the width of a stream's pixels by their height, once a frame has been decoded."""
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return float(ratio or 1)


def make_square(width, height, stretch):
    """Return the (width, height) of a frame whose pixels have become square; no side shrinks."""
    most = max(stretch, 1 / stretch)
    if not LEAST_STRETCH < most <= MOST_STRETCH:
        return width, height
    return (round(width * stretch), height) if stretch > 1 else (width, round(height / stretch))


def settle_matrix(frame):
    """Forget a frame's colour matrix where nothing can convert it."""
    if frame.colorspace not in MATRICES:
        frame.colorspace = 2


def convert_to_rgb(frame, reformatter, stretch, shape):
    """Return a frame as a player shows it, uint8 (height, width, 3), scaled to ``shape`` if given.

    Raises:
        MediaError: The frame is larger than any camera's.
    """
    swaps, *reverses = find_orientation(frame)
    width, height = make_square(frame.width, frame.height, stretch)
    if width * height > MAX_PIXELS:
        raise MediaError(f"frames of {width}×{height} pixels")
    if shape is not None:
        height, width = shape[1::-1] if swaps else shape[:2]
    settle_matrix(frame)
    kind = "rgb48le" if frame.color_trc in LIGHT_OF else "rgb24"
    rgb = reformatter.reformat(frame, width=width, height=height, format=kind, threads=1)
    rgb = rgb.to_ndarray()
    if frame.color_trc in LIGHT_OF:
        rgb = map_tones(rgb, frame.color_trc)
    rgb = rgb.swapaxes(0, 1) if swaps else rgb
    rows, columns = (slice(None, None, -1 if reverse else 1) for reverse in reverses)
    return np.ascontiguousarray(rgb[rows, columns])


def describe_change(frame, size):
    """Return words for a frame of another shape than that of ``size``, (width, height), or None."""
    width, height = size
    widens = frame.width * height / (frame.height * width)
    if 1 / LEAST_STRETCH < widens < LEAST_STRETCH:
        return None
    found = f"{width}×{height} to {frame.width}×{frame.height} pixels"
    return f"pictures change their shape, from {found}: squeezed into the first one's"


def list_remarks(frame, stretch):
    """Return what of a frame cannot be shown as it should be, in words."""
    remarks, matrix = [], read_matrix(frame)
    if matrix is not None:
        swaps = find_orientation(frame)[0]
        turned = np.abs(matrix[::-1] if swaps else matrix)
        if not max(turned[0, 1], turned[1, 0]) < MOST_SKEW * min(turned[0, 0], turned[1, 1]):
            remarks.append("display matrix is no quarter turn: rounded to one")
    if not 1 / MOST_STRETCH <= stretch <= MOST_STRETCH:
        remarks.append(f"pixels {stretch:.3g} times as wide as high: read as square")
    if frame.interlaced_frame:
        remarks.append("interlaced: what moves is combed")
    if frame.colorspace not in MATRICES:
        remarks.append(f"colour matrix {frame.colorspace} is unknown: read as BT.601")
    return remarks
