"""RAVDESS and nEMO as one corpus, to train on both; see their own modules.

The source is a folder that holds each in a folder of its name, ``ravdess`` and ``nemo``. nEMO has
voices alone, and neither calm nor disgust.
"""

import pandas as pd

from preprocessing.corpora import nemo, ravdess
from preprocessing.corpora.corpus import Corpus, make_index

PARTS = {"ravdess": ravdess, "nemo": nemo}


class _RavdessNemo(Corpus):
    def index(self, source):
        """Return the clips of both, as every corpus does; both must be there."""
        return make_index([row for name in PARTS for row in _list_rows(name, source)])

    def validate(self, source):
        """List the problems of both, see ``Corpus.validate``."""
        tables = []
        for name, module in PARTS.items():
            table = module.CORPUS.validate(_find_part(name, source))
            tables.append(table.assign(file=f"{name}/" + table["file"]))
        return pd.concat(tables, ignore_index=True)


def name_corpus(actor):
    """Return of which of the two an actor is, ``ravdess`` or ``nemo``."""
    return "nemo" if actor in nemo.ACTORS else "ravdess"


def _find_part(name, source):
    from preprocessing.clips import locations

    return locations.join(source, name)


def _list_rows(name, source):
    """Return the rows of a part's index, its paths relative to the source of both."""
    table = PARTS[name].CORPUS.index(_find_part(name, source))
    for column in ("video", "audio"):
        table[column] = [f"{name}/{path}" if path else "" for path in table[column]]
    return table.to_dict("records")


CORPUS = _RavdessNemo(
    title="RAVDESS and nEMO, English and Polish voices",
    short="RAVDESS and nEMO",
    licence="CC BY-NC-SA 4.0",
    citation=f"{ravdess.CORPUS.citation} {nemo.CORPUS.citation}",
    how_to_get="Put both into one folder as ravdess/ and nemo/, and name that folder as DATA.",
    protocol="luna5_nemo",
    expected=f"ravdess/{ravdess.CORPUS.expected}, nemo/{nemo.CORPUS.expected}",
)
