"""What other programs saw in a corpus's faces, where the videos themselves are not at hand."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from modeling.expressions.fer2013 import CLASSES, WORDS
from modeling.expressions.stored import FLOOR, Seen, sign_bytes

RAVDESS_FPS = 29.97

LEAST_FRAMES = 3

ARRAYS = ("clip_id", "offsets", "frame", "posterior", "classes")


def read_posteriors(path, clips, *, fps=RAVDESS_FPS):
    """Return the expressions that another network saw in the clips' videos, frame by frame.

    Frames inside each clip's window are kept one by one, so that face and voice are of the same
    seconds. Of the silence before and after it the mean is kept, of ``LEAST_FRAMES`` at least.

    Args:
        path: ``.npz`` with ``clip_id`` (clip,), ``offsets`` (clip + 1,) into ``frame`` (row,),
            counted from 1, and ``posterior`` (row, class), and ``classes`` (class,).
        clips: DataFrame of ``clips.csv`` with ``start_s`` and ``window_s``. A RAVDESS file's whole
            name, modality and all, counts as its clip's.
        fps: Frames a second of the videos.

    Returns:
        ``stored.Seen``, without embeddings.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It lacks an array or a class, or knows none of the clips.
    """
    path = Path(path)
    ids, offsets, frames, posteriors, classes = _read_npz(path)
    words = [WORDS.get(str(word), str(word)) for word in classes]
    if missing := set(CLASSES) - set(words):
        raise ValueError(f"{path.name} has no posteriors of {', '.join(sorted(missing))}.")
    posteriors = posteriors[:, [words.index(name) for name in CLASSES]].astype(np.float32)
    spans = dict(zip(map(str, ids), zip(offsets, offsets[1:], strict=False), strict=True))
    cut, silences = {}, np.zeros((len(clips), 2, len(CLASSES)), np.float32)
    for row, name in match_clips(spans, clips["clip_id"], path.name).items():
        own = posteriors[slice(*spans[name])]
        times = (frames[slice(*spans[name])] - 1) / fps - clips["start_s"][row]
        before, after = times < 0, times > clips["window_s"][row]
        inside = (times >= 0) & (times <= clips["window_s"][row])
        cut[row] = own[inside], times[inside]
        if len(own):
            ends = own[: max(LEAST_FRAMES, before.sum())], own[-max(LEAST_FRAMES, after.sum()) :]
            silences[row] = [np.log(np.maximum(end, FLOOR)).mean(axis=0) for end in ends]
    longest = max(1, *(len(own) for own, _ in cut.values()))
    expressions = np.zeros((len(clips), longest, len(CLASSES)), np.float32)
    at = np.zeros((len(clips), longest), np.float32)
    for row, (own, times) in cut.items():
        expressions[row, : len(own)], at[row, : len(own)] = own, times
    source = {"network": "another, trained on FER2013", "file": sign_bytes(path.read_bytes())}
    return Seen(expressions, at, source, silences=silences)


def read_action_units(path, clips):
    """Return OpenFace's action units of the clips, means over each video.

    Baltrušaitis et al. 2018, "OpenFace 2.0", FG. Ekman & Friesen's units: how strongly (``_r``)
    and how often (``_c``) each is seen.

    Args:
        path: CSV with a column ``name`` and columns ``AU01_r``, ``AU01_c`` ...; commas or
            semicolons between them.
        clips: DataFrame of ``clips.csv``; a RAVDESS file's whole name counts as its clip's.

    Returns:
        DataFrame of float32, a row a clip and a column a unit; zeros for a clip that the file
        lacks.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It has no action units or knows none of the clips.
    """
    table = pd.read_csv(path, sep=None, engine="python", dtype={"name": str}, na_filter=False)
    units = [name for name in table if name.startswith("AU")]
    if not units or "name" not in table:
        raise ValueError(f"{Path(path).name} has no column 'name' or none that begins with 'AU'.")
    table = table.drop_duplicates("name").set_index("name")[units].astype(np.float32)
    known = match_clips(table.index, clips["clip_id"], Path(path).name)
    rows = [known.get(row, "") for row in range(len(clips))]
    return table.reindex(rows).fillna(0).set_axis(clips["clip_id"])


def match_clips(names, clip_ids, source):
    """Return by row of ``clip_ids`` the name that a file has for it."""
    own = {name.split("-", 1)[1]: name for name in names if name.count("-") == 6}  # RAVDESS
    own |= {name: name for name in names}
    known = {row: own[clip] for row, clip in enumerate(clip_ids) if clip in own}
    if not known:
        example = next(iter(names), "nothing")
        raise ValueError(
            f"{source} knows none of the {len(clip_ids)} clips: it names {example}, clips.csv "
            f"{clip_ids.iloc[0]}."
        )
    return known


def _read_npz(path):
    """Return the arrays named in ``ARRAYS``."""
    try:
        with np.load(path, allow_pickle=False) as found:
            return [found[name] for name in ARRAYS]
    except (KeyError, ValueError, BadZipFile) as error:
        raise ValueError(f"{path.name} cannot be read as .npz: {error}") from error
