"""Which runs are of the clips and arrays that are on disk now."""

from pathlib import Path

from preprocessing.disk import arrays


def split_by_clips(corpus, found):
    """Return the runs, of facts, of the clips that ``clips.csv`` holds now, and the others.

    Another list in the same home makes other clips, and so does a recording that was replaced.
    """
    clips = arrays.identify_corpus(corpus)
    same = [facts for facts in found if facts.get("clips") == clips]
    return same, [facts for facts in found if facts.get("clips") != clips]


def list_stale(facts):
    """Return the stages that a run has read in another state than the one on disk now.

    A stage that is not on disk says nothing.
    """
    folder, stale = arrays.corpus_folder(facts["corpus"]), []
    for stage, digest in facts["inputs"].items():
        if (folder / f"{stage}.json").is_file():
            now = arrays.read_facts(folder, stage)
            if {now["digest"], arrays.sign_stage(folder, stage, now["parameters"])} != {digest}:
                stale.append(stage)
    return stale


def name_runs(found):
    """Return the folders of runs in words, the newest few."""
    names = [f"{facts['folder'].parent.name}/{facts['folder'].name}" for facts in found]
    return ", ".join(names[-3:]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def find_notebook(branch):
    """Return the notebook that makes the runs of a branch, in words where its name is another."""
    found = sorted(Path(__file__).parents[1].glob(f"[0-9][0-9]_{branch}*.ipynb"))
    return f"modeling/{found[0].name}" if found else f"the notebook that makes {branch}"
