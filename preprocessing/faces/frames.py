"""The chosen frames of a clip as the decoder left them, turned into RGB only where that is asked.

A face in grey needs only the luma of its own corner of a frame, and the detector only a few frames
in colour: converting every frame would cost a fifth of what decoding the clip does.
"""

import cv2
import numpy as np

PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray")
"""Pixel formats whose first plane is the luma, eight bits a pixel."""

FULL_RANGE = ("yuvj420p", "yuvj422p", "yuvj444p", "gray")
JPEG_RANGE = 2  # of FFmpeg's AVColorRange

BLACK, WHITE = 16, 235
"""Luma of black and white where it does not use the full range (ITU-R BT.601 and BT.709)."""


class Frames:
    """A sequence of frames, uint8 (time, height, width, 3) in RGB when it is read.

    Args:
        sources: (decoded frame, function of the wanted shape or None that gives it as uint8
            (height, width, 3)) for each.

    Attributes:
        shape: As that of the array that these frames make.
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

    def read_grey(self, index, rows=slice(None), columns=slice(None), *, shape=None, way=None):
        """Return a part of a frame in grey, uint8 (height, width).

        Grey is the luma that the video holds, its range stretched to 0 (black) to 255 (white);
        of other kinds of video it is made from RGB.

        Args:
            index: Number of the frame.
            rows: Slice of its rows.
            columns: Slice of its columns.
            shape: Bring the part to this height and width, in pixels; None leaves it.
            way: OpenCV's number of an interpolation, see ``resize``.
        """
        frame = self._sources[index][0]
        upright = (frame.height, frame.width) == self.shape[1:3] and not round(frame.rotation)
        if not upright or frame.format.name not in PLANAR:
            grey = cv2.cvtColor(self[index], cv2.COLOR_RGB2GRAY)[rows, columns]
            return grey if shape is None else resize(grey, shape, way=way)
        plane = frame.planes[0]
        luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        luma = luma[: frame.height, : frame.width][rows, columns]
        luma = luma if shape is None else resize(luma, shape, way=way)
        is_full = frame.format.name in FULL_RANGE or int(frame.color_range) == JPEG_RANGE
        return luma if is_full else cv2.LUT(luma, STRETCHED)


def read_grey(frames, index, rows=slice(None), columns=slice(None), *, shape=None, way=None):
    """Return a part of a frame in grey, of ``Frames`` or of a uint8 (time, height, width, 3) array.

    Arguments and result as for ``Frames.read_grey``.
    """
    if isinstance(frames, Frames):
        return frames.read_grey(index, rows, columns, shape=shape, way=way)
    part = frames[index][rows, columns]
    if shape is not None and way is not None:
        part = resize(part, shape, way=way)  # a plain reduction before the colours, for speed
    grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
    return grey if shape is None or way is not None else resize(grey, shape)


def resize(picture, shape, *, way=None):
    """Return a picture at another height and width.

    Args:
        picture: uint8 (height, width) or (height, width, 3).
        shape: Height and width, in pixels.
        way: OpenCV's number of an interpolation; None averages areas where the picture shrinks
            (first whole blocks of pixels, which is ten times as fast) and is bilinear elsewhere.

    Returns:
        uint8, of that shape.
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


STRETCHED = np.rint((np.arange(256.0) - BLACK) * (255 / (WHITE - BLACK))).clip(0, 255)
STRETCHED = STRETCHED.astype(np.uint8)
"""Grey of each luma that does not use the full range."""
