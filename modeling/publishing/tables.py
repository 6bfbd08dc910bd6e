"""The tables of the results page and of the cards, from scores and predictions."""

import functools

import numpy as np
import pandas as pd

from modeling.publishing.experiments import CHOSEN, EXPERIMENTS, PUBLISHED, read_published
from modeling.scores import bootstrap, metrics
from modeling.split.folds import get_protocol
from modeling.training import runs
from preprocessing.corpora import EMOTIONS, ravdess
from preprocessing.disk.files import read_table

RESAMPLES, SEED = 2000, 7
STRANGERS = {"ravdess": "RAVDESS", "nemo": "nEMO", "tess": "TESS"}
SCORES = ["accuracy %", "UAR %", "macro-F1 %", "ECE"]
PLAIN = ["accuracy %", "UAR %", "ECE", "clips"]


@functools.cache
def score_all():
    """Return the published predictions of RAVDESS by row, and their table of scores."""
    tables = {name: read_published(name) for name, own in EXPERIMENTS.items() if name in own.tables}
    tables = {n: table[table["actor"].isin(ravdess.ACTORS)] for n, table in tables.items()}
    rng = np.random.default_rng(SEED)
    return tables, bootstrap.tabulate_scores(tables, EMOTIONS, rng=rng, n=RESAMPLES)


def tabulate_rows(scores):
    """Return scores with their intervals, worst and best actor; one row a run."""
    shown = bootstrap.format_scores(scores)[SCORES]
    names = [f"`{name}`" if name in EXPERIMENTS else name for name in scores.index]
    shown.insert(0, "run", names)
    ends = scores[["worst_actor_accuracy", "best_actor_accuracy"]].to_numpy()
    shown["actors, worst to best"] = [
        "" if np.isnan(low) else f"{100 * low:.0f}–{100 * high:.0f}" for low, high in ends
    ]
    return shown


def compare_pair(first, second):
    """Return by how much the first row is better than the second on the same clips, as text."""
    tables, rng = score_all()[0], np.random.default_rng(SEED)
    pair = tables[second], tables[first]
    own = bootstrap.compare_predictions(*pair, EMOTIONS, rng=rng, n=RESAMPLES)
    middle, low, high = (100 * own[f"accuracy_difference{end}"] for end in ("", "_low", "_high"))
    return {
        "pair": f"`{first}` minus `{second}`",
        "accuracy, points": f"{middle:+.1f} ({low:+.1f} to {high:+.1f})",
        "only the first right": own["only_second"],
        "only the second right": own["only_first"],
        "McNemar p": f"{own['mcnemar_p']:.2g}",
    }


def tabulate_groups(predictions):
    """Return scores by gender, intensity and statement, and of those who validate in LUNA5."""
    facts = pd.DataFrame([ravdess.read_clip_id(clip_id) for clip_id in predictions["clip_id"]])
    protocol = get_protocol(EXPERIMENTS[CHOSEN].protocol)
    validates = predictions["actor"].isin({actor for fold in protocol.val for actor in fold})
    groups = {
        "gender": facts["gender"].map({"male": "men", "female": "women"}),
        "intensity": facts["intensity"],
        "statement": facts["statement"].map(ravdess.SENTENCES),
        "actors": validates.map({True: "who validate another fold", False: "who never validate"}),
    }
    pieces = []
    for title, values in groups.items():
        grouped = predictions.assign(**{title: values.to_numpy()})
        scores = metrics.score_by(grouped, EMOTIONS, title).sort_index()
        pieces.append(bootstrap.format_scores(scores)[PLAIN].rename(f"{title}: {{}}".format))
    return pd.concat(pieces).rename_axis(f"`{CHOSEN}`").reset_index()


def tabulate_card(predictions):
    """Return scores of what a shipped network was made from: heads that never met who is tested."""
    genders = [ravdess.read_clip_id(clip_id)["gender"] for clip_id in predictions["clip_id"]]
    men = np.array(genders) == "male"
    parts = {
        "RAVDESS, all 24 actors, five folds": predictions,
        "of these, the 12 women": predictions[~men],
        "of these, the 12 men": predictions[men],
    }
    rng = np.random.default_rng(SEED)
    scores = bootstrap.tabulate_scores(parts, EMOTIONS, rng=rng, n=RESAMPLES).loc[list(parts)]
    shown = bootstrap.format_scores(scores)[[*SCORES, "clips"]]
    return shown.rename_axis("tested on").reset_index()


def tabulate_actor(table):
    """Return how many of actor 05's clips are read right from pixels."""
    right = {name: (table[name] == table["true"]).sum() for name in ("voice", "face", "both")}
    return pd.DataFrame([{"clips": len(table), **{f"{n} right": own for n, own in right.items()}}])


def tabulate_strangers():
    """Return what voices read of corpora that they never met, means over the folds' voices."""
    rows = []
    for name, trained in {"strangers_ravdess": "RAVDESS", "strangers": "RAVDESS + nEMO"}.items():
        scores = read_table(PUBLISHED / name / "scores.csv")
        for corpus, own in scores.groupby("corpus", sort=False):
            ways = own.groupby("way", sort=False)["UAR"].mean()
            most = own[own["way"] == "plain"].sort_values("times").iloc[-1]
            met = corpus in ("ravdess", "nemo") if name == "strangers" else corpus == "ravdess"
            rows.append(
                {
                    "trained on": trained,
                    "read": f"{STRANGERS[corpus]}{', other people' if met else ''}",
                    "chance": f"{100 * most['chance']:.1f}",
                    **{f"UAR %, {way}": f"{100 * share:.1f}" for way, share in ways.items()},
                    "said most beyond its share": f"{most['most said']}, {most['times']:.1f} times",
                }
            )
    return pd.DataFrame(rows)


def tabulate_curve(curves):
    """Return accuracy, plain and adapted, by what was heard of a person; means over episodes.

    ``curves`` are those of notebook 51 in all folds, one below the other.
    """
    weights = curves["episodes"].to_numpy()[:, None]
    sums = curves[["plain", "centred", "guarded"]] * weights
    sums = sums.assign(episodes=weights, emotions=curves["emotions"], clips=curves["clips"])
    sums = sums.groupby(["emotions", "clips"], sort=False).sum()
    shares = 100 * sums[["plain", "centred", "guarded"]].div(sums["episodes"], axis=0)
    clip_s = curves["clip_s"].mean()
    rows = []
    for emotions, own in shares.groupby(level="emotions", sort=False):
        title = emotions if emotions == "one" else f"{emotions} emotions"
        row = {"the person shows": title}
        for (_, n_clips), share in own.iterrows():
            cell = f"{share['plain']:.0f} → {share['guarded']:.0f} ({share['centred']:.0f})"
            row[f"{n_clips} clips, {n_clips * clip_s:.0f} s"] = cell
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def tabulate_recall(scores):
    """Return the recall of every emotion; one row a run."""
    shown = (100 * scores[[f"recall_{emotion}" for emotion in EMOTIONS]]).map("{:.0f}".format)
    shown.columns = EMOTIONS
    shown.insert(0, "recall %", [f"`{name}`" for name in scores.index])
    return shown


def tabulate_leak(leak):
    """Return what the leak meter of notebook 40 has measured."""
    shown = (100 * leak[["accuracy", "unweighted_recall"]]).map("{:.1f}".format)
    shown.columns = SCORES[:2]
    shown.insert(0, "split", leak["split"])
    return shown.assign(**{"training clips": leak["train_clips"]})


def tabulate_degradation(table):
    """Return accuracies under noise and with lost frames, means over the folds."""
    rows = []
    for (damage, judge), own in table.groupby(["damage", "judged by"], sort=False):
        title = f"{damage}: {', '.join(own['amount'])}"
        judge = f"`{judge}`" if judge in EXPERIMENTS else judge
        rows.append((title, judge, " → ".join(f"{100 * share:.0f}" for share in own["accuracy"])))
    return pd.DataFrame(rows, columns=["damage", "judged by", "accuracy %"])


def tabulate_expression():
    """Return the scores of the expression network on FER2013's PrivateTest."""
    rows = {}
    for name, title in {
        "expression_fer2013": "FER2013, 7 classes, labels as distributed",
        "expression_ferplus": "FER+, 8 classes, faces with a majority",
    }.items():
        table = read_published(name)
        rows[title] = metrics.score_predictions(table, runs.read_posteriors(table)[1])
    scores = pd.DataFrame.from_dict(rows, orient="index").rename_axis("PrivateTest")
    shown, share = bootstrap.format_scores(scores)[PLAIN], scores["accuracy"]
    margin = 196 * np.sqrt(share * (1 - share) / scores["n_clips"])
    shown["accuracy %"] += margin.map(" ± {:.1f}".format)
    return shown.rename(columns={"clips": "faces"}).reset_index()
