"""What a corpus does not allow is said, and nothing of a corpus that allows all."""

import itertools

import pandas as pd
import pytest

from preprocessing.corpora import COLUMNS, limits


def make_clips(n_actors=5, emotions=("happy", "sad", "angry"), n_takes=9, n_statements=2):
    rows = [
        {"actor": f"{a}", "emotion": e, "statement": f"{t % n_statements}"}
        for a, e, t in itertools.product(range(n_actors), emotions, range(n_takes))
    ]
    clips = pd.DataFrame(rows).reindex(columns=COLUMNS, fill_value="")
    clips["clip_id"] = [f"c{n}" for n in range(len(clips))]
    return clips.assign(video=clips["clip_id"] + ".mp4", audio=clips["clip_id"] + ".mp4")


def test_nothing_is_said_of_a_corpus_that_allows_all():
    assert limits.list_limits(make_clips()) == []


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        (make_clips(emotions=("sad",), n_takes=30), "one emotion (sad)"),
        (make_clips(n_actors=1, n_takes=50), "1 actor: nobody can be tested"),
        (make_clips(n_actors=2, n_takes=30), "2 actors: nobody can be tested"),
        (make_clips(n_actors=2, n_takes=30, n_statements=1), "2 actors and 1 statements: no"),
        (make_clips(n_actors=4, n_takes=1), "12 clips are few"),
    ],
)
def test_what_is_too_few_is_said(clips, words):
    said = limits.list_limits(clips)
    assert len(said) == 1
    assert words in said[0]


def test_emotion_of_one_actor_is_named():
    clips = make_clips(n_takes=12)
    clips = clips[(clips["emotion"] != "angry") | (clips["actor"] == "0")]
    assert [text.split(":")[0] for text in limits.list_limits(clips)] == [
        "angry is shown by 1 of 5 actors only"
    ]


def test_clips_without_a_half_are_counted_and_actors_without_one_named():
    clips = make_clips()
    clips.loc[clips["actor"].isin(["1", "3"]), "video"] = ""
    clips.loc[::5, "audio"] = ""
    said = limits.list_limits(clips)
    assert said[0].startswith("54 of 135 clips have no picture, all of actors 1, 3:")
    assert said[1].startswith("27 of 135 clips have no voice:")
    silent = limits.list_limits(clips.assign(audio=""))
    assert "No clip has a voice" in silent[1]
