"""What a run's embedding knows beside emotion, and what named features it could be told by.

A linear probe (Alain & Bengio 2016, arXiv:1610.01644) is a linear classifier from embeddings to
something else that is known of a clip. It shows what can be read out, not what the network uses.
Who would be met again otherwise is kept apart: actors are probed across statements, everything else
across actors.
"""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier
from sklearn.manifold import TSNE
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from modeling.training import inputs, runs

MOST_FOLDS = 5
LOUDNESS = ("quiet", "middle", "loud")
FAMILIES = ("mfcc", "chroma", "tonnetz", "f0", "rms", "voiced")
STATISTICS = ("mean", "std", "range", "local", "db", "hz", "s")
"""First words of named features that measure one thing, and words that end what others measure."""

UNREADABLE = ("mfcc", "chroma", "tonnetz", "spectral contrast")
"""Families of which a number tells a person nothing."""

APART = {"actor": "statement"}
"""What the parts of a probe do not share, by what is probed; of everything else it is the actor."""


def describe_clips(clips, corpus):
    """Return what is known of clips beside emotion, text (clip,) by name; "" where it is unknown.

    Loudness is in thirds: of the sound, as it was recorded.
    """
    known = {name: clips[name].to_numpy(str) for name in ("actor", "gender", "statement")}
    known["corpus"] = inputs.name_corpora(corpus, clips["actor"]).astype(str)
    levels = clips["rms_db"] if "rms_db" in clips else pd.Series(np.nan, index=clips.index)
    ranks = levels.rank(pct=True).to_numpy()
    thirds = np.minimum(np.nan_to_num(ranks) * 3, 2.999).astype(int)
    known["loudness"] = np.where(np.isnan(ranks), "", np.array(LOUDNESS)[thirds])
    return known


def deal_probe(values, groups):
    """Return the share of each clip, int (clip,), so that no group is in two; -1 where one is all.

    Shares hold about as many clips of each value; there are at most ``MOST_FOLDS``, and no more
    than the rarest value has groups.
    """
    table = pd.DataFrame({"value": values, "group": groups})
    n_folds = min(MOST_FOLDS, table.groupby("value")["group"].nunique().min())
    shares = np.full(len(values), -1)
    if n_folds < 2:
        return shares
    dealer = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    for number, (_, held) in enumerate(dealer.split(values, values, groups)):
        shares[held] = number
    return shares


def probe_embedding(embeddings, values, groups, *, rng, n_shuffles=20):
    """Return how well values can be read out of embeddings, and how well by chance.

    Args:
        embeddings: float (clip, feature).
        values: Names (clip,); clips of an empty one are left out.
        groups: Names (clip,); no group is in two shares, see ``deal_probe``.
        rng: ``np.random.Generator`` that shuffles the values: whole groups where a group has one
            value throughout, as a person has one gender; single clips else.
        n_shuffles: How often.

    Returns:
        Dictionary: ``recall`` (unweighted, out of fold), ``chance`` (one in so many values),
        ``shuffled`` (mean) and ``shuffled 95%`` (percentile), ``n_values``, ``n_clips``; or None
        where there are not two values, or no two groups each.
    """
    kept = np.asarray(values) != ""
    values, groups, x = (np.asarray(own)[kept] for own in (values, groups, embeddings))
    if len(set(values)) < 2:
        return None
    shares = deal_probe(values, groups)
    if shares.min() < 0:
        return None
    with threadpool_limits(1):  # on problems as small as these, threads wait for each other
        recall = _read_out(x, values, shares)
        guesses = []
        for _ in range(n_shuffles):
            shuffled = shuffle_values(values, groups, rng)
            guesses.append(_read_out(x, shuffled, shares))
    return {
        "recall": recall,
        "chance": 1 / len(set(values)),
        "shuffled": float(np.mean(guesses)),
        "shuffled 95%": float(np.percentile(guesses, 95)),
        "n_values": len(set(values)),
        "n_clips": len(values),
    }


def shuffle_values(values, groups, rng):
    """Return values dealt anew: among groups where each has one value, else among clips."""
    names, first, number = np.unique(groups, return_index=True, return_inverse=True)
    if all(len(set(values[number == n])) == 1 for n in range(len(names))):
        return rng.permutation(values[first])[number]
    return rng.permutation(values)


def _read_out(x, values, shares):
    """Return the unweighted recall of a ridge classifier on shares that it was not fitted on."""
    said = np.empty(len(values), object)
    for share in range(shares.max() + 1):
        held = shares == share
        model = make_pipeline(
            StandardScaler(), RidgeClassifier(alpha=len(x) / 10, class_weight="balanced")
        )
        said[held] = model.fit(x[~held], values[~held]).predict(x[held])
    return float(balanced_accuracy_score(values.astype(object), said))


def probe_runs(embeddings, known, *, rng, n_shuffles=20):
    """Return what each run's embedding knows, one row a run and thing that is known.

    Args:
        embeddings: By run, float (clip, feature), row-aligned with ``known``.
        known: As ``describe_clips`` gives it. What has one value alone is left out.
        rng, n_shuffles: See ``probe_embedding``.

    Returns:
        DataFrame: ``run``, ``what``, ``apart`` (what parts do not share), then the numbers of
        ``probe_embedding``.
    """
    rows = []
    for run, own in embeddings.items():
        for what, values in known.items():
            apart = APART.get(what, "actor")
            found = probe_embedding(own, values, known[apart], rng=rng, n_shuffles=n_shuffles)
            if found:
                rows.append({"run": run, "what": what, "apart": apart} | found)
    return pd.DataFrame(rows)


def place_clips(embeddings, *, way="pca", seed=0):
    """Return embeddings as points in a plane, float (clip, 2).

    Args:
        embeddings: float (clip, feature).
        way: "pca": the two directions of most variance; "tsne": neighbours stay neighbours, and
            distances between clouds mean nothing (van der Maaten & Hinton 2008).
        seed: Of t-SNE.

    Raises:
        ValueError: The way is unknown.
    """
    if way not in ("pca", "tsne"):
        raise ValueError(f"MAP = {way!r} is unknown; expected 'pca' or 'tsne'.")
    scaled = StandardScaler().fit_transform(embeddings)
    scaled = PCA(min(50, *scaled.shape), random_state=seed).fit_transform(scaled)
    if way == "pca":
        return scaled[:, :2]
    perplexity = min(30, (len(scaled) - 1) / 3)
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(scaled)


def group_features(names):
    """Return columns of named features by family: what is measured, such as ``f0`` or ``mfcc``."""
    families = {}
    for place, name in enumerate(names):
        words = name.split("_")
        n_words = (
            1
            if words[0] in FAMILIES
            else max(
                next(
                    (n for n, word in enumerate(words) if word in STATISTICS or word.isdigit()),
                    len(words),
                ),
                1,
            )
        )
        families.setdefault(" ".join(words[:n_words]), []).append(place)
    return families


def measure_importance(model, x, labels, families, *, rng, n_repeats=10):
    """Return what a model loses when features are shuffled among clips (Breiman 2001).

    The features of a family are shuffled together: else each would stand in for the other.

    Args:
        model: Fitted scikit-learn classifier.
        x, labels: float (clip, feature) and (clip,), of people whom it has not met.
        families: Columns by name of family.
        rng: ``np.random.Generator``.
        n_repeats: How often each family is shuffled.

    Returns:
        DataFrame by family, largest first: ``loss`` of unweighted recall, mean and ``deviation``
        of the repeats, ``n_features``.
    """
    with threadpool_limits(1):
        whole, rows = balanced_accuracy_score(labels, model.predict(x)), {}
        for family, columns in families.items():
            losses = []
            for _ in range(n_repeats):
                shuffled = x.copy()
                shuffled[:, columns] = x[rng.permutation(len(x))][:, columns]
                losses.append(whole - balanced_accuracy_score(labels, model.predict(shuffled)))
            rows[family] = (np.mean(losses), np.std(losses), len(columns))
    columns = ["loss", "deviation", "n_features"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.sort_values("loss", ascending=False).rename_axis("family")


def grow_tree(x, labels, *, depth, seed=0):
    """Return a decision tree that a person can read: ``depth`` questions at most."""
    leaf = max(len(x) // 40, 1)
    tree = DecisionTreeClassifier(
        max_depth=depth, min_samples_leaf=leaf, class_weight="balanced", random_state=seed
    )
    return tree.fit(x, labels)


def count_errors(tables):
    """Return how many runs name each test clip wrongly, most first.

    Args:
        tables: Tables of predictions by run (``modeling.training.runs``), of one fold.

    Returns:
        DataFrame by clip id: ``true``, each run's answer in a column of its name, ``wrong`` and
        ``judged``, numbers of runs.
    """
    said, true = {}, {}
    for run, table in tables.items():
        test = table[table["part"] == "test"].set_index("clip_id")
        said[run] = pd.Series(runs.name_predicted(test), index=test.index)
        true |= test["true"].to_dict()
    answers = pd.DataFrame(said)
    answers.insert(0, "true", answers.index.map(true))
    is_wrong = answers[list(said)].ne(answers["true"], axis=0) & answers[list(said)].notna()
    answers["wrong"], answers["judged"] = is_wrong.sum(axis=1), answers[list(said)].count(axis=1)
    return answers.sort_values(["wrong", "judged"], ascending=[False, True], kind="stable")
