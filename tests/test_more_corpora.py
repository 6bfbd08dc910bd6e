"""SAVEE, eNTERFACE'05, EMO-DB, TESS, nEMO, MELD: made samples with the real naming schemes."""

import csv
import itertools
from functools import partial
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling.split import protocol
from preprocessing import corpora
from preprocessing.corpora import (
    crema_d,
    emodb,
    enterface05,
    meld,
    nemo,
    ravdess,
    ravdess_nemo,
    savee,
    tess,
)
from tests.test_corpora import list_found, make_file

AVI = b"RIFF\x04\0\0\0AVI LIST"
SIX = {"neutral", "happy", "sad", "angry", "fearful", "disgust"}
EMOTIONS = {
    crema_d: SIX,
    emodb: SIX,
    enterface05: SIX - {"neutral"} | {"surprised"},
    meld: SIX | {"surprised"},
    nemo: SIX - {"disgust"} | {"surprised"},
    ravdess: SIX | {"calm", "surprised"},
    savee: SIX | {"surprised"},
    tess: SIX | {"surprised"},
}
"""What each corpus has, as its paper says."""


def check_index(clips, module):
    assert list(clips.columns) == list(corpora.COLUMNS)
    assert clips["clip_id"].is_monotonic_increasing and clips["clip_id"].is_unique
    assert set(clips["emotion"]) == EMOTIONS[module]
    assert all(isinstance(value, str) for value in clips.to_numpy().ravel())


def check_folds(clips, corpus, n_folds):
    """Assert that auto takes the protocol and that its folds test every clip once."""
    name = corpora.get(corpus).protocol
    assert protocol.choose_protocol(clips, corpus) == name
    assert protocol.count_folds(name, clips) == n_folds
    tested = np.zeros(len(clips), int)
    for fold in range(1, n_folds + 1):
        parts = protocol.split_clips(clips, protocol=name, fold=fold)
        assert set(parts) == set(protocol.PARTS)
        assert not set(clips["actor"][parts == "test"]) & set(clips["actor"][parts != "test"])
        tested += parts == "test"
    assert (tested == 1).all()


READERS = {
    module: module.read_name for module in (savee, enterface05, emodb, tess, ravdess, crema_d)
} | {module: partial(module.read_name, labels={}) for module in (meld, nemo)}
PIECES = st.sampled_from(
    ["DC", "a", "sa", "01", "1", "٣", "_", "-", "/", "subject 6", "subject 1", "anger", "ß", "\0",
     "sentence 1", "03", "a01", "F", "OAF", "YAF", "dog", "ps", "dia0", "utt1", "train_splits",
     "1001", "IEO", "ANG", "XX", "01-01-06-01-02-01-12", "..", ".wav", ".avi", ".mp4", ".flv"]
)  # fmt: skip


@pytest.mark.parametrize("module", READERS, ids=lambda module: module.__name__)
@given(st.lists(PIECES, max_size=9).map("".join))
def test_any_name_is_read_or_refused(module, text):
    try:
        name = READERS[module](PurePosixPath("top", text))
    except ValueError as error:
        assert str(error)
    else:
        assert name is None or name[1]["emotion"] in EMOTIONS[module]


# SAVEE


def make_savee(root, actors=savee.ACTORS, folder="AudioVisualClip"):
    for actor in actors:
        for clip_id in savee.list_clip_ids(actor):
            name = clip_id.partition("_")[2]
            make_file(root / "AudioData" / actor / f"{name}.wav")
            if folder:
                letters, number = name.rstrip("0123456789"), int(name.lstrip("adfhnsu"))
                make_file(root / folder / actor / f"{letters}{number}.avi", AVI)


def test_savee_video_and_recording_of_a_sentence_are_one_clip(tmp_path):
    make_savee(tmp_path)
    clips = savee.CORPUS.index(tmp_path)
    check_index(clips, savee)
    assert len(clips) == 480 and clips["emotion"].value_counts()["neutral"] == 120
    clip = clips[clips["clip_id"] == "JE_su03"].iloc[0]
    assert clip["video"] == clip["audio"] == "AudioVisualClip/JE/su3.avi"
    assert (clip["emotion"], clip["gender"]) == ("surprised", "male")
    assert savee.CORPUS.validate(tmp_path).empty
    check_folds(clips, "savee", 4)


def test_savee_one_speaker_and_renamed_recordings(tmp_path):
    make_savee(tmp_path / "one", ("DC",), folder="")
    clips = savee.CORPUS.index(tmp_path / "one/AudioData/DC")
    assert set(clips["actor"]) == {"DC"} and (clips["video"] == "").all()
    make_file(tmp_path / "all/KL_sa01.wav")
    make_file(tmp_path / "all/a01.wav")
    make_file(tmp_path / "all/KL_sa16.wav")
    assert savee.CORPUS.index(tmp_path / "all")["clip_id"].tolist() == ["KL_sa01"]
    table = savee.CORPUS.validate(tmp_path / "all")
    assert list_found(table, "unknown") == ["KL_sa16.wav", "a01.wav"]
    assert "119 of 120 takes are missing" in table["detail"].iloc[0]


# eNTERFACE'05


def make_enterface(root, subjects):
    for subject, emotion, sentence in itertools.product(
        subjects, enterface05.CODES, enterface05.SENTENCES
    ):
        name = f"s{12 if subject == 11 else subject}_{emotion[:2]}_{sentence}.avi"
        make_file(root / f"subject {subject}/{emotion}/sentence {sentence}/{name}", AVI)


def test_enterface05_believes_folders_not_file_names(tmp_path):
    make_enterface(tmp_path, (1, 11, 12))
    (tmp_path / "subject 1/fear/sentence 3/s1_fe_3.avi").rename(
        tmp_path / "subject 1/fear/sentence 3/s_1_fe_3avi.avi"
    )
    clips = enterface05.CORPUS.index(tmp_path)
    check_index(clips, enterface05)
    assert len(clips) == 90 and set(clips["actor"]) == {"01", "11", "12"}
    row = clips[clips["clip_id"] == "11_anger_2"].iloc[0]
    assert row["video"] == row["audio"] == "subject 11/anger/sentence 2/s12_an_2.avi"
    assert enterface05.CORPUS.validate(tmp_path).empty
    check_folds(clips, "enterface05", 3)


def test_enterface05_known_oddities_are_named(tmp_path):
    make_enterface(tmp_path, (23,))
    for number in (1, 2, 3):
        (tmp_path / f"subject 23/surprise/sentence {number}/s23_su_{number}.avi").unlink()
    make_file(tmp_path / "subject 6/anger/s6_an.avi", AVI)
    make_file(tmp_path / "subject 45/anger/sentence 1/s45_an_1.avi", AVI)
    make_file(tmp_path / "s1_an_1.avi", AVI)
    table = enterface05.CORPUS.validate(tmp_path)
    assert list_found(table, "missing") == [f"23_surprise_{number}" for number in (1, 2, 3)]
    reasons = dict(zip(table["file"], table["detail"], strict=True))
    assert "never cut" in reasons["subject 6/anger/s6_an.avi"]
    assert "subject code 45" in reasons["subject 45/anger/sentence 1/s45_an_1.avi"]
    assert "subject 1/anger/sentence 1" in reasons["s1_an_1.avi"]


# EMO-DB


def make_emodb(root, actors=emodb.ACTORS, codes="NFTWAEL"):
    for actor, code in itertools.product(actors, codes):
        make_file(root / f"wav/{actor}a01{code}a.wav")


def test_emodb_indexes_recordings_and_leaves_boredom_out(tmp_path):
    make_emodb(tmp_path)
    make_file(tmp_path / "wav/03b10Fb.wav")
    make_file(tmp_path / "wav/16b10W.wav")
    clips = emodb.CORPUS.index(tmp_path)
    check_index(clips, emodb)
    assert len(clips) == 62 and (clips["video"] == "").all()
    assert clips[clips["clip_id"] == "03b10Fb"].iloc[0].to_dict() == {
        "clip_id": "03b10Fb",
        "video": "",
        "audio": "wav/03b10Fb.wav",
        "emotion": "happy",
        "actor": "03",
        "gender": "male",
        "intensity": "",
        "statement": "b10",
        "repetition": "b",
    }
    assert emodb.CORPUS.validate(tmp_path).empty
    check_folds(clips, "emodb", 10)


@pytest.mark.parametrize("name", ["04a01Fa.wav", "03a03Fa.wav", "03a01Xa.wav", "03a01.wav"])
def test_emodb_unknown_codes_are_named(tmp_path, name):
    make_emodb(tmp_path, ("03",))
    make_file(tmp_path / "wav" / name)
    assert list_found(emodb.CORPUS.validate(tmp_path), "unknown") == [f"wav/{name}"]
    assert len(emodb.CORPUS.index(tmp_path)) == 6


# TESS


def make_tess(root, words=("back", "bite", "dog", "shout", "young", "yes"), actors=("OAF", "YAF")):
    for actor, word, code in itertools.product(actors, words, tess.CODES):
        spelt = "OA" if (actor, word, code) == ("OAF", "bite", "neutral") else actor
        make_file(root / f"{actor}_{code}" / f"{spelt}_{word}_{code}.wav")


def test_tess_indexes_recordings_the_misspelt_one_too(tmp_path):
    make_tess(tmp_path)
    clips = tess.CORPUS.index(tmp_path)
    check_index(clips, tess)
    assert len(clips) == 84 and (clips["video"] == "").all()
    row = clips[clips["clip_id"] == "OAF_bite_neutral"].iloc[0]
    assert row["audio"] == "OAF_neutral/OA_bite_neutral.wav" and row["actor"] == "OAF"
    assert tess.CORPUS.validate(tmp_path).empty
    check_folds(clips, "tess", 2)


def test_tess_validates_on_words_that_are_not_trained_on(tmp_path):
    make_tess(tmp_path)
    clips = tess.CORPUS.index(tmp_path)
    parts = protocol.split_clips(clips, protocol="tess2", fold=2)
    assert set(clips["actor"][parts == "test"]) == {"YAF"}
    words = {part: set(clips["statement"][parts == part]) for part in protocol.PARTS}
    assert len(words["val"]) == 1 and not words["val"] & words["train"]


def test_tess_gaps_copies_and_strangers_are_named(tmp_path):
    make_tess(tmp_path)
    (tmp_path / "YAF_sad/YAF_dog_sad.wav").unlink()
    make_file(tmp_path / "copy/OAF_angry/OAF_dog_angry.wav")
    make_file(tmp_path / "OAF_dog_calm.wav")
    table = tess.CORPUS.validate(tmp_path)
    assert list_found(table, "missing") == ["YAF_dog_sad"]
    assert list_found(table, "surplus") == ["copy/OAF_angry/OAF_dog_angry.wav"]
    assert list_found(table, "unknown") == ["OAF_dog_calm.wav"]


# nEMO

NEMO_HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"
NEMO_WORDS = dict(
    angry="anger",
    fearful="fear",
    happy="happiness",
    neutral="neutral",
    sad="sadness",
    surprised="surprised",
)


def make_nemo(root):
    lines = [NEMO_HEADER]
    for actor, word, number in itertools.product(nemo.ACTORS, nemo.CODES, range(2)):
        clip_id, sentence = f"{actor}_{word}_{number}", f"Mówi „źdźbło”, {number}.\tmówi"
        lines.append(f"{clip_id}.wav\t{word}\t{sentence}\t        {actor}\tfemale\t27")
        make_file(root / f"samples/{clip_id}.opus", b"OggS")
    (root / "data.tsv").write_text("\n".join(lines), "utf-8")


def test_nemo_takes_labels_from_its_table_whatever_the_recordings_end_in(tmp_path):
    make_nemo(tmp_path)
    clips = nemo.CORPUS.index(tmp_path)
    check_index(clips, nemo)
    assert len(clips) == 9 * 6 * 2 and (clips["video"] == "").all()
    assert clips[clips["clip_id"] == "WR0_happiness_1"].iloc[0].to_dict() == {
        "clip_id": "WR0_happiness_1",
        "video": "",
        "audio": "samples/WR0_happiness_1.opus",
        "emotion": "happy",
        "actor": "WR0",
        "gender": "female",
        "intensity": "",
        "statement": "Mówi „źdźbło”, 1.",
        "repetition": "",
    }
    assert nemo.CORPUS.validate(tmp_path).empty
    check_folds(clips, "nemo", 9)


def test_nemo_gaps_copies_and_strangers_are_named(tmp_path):
    make_nemo(tmp_path)
    (tmp_path / "samples/EB0_fear_0.opus").unlink()
    for number, word in itertools.product(range(2), nemo.CODES):
        if word != "neutral":
            (tmp_path / f"samples/MP0_{word}_{number}.opus").unlink()
        (tmp_path / f"samples/KS0_{word}_{number}.opus").unlink()
    make_file(tmp_path / "original/WR0_anger_1.wav")
    make_file(tmp_path / "samples/WR0_anger_2.opus", b"OggS")
    table = nemo.CORPUS.validate(tmp_path)
    assert list_found(table, "missing") == ["EB0_fear_0", "actor MP0"], "of KS0 nothing is there"
    assert "10 of 12 takes are missing" in table["detail"].iloc[1]
    assert list_found(table, "surplus") == ["samples/WR0_anger_1.opus"]
    assert list_found(table, "unknown") == ["samples/WR0_anger_2.opus"]
    assert "no such recording" in table["detail"].iloc[2]
    assert len(nemo.CORPUS.index(tmp_path)) == 8 * 12 - 1 - 10


def test_nemo_without_or_with_a_broken_table_says_so(tmp_path):
    make_nemo(tmp_path)
    table = tmp_path / "data.tsv"
    lines = table.read_text("utf-8").replace("        WR0", "XY0")
    table.write_text(lines, "utf-8")
    with pytest.raises(ValueError, match=r"data.tsv, line \d+: speaker code XY0"):
        nemo.CORPUS.index(tmp_path)
    table.write_text(lines.replace("emotion", "feeling"), "utf-8")
    with pytest.raises(ValueError, match="lacks the column emotion"):
        nemo.CORPUS.index(tmp_path)
    table.rename(tmp_path / "metadata.tsv")
    with pytest.raises(FileNotFoundError, match="No data.tsv in"):
        nemo.CORPUS.index(tmp_path)


@pytest.mark.real_data
def test_real_nemo_agrees_with_its_table(real_data):
    with (real_data / "nemo/data.tsv").open(encoding="utf-8", newline="") as file:
        rows = {row["file_id"][:-4]: row for row in csv.DictReader(file, dialect="excel-tab")}
    there = {path.stem for path in (real_data / "nemo/samples").iterdir()}
    assert len(rows) == 4481 and len(there) == 1876 and there <= rows.keys()
    clips = nemo.CORPUS.index(real_data / "nemo")
    check_index(clips, nemo)
    check_folds(clips, "nemo", 9)
    assert set(clips["clip_id"]) == there and (clips["video"] == "").all()
    for clip in clips.itertuples():
        row = rows[clip.clip_id]
        assert clip.audio == f"samples/{clip.clip_id}.opus"
        assert NEMO_WORDS[clip.emotion] == row["emotion"]
        assert (clip.actor, clip.gender) == (row["speaker_id"].strip(), row["gender"])
        assert clip.statement == row["raw_text"]
    table = nemo.CORPUS.validate(real_data / "nemo")
    mostly_there = {name for name in rows.keys() - there if name.startswith("MP0")}
    others = {f"actor {actor}" for actor in set(clips["actor"]) - {"MP0"}}
    assert set(list_found(table, "missing")) == mostly_there | others
    assert len(table) == 72 + 8


# MELD

MELD_HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,"
    "Season,Episode,StartTime,EndTime"
)
SPEAKERS = ("Chandler", "Monica", "The Interviewer", "Joey", "Rachel", "Ross", "Phoebe")


def make_meld(root, n_dialogues=4):
    for folder, part in meld.PARTS.items():
        lines = [MELD_HEADER]
        for dialogue in range(n_dialogues):
            for utterance, emotion in enumerate(meld.CODES):
                speaker = SPEAKERS[(dialogue + utterance) % len(SPEAKERS)]
                lines.append(
                    f'1,"Well, it\x92s \u201cme\u201d; fine",{speaker},{emotion},neutral,'
                    f'{dialogue},{utterance},8,21,"00:16:16,059","00:16:21,731"'
                )
                make_file(root / part / folder / f"dia{dialogue}_utt{utterance}.mp4")
        (root / part / f"{part}_sent_emo.csv").write_text("\n".join(lines), "utf-8")


def test_meld_takes_labels_from_its_tables(tmp_path):
    make_meld(tmp_path)
    clips = meld.CORPUS.index(tmp_path)
    check_index(clips, meld)
    assert len(clips) == 3 * 4 * 7
    row = clips[clips["clip_id"] == "dev_dia1_utt1"].iloc[0].to_dict()
    assert row["video"] == row["audio"] == "dev/dev_splits_complete/dia1_utt1.mp4"
    assert (row["emotion"], row["actor"]) == ("happy", "The Interviewer")
    assert (row["statement"], row["gender"]) == ("dev_dia1", "")
    assert meld.CORPUS.validate(tmp_path).empty
    for speaker, path in zip(clips["actor"], clips["video"], strict=True):
        if speaker != "The Interviewer":
            (tmp_path / path).unlink()
    assert meld.CORPUS.validate(tmp_path).empty, "speakers of whom nothing is there are no fault"


def test_meld_is_split_by_speaker_unless_its_official_split_is_named(tmp_path):
    make_meld(tmp_path)
    clips = meld.CORPUS.index(tmp_path)
    check_folds(clips, "meld", 4)
    parts = protocol.split_clips(clips, protocol="meld", fold=1)
    official = clips["clip_id"].str.partition("_")[0].replace("dev", "val")
    np.testing.assert_array_equal(parts, official)
    assert "KNOWN SPEAKERS" in protocol.get_protocol("meld").title
    clips.loc[clips["clip_id"] == "test_dia0_utt0", "audio"] = clips["audio"].iloc[0]
    with pytest.raises(protocol.LeakError, match="File in two parts"):
        protocol.split_clips(clips, protocol="meld", fold=1)


def test_meld_strays_and_gaps_are_named(tmp_path):
    make_meld(tmp_path)
    test = tmp_path / "test/output_repeated_splits_test"
    make_file(test / "._dia0_utt0.mp4", b"litter")
    make_file(test / "final_videos_testdia0_utt0.mp4")
    make_file(test / "dia99_utt0.mp4")
    (tmp_path / "train/train_splits/dia3_utt3.mp4").unlink()
    table = meld.CORPUS.validate(tmp_path)
    assert list_found(table, "missing") == ["train_dia3_utt3"]
    assert sorted(list_found(table, "unknown")) == [
        "test/output_repeated_splits_test/dia99_utt0.mp4",
        "test/output_repeated_splits_test/final_videos_testdia0_utt0.mp4",
    ]
    assert len(meld.CORPUS.index(tmp_path)) == 3 * 4 * 7 - 1


def test_meld_without_or_with_a_broken_table_says_so(tmp_path):
    make_meld(tmp_path)
    table = tmp_path / "dev/dev_sent_emo.csv"
    table.write_text(table.read_text("utf-8").replace("joy", "glee"), "utf-8")
    with pytest.raises(ValueError, match="dev_sent_emo.csv, line 3: emotion code glee"):
        meld.CORPUS.index(tmp_path)
    for path in tmp_path.rglob("*.csv"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="No train_sent_emo.csv"):
        meld.CORPUS.index(tmp_path)


def test_ravdess_and_nemo_are_one_corpus_whose_folds_keep_those_of_each(tmp_path):
    make_nemo(tmp_path / "nemo")
    for actor, emotion in itertools.product(ravdess.ACTORS, range(1, 9)):
        name = f"Actor_{actor}/03-01-{emotion:02}-01-01-01-{actor}.flac"
        make_file(tmp_path / "ravdess" / name, b"fLaC")
    clips = ravdess_nemo.CORPUS.index(tmp_path)
    assert len(clips) == 9 * 6 * 2 + 24 * 8
    assert all((tmp_path / audio).is_file() for audio in clips["audio"])
    check_folds(clips, "ravdess_nemo", 5)
    own = clips[clips["actor"].map(ravdess_nemo.name_corpus) == "ravdess"].reset_index(drop=True)
    for fold in range(1, 6):
        joined = protocol.split_clips(clips, protocol="luna5_nemo", fold=fold)
        alone = protocol.split_clips(own, protocol="luna5", fold=fold)
        assert set(clips["actor"][joined == "test"]) & set(ravdess.ACTORS) == set(
            own["actor"][alone == "test"]
        )
    problems = ravdess_nemo.CORPUS.validate(tmp_path)["file"]
    assert len(problems) and problems.str.startswith("ravdess/").all()  # of 60 takes each has 8
