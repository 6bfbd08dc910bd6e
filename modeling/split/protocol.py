"""Who is trained on and who is tested on: published folds, folds for any corpus, a leak check.

The unit is the actor, because a model recognises a speaker it has met: on RAVDESS a random split
adds some 7 to 13 points for audio and 8 to 22 for faces. Every clip is in one part: ``"train"``,
``"val"`` (early stopping, temperature, fusion weights), ``"test"`` or ``""`` (left out). ``clips``
are a DataFrame with the columns of ``corpora.COLUMNS``, all strings.
"""

import hashlib
import posixpath
import textwrap

import numpy as np
import pandas as pd

from modeling.split.folds import VALIDATION_SHARE, get_protocol
from preprocessing import corpora
from preprocessing.corpora.limits import MIN_ACTORS
from preprocessing.disk import arrays

PARTS = ("train", "val", "test")
N_RANDOM_FOLDS = 5


class LeakError(ValueError):
    """An actor, a take or a file stands in two parts of a fold."""


class EmptyPartError(ValueError):
    """A fold has no clip to train, to validate or to test on."""


def choose_protocol(clips, corpus, protocol="auto"):
    """Return the protocol asked for, or the one that ``"auto"`` stands for.

    Returns:
        For ``"auto"`` the corpus's own where the clips are of exactly the actors it names,
        ``"group_kfold"`` for three or more others, ``"statement"`` for one or two actors.

    Raises:
        NotEnoughClipsError: All clips show one emotion.
        ValueError: One or two actors speak a single statement.
    """
    emotions = set(clips["emotion"])
    if len(emotions) == 1:
        raise arrays.NotEnoughClipsError(
            f"All {len(clips)} clips show one emotion ({', '.join(emotions)}): there is nothing to "
            "tell apart. Add clips of another emotion."
        )
    if protocol != "auto":
        return protocol
    actors, own = set(clips["actor"]), corpora.get(corpus).protocol
    if actors and actors == set(get_protocol(own).actors):
        return own
    if len(actors) >= MIN_ACTORS:
        return "group_kfold"
    n_statements = len(set(clips["statement"]) - {""})
    if n_statements < 2:
        raise ValueError(
            f"The corpus holds {len(actors)} actors and {n_statements} statements; an honest test "
            f"needs {MIN_ACTORS} actors, or 2 statements. Add clips or fill in these two columns."
        )
    return "statement"


def count_folds(protocol, clips):
    """Return how many folds a protocol has on these clips; folds are numbered from 1."""
    published = get_protocol(protocol).test
    if published:
        return len(published)
    if protocol == "random":
        return N_RANDOM_FOLDS
    if protocol == "statement":
        return clips["statement"].nunique()
    return min(4, clips["actor"].nunique())


def split_clips(clips, *, protocol, fold, allow_leak=False):
    """Return the part of every clip in one fold; it depends on the clips, not on their order.

    Args:
        protocol: A key of ``PROTOCOLS``.
        fold: From 1 to ``count_folds(protocol, clips)``.
        allow_leak: Permit ``"random"``, and ``"statement"`` for three or more actors: both test on
            speakers that were trained on, which is good only to measure how much that flatters.
            A published split that does so is permitted: its title says so.

    Returns:
        str (clip,): ``"train"``, ``"val"``, ``"test"`` or ``""``, aligned with the rows.

    Raises:
        LeakError: The protocol leaks speakers, or a take or a file stands in two parts.
        EmptyPartError: A part would be empty.
        ValueError: The clips do not fit the protocol.
    """
    rule = get_protocol(protocol)
    _refuse_unfit(clips, rule, protocol, fold)
    n_actors = clips["actor"].nunique()
    avoidable = protocol == "random" or (protocol == "statement" and n_actors >= MIN_ACTORS)
    if avoidable and not allow_leak:
        raise LeakError(
            f"{protocol} tests on speakers that were trained on; the corpus has {n_actors} actors. "
            "Set PROTOCOL = 'auto'; to measure the leak itself, pass allow_leak=True."
        )
    if rule.test:
        parts = _split_as_published(clips, rule, fold)
    else:
        split = {"group_kfold": _split_actors, "statement": _split_statements}
        parts = split.get(protocol, _split_at_random)(clips, fold)
    _refuse_empty(parts, clips, rule, protocol, fold)
    met = np.where(parts == "val", "train", parts)  # all that is met before the test
    check_leak(clips, met, group=rule.group or None)
    check_leak(clips, np.where(parts == "test", "", parts), group=rule.val_group or None)
    return parts


def deal_groups(clips, groups, n_shares):
    """Return the share of every clip, int (clip,) from 1: groups dealt out, gender by gender.

    ``groups`` are names (clip,); clips of one name are in one share.
    """
    people = pd.DataFrame({"gender": clips["gender"].to_numpy(), "group": np.asarray(groups)})
    names = people.sort_values(["gender", "group"])["group"].drop_duplicates()
    shares = dict(zip(names, np.arange(len(names)) % n_shares + 1, strict=True))
    return people["group"].map(shares).to_numpy()


def check_leak(clips, parts, *, group="actor"):
    """Raise if anything stands on two sides of a split.

    Args:
        parts: str (clip,), the part of every clip; ``""`` is on no side.
        group: Column whose values must each be in one part; ``None`` checks takes and files alone.

    Raises:
        LeakError: Names the values of ``group``, the clip ids, the takes (``name_takes``) or the
            video and audio files that are in more than one part.
        ValueError: ``parts`` and ``clips`` differ in length.
    """
    parts = np.asarray(parts)
    if len(parts) != len(clips):
        raise ValueError(f"{len(parts)} parts for {len(clips)} clips; expected one for each.")
    files = [
        posixpath.normpath(file) if file else "" for file in (*clips["video"], *clips["audio"])
    ]
    subjects = {"Clip": clips["clip_id"], "File": files, "Take": name_takes(clips)}
    if group is not None:
        subjects = {group.capitalize(): clips[group], **subjects}
    for subject, values in subjects.items():
        sides = pd.DataFrame({"value": list(values), "part": np.resize(parts, len(values))})
        sides = sides[(sides["value"] != "") & (sides["part"] != "")].drop_duplicates()
        shared = sides[sides.duplicated("value", keep=False)]
        if len(shared):
            shared = shared.sort_values(["value", "part"]).groupby("value")["part"].agg(", ".join)
            named = _list(f"{value} ({parts_of})" for value, parts_of in shared.items())
            raise LeakError(
                f"{subject} in two parts: {named}. Expected one part for each: take "
                "the parts from split_clips, and list a recording once in clips.csv."
            )


def name_takes(clips):
    """Return a name for the take that each clip records, strings (clip,).

    Clips that agree in actor, emotion, intensity, statement and repetition are one take, such as
    RAVDESS's audio-visual, video-only and audio-only files. Where statement or repetition is
    unknown, every clip id is a take of its own.
    """
    known = (clips["statement"] != "") & (clips["repetition"] != "")
    columns = ["actor", "emotion", "intensity", "statement", "repetition"]
    takes = ["|".join(row) for row in clips[columns].itertuples(index=False)]
    return np.where(known, np.array(takes, dtype=object), clips["clip_id"])


def _split_as_published(clips, rule, fold):
    values = clips[rule.group]
    parts = np.full(len(clips), "train", dtype="<U5")
    parts[values.isin(rule.test[fold - 1])] = "test"
    if rule.val:
        parts[values.isin(rule.val[fold - 1])] = "val"
    else:
        held = _shuffle(clips.loc[parts == "train", rule.val_group])
        n_val = max(1, round(len(held) / VALIDATION_SHARE)) if len(held) > 1 else 0
        parts[(parts == "train") & clips[rule.val_group].isin(held[:n_val])] = "val"
    parts[clips["emotion"].isin(rule.left_out)] = ""
    return parts


def _split_actors(clips, fold):
    """Deal the actors out, gender by gender; a sixth of them, of the next fold, validates."""
    n_folds = count_folds("group_kfold", clips)
    people = clips[["gender", "actor"]].sort_values(["actor", "gender"]).drop_duplicates("actor")
    people = people.sort_values(["gender", "actor"])
    people["fold"] = deal_groups(people, people["actor"], n_folds)
    people["turn"] = people.groupby(["fold", "gender"]).cumcount()  # genders take turns
    following = people[people["fold"] == fold % n_folds + 1].sort_values(["turn", "gender"])
    n_val = max(1, round(len(people) / VALIDATION_SHARE))
    parts = np.full(len(clips), "train", dtype="<U5")
    parts[clips["actor"].isin(following["actor"].head(n_val))] = "val"
    parts[clips["actor"].isin(people.loc[people["fold"] == fold, "actor"])] = "test"
    return parts


def _split_statements(clips, fold):
    """Test one statement; a quarter of the other takes of each emotion validates."""
    tested = sorted(set(clips["statement"]))[fold - 1]
    parts = np.where(clips["statement"] == tested, "test", "train").astype("<U5")
    takes = name_takes(clips)
    for emotion in sorted(set(clips["emotion"])):
        order = _shuffle(takes[(clips["emotion"] == emotion) & (parts == "train")])
        n_val = max(1, round(len(order) / 4)) if len(order) > 1 else 0
        parts[np.isin(takes, order[:n_val])] = "val"
    return parts


def _split_at_random(clips, fold):
    """Test a fifth of the takes of each emotion, whoever speaks them; a sixth validates."""
    takes = name_takes(clips)
    parts = np.full(len(clips), "train", dtype="<U5")
    n_dealt = 0
    for emotion in sorted(set(clips["emotion"])):
        order = _shuffle(takes[clips["emotion"] == emotion])
        folds = (np.arange(len(order)) + n_dealt) % N_RANDOM_FOLDS + 1
        n_dealt += len(order)
        n_val = max(1, round(len(order) / VALIDATION_SHARE))
        parts[np.isin(takes, order[folds == fold % N_RANDOM_FOLDS + 1][:n_val])] = "val"
        parts[np.isin(takes, order[folds == fold])] = "test"
    return parts


def _shuffle(names):
    """Return the different names in the order of their SHA-256: the same on every machine."""
    order = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    return np.array(order, dtype=object)


def _refuse_unfit(clips, rule, protocol, fold):
    """Raise ValueError unless these clips can be split by this protocol into this fold."""
    if clips.empty:
        raise ValueError("clips.csv has no rows. README, 'Get the data', says where to put clips.")
    column = rule.group or "actor"
    unknown = clips.loc[clips[column].fillna("") == "", "clip_id"]
    if len(unknown) and protocol != "random":
        raise ValueError(
            f"{len(unknown)} clips have no {column}: {_list(unknown)}. {protocol} cannot place "
            "them: fill in the column, or take the clips out."
        )
    strangers = set(clips["actor"]) - set(rule.actors) if rule.actors else ()
    if strangers:
        raise ValueError(
            f"{protocol} does not know actors {_list(strangers)}; it names {rule.actors[0]} to "
            f"{rule.actors[-1]}. Set PROTOCOL = 'auto' for other corpora."
        )
    n_actors, n_folds = clips["actor"].nunique(), count_folds(protocol, clips)
    if protocol == "group_kfold" and n_actors < MIN_ACTORS:
        raise ValueError(
            f"group_kfold needs {MIN_ACTORS} actors; the corpus holds {n_actors}. "
            "Set PROTOCOL = 'statement', or add actors."
        )
    if protocol == "statement" and n_folds < 2:
        raise ValueError("statement needs 2 statements; the corpus holds 1. Add clips of another.")
    if fold not in range(1, n_folds + 1):
        raise ValueError(f"FOLD = {fold!r}; {protocol} has folds 1 to {n_folds} on these clips.")


def _refuse_empty(parts, clips, rule, protocol, fold):
    """Raise EmptyPartError if train, val or test holds no clip."""
    needed = []
    for part in PARTS:
        named = {"test": rule.test, "val": rule.val}.get(part, ())[fold - 1 : fold]
        if part not in parts:
            needed.append(f"{part} ({rule.group}s {_list(named[0])})" if named else part)
    if needed:
        raise EmptyPartError(
            f"Fold {fold} of {protocol} has no clips for {' and '.join(needed)}; the corpus "
            f"holds actors {_list(set(clips['actor']))}. Set another FOLD or PROTOCOL = 'auto', "
            "or add clips of other actors."
        )


def _list(values):
    """Return values as text, in order, cut short where they are many."""
    return textwrap.shorten(", ".join(sorted(values)), 200, placeholder=" …")
