"""A corpus becomes ``clips.csv``: which clips there are, and what their headers say."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from preprocessing import corpora
from preprocessing.clips import decode, locations
from preprocessing.disk import arrays, files
from preprocessing.workers.isolation import explain_error
from preprocessing.workers.parallel import collect_results

UNKNOWN = {"fps": np.nan, "duration_s": np.nan, "video_bytes": 0, "audio_bytes": 0}


def find_source(corpus, source=""):
    """Return the folder (or CSV) that holds a corpus's raw clips: an absolute Path, or a URL.

    ``source`` is the notebook's ``DATA``, a path or a URL; empty for ``data/<corpus>/clips``.
    """
    return locations.find_location(source) if source else arrays.corpus_folder(corpus) / "clips"


def index_corpus(corpus, source="", **workers):
    """List a corpus's clips, look into each file's header, and write ``clips.csv``.

    Args:
        corpus: A name of ``corpora.NAMES``.
        source: Where the raw clips lie; empty for ``data/<corpus>/clips``.
        **workers: ``n_jobs``, ``scheduler``, ``limits`` and ``progress`` of
            ``parallel.stream_results``.

    Returns:
        The table of clips. ``status`` is ``indexed``, or ``failed`` with a ``reason``.

    Raises:
        FileNotFoundError: There are no clips at the source.
        ValueError: The index is not usable, for example two clips bear one id.
    """
    source = find_source(corpus, source)
    clips = corpora.get(corpus).index(source)
    base = locations.get_base(source)
    tasks = [(base, row.video, row.audio) for row in clips.itertuples()]
    probes = collect_results(_probe_clip, tasks, lost=_list_lost, title="probing", **workers)
    clips = clips.join(pd.DataFrame(probes, index=clips.index))
    folder = arrays.corpus_folder(corpus)
    facts = {"corpus": corpus, "source": source, "base": base}
    files.write_json(folder / "corpus.json", facts)
    if not (folder / "clips.csv").is_file() or (
        arrays.identify_clips(arrays.read_clips(folder)) != arrays.identify_clips(clips)
    ):
        arrays.write_clips(folder, clips)
    return arrays.read_clips(folder)


def read_base(corpus):
    """Return the folder, Path or URL, that the paths in ``clips.csv`` start from, as last indexed.

    Raises:
        FileNotFoundError: The corpus has not been indexed.
    """
    path = arrays.find_made(arrays.corpus_folder(corpus), "corpus.json", "clips")
    base = json.loads(path.read_text("utf-8"))["base"]
    return base if locations.is_url(base) else Path(base)


def read_examples(corpus, clips, **options):
    """Return the clips that every notebook shows, by id; one that cannot be read is named instead.

    ``clips`` is the table of ``clips.csv``; options are those of ``decode.read_clip``.
    """
    base, examples, rows = read_base(corpus), {}, clips.set_index("clip_id")
    for clip_id in arrays.choose_examples(clips):
        names = rows.loc[clip_id, ["video", "audio"]]
        paths = [locations.join(base, name) if name else "" for name in names]
        try:
            examples[clip_id] = decode.read_clip(*paths, **options)
        except decode.MediaError as error:
            print(f"{clip_id} cannot be read: {explain_error(error)}")
    return examples


def _probe_clip(base, video, audio):
    """Return what the headers of a clip's files say, as columns of ``clips.csv``."""
    facts, problems, shortest = dict(UNKNOWN), [], np.inf
    named = {kind: name for kind, name in (("video", video), ("audio", audio)) if name}
    for kind, name in named.items():
        try:
            location = locations.join(base, name)
            facts[f"{kind}_bytes"] = locations.measure_size(location)
            probe = decode.probe(location)
        except (decode.MediaError, OSError) as error:
            problems.append(("" if video == audio else f"{kind}: ") + explain_error(error))
            continue
        if kind not in probe.durations_s:
            problems.append(f"no {kind} stream")
            continue
        shortest = min(shortest, probe.durations_s[kind] or np.inf)
        if kind == "video":
            facts["fps"] = probe.fps
    facts["duration_s"] = round(shortest, 3) if np.isfinite(shortest) else np.nan
    status = "failed" if len(problems) == len(named) else "indexed"
    return facts | {"status": status, "reason": "; ".join(dict.fromkeys(problems))}


def _list_lost(reason, *_):
    """Return what ``_probe_clip`` would of a clip whose worker did not survive it."""
    return UNKNOWN | {"status": "failed", "reason": reason}
