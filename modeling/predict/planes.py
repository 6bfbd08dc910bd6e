"""Pictures as films hold them: a plane of luma, and two of colour at half its size."""

import numpy as np

LUMA = {"bt709": (0.2126, 0.7152, 0.0722), "bt601": (0.299, 0.587, 0.114)}


def split_planes(image, matrix):
    """Return the planes of an RGB image of even sides, uint8 (height, width, 3), as YUV 4:2:0."""
    levels = image.astype(np.float32) / 255
    red, green, blue = LUMA[matrix]
    luma = levels @ np.array([red, green, blue], np.float32)
    halves = levels.reshape(len(image) // 2, 2, image.shape[1] // 2, 2, 3).mean(axis=(1, 3))
    half_luma = halves @ np.array([red, green, blue], np.float32)
    planes = (
        16 + 219 * luma,
        128 + 112 * (halves[..., 2] - half_luma) / (1 - blue),
        128 + 112 * (halves[..., 0] - half_luma) / (1 - red),
    )
    return [np.rint(plane).clip(0, 255).astype(np.uint8) for plane in planes]


def make_even(length):
    """Return the even number of pixels next to a length, at least 2."""
    return max(2 * round(length / 2), 2)


def paste(planes, sprite, x, y):
    """Lay a sprite's planes on others, its upper left corner at even ``x`` and ``y``."""
    for plane, own, part in zip(planes, sprite, (1, 2, 2), strict=True):
        height, width = own.shape
        room = plane[y // part : y // part + height, x // part : x // part + width]
        room[:] = own[: room.shape[0], : room.shape[1]]


def paint_frame(planes, box, colours, line):
    """Paint a rectangle's sides, with a thin white one around, for dark and for light pictures.

    Args:
        planes: uint8 (height, width), and twice half of that.
        box: (left, top, right, bottom), even, within the picture.
        colours: The three levels of the rectangle's colour, and of the outer one's.
        line: Thickness in pixels, even.
    """
    own, outer = colours
    left, top, right, bottom = box
    _paint_sides(planes, box, outer, 2)
    _paint_sides(planes, (left + 2, top + 2, right - 2, bottom - 2), own, line)


def _paint_sides(planes, box, colour, line):
    for plane, level, part in zip(planes, colour, (1, 2, 2), strict=True):
        left, top, right, bottom = (side // part for side in box)
        thick = max(line // part, 1)
        plane[top : top + thick, left:right] = level
        plane[bottom - thick : bottom, left:right] = level
        plane[top:bottom, left : left + thick] = level
        plane[top:bottom, right - thick : right] = level
