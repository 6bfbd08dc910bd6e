"""Committees: five networks of one branch, each stopped on other actors, judge together.

Each member (``PROTOCOL = "luna5/1"`` to ``"luna5/5"``) validates on another fifth, dealt gender by
gender, of the actors whom the fold does not test: late fusion gets some nineteen actors judged *out
of fold* to fit on, where the protocol alone leaves it two (Wolpert 1992, "Stacked generalization").
Whom the fold tests, all judge, and their posteriors are averaged (Krogh & Vedelsby 1995, "Neural
network ensembles, cross validation, and active learning").

    make run CORPUS=ravdess ONLY=40 FOLDS=all COMMITTEE=1
"""

import pandas as pd

from modeling.fusion import experts
from modeling.scores import metrics
from modeling.split.folds import N_MEMBERS
from modeling.training import provenance, runs


def seat_committee(corpus, branch, *, protocol, fold):
    """Write the run ``<branch>_committee`` of a fold from its members' newest; return its folder.

    Its predictions have two parts: ``val``, all actors who are not tested, each by the member that
    never met them, and ``test``, the mean of the members' posteriors. A mean is a little less sure
    than one member, so temperatures fitted on ``val`` err on the careful side. It has no
    embeddings, since those of different networks do not mean the same.

    Raises:
        FileNotFoundError: A member has no run.
        ValueError: The members have read different arrays.
    """
    members = [
        runs.find_run(corpus, branch, protocol=f"{protocol}/{number}", fold=fold)
        for number in range(1, N_MEMBERS + 1)
    ]
    if not all(provenance.read_same_arrays(facts, members[0]) for facts in members):
        raise ValueError(
            f"The members of {branch}'s committee, fold {fold}, have read different arrays: the "
            "corpus was prepared anew between them. Run them all again."
        )
    predictions = merge_members([runs.read_predictions(facts["folder"]) for facts in members])
    shared = {key: members[0][key] for key in ("modality", "corpus", "fold")}
    names = [facts["folder"].name for facts in members]
    shared["parameters"] = members[0]["parameters"] | {"members": names}
    shared["notes"] = sorted({note for facts in members for note in facts["notes"]})
    run = runs.Run(f"{branch}_committee", protocol=protocol, sources=members, **shared)
    run.facts |= {key: members[0][key] for key in ("inputs", "detector")}
    run.save_predictions(predictions)
    emotions = runs.read_posteriors(predictions)[1]
    tested = predictions[predictions["part"] == "test"]
    return run.finish(metrics.score_predictions(tested, emotions))


def merge_members(tables):
    """Return one table of the predictions of a fold's members.

    Raises:
        LeakError: A clip that one member validated is tested by another.
        ValueError: Two members validated the same clip.
    """
    validated = pd.concat([table[table["part"] == "val"] for table in tables])
    tested = [table[table["part"] == "test"] for table in tables]
    emotions = runs.read_posteriors(validated)[1]
    return experts.fuse_predictions([validated, *tested], emotions, fuse=experts.average_posteriors)
