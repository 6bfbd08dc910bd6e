"""A corpus becomes ``clips.csv``: which clips there are, and what their headers say."""

import hashlib
import json
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from preprocessing import corpora
from preprocessing.clips import decode, locations
from preprocessing.disk import arrays, files
from preprocessing.disk.lock import lock_folder
from preprocessing.workers.isolation import explain_error
from preprocessing.workers.parallel import collect_results

MODALITIES = ("video", "audio")
FILE_FACTS = ("bytes", "version", "digest")
NO_FILE = dict(zip(FILE_FACTS, (0, "", ""), strict=True))
UNKNOWN = {"fps": np.nan, "duration_s": np.nan}
UNKNOWN |= {f"{kind}_{fact}": value for kind in MODALITIES for fact, value in NO_FILE.items()}


def find_source(corpus, source=""):
    """Return the folder (or CSV) that holds a corpus's raw clips: an absolute Path, or a URL.

    ``source`` is the notebook's ``DATA``, a path or a URL; empty for ``data/<corpus>/clips``.
    """
    return locations.find_location(source) if source else arrays.corpus_folder(corpus) / "clips"


def index_corpus(corpus, source="", **workers):
    """List a corpus's clips, look into each file's header, and write ``clips.csv``.

    Each file on this machine is read once, for the digest of its content, and again when its time
    of change is another.

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
    base, folder = locations.get_base(source), arrays.corpus_folder(corpus)
    known = _list_known(corpus, base)
    tasks = [
        (base, row.video, row.audio, {n: known[n] for n in (row.video, row.audio) if n in known})
        for row in clips.itertuples()
    ]
    probes = collect_results(_probe_clip, tasks, lost=_list_lost, title="probing", **workers)
    clips = clips.join(pd.DataFrame(probes, index=clips.index))
    folder.mkdir(parents=True, exist_ok=True)
    with lock_folder(folder, "indexing"):
        facts = {"corpus": corpus, "source": source, "base": base}
        files.write_json(folder / "corpus.json", facts)
        _keep_clips(folder, clips)
        return arrays.read_clips(folder)


def _keep_clips(folder, clips):
    """Write a table of clips, unless the one on disk, which later stages added to, is of these."""
    if (folder / "clips.csv").is_file():
        earlier = arrays.read_clips(folder)
        if arrays.identify_clips(earlier) == arrays.identify_clips(clips):
            versions = clips[arrays.VERSION_COLUMNS]
            if (versions == earlier[arrays.VERSION_COLUMNS]).all(axis=None):
                return
            clips = earlier.assign(**versions)
    arrays.write_clips(folder, clips)


def read_base(corpus):
    """Return the folder, Path or URL, that the paths in ``clips.csv`` start from, as last indexed.

    Raises:
        FileNotFoundError: The corpus has not been indexed.
    """
    path = arrays.find_made(arrays.corpus_folder(corpus), "corpus.json", "clips")
    base = json.loads(path.read_text("utf-8"))["base"]
    return base if locations.is_url(base) else Path(base)


def find_changes(base, clip):
    """Return a problem for each file that is no longer what was indexed.

    ``clip`` is a row of ``clips.csv``. A file is read only if its time of change is another.
    """
    problems = []
    for kind in [kind for kind in MODALITIES if clip[kind]]:
        with suppress(OSError):  # reading it will say what is wrong
            location, expected = locations.join(base, clip[kind]), clip[f"{kind}_bytes"]
            found, version = locations.describe_file(location)
            digest, fault = clip.get(f"{kind}_digest"), ""
            if found != expected:
                fault = f"{found} bytes, not {expected}"
            elif digest and version != clip[f"{kind}_version"]:
                same = _compute_digest(location, version) == digest
                fault = "" if same else "as long, with another content"
            if fault:
                problems.append(
                    f"{kind} file has changed since it was indexed: {fault}; rerun 10_corpus.ipynb"
                )
    return problems


def refuse_changes(base, clips):
    """Raise a ValueError where files on this machine are no longer what was indexed."""
    found = []
    for clip in clips.to_dict("records"):
        names = [clip[kind] for kind in MODALITIES if clip[kind]]
        if not any(locations.is_url(locations.join(base, name)) for name in names):
            found += [f"{clip['clip_id']}, {problem}" for problem in find_changes(base, clip)[:1]]
    if found:
        raise ValueError(f"Clips that are not what they were: {len(found)}. {found[0]}.")


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


def _list_known(corpus, base):
    """Return size, version and digest by name of each file that was indexed before."""
    try:
        clips = arrays.read_clips(arrays.corpus_folder(corpus))
        if read_base(corpus) != base:
            return {}
    except FileNotFoundError:
        return {}
    columns = {kind: [kind, *(f"{kind}_{fact}" for fact in FILE_FACTS)] for kind in MODALITIES}
    known = [clips.reindex(columns=own).itertuples(index=False) for own in columns.values()]
    return {name: tuple(facts) for rows in known for name, *facts in rows}


def _identify_file(location, known):
    """Return size, version and digest of a file; ``known`` is what they were."""
    n_bytes, version = locations.describe_file(location)
    if version and known[:2] == (n_bytes, version):
        return known
    return n_bytes, version, _compute_digest(location, version)


def _compute_digest(location, version):
    """Return a digest of a file's content; of a remote one, its version stands for it."""
    if locations.is_url(location):
        return version
    with locations.open_file(location) as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).hexdigest()


def _probe_clip(base, video, audio, known):
    """Return what the headers of a clip's files say, as columns of ``clips.csv``."""
    facts, problems, shortest = dict(UNKNOWN), [], np.inf
    named = {kind: name for kind, name in (("video", video), ("audio", audio)) if name}
    for kind, name in named.items():
        try:
            location = locations.join(base, name)
            known[name] = _identify_file(location, known.get(name, ()))
            for fact, value in zip(FILE_FACTS, known[name], strict=True):
                facts[f"{kind}_{fact}"] = value
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
