"""The embedded corpus: drawn actors that speak two statements in eight emotions.

It needs no network, no licence and no faces of real people, so a stranger can run everything in
minutes, and every test has clips. Who acts is in ``cast.py``, how an emotion looks in
``expression.py``, how it sounds in ``prosody.py``; ``face.draw_face`` draws one picture. The
classes overlap on purpose: the constants ``expression.FACE_OVERLAP`` and
``prosody.VOICE_OVERLAP`` say how much. The corpus teaches and tests; a score on it says nothing
about people.
"""

import hashlib
import itertools
import json
import re
from pathlib import Path

from joblib import Parallel, delayed
from tqdm.auto import tqdm

from preprocessing.corpora import EMOTIONS as ALL_EMOTIONS
from preprocessing.corpora import listing
from preprocessing.corpora.drawn import clip
from preprocessing.corpora.drawn.clip import Take

NAME = "drawn"
TITLE = "Drawn, the embedded corpus of drawn actors that speak"
LICENCE = "MIT, like the rest of the project"
CITATION = "Drawn by this project; a score on it says nothing about people."
HOW_TO_GET = "Nothing to fetch: drawn.build(folder) draws the clips in about a minute."
EMOTIONS = ALL_EMOTIONS
PROTOCOL = "group_kfold"

FACTS = "corpus.json"
PATTERN = re.compile(rf"d-(\d\d)-({'|'.join(EMOTIONS)})-([1-9]\d?)\.mp4")
MOST_ACTORS, MOST_TAKES = 99, 99


def index(source):
    """Return the clips of a folder, from file names alone.

    Args:
        source: The folder that ``build`` wrote.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id``, such as "d-03-happy-2".

    Raises:
        FileNotFoundError: There is no clip.
    """
    return listing.index_takes(
        _list_takes(source), source, title=TITLE, expected="Actor_01/d-01-neutral-1.mp4, ..."
    )


def validate(source):
    """List what is missing, unreadable, unknown or surplus, by name.

    Args:
        source: The folder that ``build`` wrote.

    Returns:
        DataFrame with the columns ``file``, ``problem`` and ``detail``.
    """
    facts = _read_facts(source)
    found = _list_takes(source)
    n_takes = facts.get("n_takes") or max(
        (int(take.row["repetition"]) for take in found.takes.values()), default=0
    )

    def expected_ids(actor):
        return [take.clip_id for take in list_takes(1, n_takes, first_actor=int(actor))]

    problems = listing.list_problems(found, source, expected_ids=expected_ids)
    there = {take.row["actor"] for take in found.takes.values()}
    absent = [f"{n:02}" for n in range(1, facts.get("n_actors", 0) + 1) if f"{n:02}" not in there]
    rows = [(f"Actor_{actor}", "missing", "no clip of this actor") for actor in absent]
    return listing.make_table([*problems.itertuples(index=False, name=None), *rows])


def build(folder, *, n_actors=12, n_takes=3, seed=7, n_jobs=2, progress=True):
    """Draw the corpus into a folder; go on where an earlier call was interrupted.

    Clips that are there are kept if they were drawn by the same code from the same seed, else all
    are drawn anew. Fewer actors or takes give a part of the whole corpus; clips beyond that part
    are deleted.

    Args:
        folder: Where to; made if absent. It must not hold other things.
        n_actors: 1 to 99; the first twelve differ most.
        n_takes: Takes of each actor and emotion, 1 to 99.
        seed: Seed of cast, acting and voices; same seed, same clips.
        n_jobs: Processes that draw.
        progress: Show a progress bar.

    Returns:
        The folder, as a Path.

    Raises:
        ValueError: A number out of range, or the folder holds something else.
    """
    _check_number("n_actors", n_actors, MOST_ACTORS)
    _check_number("n_takes", n_takes, MOST_TAKES)
    folder = Path(folder)
    facts = {"corpus": NAME, "seed": int(seed), "drawing": hash_sources()}
    facts |= {"n_actors": int(n_actors), "n_takes": int(n_takes)}
    takes = list_takes(n_actors, n_takes)
    _clear_others(folder, facts, takes)
    missing = [take for take in takes if not (folder / take.file).is_file()]
    if not missing and _read_facts(folder) == facts:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    _write_facts(folder, facts)
    jobs = (delayed(clip.film_take)(str(folder), take, seed=seed) for take in missing)
    done = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs)
    bar = {"disable": not progress, "unit": "clip", "leave": False}
    for _ in tqdm(done, "drawing clips", len(missing), **bar):
        pass
    return folder


def list_takes(n_actors, n_takes, *, first_actor=1):
    """Return every ``Take`` of a number of actors, actor by actor."""
    actors = range(first_actor, first_actor + n_actors)
    return [Take(*facts) for facts in itertools.product(actors, EMOTIONS, range(1, n_takes + 1))]


def hash_sources():
    """Return a hash of the code that draws, so that clips of older code are drawn anew."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name != "__init__.py":
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:16]


def _list_takes(source):
    if not Path(source).is_dir():
        raise FileNotFoundError(f"No folder {source} with clips of {TITLE}. {HOW_TO_GET}")
    return listing.list_takes(source, read_name=_read_name, extensions=(".mp4",), title=TITLE)


def _read_name(name):
    """Return what a file name such as "d-03-happy-2.mp4" says, as a ``listing.Name``."""
    match = PATTERN.fullmatch(name)
    if not match:
        raise ValueError("not a name of the drawn corpus; expected one like d-03-happy-2.mp4")
    take = Take(int(match[1]), match[2], int(match[3]))
    row = {
        "clip_id": take.clip_id,
        "emotion": take.emotion,
        "actor": f"{take.actor:02}",
        "gender": take.gender,
        "intensity": take.intensity,
        "statement": take.statement,
        "repetition": str(take.repetition),
    }
    return listing.Name("joint", row)


def _check_number(name, value, most):
    if not 1 <= int(value) <= most:
        raise ValueError(f"{name} = {value}; expected a number from 1 to {most}.")


def _clear_others(folder, facts, takes):
    """Delete clips of another seed or of older code, and those that are not asked for."""
    known = _read_facts(folder)
    mine = list(folder.glob("Actor_*/d-*.mp4")) + list(folder.glob("Actor_*/d-*.partial"))
    if folder.is_dir() and not known and any(folder.iterdir()):
        raise ValueError(
            f"{folder} holds files but no {FACTS}; expected an empty folder or one that "
            "drawn.build wrote. Name another folder, or empty this one."
        )
    same = all(known.get(name) == facts[name] for name in ("corpus", "seed", "drawing"))
    wanted = {folder / take.file for take in takes} if same else set()
    for path in mine:
        if path not in wanted:
            path.unlink()


def _read_facts(folder):
    """Return the parameters of a folder's clips; an empty dict if they are not known."""
    try:
        facts = json.loads(Path(folder, FACTS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _write_facts(folder, facts):
    partial = Path(folder, f"{FACTS}.partial")
    partial.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    partial.replace(Path(folder, FACTS))
