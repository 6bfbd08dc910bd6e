"""What runs must be to be published as a row: all folds, of one make, made as the recipe says.

What a run *says* was recorded while it ran (``training.provenance``); what is *expected* stands in
``recipes.toml`` and, where that is silent, in the notebooks' parameters cells. Runs that a run has
read must be so too.
"""

from itertools import groupby

from modeling.pipeline.arguments import REPOSITORY, find_notebooks, list_parameters
from modeling.split.folds import PROTOCOLS
from modeling.split.protocol import count_folds
from modeling.training import provenance, runs
from preprocessing.disk import arrays

SAID_APART = {"CORPUS", "PROTOCOL", "FOLD"}
"""Parameters that a run says as facts of its own, by which it was found."""

PLACES = {"DATA", "FER2013", "POSTERIORS", "ACTION_UNITS", "N_JOBS", "SCHEDULER", "LOG"}
"""Parameters that say where files lie, what computes and what is written beside a run: what was
read is told by digests, and nothing that a run holds depends on them. They are not published."""

SETTLED = {"DETECTOR", "WINDOW_S"}
"""Parameters of notebook 11 whose defaults leave the choice to it: "auto", the longest clip."""

STORED_AS = {"TRIM_SILENCE": "trim", "FACE_SIZE": "size"}
STORED_AS |= {"SHIFT_S": "shift", "GAIN_DB": "gain", "SNR_DB": "noise"}
"""Parameters that stand beside the arrays under other names than their own in small letters."""

CHANGES = ("speed", "tempo", "pitch", "shift", "gain", "noise")
"""Of notebook 21; one that was not made does not stand beside the arrays."""


def check_row(name, found, experiments):
    """Refuse what cannot be published.

    Args:
        name: A row.
        found: Facts of its runs, one a fold.
        experiments: ``Experiment`` of every row by name.

    Raises:
        ValueError: A fold is absent; folds differ in more than the fold; a run, or one that it has
            read, comes from a dirty tree, judges another modality or was made otherwise than
            ``recipes.toml`` and the notebooks' defaults say, or is no longer there.
    """
    own = experiments[name]
    *before, last = own.steps
    _check_folds(name, own, found)
    said = {facts["modality"] for facts in found}
    if said != {own.modality}:
        raise ValueError(
            f"Runs of {name} judge {' and '.join(sorted(said))}; recipes.toml says "
            f"{own.modality}. Correct modality there."
        )
    check_group(name, found, last)
    read = {facts["fold"]: read_sources(name, facts) for facts in found}
    everything = [source for sources in read.values() for source in sources]
    if own.needs:
        for need in own.needs:
            key = experiments[need].branch, own.protocol
            part = [facts for facts in everything if (facts["branch"], facts["protocol"]) == key]
            check_row(need, part, experiments)
        return
    if begun := [step for step in before if step.notebooks == last.notebooks]:
        _check_beginning(name, own, read)
        check_group(name, everything, begun[-1])
    for facts in found:
        check_preparation(name, facts, before)


def check_group(name, found, step):
    """Refuse runs of one step that differ from each other, or from the step; see ``check_row``."""
    for facts in found:
        if not facts.get("clean"):
            tree = f"commit {facts['commit'] or 'none'} with changes, or changes while they ran"
            raise _refuse(name, f"come from {tree}", "a clean tree: commit first")
    first = found[0]
    for facts in found[1:]:
        one, other = _list_facts(first), _list_facts(facts)
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                said = f"of folds {first['fold']} and {facts['fold']} differ in {key}"
                raise _refuse(name, f"{said}: {one.get(key)} and {other.get(key)}", "one for all")
    (notebook,) = find_notebooks(step.notebooks)
    for key, value in (list_parameters(notebook) | step.parameters).items():
        if key not in SAID_APART | PLACES:
            _compare(name, key, first["parameters"].get(key), value, key in step.parameters)


def check_preparation(name, facts, steps):
    """Refuse a run whose arrays were prepared otherwise than its row's steps say."""
    if lacking := facts["inputs"].keys() - facts["prepared"].keys():
        read = f"do not know how the {' and '.join(sorted(lacking))} were made that they read"
        raise _refuse(name, read, "arrays that stay as they are until the run is saved")
    made = sorted((REPOSITORY / arrays.MADE_BY[stage], stage) for stage in facts["prepared"])
    for notebook, stages in groupby(made, key=lambda pair: pair[0]):
        stored = {}
        for _, stage in stages:
            stored |= _flatten(facts["prepared"][stage])
        own = [step.parameters for step in steps if notebook in find_notebooks(step.notebooks)]
        named = {key: value for given in own for key, value in given.items()}
        for key, default in list_parameters(notebook).items():
            place = key if key in stored else STORED_AS.get(key, key.lower())
            if key in named and key not in PLACES:
                _compare(name, key, stored.get(place), named[key], True)
            elif place in stored and key not in SAID_APART | PLACES | SETTLED:
                _compare(name, key, stored[place], default, False)


def read_sources(name, facts):
    """Return the facts of the runs that a run has read; a ValueError where one has changed."""
    found = []
    for source in facts.get("runs", ()):
        folder = runs.results_folder() / source["run"]
        digest = provenance.digest_file(folder / "predictions.csv")
        if digest != source["predictions"]:
            said = f"read {source['run']}, where {'other' if digest else 'no'} predictions lie now"
            raise _refuse(name, said, "what they read")
        found.append(runs.read_facts(folder))
    return found


def drop_places(parameters):
    """Return parameters without those that name places on somebody's machine."""
    return {key: value for key, value in parameters.items() if key not in PLACES}


def _check_folds(name, own, found):
    is_known = own.protocol in PROTOCOLS
    clips = None
    if is_known and not PROTOCOLS[own.protocol].test:
        clips = arrays.read_clips(arrays.corpus_folder(own.corpus))
    n_folds = count_folds(own.protocol, clips) if is_known else 1
    folds = sorted(facts["fold"] for facts in found)
    if folds != list(range(1, n_folds + 1)):
        said = f"are of folds {', '.join(map(str, folds)) or 'none'}"
        raise _refuse(name, said, f"each of 1 to {n_folds} once")


def _check_beginning(name, own, read):
    """Refuse runs that do not say, by fold, which one run of their branch they went on from."""
    for fold, sources in read.items():
        if [facts["branch"] for facts in sources] != [own.branch]:
            said = f"went on from {len(sources)} runs in fold {fold}"
            raise _refuse(name, said, f"one of {own.branch}")


def _list_facts(facts):
    """Return by name what must be the same in all folds."""
    listed = {"the commit": facts["commit"], "the clips": facts["clips"]}
    listed |= {f"the version of {key}": value for key, value in facts["versions"].items()}
    listed |= {f"the arrays {key}": value for key, value in facts["files"].items()}
    listed |= {f"the stage {key}": value for key, value in facts["inputs"].items()}
    own = drop_places(facts["parameters"])
    return listed | {k: v for k, v in own.items() if k.isupper() and k not in SAID_APART}


def _flatten(stored):
    """Return a stage's parameters with what each change of notebook 21 was."""
    if "ranges" not in stored:
        return stored
    made = stored["ranges"]
    return stored | dict.fromkeys(CHANGES, []) | made | {"channels": "room" in made}


def _compare(name, key, found, expected, is_named):
    """Raise where a run's parameter is not what a recipe names, or a notebook's default."""
    if found != expected:
        said = f"do not say {key}" if found is None else f"had {key} = {found!r}"
        source = "recipes.toml says" if is_named else "the notebook's default is"
        raise ValueError(f"Runs of {name} {said}; {source} {expected!r}. {_advise(name)}")


def _refuse(name, found, expected):
    return ValueError(f"Runs of {name} {found}; expected {expected}. {_advise(name)}")


def _advise(name):
    return f"Run all folds: make reproduce EXPERIMENT={name}."
