"""Where a film cuts: found by what changes in the picture, from small pictures of all its frames.

Arithmetic alone. A cut is a change that neither motion nor light explains and that does not go back
within a moment, as a flash does. Slow changes (a dissolve, a fade) are no cuts.
"""

import itertools

import numpy as np

HEIGHT, WIDTH = 18, 32  # cells of a small picture
BLOCK = 2  # pixels of each cell that are looked at, squared
ROWS, COLUMNS = (np.kron(np.eye(n), np.full(BLOCK, 1 / BLOCK)).astype("f") for n in (HEIGHT, WIDTH))
"""The mean over the pixels of each row, and of each column, of cells, as a product of matrices."""

LEAST_CONTRAST = 6.0  # grey levels of standard deviation below which a picture is taken as flat
SUSPECT, CHANGE = 0.18, 0.25
"""Mean difference between the cells of two standardised pictures from which on they may show
different scenes, and from which on they do when one is moved to fit the other. Within a shot the
second is at most 0.21 (close-ups of RAVDESS at 5 frames a second, heads moving), between scenes and
drawn actors it begins at 0.3."""
FLASH_S = 0.3  # how long a flash may last: the picture after it is that from before it
BLACK = 20.0  # luma of a cell up to which it may be one of a bar
REACH = 4, 6  # rows and columns of cells by which a picture may move from frame to frame


def shrink_picture(luma):
    """Return a picture, (height, width), as float32 (HEIGHT, WIDTH), quickly."""
    rows, columns = (
        _choose_pixels(size, n) for size, n in zip(luma.shape, (HEIGHT, WIDTH), strict=True)
    )
    return ROWS @ luma[rows][:, columns].astype(np.float32) @ COLUMNS.T


def _choose_pixels(size, n_cells):
    """Return evenly spaced pixels of a side, as a slice where it is long enough."""
    n_pixels = n_cells * BLOCK
    step = size // n_pixels
    if step:
        start = (size - step * n_pixels + step) // 2
        return slice(start, start + step * (n_pixels - 1) + 1, step)
    return (np.arange(n_pixels) * size) // n_pixels


def find_cuts(pictures, times):
    """Return the numbers of the frames at which a new shot begins, int64 (cut,).

    Args:
        pictures: float32 (time, HEIGHT, WIDTH), see `shrink_picture`.
        times: float (time,), seconds, increasing.
    """
    pictures = np.asarray(pictures, np.float32).reshape(-1, HEIGHT, WIDTH)
    suspects = np.flatnonzero(measure_changes(pictures[:-1], pictures[1:]) > SUSPECT)
    return np.array([i + 1 for i in suspects if _is_cut(pictures, times, i)], np.int64)


def _is_cut(pictures, times, last):
    """Return whether no frame just before a change, up to ``last``, shows what one after does."""
    first = np.searchsorted(times, times[last + 1] - FLASH_S)
    stop = np.searchsorted(times, times[last] + FLASH_S, side="right")
    pairs = np.indices((last + 1 - first, stop - last - 1)).reshape(2, -1)
    before, after = pictures[first + pairs[0]], pictures[last + 1 + pairs[1]]
    if (measure_changes(before, after) <= SUSPECT).any():
        return False
    moves = itertools.product(*(range(-reach, reach + 1) for reach in REACH))
    return all(_measure_moved(pictures[last], pictures[last + 1], *move) > CHANGE for move in moves)


def _measure_moved(before, after, rows, columns):
    """Return how much two pictures differ where they overlap when the first is moved."""
    sides = [(rows, HEIGHT), (columns, WIDTH)]
    moved = [slice(max(step, 0), size + min(step, 0)) for step, size in sides]
    still = [slice(max(-step, 0), size + min(-step, 0)) for step, size in sides]
    return measure_changes(before[None, *moved], after[None, *still])[0]


def measure_changes(before, after):
    """Return how much pairs of pictures, (pair, height, width), differ, light and motion forgiven.

    Black bars are left out, and each is standardised; each cell is compared with the nine about its
    place in the other one, the differences are averaged, and the larger mean of the two directions
    counts.
    """
    before, after = (_standardise(own) for own in _leave_out_bars(before, after))
    return np.maximum(_measure_misfit(before, after), _measure_misfit(after, before))


def _leave_out_bars(before, after):
    """Return pairs of pictures without the black bars that both have, stretched to their size.

    A tall picture in a wide one would be told from the next by a third of the cells alone.
    """
    is_lit = np.maximum(before, after) > BLACK
    rows, columns = (_choose_lit(is_lit.any(axis=axis)) for axis in (2, 1))
    pairs = np.arange(len(before))[:, None, None]
    return [own[pairs, rows[:, :, None], columns[:, None]] for own in (before, after)]


def _choose_lit(is_lit):
    """Return as many lines as there are, int (pair, line), from the first lit one to the last."""
    n_lines = is_lit.shape[1]
    first, last = is_lit.argmax(axis=1), n_lines - 1 - is_lit[:, ::-1].argmax(axis=1)
    shares = np.linspace(0, 1, n_lines)
    return np.rint(first[:, None] + (last - first)[:, None] * shares).astype(int)


def _standardise(pictures):
    contrast = pictures.std(axis=(1, 2), keepdims=True)
    middle = pictures.mean(axis=(1, 2), keepdims=True)
    return (pictures - middle) / np.maximum(contrast, LEAST_CONTRAST)


def _measure_misfit(pictures, others):
    height, width = pictures.shape[1:]
    padded = np.pad(others, ((0, 0), (1, 1), (1, 1)), mode="edge")
    least = np.full(pictures.shape, np.inf, np.float32)
    for row, column in itertools.product(range(3), range(3)):
        beside = padded[:, row : row + height, column : column + width]
        np.minimum(least, np.abs(pictures - beside), out=least)
    return least.mean(axis=(1, 2))
