"""Augmentation: each change is exactly what the settings say, leaves its input alone, and is determined by the seed."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import signal

import sounds
from cases import case
from sayso.config import AugmentationSettings, FeatureSettings
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import MfccExtractor
from sayso.sound.noise import snr_gain
from sayso.training.augmentation import add_noise, at_speeds, augment, change_speed, draw_noise, place
from sayso.training.reverberation import ImpulseResponses

RATE = sounds.RATE
UNCHANGED = AugmentationSettings(speed=0, reverberation_probability=0, gain=0, noise_probability=0)
EXTRACTOR = MfccExtractor(FeatureSettings(), FeatureTables.from_settings(FeatureSettings()))
WIDTHS = EXTRACTOR.band_widths


def power(samples: np.ndarray) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


@pytest.fixture
def clip() -> np.ndarray:
    return sounds.clip("yes")


@pytest.fixture(scope="module")
def responses() -> ImpulseResponses:
    return ImpulseResponses.generate(3, (0.1, 0.3), RATE, RATE, np.random.default_rng(0))


def changed(**changes: object) -> AugmentationSettings:
    """Return settings that change nothing but what is given."""
    return dataclasses.replace(UNCHANGED, **changes)


def test_a_clip_is_centred_and_then_shifted() -> None:
    clip = np.arange(1, 6, dtype=np.float32)
    for (length, shift), expected in {
        (5, 0): [1, 2, 3, 4, 5],
        (5, 2): [0, 0, 1, 2, 3],
        (5, -1): [2, 3, 4, 5, 0],
        (7, 0): [0, 1, 2, 3, 4, 5, 0],
        (7, -1): [1, 2, 3, 4, 5, 0, 0],
        (3, 0): [2, 3, 4],
        (3, 1): [1, 2, 3],
        (5, 5): [0, 0, 0, 0, 0],
        (5, -9): [0, 0, 0, 0, 0],
        (5, 9): [0, 0, 0, 0, 0],
    }.items():
        with case(length, shift):
            placed = place(clip, length, shift)
            np.testing.assert_array_equal(placed, expected)
            assert placed.dtype == np.float32


def test_speed_changes_length_and_pitch_by_the_same_factor() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE).astype(np.float32)
    for factor in (0.8, 1.0, 1.25):
        with case(factor):
            changed = change_speed(tone, factor, RATE)
            assert len(changed) == pytest.approx(RATE / factor, abs=1)
            # With a window, so that the ends do not spread the peak.
            spectrum = np.abs(np.fft.rfft(changed * np.hanning(len(changed))))
            assert spectrum.argmax() * RATE / len(changed) == pytest.approx(1_000 * factor, rel=2e-3)


def test_without_augmentation_a_clip_is_not_changed(clip: np.ndarray, responses: ImpulseResponses) -> None:
    augmented = augment(clip, RATE, 0, responses, UNCHANGED, RATE, np.random.default_rng(0))
    np.testing.assert_array_equal(augmented, clip)
    assert not np.shares_memory(augmented, clip)


def test_a_clip_is_centred_in_a_longer_result(clip: np.ndarray) -> None:
    augmented = augment(clip, RATE + 600, 0, None, UNCHANGED, RATE, np.random.default_rng(0))
    np.testing.assert_array_equal(augmented, np.pad(clip, 300))


def test_shifts_reach_their_limit_in_both_directions() -> None:
    click = np.zeros(RATE, np.float32)
    click[RATE // 2] = 1
    rng = np.random.default_rng(0)
    moved = {int(augment(click, RATE, 16, None, UNCHANGED, RATE, rng).argmax()) - RATE // 2 for _ in range(400)}
    assert moved == set(range(-16, 17))


def test_changes_of_speed_reach_their_limit_in_both_directions() -> None:
    clip = np.ones(2_000, np.float32)
    rng = np.random.default_rng(0)
    # Long enough for the slowest version.
    lengths = [np.count_nonzero(augment(clip, 4_000, 0, None, changed(speed=0.2), RATE, rng) > 0.5) for _ in range(100)]
    assert 2_000 / 1.2 - 9 < min(lengths) < 2_000 / 1.15
    assert 2_000 / 0.85 < max(lengths) < 2_000 / 0.8 + 9


def test_a_clip_may_be_shifted_out_of_the_window(clip: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert augment(clip, RATE, RATE, None, changed(speed=0.5), RATE, rng).shape == (RATE,)


def test_reverberation_has_the_probability_of_the_settings() -> None:
    clip = sounds.hiss(500, np.random.default_rng(1), 0.1)
    some = ImpulseResponses.generate(3, (0.1, 0.3), 500, RATE, np.random.default_rng(0))
    for probability, fewest, most in ((0.0, 0, 0), (0.25, 70, 130), (1.0, 400, 400)):
        with case(probability):
            settings, rng = changed(reverberation_probability=probability), np.random.default_rng(0)
            augmented = [augment(clip, 500, 0, some, settings, RATE, rng) for _ in range(400)]
            assert fewest <= sum(not np.array_equal(one, clip) for one in augmented) <= most
            assert len({one.tobytes() for one in augmented}) == (probability < 1) + 3 * (probability > 0)
            # Without impulse responses there is none to choose.
            np.testing.assert_array_equal(augment(clip, 500, 0, None, settings, RATE, rng), clip)


@hypothesis_settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    length=st.integers(600, 3_000),
    longer=st.integers(-500, 900),
    offset=st.integers(0, 700),
    kind=st.sampled_from(["sound", "silence"]),
    reverberant=st.booleans(),
)
def test_length_type_and_input_are_kept_and_the_seed_determines_the_result(
    seed: int, length: int, longer: int, offset: int, kind: str, reverberant: bool
) -> None:
    rng = np.random.default_rng(seed)
    clip = sounds.hiss(length, rng, 0.1 * (kind == "sound"))
    clip.setflags(write=False)
    some = ImpulseResponses.generate(2, (0.05, 0.06), length + longer, RATE, rng) if reverberant else None
    settings = AugmentationSettings(reverberation_probability=0.5)
    first, second = (
        augment(clip, length + longer, offset, some, settings, RATE, np.random.default_rng([seed, 1])) for _ in range(2)
    )
    assert first.shape == (length + longer,)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)
    if kind == "sound" and offset < length // 3:
        other = augment(clip, length + longer, offset, some, settings, RATE, np.random.default_rng(9))
        assert not np.array_equal(first, other)


def band_noise(samples: int, seed: int, low: float = 300, high: float = 3_400) -> np.ndarray:
    """Return band-limited noise."""
    white = np.random.default_rng(seed).standard_normal(samples)
    sos = signal.butter(4, (low, high), "bandpass", fs=RATE, output="sos")
    return (0.1 * signal.sosfilt(sos, white)).astype(np.float32)


@pytest.fixture(scope="module")
def energies() -> np.ndarray:
    """Mel energies of ten clips."""
    return EXTRACTOR.energies(np.stack([sounds.clip("yes", seed) for seed in range(10)]))


@pytest.fixture(scope="module")
def noises() -> list[np.ndarray]:
    """Mel energies of two noises, one of them as short as a clip."""
    return [EXTRACTOR.energies(band_noise(length, 1)[None])[0] for length in (RATE, 3 * RATE)]


def total(mel: np.ndarray) -> np.ndarray:
    """Return the energy of clips, summed over frames and bands."""
    return (mel.astype(np.float64) @ WIDTHS).sum(axis=-1)


def noisy(
    mel: np.ndarray, noises: list[np.ndarray], seed: int = 0, times: int = 1, **changes: object
) -> tuple[np.ndarray, np.ndarray]:
    """Return clips, each repeated `times` times, before and after noise was added."""
    before = np.repeat(mel, times, axis=0)
    after = before.copy()
    add_noise(after, noises, WIDTHS, changed(**changes), np.random.default_rng(seed))
    return before, after


def test_noise_added_to_energies_equals_noise_added_to_samples() -> None:
    half = band_noise(RATE, 5, 500, 5_000)
    half[RATE // 2 :] = 0
    clips = {"word": sounds.clip("no"), "noise": band_noise(RATE, 5, 500, 5_000), "half": half}
    bands, ratios = ((300, 3_400), (1_000, 2_000), (100, 7_000)), (-10.0, 0.0, 10.0, 20.0)
    for (name, clip), band, snr in itertools.product(clips.items(), bands, ratios):
        with case(name, band, snr):
            noise = band_noise(RATE, 6, *band)
            clean, alone = EXTRACTOR.energies(np.stack([clip, noise]))
            _, (mixed,) = noisy(clean[None], [alone], noise_probability=1, noise_snr=(snr, snr))
            scaled = np.sqrt(snr_gain(power(clip), power(noise), snr)) * noise
            expected, expected_noise = EXTRACTOR.energies(np.stack([clip + scaled, scaled]).astype(np.float32))
            assert 10 * np.log10(total(mixed - clean) / total(expected_noise)) == pytest.approx(0, abs=1)
            assert 10 * np.log10(total(mixed) / total(expected)) == pytest.approx(0, abs=1)
            # In single bands and frames they differ by chance, as sounds add up in power only on average.
            differences = 10 * np.log10(mixed / expected)
            assert abs(np.median(differences)) < 1
            assert np.percentile(np.abs(differences), 90) < 6


def test_gains_reach_their_limits(energies: np.ndarray) -> None:
    before, after = noisy(energies, [], times=30, gain=6)
    factors = after / before
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1, :1], factors.shape), rtol=1e-5)
    gains = 10 * np.log10(factors[:, 0, 0])
    assert -6.001 < gains.min() < -5.7
    assert 5.7 < gains.max() < 6.001
    # Uniform in decibels.
    assert abs(gains.mean()) < 0.6


def test_noise_has_the_probability_and_levels_of_the_settings(energies: np.ndarray, noises: list[np.ndarray]) -> None:
    before, after = noisy(energies, noises, times=40, noise_probability=0.25, noise_snr=(5, 15))
    touched = (before != after).any(axis=(1, 2))
    assert 70 < touched.sum() < 130
    ratios = 10 * np.log10(total(before[touched]) / total(after[touched] - before[touched]))
    assert 4.99 < ratios.min() < 6
    assert 14 < ratios.max() < 15.01


def test_the_ratio_of_signal_to_noise_does_not_depend_on_the_gain(
    energies: np.ndarray, noises: list[np.ndarray]
) -> None:
    _, after = noisy(energies, noises, seed=4, gain=20, noise_probability=1, noise_snr=(10, 10))
    _, louder = noisy(energies, [], seed=4, gain=20)
    np.testing.assert_allclose(10 * np.log10(total(louder) / total(after - louder)), 10, atol=0.01)


def test_noise_is_taken_from_all_positions_of_all_noises(energies: np.ndarray) -> None:
    # The first and the last frame of the long noise have another level, which shows the position of a slice.
    short, long = (np.full((length, 40), 1e-3, np.float32) * first for length, first in ((49, 1), (51, 4)))
    long[0], long[-1] = 1, 1
    before, after = noisy(energies, [short, long], times=10, noise_probability=1, noise_snr=(0, 0))
    added = (after - before)[:, :, 20]
    patterns = {tuple((clip > 3 * np.median(clip)).nonzero()[0].tolist()) for clip in added}
    assert patterns == {(), (0,), (48,)}


def test_noise_is_added_to_none_or_all(energies: np.ndarray, noises: list[np.ndarray]) -> None:
    for probability in (0.0, 1.0):
        before, after = noisy(energies, noises, times=20, noise_probability=probability)
        assert set((before != after).any(axis=(1, 2))) == {probability == 1}, probability


def test_without_noises_nothing_is_added(energies: np.ndarray) -> None:
    before, after = noisy(energies, [], noise_probability=1)
    np.testing.assert_array_equal(before, after)


def test_silent_clips_and_silent_noise_stay_finite(energies: np.ndarray, noises: list[np.ndarray]) -> None:
    silent = np.zeros_like(energies)
    before, after = noisy(energies, [silent[0]], noise_probability=1)
    np.testing.assert_array_equal(before, after)
    _, after = noisy(silent, [*noises, silent[0]], noise_probability=1, gain=6)
    assert not after.any()


@hypothesis_settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    batch=st.integers(0, 5),
    level=st.sampled_from([0, 1e-12, 1e-3, 1e4]),
    noise=st.booleans(),
)
def test_energies_stay_positive_and_the_seed_determines_them(seed: int, batch: int, level: float, noise: bool) -> None:
    rng = np.random.default_rng(seed)
    mel = (level * rng.random((batch, 5, 40))).astype(np.float32)
    some = [rng.random((7, 40), np.float32)] if noise else []
    for array in some:
        array.setflags(write=False)
    settings = {"gain": 6, "noise_probability": 0.7, "noise_snr": (-30, 100)}
    _, first = noisy(mel, some, seed, **settings)
    _, second = noisy(mel, some, seed, **settings)
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert (first >= 0).all()
    assert (first > 0).all() == (mel > 0).all()


def test_noise_is_played_at_other_speeds_and_fills_a_window() -> None:
    hum = np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE).astype(np.float32)
    assert [len(version) for version in at_speeds(hum, RATE, UNCHANGED, RATE)] == [RATE]
    versions = at_speeds(hum, RATE, changed(noise_speed=0.7), RATE)
    pitches = [np.abs(np.fft.rfft(version[:RATE])).argmax() for version in versions]
    np.testing.assert_allclose([pitches[0], pitches[3], pitches[-1]], [1_000 / 1.7, 1_000, 1_700], rtol=0.01)
    assert pitches == sorted(pitches)
    assert all(len(version) >= RATE for version in versions)


def test_two_noises_at_once_as_often_as_asked() -> None:
    # Each noise has a band of its own, so a drawn one shows which it was made of.
    noises = [np.zeros((80, 40), np.float32) for _ in range(20)]
    for band, noise in enumerate(noises):
        noise[:, band] = 1
    for probability in (0.0, 0.5, 1.0):
        rng = np.random.default_rng(3)
        drawn = [draw_noise(noises, 49, changed(noise_pairs=probability), rng) for _ in range(400)]
        pairs = [noise[0, noise[0] > 0] for noise in drawn if np.count_nonzero(noise[0]) == 2]
        assert abs(len(pairs) / len(drawn) - 0.95 * probability) < 0.08, probability
        ratios = [10 * np.log10(pair.max() / pair.min()) for pair in pairs]
        assert not ratios or 8 < max(ratios) <= 10.001
    assert all(noise.max() == 1 for noise in noises), "the recordings themselves stay as they were"
