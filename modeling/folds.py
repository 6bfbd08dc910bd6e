"""The splits that the field has published, and the names of those made for any corpus.

``modeling.protocol`` applies them. To add one, add an entry to ``PROTOCOLS``.
"""

from dataclasses import dataclass

VALIDATION_SHARE = 6
"""Where nobody published validation actors, one actor in six validates."""


@dataclass(frozen=True)
class Protocol:
    """A way to split a corpus.

    Attributes:
        title: One line for a table.
        source: Where the folds come from.
        group: Column whose values stay on one side; ``""`` where speakers leak on purpose.
        test: Test actors of every fold; empty where the folds are made from the corpus at hand.
        val: Validation actors of every fold; all other actors train.
        actors: All actors the protocol knows, sorted.
        left_out: Emotions the protocol drops.
    """

    title: str
    source: str
    group: str = "actor"
    test: tuple = ()
    val: tuple = ()
    actors: tuple = ()
    left_out: tuple = ()


def _read_folds(text):
    """Return the actors of every fold, written as ``"01 02 / 03-05"``."""

    def expand(item):
        first, _, last = item.partition("-")
        return [f"{n:0{len(first)}d}" for n in range(int(first), int(last or first) + 1)]

    folds = [fold.split() for fold in text.split("/")]
    return tuple(tuple(actor for item in fold for actor in expand(item)) for fold in folds)


def _publish(title, source, test, *, val="", others="", left_out=()):
    """Return a protocol of published test actors, written as ``_read_folds`` reads them.

    Where no validation actors are published, the first of the next fold's test actors validate.
    """
    test, val, others = _read_folds(test), _read_folds(val), _read_folds(others)
    actors = tuple(sorted(set(sum((*test, *val, *others), ()))))
    if not any(val):
        n_val = round(len(actors) / VALIDATION_SHARE)
        val = tuple(fold[:n_val] for fold in (*test[1:], test[0]))
    return Protocol(title, source, test=test, val=val, actors=actors, left_out=left_out)


_HERE = "made from the corpus at hand"
PROTOCOLS = {
    "luna5": _publish(
        "RAVDESS, 5 folds",
        "Luna-Jiménez et al. 2021, Sensors 21(22), 7665",
        "02 05 14 15 16 / 03 06 07 13 18 / 10 11 12 19 20 / 08 17 21 23 24 / 01 04 09 22",
        val="03 06 / 10 11 / 08 17 / 01 14 / 02 05",
    ),
    "msaf6": _publish(
        "RAVDESS, 6 folds; validation (our choice): the next fold's actors",
        "Su et al. 2020, MSAF, arXiv:2012.07175",
        "01-04 / 05-08 / 09-12 / 13-16 / 17-20 / 21-24",
    ),
    "emobox6": _publish(
        "RAVDESS, 6 folds; validation (our choice): the next fold's actors",
        "Ma et al. 2024, EmoBox, Interspeech",
        "01 11 20 21 / 04 10 12 14 / 08 09 19 23 / 03 05 07 24 / 02 15 16 18 / 06 13 17 22",
    ),
    "gianscuri": _publish(
        "RAVDESS without neutral, one split of 18, 2 and 4 actors",
        "the repository gianscuri/Emotion-Recognition_SER-FER_RAVDESS",
        "21-24",
        val="19-20",
        others="01-18",
        left_out=("neutral",),
    ),
    "cremad5": _publish(
        "CREMA-D, 5 folds; validation (our choice): the first 15 of the next fold's actors",
        "ranges of actor numbers in common use",
        "1001-1018 / 1019-1036 / 1037-1054 / 1055-1072 / 1073-1091",
    ),
    "group_kfold": Protocol("any corpus, up to 4 folds over actors, genders balanced", _HERE),
    "statement": Protocol("known speaker, unknown statement", _HERE, group="statement"),
    "random": Protocol("LEAKY: 5 random folds, only to measure the leak", _HERE, group=""),
}
"""Every protocol by name."""


def get_protocol(name):
    """Return the ``Protocol`` of a name.

    Raises:
        ValueError: No protocol bears this name.
    """
    if name not in PROTOCOLS:
        raise ValueError(
            f"PROTOCOL = {name!r} is unknown; expected 'auto' or one of {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[name]
