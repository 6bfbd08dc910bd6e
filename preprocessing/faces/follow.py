"""Detect faces on a few frames and follow them between, with a full check where in doubt.

The detector sees the first and the last frame. Each frame between is compared with both: where
each face is found again from either side at the same place, and the rest of the picture is as it
was, the face's box is known without the detector. Any other frame is shown to the detector, which
makes it one of two new ends, and so on. Each shot between two cuts is a clip of its own.
"""

import cv2
import numpy as np

from preprocessing.faces.boxes import measure_sides, pair_boxes
from preprocessing.faces.frames import read_grey

SMALL_SIDE = 320  # longer side of the grey pictures that are compared, in pixels
TEMPLATE_SIDE = 32  # side to which the smallest face is reduced for the search, in pixels
MAX_CHANGE = 0.35  # faces of two ends that differ more (``pair_boxes``) are not followed
MIN_CORRELATION = 0.7  # normalised; below it with either end, a face is not recognised again
MAX_DISAGREEMENT = 0.1  # between the places found from the two ends, in sides of the face
MAX_DIFFERENCE = 24  # grey levels by which a cell of the picture may differ from both ends
REACH = 0.4  # how far a face is sought from where it is expected, in sides of the face
MAX_BLANK = 8  # grey levels between the darkest and brightest place of a frame that shows nothing
CELLS = 16  # cells along the longer side in which pictures are compared as a whole


def follow_faces(frames, detect, *, shots=None, min_confidence=0.5):
    """Find the faces in each frame, with the detector where it is needed.

    With strong motion or no face at all it sees most frames. A blank one shows no face and is not
    looked at, unless all are blank. The same frames give the same boxes.

    Args:
        frames: uint8 (time, height, width, 3), RGB, or ``frames.Frames``.
        detect: A detector's method of that name.
        shots: int (time,), the shot of each frame; faces are not followed from one into another.
            Frames of shot -1 are not looked at. None if all are of one shot.
        min_confidence: Boxes below it are left out.

    Returns:
        List with a float32 (face, 5) array for each frame, box and confidence, and bool (time,):
        the detector saw the frame. The confidence of a face that was followed is that of the
        ends, interpolated, times its mean correlation with them.
    """
    found = [np.zeros((0, 5), np.float32)] * len(frames)
    seen = np.zeros(len(frames), bool)
    small = [_reduce(frames, index) for index in range(len(frames))]
    pictures = [i for i, image in enumerate(small) if np.ptp(image) > MAX_BLANK]
    shots = np.zeros(len(frames), int) if shots is None else shots
    pictures = [i for i in pictures or range(len(frames)) if shots[i] >= 0]

    ends = np.flatnonzero(np.diff(shots[pictures])).tolist()
    firsts, lasts = [0, *(end + 1 for end in ends)], [*ends, len(pictures) - 1]
    spans = list(zip(firsts, lasts, strict=True)) if pictures else []
    while spans:
        first, last = spans.pop()
        span = pictures[first : last + 1]
        for end in (span[0], span[-1]):
            if not seen[end]:
                boxes = detect(frames[end])
                found[end] = boxes[boxes[:, 4] >= min_confidence]
                seen[end] = True
        scale = max(small[0].shape) / max(frames.shape[1:3])
        followed = _follow_span([small[i] for i in span], found[span[0]], found[span[-1]], scale)
        sure = {k: boxes for k, boxes in followed.items() if boxes[:, 4].min() >= min_confidence}
        doubtful = [k for k in range(1, len(span) - 1) if k not in sure]
        if doubtful:
            middle = first + doubtful[len(doubtful) // 2]
            spans += [(middle, last), (first, middle)]
        else:
            for position, boxes in sure.items():
                found[span[position]] = boxes
    return found, seen


def _reduce(frames, index):
    """Return a frame in grey, its longer side at most SMALL_SIDE pixels."""
    height, width = frames.shape[1:3]
    scale = min(SMALL_SIDE / max(height, width), 1)
    shape = (max(round(height * scale), 1), max(round(width * scale), 1))
    # of each block the middle: an average of all its pixels costs ten times as much
    return read_grey(frames, index, shape=shape, way=cv2.INTER_NEAREST)


def _follow_span(small, before, after, scale):
    """Return the faces between two frames where they are known, by position, where undoubted."""
    pairs = pair_boxes(before, after, max_change=MAX_CHANGE)
    if len(small) < 3 or not pairs or not len(pairs) == len(before) == len(after):
        return {}
    after = after[[pair[1] for pair in pairs]]
    ends = np.stack([before, after]).astype(float)
    side = scale * min(measure_sides(before).min(), measure_sides(after).min())
    if side < TEMPLATE_SIDE / 2:
        return {}
    finer = min(1.0, TEMPLATE_SIDE / side)
    ends[..., :4] *= scale * finer
    images = [_resize(image, finer) for image in small]
    cells = [_resize(image, CELLS / max(image.shape)) for image in images]
    unlike = _list_unlike(cells, ends[..., :4] * CELLS / max(images[0].shape))
    followed = {}
    for step in range(1, len(small) - 1):
        boxes = None if step in unlike else _place_faces(images, ends, step)
        if boxes is not None:
            boxes[:, :4] /= scale * finer
            followed[step] = boxes.astype(np.float32)
    return followed


def _resize(image, scale):
    size = [max(1, round(side * scale)) for side in image.shape[::-1]]
    return image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _list_unlike(cells, ends):
    """Return the positions whose picture differs from both ends somewhere beside the faces."""
    cells = np.stack(cells).astype(int)
    beside = np.ones(cells.shape[1:], bool)
    for x1, y1, x2, y2 in np.concatenate(list(ends)):
        rows = slice(max(0, int(y1)), max(0, int(np.ceil(y2))))
        beside[rows, max(0, int(x1)) : max(0, int(np.ceil(x2)))] = False
    differences = np.abs(cells[:, None] - cells[[0, -1]]).min(axis=1) * beside
    return set(np.flatnonzero(differences.max(axis=(1, 2)) > MAX_DIFFERENCE).tolist())


def _place_faces(images, ends, step):
    """Return float (face, 5) for one frame between the ends, or None where a face is in doubt."""
    share = step / (len(images) - 1)
    boxes = (1 - share) * ends[0] + share * ends[1]
    for face, box in enumerate(boxes):
        side = measure_sides(box[None])[0]
        sought = [_seek(images[end], ends[end, face, :4], images[step], box) for end in (0, -1)]
        if None in sought:
            return None
        (place, correlation), (other_place, other_correlation) = sought
        if min(correlation, other_correlation) < MIN_CORRELATION:
            return None
        if np.abs(place - other_place).max() > MAX_DISAGREEMENT * side:
            return None
        shift = (1 - share) * place + share * other_place - (box[:2] + box[2:4]) / 2
        box[:4] += np.tile(shift, 2)
        box[4] *= (correlation + other_correlation) / 2
    return boxes


def _seek(picture, box, image, expected):
    """Seek the face in a box of one picture in another, about where it is expected.

    Returns where its centre lies, float (2,), and the normalised correlation there; None where too
    little of the face is in the picture.
    """
    height, width = picture.shape
    left, top, right, bottom = np.clip(np.rint(box), 0, (width, height, width, height)).astype(int)
    if min(right - left, bottom - top) < TEMPLATE_SIDE / 4:
        return None
    template = picture[top:bottom, left:right]
    pad = int(np.ceil(REACH * measure_sides(box[None])[0]))
    centre = (box[:2] + box[2:]) / 2
    move = np.rint((expected[:2] + expected[2:4]) / 2 - centre).astype(int)
    rows = np.clip(np.arange(top - pad, bottom + pad) + move[1], 0, height - 1)
    columns = np.clip(np.arange(left - pad, right + pad) + move[0], 0, width - 1)
    window = image[rows[:, None], columns]
    likeness = cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
    _, correlation, _, (column, row) = cv2.minMaxLoc(likeness)
    if not np.isfinite(correlation):
        return None
    peak = np.array([_refine(likeness[row], column), _refine(likeness[:, column], row)])
    return centre + move + peak - pad, min(correlation, 1.0)


def _refine(values, peak):
    """Return the place of a peak between samples: the summit of the parabola through three."""
    if not 0 < peak < len(values) - 1:
        return float(peak)
    before, top, after = (float(value) for value in values[peak - 1 : peak + 2])
    bend = before - 2 * top + after
    return peak + (0.5 * (before - after) / bend if bend < 0 else 0.0)
