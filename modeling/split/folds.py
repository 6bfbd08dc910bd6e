"""The splits that the field has published, and the names of those made for any corpus.

``modeling.split.protocol`` applies them. To add one, add an entry to ``PROTOCOLS``.
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
        group: Column whose values are tested on or not; ``""`` where speakers leak on purpose.
        val_group: Column whose values are trained on or validate; ``""`` for takes.
        test: Values of ``group`` that every fold tests; empty where the folds are made from the
            corpus at hand.
        val: Values of ``group`` that validate in every fold; where it is empty, one in six of the
            values of ``val_group`` does. All others train.
        actors: All actors the protocol knows, sorted.
        left_out: Emotions the protocol drops.
    """

    title: str
    source: str
    group: str = "actor"
    val_group: str = "actor"
    test: tuple = ()
    val: tuple = ()
    actors: tuple = ()
    left_out: tuple = ()


def _read_folds(text):
    """Return the actors of every fold, written as ``"01 02 / 03-05"`` or as names."""

    def expand(item):
        first, _, last = item.partition("-")
        if not first.isdigit():
            return [item]
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
        "RAVDESS, 5 folds; validation (our choice): two actors of other folds",
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
    "savee4": _publish(
        "SAVEE, leave one speaker out; validation (our choice): the next speaker",
        "the corpus's four speakers; two train, one validates, as in TensorFlow Datasets",
        "DC / JE / JK / KL",
    ),
    "emodb10": _publish(
        "EMO-DB, leave one speaker out; validation (our choice): the next speaker",
        "the corpus's ten speakers, Burkhardt et al. 2005, Interspeech",
        "03 / 08 / 09 / 10 / 11 / 12 / 13 / 14 / 15 / 16",
    ),
    "nemo9": _publish(
        "nEMO, leave one speaker out; validation (our choice): the next speaker",
        "the corpus's nine speakers, Christop 2024, LREC-COLING",
        "EB0 / IC0 / KD0 / KS0 / MK0 / MP0 / SM0 / TP0 / WR0",
    ),
    "luna5_nemo": _publish(
        "RAVDESS as in luna5; of nEMO's nine speakers one or two in each fold",
        "Luna-Jiménez et al. 2021 for RAVDESS; nEMO's speakers dealt here",
        "02 05 14 15 16 EB0 KS0 / 03 06 07 13 18 IC0 MP0 / 10 11 12 19 20 KD0 SM0"
        " / 08 17 21 23 24 MK0 TP0 / 01 04 09 22 WR0",
        val="03 06 IC0 / 10 11 KD0 / 08 17 MK0 / 01 14 WR0 / 02 05 EB0",
    ),
    "tess2": Protocol(
        "TESS, 2 folds: one speaker tests; a sixth of the other's words validates, same speaker",
        "the corpus's two speakers",
        val_group="statement",
        test=(("OAF",), ("YAF",)),
        actors=("OAF", "YAF"),
    ),
    "meld": Protocol(
        "MELD, official split by dialogue: KNOWN SPEAKERS, the same in all parts",
        "Poria et al. 2019, MELD, ACL",
        group="statement",
        val_group="statement",
        test=(tuple(f"test_dia{number}" for number in range(280)),),  # named by ``corpora.meld``
        val=(tuple(f"dev_dia{number}" for number in range(114)),),
    ),
    "group_kfold": Protocol("any corpus, up to 4 folds over actors, genders balanced", _HERE),
    "statement": Protocol(
        "known speaker, unknown statement", _HERE, group="statement", val_group=""
    ),
    "random": Protocol(
        "LEAKY: 5 random folds, only to measure the leak", _HERE, group="", val_group=""
    ),
}
"""Every protocol by name."""


def get_protocol(name):
    """Return the ``Protocol`` of a name; a ValueError where none bears it."""
    if name not in PROTOCOLS:
        raise ValueError(
            f"PROTOCOL = {name!r} is unknown; expected 'auto' or one of {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[name]


def describe_protocol(name):
    """Return a protocol's name and its own words, for what stands above scores."""
    return f"protocol {name}: {get_protocol(name).title}"
