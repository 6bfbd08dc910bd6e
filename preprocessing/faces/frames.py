"""The chosen frames of a clip as the decoder left them, turned into RGB only where that is asked.

A face in grey needs only the luma of its own corner of a frame, and the detector only a few frames
in colour: converting every frame would cost a fifth of what decoding the clip does.
"""

import cv2
import numpy as np

from preprocessing.clips.display import is_shown_as_stored, settle_matrix

FULL_RANGE = ("yuvj420p", "yuvj422p", "yuvj444p", "gray")
PLANAR = ("yuv420p", "yuv422p", "yuv444p", "nv12", *FULL_RANGE)
"""Pixel formats whose first plane is the luma, eight bits a pixel."""

JPEG_RANGE = 2  # of FFmpeg's AVColorRange
BLACK, WHITE = 16, 235  # luma that does not use the full range (ITU-R BT.601 and BT.709)
STRETCHED = np.rint((np.arange(256.0) - BLACK) * (255 / (WHITE - BLACK))).clip(0, 255)
STRETCHED = STRETCHED.astype(np.uint8)  # grey of each luma that does not


class Frames:
    """A sequence of frames that is read like an array of RGB, uint8 (time, height, width, 3).

    Each of ``sources`` is a decoded frame and a function that gives it as RGB of a shape, or of its
    own for None.
    """

    def __init__(self, sources):
        self._sources = sources
        first = sources[0][1](None)
        self._rgb = {0: first}
        self.shape = (len(sources), *first.shape)

    def __len__(self):
        """Return the number of frames."""
        return len(self._sources)

    def __getitem__(self, index):
        """Return one frame, uint8 (height, width, 3), converted when first asked for."""
        index = range(len(self))[index]
        if index not in self._rgb:
            self._rgb[index] = self._sources[index][1](self.shape[1:])
        return self._rgb[index]

    def read_luma(self, index):
        """Return the luma of a frame as the video holds it, and whether its range is full.

        It is uint8 (height, width), or None where a frame is shown otherwise than it is stored, or
        is of another format.
        """
        frame = self._sources[index][0]
        as_stored = (frame.height, frame.width) == self.shape[1:3] and is_shown_as_stored(frame)
        if not as_stored or frame.format.name not in PLANAR:
            return None, True
        is_full = frame.format.name in FULL_RANGE or int(frame.color_range) == JPEG_RANGE
        return view_luma(frame), is_full


def view_luma(frame):
    """Return the luma of a decoder's frame, uint8 (height, width), unturned; a view if planar."""
    if frame.format.name not in PLANAR:
        settle_matrix(frame)
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return luma[: frame.height, : frame.width]


def read_grey(frames, index, rows=slice(None), columns=slice(None), *, shape=None, way=None):
    """Return a part of a frame in grey, uint8 (height, width).

    Grey is the luma that the video holds, its range stretched to 0 (black) to 255 (white);
    of other kinds of video, and of arrays, it is made from RGB.

    Args:
        frames: ``Frames``, or uint8 (time, height, width, 3).
        index: Number of the frame.
        rows, columns: Slice or int (pixel,), which of its rows and columns.
        shape, way: Bring the part to this height and width, see ``resize``; None leaves it.
    """
    luma, is_full = frames.read_luma(index) if isinstance(frames, Frames) else (None, True)
    if luma is None:
        part = np.ascontiguousarray(frames[index][rows][:, columns])
        grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    else:
        grey = luma[rows][:, columns]
    if shape is not None:
        grey = resize(grey, shape, way=way)
    return grey if is_full else cv2.LUT(grey, STRETCHED)


def crop_face(frame, box, *, size=64, grey=True):
    """Cut a box out of one frame and bring it to size; beyond the frame its edge is repeated.

    Args:
        frame: uint8 (height, width, 3), RGB.
        box: x1, y1, x2, y2 in pixels, rounded here; at least one pixel is taken.
        size, grey: As for ``crop_clip``; the crop is uint8 (size, size) or (size, size, 3).

    Raises:
        ValueError: The box is not finite, or more than eight times as large as the frame; or the
            size is less than a pixel.
    """
    return crop_frame(frame[None], 0, box, size=size, grey=grey)


def crop_frame(frames, index, box, *, size, grey):
    """Do as ``crop_face`` for one of a clip's frames, an array or ``frames.Frames``."""
    if size < 1:
        raise ValueError(f"A face of {size} pixels a side; expected 1 or more (FACE_SIZE).")
    height, width = frames.shape[1:3]
    reach = np.ptp(np.reshape(box, (2, 2)), axis=0).max()
    if not reach <= 8 * max(height, width) or not np.isfinite(box).all():
        raise ValueError(f"Box {list(box)} does not suit a frame of {width}×{height} pixels.")
    left, top, right, bottom = np.rint(np.asarray(box, float)).astype(int)
    rows, columns = _find_pixels(top, bottom, height), _find_pixels(left, right, width)
    if grey:
        return read_grey(frames, index, rows, columns, shape=(size, size))
    return resize(frames[index][rows][:, columns], (size, size))


def _find_pixels(start, stop, length):
    """Return the pixels of a span, one at least; beyond the frame, its edge stands again."""
    stop = max(stop, start + 1)
    if start >= 0 and stop <= length:
        return slice(start, stop)
    return np.arange(start, stop).clip(0, length - 1)


def resize(picture, shape, *, way=None):
    """Return a picture, uint8 (height, width) or (height, width, 3), at another height and width.

    ``way`` is OpenCV's number of an interpolation; None averages areas where the picture shrinks
    (first whole blocks of pixels, which is ten times as fast) and is bilinear elsewhere.
    """
    height, width = picture.shape[:2]
    shrinks = min(height / shape[0], width / shape[1])
    if way is None and shrinks > 1:
        way, step = cv2.INTER_AREA, int(shrinks / 2)
        if step > 1:
            rows, columns = height // step, width // step
            whole = picture[: rows * step, : columns * step]
            picture = cv2.resize(whole, (columns, rows), interpolation=way)
    return cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_LINEAR if way is None else way)
