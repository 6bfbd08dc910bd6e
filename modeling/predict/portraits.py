"""How a person looks from afar: a coarse picture of head and shoulders, whatever its light.

What lies beyond the picture is not compared, so that a person is known from wide to close.
"""

import numpy as np

from preprocessing.faces.boxes import square_boxes
from preprocessing.faces.frames import crop_frame

SIDE, MARGIN = 32, 0.6  # of the crop, in pixels, and about the box
CELLS = 8  # on a side of what is compared
LEAST_CELLS = 16  # that both must show


def cut_portrait(frames, number, box):
    """Return the portrait of a face in a frame, float32 (side, side, 4): RGB, and what is seen.

    Portraits of a person may be added. What is seen is 1, beyond the frame all is 0.
    """
    square = square_boxes(box[None], margin=MARGIN)[0]
    crop = crop_frame(frames, number, square, size=SIDE, grey=False)
    places = (np.arange(SIDE) + 0.5) / SIDE
    columns, rows = (low + (high - low) * places for low, high in square.reshape(2, 2).T)
    height, width = frames.shape[1:3]
    is_row, is_column = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    seen = (is_row[:, None] & is_column[None]).astype(np.float32)[..., None]
    return np.concatenate([crop * seen, seen], axis=2)


def describe_portrait(portrait):
    """Return coarse colours, float (cells², 3), and which of them are seen, bool (cells²,)."""
    size = portrait.shape[0] // CELLS
    cells = portrait.reshape(CELLS, size, CELLS, size, 4).mean(axis=(1, 3)).reshape(-1, 4)
    is_seen = cells[:, 3] >= cells[:, 3].max() / 2
    return cells[:, :3] / np.maximum(cells[:, 3:], 1e-9), is_seen


def measure_likeness(first, second):
    """Return how alike two described portraits are, from -1 to 1, 0 where they share too little."""
    shared = first[1] & second[1]
    if shared.sum() < LEAST_CELLS:
        return 0.0
    features = [_weigh(colours[shared]) for colours, _ in (first, second)]
    lengths = np.prod([np.linalg.norm(own) for own in features])
    return float(features[0] @ features[1] / max(lengths, 1e-9))


def _weigh(colours):
    """Return light and shade, and twice what is colour, of cells whatever the light."""
    colours = colours / max(colours.mean(), 1e-9)
    grey = colours.mean(axis=1)
    return np.append(grey - grey.mean(), 2 * (colours - grey[:, None]))
