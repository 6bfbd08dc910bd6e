"""Where a film cuts: found by what changes in the picture, from small pictures of all its frames.

Arithmetic alone. A cut is a change that neither motion nor light explains and that does not go back
within a moment, as a flash does. Slow changes (a dissolve, a fade) are no cuts.
"""

import numpy as np

HEIGHT, WIDTH = 18, 32  # cells of a small picture
BLOCK = 4  # pixels of each cell that are looked at, squared
LEAST_CONTRAST = 6.0  # grey levels of standard deviation below which a picture is taken as flat
CHANGE = 0.18
"""Mean difference between the cells of two standardised pictures from which on they show different
scenes. RAVDESS's clips reach 0.02 within a shot, the drawn ones 0.04, a pan of 40 pixels a frame at
1280 x 720 0.1; a cut to another scene is above 0.25, one to another drawn actor mostly."""
FLASH_S = 0.3  # how long a flash may last: the picture after it is that from before it


def shrink_picture(luma):
    """Return a picture, (height, width), as float32 (HEIGHT, WIDTH), quickly."""
    rows, columns = (
        _choose_pixels(size, n) for size, n in zip(luma.shape, (HEIGHT, WIDTH), strict=True)
    )
    cells = luma[rows][:, columns].reshape(HEIGHT, BLOCK, WIDTH, BLOCK)
    return cells.mean(axis=(1, 3), dtype=np.float32)


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
    contrast = pictures.std(axis=(1, 2), keepdims=True)
    pictures = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    pictures = pictures / np.maximum(contrast, LEAST_CONTRAST)
    changes = measure_changes(pictures[:-1], pictures[1:])
    return np.array(
        [i + 1 for i in np.flatnonzero(changes > CHANGE) if not _goes_back(pictures, times, i)],
        np.int64,
    )


def _goes_back(pictures, times, last):
    """Return whether a frame just before a change, up to number ``last``, looks like one after."""
    moment_s = times[last + 1] - FLASH_S, times[last] + FLASH_S
    first, stop = np.searchsorted(times, moment_s[0]), np.searchsorted(times, moment_s[1])
    before, after = pictures[first : last + 1], pictures[last + 1 : stop + 1]
    pairs = np.indices((len(before), len(after))).reshape(2, -1)
    return bool((measure_changes(before[pairs[0]], after[pairs[1]]) <= CHANGE).any())


def measure_changes(before, after):
    """Return how much pairs of standardised pictures differ, float (pair,), motion forgiven.

    Each cell is compared with the nine about its place in the other picture; the differences are
    averaged, and the larger mean of the two directions counts.
    """
    return np.maximum(_measure_misfit(before, after), _measure_misfit(after, before))


def _measure_misfit(pictures, others):
    padded = np.pad(others, ((0, 0), (1, 1), (1, 1)), mode="edge")
    least = np.full(pictures.shape, np.inf, np.float32)
    for row in range(3):
        for column in range(3):
            beside = padded[:, row : row + HEIGHT, column : column + WIDTH]
            np.minimum(least, np.abs(pictures - beside), out=least)
    return least.mean(axis=(1, 2))
