"""What the networks of fold 1 say of actor 05 from pixels: they never met him.

    make run CORPUS=folder DATA=/path/to/actor05.csv ONLY=10,11,31 P="TRIM_SILENCE=True WINDOW_S=3"
    python -m modeling.publishing.pixels

The runs of ``audio_shipped`` and ``face_shipped`` must be there. Writes
``published/actor05.csv``: a row a clip, what voice, face and both say, and the truth.
"""

import sys

import numpy as np
import pandas as pd

from modeling.borrowed import moonshine
from modeling.fusion import experts, heads
from modeling.publishing.experiments import EXPERIMENTS, PUBLISHED, SHIPPED, find_newest
from modeling.training import networks, runs
from preprocessing.corpora import EMOTIONS
from preprocessing.disk import arrays

CORPUS, ACTOR = "folder", "05"
READS = {"voice": "waveforms", "face": "expressions"}


def main():
    """Read the clips; return the exit status."""
    needs = dict(zip(READS, EXPERIMENTS[SHIPPED].needs, strict=True))
    found = {name: find_newest(need)[0] for name, need in needs.items()}
    folder = arrays.corpus_folder(CORPUS)
    clips = arrays.read_clips(folder)
    if set(clips["actor"].str.zfill(2)) != {ACTOR}:
        print(f"data/{CORPUS} holds actors {sorted(set(clips['actor']))}; expected {ACTOR} alone.")
        return 2
    told = {name: heads.read_tables({name: facts})[name] for name, facts in found.items()}
    product = experts.fit_product(told, EMOTIONS, {name: [name] for name in found})
    said = {}
    for name, facts in found.items():
        if ACTOR in set(told[name].loc[told[name]["part"] != "test", "actor"]):
            print(f"the {name} of fold 1 has met actor {ACTOR}")
            return 1
        x = np.array(arrays.read_array(folder, READS[name]))
        hearing = moonshine.HEARING if name == "voice" else {}
        posteriors = networks.run_network(heads.load_network(facts["folder"]), x, **hearing)
        table = clips[["clip_id", "actor"]].assign(fold=1, part="test", true=clips["emotion"])
        columns = [f"p_{emotion}" for emotion in EMOTIONS]
        said[name] = table.assign(**dict(zip(columns, posteriors.T.astype(float), strict=True)))
    said["both"] = product.fuse(said)
    said = {name: own.set_index("clip_id").loc[clips["clip_id"]] for name, own in said.items()}
    answers = {name: runs.name_predicted(own) for name, own in said.items()}
    table = pd.DataFrame({"clip_id": clips["clip_id"], "true": clips["emotion"]} | answers)
    arrays.write_table(PUBLISHED / "actor05.csv", table)
    for name in answers:
        print(f"{name}: {(table[name] == table['true']).sum()} of {len(table)} right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
