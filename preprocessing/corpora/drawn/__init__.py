"""The embedded corpus: drawn actors that speak two statements in eight emotions.

Who acts is in ``cast.py``, how an emotion looks in ``expression.py``, how it sounds in
``prosody.py``; ``face.draw_face`` draws one picture. The classes overlap on purpose: the constants
``expression.FACE_OVERLAP`` and ``prosody.VOICE_OVERLAP`` say how much.
"""

import hashlib
import itertools
import json
import re
from pathlib import Path

from joblib import Parallel, delayed

from preprocessing.corpora import EMOTIONS
from preprocessing.corpora.corpus import Corpus, read_codes
from preprocessing.corpora.drawn import clip
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.clip import Take
from preprocessing.disk import files, lock
from preprocessing.workers.progress import open_bar

FACTS = "corpus.json"
KNOWN = {"actor": None, "emotion": EMOTIONS, "repetition": None}
PATTERN = re.compile(r"d-(\d\d)-([a-z]+)-([1-9]\d?)\.mp4", re.ASCII)


class _Drawn(Corpus):
    def list_takes(self, source):
        """Return the clips as every corpus does; without a folder, say how to draw one."""
        if not Path(source).is_dir():
            raise FileNotFoundError(f"No folder {source} with {self.short}. {self.how_to_get}")
        return super().list_takes(source)

    def list_expected(self, source, takes):
        """Return the ids of all takes that were drawn, by actor, whole actors too."""
        facts, expected = _read_facts(source), {}
        for take in list_takes(facts.get("n_actors", 0), facts.get("n_takes", 0)):
            expected.setdefault(f"{take.actor:02}", []).append(take.clip_id)
        return expected


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
    for name, value in (("n_actors", n_actors), ("n_takes", n_takes)):
        if not 1 <= int(value) <= 99:
            raise ValueError(f"{name} = {value}; expected a number from 1 to 99.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with lock.lock_folder(folder, "drawing"):
        return _draw_all(folder, n_actors, n_takes, seed, n_jobs, progress)


def _draw_all(folder, n_actors, n_takes, seed, n_jobs, progress):
    """Draw what is missing in a folder; return the folder."""
    facts = {"corpus": "drawn", "seed": int(seed), "drawing": _hash_sources()}
    facts |= {"n_actors": int(n_actors), "n_takes": int(n_takes)}
    takes = list_takes(n_actors, n_takes)
    _clear_others(folder, facts, takes)
    missing = [take for take in takes if not (folder / take.file).is_file()]
    files.write_json(folder / FACTS, facts)
    jobs = (delayed(clip.film_take)(str(folder), take, seed=seed) for take in missing)
    done = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs)
    bar = {"desc": "drawing clips", "total": len(missing), "disable": not progress}
    list(open_bar(iterable=done, **bar))
    return folder


def list_takes(n_actors, n_takes):
    """Return every ``Take`` of a number of actors, actor by actor."""
    facts = range(1, n_actors + 1), EMOTIONS, range(1, n_takes + 1)
    return [Take(*take) for take in itertools.product(*facts)]


def _hash_sources():
    """Return a hash of the code that draws, so that clips of older code are drawn anew."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:16]


def _read_name(path):
    """Return what a path such as "Actor_03/d-03-happy-2.mp4" says."""
    _, row = read_codes(PATTERN, path.name, KNOWN, "a drawn clip like d-03-happy-2.mp4")
    take = Take(int(row["actor"]), row["emotion"], int(row["repetition"]))
    row |= {"gender": cast_actor(take.actor).gender, "intensity": take.intensity}
    return "joint", row | {"clip_id": take.clip_id, "statement": take.statement}


def _clear_others(folder, facts, takes):
    """Delete clips of another seed or of older code, and those that are not asked for."""
    known = _read_facts(folder)
    if not known and any(path.name != lock.NAME for path in folder.iterdir()):
        raise ValueError(
            f"{folder} holds files but no {FACTS}; expected an empty folder or one that "
            "drawn.build wrote. Name another folder, or empty this one."
        )
    same = all(known.get(name) == facts[name] for name in ("corpus", "seed", "drawing"))
    wanted = {folder / take.file for take in takes} if same else set()
    for path in folder.glob("Actor_*/d-*.mp4*"):
        if path not in wanted:
            path.unlink()


def _read_facts(folder):
    """Return the parameters of a folder's clips; an empty dict if they are not known."""
    try:
        facts = json.loads(Path(folder, FACTS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


CORPUS = _Drawn(
    title="Drawn, the embedded corpus of drawn actors that speak",
    short="the drawn corpus",
    licence="MIT, like the rest of the project",
    citation="Drawn by this project; a score on it says nothing about people.",
    how_to_get="Nothing to fetch: drawn.build(folder) draws the clips in about a minute.",
    protocol="group_kfold",
    expected="Actor_01/d-01-neutral-1.mp4",
    extensions=(".mp4",),
    read_name=_read_name,
)
