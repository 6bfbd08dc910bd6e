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

    dtype = np.dtype(np.uint8)

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

    def read_grey(self, index, rows=slice(None), columns=slice(None), *, size=None):
        """Return a part of a frame in grey.

        Grey is the luma that the video holds, its range stretched to 0 (black) to 255 (white);
        of other kinds of video it is made from RGB.

        Args:
            index: Number of the frame.
            rows: Slice of its rows.
            columns: Slice of its columns.
            size: Bring the part to this height and width first, in pixels; None leaves it.

        Returns:
            uint8 (height, width).
        """
        frame = self._sources[index][0]
        upright = (frame.height, frame.width) == self.shape[1:3] and not round(frame.rotation)
        if not upright or frame.format.name not in PLANAR:
            grey = cv2.cvtColor(self[index], cv2.COLOR_RGB2GRAY)[rows, columns]
            return grey if size is None else resize(grey, size)
        plane = frame.planes[0]
        luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        luma = luma[: frame.height, : frame.width][rows, columns]
        luma = luma if size is None else resize(luma, size)
        is_full = frame.format.name in FULL_RANGE or int(frame.color_range) == JPEG_RANGE
        return luma if is_full else STRETCHED[luma]


def read_grey(frames, index, rows=slice(None), columns=slice(None), *, size=None):
    """Return a part of a frame in grey, of ``Frames`` or of a uint8 (time, height, width, 3) array.

    Arguments and result as for ``Frames.read_grey``.
    """
    if isinstance(frames, Frames):
        return frames.read_grey(index, rows, columns, size=size)
    grey = cv2.cvtColor(np.ascontiguousarray(frames[index][rows, columns]), cv2.COLOR_RGB2GRAY)
    return grey if size is None else resize(grey, size)


def resize(picture, size):
    """Return a picture at a height and width of ``size`` pixels, averaged where it shrinks."""
    shrinks = min(picture.shape[:2]) > size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(picture, (size, size), interpolation=interpolation)


STRETCHED = np.rint((np.arange(256.0) - BLACK) * (255 / (WHITE - BLACK))).clip(0, 255)
STRETCHED = STRETCHED.astype(np.uint8)
"""Grey of each luma that does not use the full range."""
