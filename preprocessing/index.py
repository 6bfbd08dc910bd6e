"""A corpus becomes ``clips.csv``: which clips there are, and what their headers say."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from preprocessing import corpora
from preprocessing.clips import decode, locations
from preprocessing.disk import arrays
from preprocessing.workers.parallel import collect_results

UNKNOWN = {"fps": np.nan, "duration_s": np.nan, "video_bytes": 0, "audio_bytes": 0}
"""Columns of ``clips.csv`` of a clip whose headers say nothing."""


def find_source(corpus, source=""):
    """Return the folder (or CSV) that holds a corpus's raw clips: an absolute Path, or a URL.

    Args:
        corpus: A name of ``corpora.NAMES``.
        source: The notebook's ``DATA``, a path or a URL; empty for ``data/<corpus>/clips``.
    """
    return locations.find_location(source) if source else arrays.corpus_folder(corpus) / "clips"


def index_corpus(corpus, source="", *, n_jobs=-1, scheduler="", limits=None, progress=True):
    """List a corpus's clips, look into each file's header, and write ``clips.csv``.

    Args:
        corpus: A name of ``corpora.NAMES``.
        source: Where the raw clips lie; empty for ``data/<corpus>/clips``.
        n_jobs: Processes; -1 for one a core, 0 for this process alone, see
            ``parallel.stream_results``.
        scheduler: Address of a Dask scheduler.
        limits: ``isolation.Limits`` of time and memory for each clip; None for the usual ones.
        progress: Show a progress bar.

    Returns:
        The table of clips. ``status`` is ``indexed``, or ``failed`` with a ``reason``.

    Raises:
        FileNotFoundError: There are no clips at the source.
        ValueError: The index is not usable, for example two clips bear one id.
    """
    source = find_source(corpus, source)
    clips = corpora.get(corpus).index(source)
    base = find_base(source)
    tasks = [(base, row.video, row.audio) for row in clips.itertuples()]
    probes = collect_results(
        _probe_clip,
        tasks,
        lost=_list_lost,
        n_jobs=n_jobs,
        scheduler=scheduler,
        limits=limits,
        title="probing",
        progress=progress,
    )
    found = pd.DataFrame(probes, index=clips.index)
    clips = pd.concat([clips, found], axis=1)
    folder = arrays.corpus_folder(corpus)
    facts = {"corpus": corpus, "source": source, "base": base}
    arrays.write_json(folder / "corpus.json", facts)
    if not (folder / "clips.csv").is_file() or (
        arrays.identify_clips(arrays.read_clips(folder)) != arrays.identify_clips(clips)
    ):
        arrays.write_clips(folder, clips)
    return arrays.read_clips(folder)


def find_base(source):
    """Return the folder, Path or URL, that a source's relative paths start from."""
    return locations.get_base(source)


def read_base(corpus):
    """Return the folder that the paths in ``clips.csv`` start from, as last indexed.

    Returns:
        A Path, or a URL as str: ``locations.join`` adds a clip's path to either.

    Raises:
        FileNotFoundError: The corpus has not been indexed.
    """
    path = arrays.corpus_folder(corpus) / "corpus.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"No {arrays.shorten_path(path)}. Run {arrays.MADE_BY['clips']} with "
            f"CORPUS = {corpus!r} first."
        )
    base = json.loads(path.read_text("utf-8"))["base"]
    return base if locations.is_url(base) else Path(base)


def read_examples(corpus, clips, **options):
    """Read the clips that every notebook shows; one that cannot be read is named and left out.

    Args:
        corpus: A name of ``corpora.NAMES``.
        clips: DataFrame of ``clips.csv``.
        **options: As ``media.read_clip`` takes them.

    Returns:
        Dict from clip id to ``media.Clip``.
    """
    base, examples = read_base(corpus), {}
    for clip_id in arrays.choose_examples(clips):
        row = clips[clips["clip_id"] == clip_id].iloc[0]
        paths = [
            locations.join(base, name) if name else None for name in (row["video"], row["audio"])
        ]
        try:
            examples[clip_id] = decode.read_clip(*paths, **options)
        except decode.MediaError as error:
            print(f"{clip_id} cannot be read: {explain_error(error)}")
    return examples


def explain_error(error):
    """Return an error's message on one line, without the folder it happened in."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def _probe_clip(base, video, audio):
    """Return what the headers of a clip's files say, as columns of ``clips.csv``."""
    facts = dict(UNKNOWN)
    problems, durations = [], []
    for kind, name in (("video", video), ("audio", audio)):
        if not name:
            continue
        try:
            location = locations.join(base, name)
            facts[f"{kind}_bytes"] = locations.measure_size(location)
            probe = decode.probe(location)
        except (decode.MediaError, OSError) as error:
            problems.append(("" if video == audio else f"{kind}: ") + explain_error(error))
            continue
        if not getattr(probe, f"has_{kind}"):
            problems.append(f"no {kind} stream")
            continue
        durations.append(getattr(probe, f"{kind}_duration_s"))
        if kind == "video":
            facts["fps"] = probe.fps
    durations = [seconds for seconds in durations if seconds]
    facts["duration_s"] = round(min(durations), 3) if durations else np.nan
    wanted = sum(1 for name in (video, audio) if name)
    status = "failed" if len(problems) == wanted else "indexed"
    return facts | {"status": status, "reason": "; ".join(dict.fromkeys(problems))}


def _list_lost(reason, *_):
    """Return what ``_probe_clip`` would of a clip whose worker did not survive it."""
    return UNKNOWN | {"status": "failed", "reason": reason}
