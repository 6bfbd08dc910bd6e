"""Text that is written to a table is the text that is read again, whatever it looks like."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modeling.training import runs
from preprocessing import corpora, index
from preprocessing.disk import arrays, files

LIKE_OTHERS = ("NA", "null", "None", "nan", "NaN", "007", "1e5", "inf", "True", " a ", "a,b", '"')
TEXTS = st.one_of(
    st.sampled_from(LIKE_OTHERS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
)


def make_clips(ids, actors, reasons):
    rows = [
        dict.fromkeys(corpora.COLUMNS, "")
        | {"clip_id": clip_id, "actor": actor, "emotion": "sad", "reason": reason, "status": "ok"}
        for clip_id, actor, reason in zip(ids, actors, reasons, strict=True)
    ]
    numbers = {"video_bytes": 1, "audio_bytes": 0, "rms_db": np.nan, "has_face": True}
    return pd.DataFrame(rows).assign(**numbers)


@settings(max_examples=150, deadline=None)
@example([("NA", "null", "None"), ("007", "1e5", " nan ")])
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5, unique_by=lambda r: r[0]))
def test_every_table_gives_back_the_text_that_was_written(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("text")
    clips = make_clips(*zip(*rows, strict=True))
    arrays.write_clips(folder, clips)
    read = arrays.read_clips(folder)
    names = ["clip_id", "actor", "reason"]
    assert read[names].values.tolist() == [list(row) for row in rows]
    assert arrays.identify_clips(read) == arrays.identify_clips(clips)
    assert read["has_face"].all() and read["rms_db"].isna().all()
    made = {"features": clips[["clip_id", "rms_db"]]}
    options = {"parameters": {}, "arrays": {"mels": np.zeros((len(clips), 1, 1), np.float32)}}
    arrays.write_stage(folder, "audio", **options, tables=made)
    assert arrays.read_table(folder, "features")["clip_id"].tolist() == [row[0] for row in rows]
    predictions = clips[["clip_id", "actor"]].assign(part="val", true="sad", p_sad=1.0)
    files.write_table(folder / "predictions.csv", predictions)
    read = runs.read_predictions(folder)
    assert read[["clip_id", "actor"]].values.tolist() == [list(row[:2]) for row in rows]


@pytest.mark.parametrize("actor", ["NA", "None", "007"])
def test_indexing_again_keeps_what_extraction_added(tmp_path, monkeypatch, actor):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    (tmp_path / "a.wav").write_bytes(b"no sound")
    listed = f"clip_id,video,audio,emotion,actor\nnull,,a.wav,sad,{actor}\n"
    (tmp_path / "list.csv").write_text(listed)
    options = {"n_jobs": 0, "progress": False}
    clips = index.index_corpus("folder", tmp_path / "list.csv", **options)
    assert clips["clip_id"].tolist() == ["null"]
    arrays.write_clips(arrays.corpus_folder("folder"), clips.assign(has_voice=True))
    assert index.index_corpus("folder", tmp_path / "list.csv", **options)["has_voice"].all()
