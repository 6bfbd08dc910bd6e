"""Augmentation: what each change does, that draws follow the seed, that 0 changes nothing."""

import random
import warnings

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_augmentation import plots, waveforms
from data_augmentation.faces import build_face_augmenter
from data_augmentation.quiet_keras import keras
from data_augmentation.spectrograms import MaskSpectrogram, MixClips

matplotlib.use("Agg")

RATE = 16000
NOTHING = {
    "flip": False,
    "rotation": 0,
    "shift": 0,
    "zoom": 0,
    "brightness": 0,
    "contrast": 0,
    "cutout": 0,
    "frame_drop": 0,
    "time_shift": 0,
}
STRONG = {
    "flip": True,
    "rotation": 20.0,
    "shift": 0.2,
    "zoom": 0.3,
    "brightness": 0.3,
    "contrast": 0.5,
    "cutout": 0.5,
    "frame_drop": 0.5,
    "time_shift": 2,
}
OLD = [
    {"speed": 1.0352, "pitch": 1.82},
    {"speed": 1.0065, "tempo": 0.9156, "pitch": -0.6061},
    {"speed": 1.0884, "tempo": 1.0754, "pitch": 1.595, "noise": 32.3569},
    {"tempo": 1.1149},
]
"""Changes of four copies, as drawn when voices had no channels."""

IN_SPACE = [name for name in STRONG if name not in ("frame_drop", "time_shift")]


def make_still_clips(n_clips=6, n_frames=5, side=24, *, colour=False):
    """Return clips whose frames are all the same picture, uint8."""
    rng = np.random.default_rng(0)
    shape = (n_clips, 1, side // 4, side // 4, 3)[: 5 if colour else 4]
    pictures = rng.integers(0, 256, shape).repeat(4, axis=2).repeat(4, axis=3)
    return np.repeat(pictures, n_frames, axis=1).astype(np.uint8)


def make_numbered_clips(n_clips=40, n_frames=8):
    """Return clips whose frame t is everywhere 10 t, uint8."""
    values = 10 * np.arange(n_frames, dtype=np.uint8)
    return np.broadcast_to(values[None, :, None, None], (n_clips, n_frames, 8, 8)).copy()


def make_voice(seconds=1.0):
    times = np.arange(int(seconds * RATE)) / RATE
    loudness = np.sin(np.pi * times / times[-1]) ** 2
    return (0.3 * loudness * np.sin(2 * np.pi * 200 * times)).astype(np.float32)


def find_frequency(waveform):
    return np.abs(np.fft.rfft(waveform)).argmax() * RATE / len(waveform)


def augment(faces, *, seed=0, **strengths):
    augmenter = build_face_augmenter(**{**NOTHING, **strengths}, seed=seed)
    return np.asarray(augmenter(faces, training=True))


# Faces


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("name", IN_SPACE)
def test_all_frames_of_a_clip_get_one_draw(name, colour):
    faces = make_still_clips(colour=colour)
    changed = augment(faces, **{name: STRONG[name]})
    assert changed.shape == faces.shape
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed, changed[:, :1].repeat(5, axis=1), atol=1e-3)
    moved = np.abs(changed - faces).reshape(len(faces), -1).max(axis=1)
    assert (moved > 1).any()


@pytest.mark.parametrize("name", ["rotation", "shift", "zoom", "brightness", "contrast", "cutout"])
def test_clips_of_a_batch_get_different_draws(name):
    faces = np.repeat(make_still_clips(1), 6, axis=0)
    changed = augment(faces, **{name: STRONG[name]}).reshape(6, -1)
    assert len(np.unique(changed.round(2), axis=0)) == 6


def test_half_of_the_clips_are_mirrored():
    faces = np.repeat(make_still_clips(1, 2), 100, axis=0)
    changed = augment(faces, flip=True)
    mirrored = (changed == faces[:, :, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (changed == faces).all(axis=(1, 2, 3))).all()
    assert 30 < mirrored.sum() < 70


def test_faces_move_no_further_than_asked():
    faces = np.zeros((60, 1, 41, 41), np.uint8)
    faces[:, :, 20, 20] = 255
    moved = augment(faces, shift=0.2)[:, 0] + 1e-6
    places = np.stack([(moved.sum(axis=axis) @ np.arange(41)) for axis in (2, 1)], axis=1)
    offsets = places / moved.sum(axis=(1, 2))[:, None] - 20
    assert 6 < np.abs(offsets).max() <= 8.3
    still = augment(faces, rotation=20.0, zoom=0.3)[:, 0]
    assert (still.reshape(60, -1).argmax(axis=1) == 20 * 41 + 20).all()


@pytest.mark.parametrize(("name", "strength"), [("rotation", 20.0), ("zoom", 0.3)])
def test_turns_and_zooms_go_no_further_than_asked(name, strength):
    faces = np.zeros((60, 1, 81, 81), np.uint8)
    faces[:, :, 40, 40:71] = 255  # a line of 31 pixels from the centre to the right
    changed = augment(faces, **{name: strength})[:, 0] > 60
    rows, columns = np.indices((81, 81)) - 40
    reach = np.hypot(rows, columns)
    lengths = np.array([reach[line].max() for line in changed])
    turns = [
        np.degrees(np.arctan2(rows[line & (reach > 15)], columns[line & (reach > 15)]).mean())
        for line in changed
    ]
    if name == "rotation":
        np.testing.assert_allclose(lengths, 30, atol=1.5)
        assert 15 < np.abs(turns).max() <= 20.5
        assert min(turns) < -5 < 5 < max(turns)
    else:
        np.testing.assert_allclose(turns, 0, atol=0.5)
        assert 30 / 1.31 - 1 <= lengths.min() < 27 < 33 < lengths.max()


@pytest.mark.parametrize("training", [False, True])
def test_zero_strengths_change_nothing(training):
    faces = make_still_clips()
    changed = build_face_augmenter(**NOTHING)(faces, training=training)
    np.testing.assert_array_equal(changed, faces.astype(np.float32))


def test_without_training_nothing_changes():
    faces = make_still_clips()
    changed = build_face_augmenter(**STRONG)(faces)
    np.testing.assert_array_equal(changed, faces.astype(np.float32))


def test_values_stay_in_their_range():
    changed = augment(make_still_clips(), **STRONG, seed=1)
    assert changed.min() >= 0
    assert changed.max() <= 255 * (1 + 1e-6)
    assert changed.std() > 0.05 * 255


def test_face_draws_follow_the_seed():
    faces = make_still_clips()
    first, again, other = (augment(faces, seed=seed, **STRONG) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1


def test_half_precision_training_leaves_augmentation_exact():
    faces = make_still_clips()
    expected = augment(faces, seed=3, **STRONG)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        np.testing.assert_array_equal(augment(faces, seed=3, **STRONG), expected)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_cutout_is_at_most_as_large_as_asked():
    faces = np.full((50, 2, 40, 40), 250, np.uint8)
    hidden = (augment(faces, cutout=0.5) == 127.5)[:, 0]
    heights, widths = hidden.any(axis=2).sum(axis=1), hidden.any(axis=1).sum(axis=1)
    assert 10 < heights.max() <= 20
    assert 10 < widths.max() <= 20


def test_dropped_frames_are_their_neighbours():
    numbers = augment(make_numbered_clips(), frame_drop=0.3)[:, :, 0, 0] / 10
    steps = np.arange(8) - numbers
    assert set(steps[:, 0]) == {0, -1}
    assert set(steps[:, 1:].ravel()) == {0, 1}
    assert 0.2 < np.mean(steps != 0) < 0.4


def test_time_shift_moves_whole_clips():
    numbers = augment(make_numbered_clips(), time_shift=2)[:, :, 0, 0] / 10
    shifts = numbers[:, 4] - 4
    assert set(shifts) == {-2, -1, 0, 1, 2}
    expected = np.clip(np.arange(8) + shifts[:, None], 0, 7)
    np.testing.assert_array_equal(numbers, expected)


def test_clips_of_one_frame_can_be_augmented():
    assert augment(make_still_clips(n_frames=1), **STRONG).shape == (6, 1, 24, 24)


# Spectrograms


def test_masks_hide_spans_and_leave_the_rest():
    mels = np.random.default_rng(0).normal(-40, 10, (20, 50, 30)).astype(np.float32)
    layer = MaskSpectrogram(time_width=0.2, frequency_width=0.2, n_masks=1, seed=0)
    masked = np.asarray(layer(mels, training=True))
    hidden = masked != mels
    times, bands = hidden.all(axis=2), hidden.all(axis=1)
    np.testing.assert_array_equal(hidden, times[:, :, None] | bands[:, None, :])
    assert 5 < times.sum(axis=1).max() <= 10
    assert 3 < bands.sum(axis=1).max() <= 6
    means = np.broadcast_to(mels.mean(axis=(1, 2), keepdims=True), mels.shape)
    np.testing.assert_allclose(masked[hidden], means[hidden], rtol=1e-4)
    for rows in (times, bands):  # one mask: one span
        assert (np.abs(np.diff(np.pad(rows, ((0, 0), (1, 1))).astype(int))).sum(axis=1) <= 2).all()


@pytest.mark.parametrize("shape", [(4, 20, 16), (4, 20, 16, 1), (4, 20, 16, 3)])
def test_mask_keeps_shape_and_hides_all_channels_alike(shape):
    mels = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    masked = np.asarray(MaskSpectrogram(time_width=0.5, seed=0)(mels, training=True))
    assert masked.shape == shape
    assert masked.dtype == np.float32
    hidden = (masked != mels).reshape(4, 20, 16, -1)
    assert (hidden.all(axis=3) == hidden.any(axis=3)).all()


def test_zero_masks_change_nothing():
    mels = np.random.default_rng(0).normal(size=(4, 20, 16)).astype(np.float32)
    for layer in (MaskSpectrogram(n_masks=0), MaskSpectrogram(time_width=0, frequency_width=0)):
        np.testing.assert_array_equal(layer(mels, training=True), mels)
    np.testing.assert_array_equal(MaskSpectrogram()(mels), mels)


def test_mask_draws_follow_the_seed():
    mels = np.random.default_rng(0).normal(size=(4, 20, 16)).astype(np.float32)
    first, again, other = (
        np.asarray(MaskSpectrogram(seed=seed)(mels, training=True)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@settings(deadline=None, max_examples=15)
@given(st.floats(0.05, 2), st.integers(1, 9), st.integers(0, 1000))
def test_mixed_labels_sum_to_one_and_mix_like_the_inputs(alpha, n_clips, seed):
    labels = np.eye(8, dtype=np.float32)[np.arange(n_clips) % 8]
    faces = np.broadcast_to(labels[:, :, None, None], (n_clips, 8, 3, 3))
    inputs = {"faces": (200 * faces).astype(np.uint8), "mels": labels[:, None, :] * -50}
    mixed, mixed_labels = MixClips(alpha, seed=seed)(inputs, labels, training=True)
    np.testing.assert_allclose(np.sum(mixed_labels, axis=1), 1, atol=1e-5)
    assert np.min(mixed_labels) >= 0
    assert set(mixed) == {"faces", "mels"}
    np.testing.assert_allclose(mixed["faces"][:, :, 0, 0], 200 * mixed_labels, atol=1e-3)
    np.testing.assert_allclose(mixed["mels"][:, 0], -50 * mixed_labels, atol=1e-3)


@pytest.mark.parametrize(("alpha", "training"), [(0, True), (0.4, False)])
def test_unmixed_batches_stay_as_they_are(alpha, training):
    labels = np.eye(4, dtype=np.float32)
    inputs, mixed_labels = MixClips(alpha)(labels * 7, labels, training=training)
    np.testing.assert_array_equal(inputs, labels * 7)
    np.testing.assert_array_equal(mixed_labels, labels)


def test_everything_works_in_a_tf_data_pipeline():
    tf = pytest.importorskip("tensorflow")
    faces = np.repeat(make_still_clips(10, 4), 2, axis=0)
    mels = np.random.default_rng(0).normal(size=(20, 12, 16)).astype(np.float32)
    labels = np.eye(8, dtype=np.float32)[np.arange(20) % 8]

    def run():
        augment_faces = build_face_augmenter(**STRONG, seed=1)
        mask, mix = MaskSpectrogram(time_width=0.5, seed=2), MixClips(0.4, seed=3)

        def change(inputs, labels):
            inputs = {
                "faces": augment_faces(inputs["faces"], training=True),
                "mels": mask(inputs["mels"], training=True),
            }
            return mix(inputs, labels, training=True)

        clips = tf.data.Dataset.from_tensor_slices(({"faces": faces, "mels": mels}, labels))
        return list(clips.batch(8).map(change).as_numpy_iterator())

    first, again = run(), run()
    assert [len(batch_labels) for _, batch_labels in first] == [8, 8, 4]
    for (inputs, batch_labels), (inputs_again, labels_again) in zip(first, again, strict=True):
        assert inputs["faces"].shape[1:] == (4, 24, 24)
        assert inputs["mels"].shape[1:] == (12, 16)
        np.testing.assert_allclose(batch_labels.sum(axis=1), 1, atol=1e-5)
        keras.tree.map_structure(np.testing.assert_array_equal, inputs, inputs_again)
        np.testing.assert_array_equal(batch_labels, labels_again)
    assert np.abs(first[0][0]["faces"] - first[1][0]["faces"]).max() > 1


# Waveforms


@pytest.mark.parametrize("snr_db", [0, 10, 20, 30])
def test_noise_has_the_ratio_asked_for(snr_db):
    voice = make_voice()
    noise = waveforms.add_noise(voice, RATE, snr_db, rng=np.random.default_rng(0)) - voice
    found_db = 10 * np.log10(np.mean(voice**2) / np.mean(noise**2))
    assert found_db == pytest.approx(snr_db, abs=0.5)


@pytest.mark.parametrize(
    ("name", "amount", "frequency_hz"),
    [
        ("speed", 1.2, 240),
        ("speed", 0.8, 160),
        ("tempo", 1.2, 200),
        ("pitch", 12, 400),
        ("pitch", -5, 149.8),
        ("gain", 6, 200),
    ],
)
def test_pitch_follows_speed_and_pitch_alone(name, amount, frequency_hz):
    changed = waveforms.AUGMENTATIONS[name](make_voice(), RATE, amount)
    assert find_frequency(changed) == pytest.approx(frequency_hz, abs=3)


@pytest.mark.parametrize(("name", "factor"), [("speed", 1.25), ("tempo", 1.25), ("speed", 0.9)])
def test_faster_voices_are_shorter_and_stay_in_the_middle(name, factor):
    voice = np.pad(make_voice(), RATE)
    changed = waveforms.AUGMENTATIONS[name](voice, RATE, factor)
    loud = np.flatnonzero(np.abs(changed) > 0.15)
    loud_before = np.flatnonzero(np.abs(voice) > 0.15)
    assert np.ptp(loud) == pytest.approx(np.ptp(loud_before) / factor, rel=0.05)
    assert loud.mean() == pytest.approx(loud_before.mean(), abs=0.02 * RATE)


@pytest.mark.parametrize("seconds", [0.1, -0.1, 5, -5])
def test_shift_moves_and_leaves_silence(seconds):
    voice = np.abs(make_voice()) + 0.1
    changed = waveforms.shift_time(voice, RATE, seconds)
    n_moved = min(int(abs(seconds) * RATE), len(voice))
    gap, rest = np.split(changed if seconds > 0 else changed[::-1], [n_moved])
    assert not gap.any()
    kept = voice if seconds > 0 else voice[::-1]
    np.testing.assert_array_equal(rest, kept[: len(rest)])


def test_gain_is_in_decibels():
    np.testing.assert_allclose(
        waveforms.change_gain(make_voice(), RATE, 6.0206), 2 * make_voice(), rtol=1e-4
    )


# What lies between a mouth and a file


def change(waveform, name, amount, seed=0):
    rng = np.random.default_rng(seed)
    return waveforms.make_change(waveform, RATE, name, amount, rng=rng)


def make_white(seconds=2.0):
    return np.random.default_rng(1).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def measure_band_db(waveform, low_hz, high_hz):
    """Return the mean power of a band of the spectrum, in decibels."""
    power = np.abs(np.fft.rfft(waveform)) ** 2
    hz = np.fft.rfftfreq(len(waveform), 1 / RATE)
    return 10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].mean())


@settings(deadline=None, max_examples=10)
@given(st.floats(0.15, 1.0), st.integers(0, 1000))
def test_a_room_rings_for_as_long_as_asked(seconds, seed):
    """By Schroeder's backward integration (1965) of what a click becomes, -5 to -35 dB."""
    click = np.zeros(2 * RATE, np.float32)
    click[0] = 0.5
    heard = change(click, "room", (seconds, 1.0), seed)
    left = np.cumsum(heard[::-1].astype(float) ** 2)[::-1]
    left_db = 10 * np.log10(left[left > 0] / left[0])
    start, end = np.argmax(left_db < -5), np.argmax(left_db < -35)
    slope = np.polyfit(np.arange(start, end) / RATE, left_db[start:end], 1)[0]
    assert -60 / slope == pytest.approx(seconds, rel=0.15)


@pytest.mark.parametrize("walls", [0.1, 0.5])
def test_walls_have_their_share_and_the_voice_its_place_and_loudness(walls):
    click = np.zeros(2 * RATE, np.float32)
    click[100] = 0.5
    heard = change(click, "room", (0.6, walls))
    assert np.abs(heard).argmax() == 100
    assert not heard[:100].round(6).any()
    assert 1 - heard[100] ** 2 / np.sum(heard**2) == pytest.approx(walls, abs=0.01)
    assert np.sum(heard**2) == pytest.approx(0.25, rel=1e-3)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(["pink", "brown", "babble"]), st.floats(-10, 40), st.integers(400, 20000))
def test_every_noise_has_the_ratio_asked_for(name, snr_db, n_samples):
    voice = make_voice(2.0)[5000 : 5000 + n_samples]
    noise = change(voice, name, snr_db).astype(float) - voice
    assert 10 * np.log10(np.mean(voice**2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize(("name", "slope"), [("noise", 0), ("pink", -3.01), ("brown", -6.02)])
def test_noise_falls_by_so_many_decibels_an_octave_as_its_colour_says(name, slope):
    voice = np.full(8 * RATE, 0.1, np.float32)
    noise = change(voice, name, 0) - voice
    octaves = [measure_band_db(noise, hz, 2 * hz) for hz in 62.5 * 2 ** np.arange(7)]
    assert np.polyfit(range(7), octaves, 1)[0] == pytest.approx(slope, abs=0.3)


def test_babble_is_of_the_pitch_of_people_and_not_of_the_moment():
    voice = np.concatenate([make_voice(), np.zeros(RATE, np.float32)])
    babble = change(voice, "babble", 0) - voice
    people = measure_band_db(babble, 150, 260)
    assert people > max(measure_band_db(babble, *band) for band in [(60, 140), (270, 1000)]) + 20
    assert babble[RATE:].std() > 0.2 * babble[:RATE].std()


@pytest.mark.parametrize(
    ("name", "hz", "kept", "gone"),
    [("low_cut", 400, (800, 8000), (50, 200)), ("high_cut", 2500, (50, 1600), (5000, 7900))],
)
def test_nothing_is_left_outside_a_band(name, hz, kept, gone):
    noise = make_white()
    narrow = change(noise, name, hz)
    assert measure_band_db(narrow, *kept) == pytest.approx(measure_band_db(noise, *kept), abs=0.5)
    assert measure_band_db(narrow, *gone) < measure_band_db(noise, *gone) - 24


@settings(deadline=None, max_examples=20)
@given(st.floats(-30, 12))
def test_companding_costs_soft_sounds_no_more_than_loud_ones(gain_db):
    noise = make_white(0.2) * np.float32(10 ** (gain_db / 20))
    error = change(noise, "mulaw", 8) - noise
    assert 30 < 20 * np.log10(noise.std() / error.std()) < 45
    assert len(np.unique(change(make_white(), "mulaw", 8))) <= 255


@pytest.mark.parametrize("name", waveforms.AUGMENTATIONS)
def test_silence_stays_silence(name):
    for amount in waveforms.RANGES[name]:
        assert not change(np.zeros(3000, np.float32), name, amount).any()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4000), st.integers(0, 10**6), st.booleans())
def test_copies_keep_length_type_and_range(n_samples, seed, silent):
    noise = np.random.default_rng(seed).uniform(-1, 1, n_samples).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copies, amounts = waveforms.make_copies(
            noise * (not silent), RATE, n_copies=2, seed_parts=(seed, "a clip")
        )
    assert copies.shape == (2, n_samples)
    assert copies.dtype == np.float32
    assert np.abs(copies).max() <= 1
    for changes in amounts:
        assert changes
        for name, amount in changes.items():
            low, high = waveforms.RANGES[name]
            assert low <= amount <= high


def test_copies_follow_seed_and_clip_alone():
    voice = make_voice(0.3)
    options = {"n_copies": 3, "seed_parts": (7, "03-01-05")}
    first, first_amounts = waveforms.make_copies(voice, RATE, **options)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    again, again_amounts = waveforms.make_copies(voice, RATE, **options)
    np.testing.assert_array_equal(first, again)
    assert first_amounts == again_amounts
    assert len({str(amounts) for amounts in first_amounts}) == 3
    other, _ = waveforms.make_copies(voice, RATE, n_copies=3, seed_parts=(7, "03-01-06"))
    assert (other != first).any()
    fewer, _ = waveforms.make_copies(voice, RATE, n_copies=2, seed_parts=(7, "03-01-05"))
    np.testing.assert_array_equal(fewer, first[:2])


def test_global_generators_are_left_alone():
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    waveforms.make_copies(make_voice(0.2), RATE, n_copies=4, seed_parts=(0,), probability=1.0)
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002


def test_the_original_is_not_changed():
    voice = make_voice(0.2)
    before = voice.copy()
    rng = np.random.default_rng(0)
    changed, amounts = waveforms.augment_waveform(voice, RATE, rng=rng, probability=1.0)
    made = [n for n in waveforms.AUGMENTATIONS if n not in sum(waveforms.ALTERNATIVES, ())]
    assert [n for n in amounts if n in made] == made
    assert (changed != voice).any()
    same, none = waveforms.augment_waveform(voice, RATE, rng=rng, ranges={})
    same[0] = 1
    assert none == {}
    np.testing.assert_array_equal(voice, before)


def test_only_the_named_changes_are_made():
    _, amounts = waveforms.make_copies(
        make_voice(0.2), RATE, n_copies=8, seed_parts=(1,), ranges={"gain": (-3, 3)}
    )
    assert all(set(changes) == {"gain"} for changes in amounts)


def test_of_alternatives_a_copy_gets_one_at_most():
    _, amounts = waveforms.make_copies(
        make_voice(0.1), RATE, n_copies=60, seed_parts=(2,), probability=0.6
    )
    for names in waveforms.ALTERNATIVES:
        made = [[name for name in names if name in changes] for changes in amounts]
        assert set(map(len, made)) == {0, 1}
        assert 24 <= sum(map(len, made)) <= 48
        assert set(sum(made, [])) == set(names)


def test_ranges_without_channels_give_the_copies_that_they_gave_before_there_were_any():
    ranges = {"speed": (0.88, 1.12), "tempo": (0.88, 1.12), "pitch": (-2, 2), "noise": (15, 35)}
    _, amounts = waveforms.make_copies(
        make_voice(0.3), RATE, n_copies=4, seed_parts=(7, "03-01-05"), ranges=ranges
    )
    assert [{name: round(amount, 4) for name, amount in own.items()} for own in amounts] == OLD


def test_unknown_augmentations_and_waveforms_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="Unknown augmentation echo; expected some of speed"):
        waveforms.augment_waveform(make_voice(), RATE, rng=rng, ranges={"echo": (0, 1)})
    for bad in (np.zeros(0, np.float32), np.zeros((2, 9), np.float32), np.zeros(9, np.int16)):
        with pytest.raises(ValueError, match="expected floats"):
            waveforms.augment_waveform(bad, RATE, rng=rng)


# Galleries


@pytest.mark.parametrize("colour", [False, True])
def test_face_gallery_has_a_labelled_row_each(colour):
    still = make_still_clips(colour=colour)
    ax = plots.plot_face_gallery({"original": still[0], "flip": augment(still, flip=True)[0]})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["original", "flip"]
    ax = plots.plot_face_gallery({"original": still[0]}, every=2)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "3", "5"]
    matplotlib.pyplot.close("all")


def test_spectrogram_gallery_has_a_titled_panel_each():
    mels = np.random.default_rng(0).normal(-50, 10, (30, 16))
    axes = plots.plot_spectrogram_gallery({"original": mels, "noise": mels, "c": mels}, hop_ms=16)
    assert [ax.get_title() for ax in axes] == ["original", "noise", "c"]
    assert len({ax.images[0].get_clim() for ax in axes}) == 1
    matplotlib.pyplot.close(axes[0].figure)


def test_masks_leave_what_lies_behind_a_clips_end():
    mels = np.random.default_rng(0).normal(-40, 5, (20, 50, 30)).astype(np.float32)
    mels[:, 30:] = -80
    layer = MaskSpectrogram(time_width=0.9, frequency_width=0.9, padding=-80, seed=0)
    masked = np.asarray(layer(mels, training=True))
    np.testing.assert_array_equal(masked[:, 30:], mels[:, 30:])
    assert (masked[:, :30] != mels[:, :30]).any()


def test_frames_without_a_face_stay_without_one():
    faces = np.random.default_rng(0).integers(1, 255, (4, 6, 16, 16), dtype=np.uint8)
    faces[:, [1, 4]] = 0
    still = STRONG | {"frame_drop": 0, "time_shift": 0}
    altered = np.asarray(build_face_augmenter(**still, seed=3)(faces, training=True))
    assert not altered[:, [1, 4]].any()
    assert altered[:, [0, 2, 3, 5]].any(axis=(2, 3)).all()
