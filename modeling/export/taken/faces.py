"""Pictures of a face become what the network sees: NumPy alone.

A face is cut out by whoever calls: the square about its centre whose side is the longer side of a
detector's box, from brow to chin, upright, one person's in all pictures.
"""

import numpy as np

GREY = np.array([0.299, 0.587, 0.114], np.float32)


def read_faces(path, *, size, n_times=None, grey=True):
    """Return a ``.npy`` of faces, uint8 (time, height, width[, 3]), as float32 (time, size, size).

    In colour, for networks that want it, they are (time, size, size, 3): red, green, blue.

    Of more pictures than ``n_times`` as many are taken, evenly spread; of fewer, some twice. One
    picture may be given without its time axis. Values stay between 0 and 255.
    """
    faces = np.load(path, allow_pickle=False)
    faces = faces[None] if faces.ndim == 2 or (faces.ndim == 3 and faces.shape[2] == 3) else faces
    if faces.dtype != np.uint8:
        raise ValueError(f"{path} holds {faces.dtype}; expected uint8, 0 (black) to 255 (white).")
    if n_times:
        faces = faces[np.linspace(0, len(faces) - 1, n_times).round().astype(int)]
    if grey and faces.ndim == 4:
        faces = faces @ GREY
    rows, columns = (smooth(length, size) for length in faces.shape[1:3])
    return np.einsum("yh,thw...,xw->tyx...", rows, faces.astype(np.float32), columns)


def smooth(given, wanted):
    """Return float32 (wanted, given): weights that bring rows to another number, by triangles."""
    if given == wanted:
        return np.eye(given, dtype=np.float32)
    scale = given / wanted
    centres = (np.arange(wanted)[:, None] + 0.5) * scale
    reach = np.abs(np.arange(given) + 0.5 - centres) / max(scale, 1)
    weights = np.maximum(1 - reach, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
