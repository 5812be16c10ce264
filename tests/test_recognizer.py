"""Recognition: the same word whatever the form of the input, and the same detections however the stream is cut."""

import copy
import dataclasses
import io
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import sayso
import sounds
from cases import case
from sayso.config import SILENCE, UNKNOWN, DecisionSettings
from sayso.errors import AudioError, ModelError
from sayso.features.mfcc import MfccExtractor
from sayso.model.model_file import Model
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import TOGETHER, Recognizer
from sayso.sound import audio
from sayso.sound.high_pass import high_passed_clip
from sayso.sound.stream import Blocks

SEQUENCE = ["yes", "no", "up", "zero", "yes", "yes", "no"]
KNOWN = [word for word in SEQUENCE if word != "zero"]


@pytest.fixture(scope="module")
def long() -> tuple[np.ndarray, list[float]]:
    return sounds.stream(SEQUENCE)


@pytest.fixture(scope="module")
def whole(long: tuple[np.ndarray, list[float]], tiny_recognizer: Recognizer) -> list[Detection]:
    return list(tiny_recognizer.detect([long[0]]))


def test_a_clip_in_any_form_gives_its_word(tmp_path: Path, tiny_recognizer: Recognizer) -> None:
    path = tmp_path / "clip.wav"
    for word, label in (("yes", "yes"), ("no", "no"), ("up", "up"), ("zero", UNKNOWN)):
        clip = sounds.clip(word, seed=99)
        soundfile.write(path, clip, sounds.RATE)
        first = tiny_recognizer.classify(path)
        with case(word):
            assert first.label == label
            assert first.confidence > 0.8
            assert tiny_recognizer.classify(str(path)) == first
            assert tiny_recognizer.classify(path.read_bytes()) == first
            assert tiny_recognizer.classify(io.BytesIO(path.read_bytes())) == first
            integers, _ = soundfile.read(path, dtype="int16")
            assert tiny_recognizer.classify(integers, sounds.RATE) == first
        for samples, rate in (
            (clip, sounds.RATE),
            (clip.astype(np.float64), sounds.RATE),
            (np.stack([clip, clip], axis=1), sounds.RATE),
            (sounds.clip(word, seed=99, rate=44_100), 44_100),
        ):
            with case(word, samples.dtype, samples.shape, rate):
                detection = tiny_recognizer.classify(samples, rate)
                assert detection.label == label
                assert detection.confidence == pytest.approx(first.confidence, abs=0.05)


def test_a_classification_ranks_four_different_labels(tiny_recognizer: Recognizer) -> None:
    found = tiny_recognizer.classify(sounds.clip("yes"), sounds.RATE)
    labels = [found.label, *(label for label, _ in found.runners_up)]
    assert len(labels) == len(set(labels)) == 4
    confidences = [found.confidence, *(confidence for _, confidence in found.runners_up)]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) <= 1 + 1e-6


def test_the_window_is_within_the_clip_and_around_the_word(tiny_recognizer: Recognizer) -> None:
    for seconds in (0.3, 1.0, 4.0):
        with case(seconds):
            clip = sounds.hiss(round(seconds * sounds.RATE), np.random.default_rng(0))
            word = sounds.spoken("up")[: len(clip)]
            clip[-len(word) :] += word
            found = tiny_recognizer.classify(clip, sounds.RATE)
            assert found.label == "up"
            assert 0 <= found.start < found.end <= seconds
            assert found.end - found.start <= 1.0
            assert found.start <= seconds - len(word) / 2 / sounds.RATE <= found.end


def test_a_constant_signal_is_not_a_word(tiny_recognizer: Recognizer) -> None:
    for count, value in ((16_000, 0.0), (100, 0.0), (1, 1.0), (40_000, 0.5)):
        with case(count, value):
            found = tiny_recognizer.classify(np.full(count, value), sounds.RATE)
            assert np.isfinite(found.confidence)
            assert found.label in (SILENCE, UNKNOWN)


def test_arrays_that_cannot_be_classified_are_refused(tiny_recognizer: Recognizer) -> None:
    clip = sounds.clip("yes")
    for rate in (None, "16000"):
        with pytest.raises(TypeError, match=r"samples need their sample_rate in Hz, as in classify\(samples, 16000\)"):
            tiny_recognizer.classify(clip, rate)
    clip[7] = np.nan
    with pytest.raises(AudioError, match="NaN"):
        tiny_recognizer.classify(clip, sounds.RATE)
    with pytest.raises(AudioError, match="no samples"):
        tiny_recognizer.classify(np.empty(0, np.float32), sounds.RATE)


def test_many_windows_have_the_probabilities_of_each_alone(tiny_recognizer: Recognizer) -> None:
    windows = np.stack([sounds.clip(word) for word in sounds.TONES])
    together = tiny_recognizer.probabilities(windows)
    assert together.dtype == np.float32
    assert together.shape == (4, 5)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)
    for window, row in zip(windows, together, strict=True):
        np.testing.assert_allclose(tiny_recognizer.probabilities(window[None])[0], row, atol=1e-6)


def test_probabilities_are_those_of_the_network_before_folding(tiny_recognizer: Recognizer) -> None:
    model = tiny_recognizer.model
    # The tiny model has a batch normalisation with statistics of many batches.
    assert any(name.endswith("variance") for name in model.network.parameters.named())
    before = model.network.parameters.vector.copy()
    windows = np.stack([sounds.clip(word, seed) for word in sounds.TONES for seed in range(5)])
    features = MfccExtractor(model.features, model.tables)(windows)
    expected = model.network.probabilities(model.standardizer.apply(features))
    np.testing.assert_allclose(Recognizer(model).probabilities(windows), expected, atol=1e-5)
    np.testing.assert_array_equal(model.network.parameters.vector, before)


def test_words_in_a_stream_are_detected_in_order_and_in_time(
    long: tuple[np.ndarray, list[float]], whole: list[Detection]
) -> None:
    middles = [middle for word, middle in zip(SEQUENCE, long[1], strict=True) if word != "zero"]
    assert [detection.label for detection in whole] == KNOWN
    for detection, middle in zip(whole, middles, strict=True):
        assert detection.end - detection.start == pytest.approx(1.0)
        assert detection.start < middle < detection.end
        assert detection.confidence >= 0.24  # the threshold of 0.7, less 2 nats
        assert detection.label not in [label for label, _ in detection.runners_up]


def test_every_detection_ends_at_a_step(long: tuple[np.ndarray, list[float]], tiny_recognizer: Recognizer) -> None:
    for step in (0.1, 0.5):
        with case(step):
            eager = DecisionSettings(step=step, smoothing=1, threshold=0.3, alone=False, hysteresis=0, refractory=0.0)
            model = dataclasses.replace(tiny_recognizer.model, decision=eager)
            steps = np.array([detection.end for detection in Recognizer(model).detect([long[0]])]) / step
            assert len(steps) >= 3
            np.testing.assert_allclose(steps, steps.round(), atol=1e-6)


def test_a_step_of_a_stream_has_the_scores_of_its_window_alone() -> None:
    model = sayso.load().model
    length = model.features.clip_samples
    sound = sounds.hiss(6 * sounds.RATE, np.random.default_rng(0), 0.1)
    heard = high_passed_clip(sound, model.features.high_pass, sounds.RATE)
    # A window of a second holds 49 frames of 20 ms; a step of 50 would skip one.
    for step, together in itertools.product((0.1, 0.3, 1.0), (1, 4)):
        with case(step, together):
            recognizer = Recognizer(dataclasses.replace(model, decision=DecisionSettings(step=step)))
            steps = [window for window in recognizer.scores([sound], together) if length <= window.end <= len(sound)]
            assert len(steps) >= 4
            expected = recognizer.probabilities(np.stack([heard[window.end - length : window.end] for window in steps]))
            np.testing.assert_allclose([window.probabilities for window in steps], expected, atol=1e-5)


def test_the_scores_of_a_window_come_with_the_chunk_in_which_it_ends(tiny_recognizer: Recognizer) -> None:
    def chunks(sound: np.ndarray, size: int) -> Iterator[np.ndarray]:
        nonlocal given
        for start in range(0, len(sound), size):
            given += size
            yield sound[start : start + size]

    for step in (0.1, 0.3, 0.7):
        with case(step):
            model = dataclasses.replace(tiny_recognizer.model, decision=DecisionSettings(step=step))
            size, given = round(step * sounds.RATE), 0
            sound = sounds.hiss(20 * size, np.random.default_rng(0), 0.1)
            windows = Recognizer(model).scores(chunks(sound, size))
            live = [(window.end, given) for window in windows if window.end < len(sound)]
            assert len(live) >= 15
            assert all(samples - size < end <= samples for end, samples in live)


@hypothesis_settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 12 * sounds.RATE), max_size=30))
def test_how_a_stream_is_cut_does_not_change_the_detections(
    cuts: list[int], long: tuple[np.ndarray, list[float]], whole: list[Detection], tiny_recognizer: Recognizer
) -> None:
    assert list(tiny_recognizer.detect(np.split(long[0], sorted(cuts)))) == whole


def test_chunks_of_any_size_give_the_same_detections(
    long: tuple[np.ndarray, list[float]], tiny_recognizer: Recognizer
) -> None:
    samples = long[0][: 2 * sounds.RATE]
    expected = list(tiny_recognizer.detect([samples]))
    assert [detection.label for detection in expected] == ["yes"]
    for size in (1, 37, 1_600, 1_601, 100_000):
        with case(size):
            chunks = (samples[start : start + size] for start in range(0, len(samples), size))
            assert list(tiny_recognizer.detect(chunks)) == expected


@hypothesis_settings(max_examples=6)
@given(cuts=st.lists(st.integers(0, 12 * sounds.RATE), max_size=30), threads=st.integers(1, 3))
def test_steps_scored_together_give_the_detections_of_single_steps(
    cuts: list[int],
    threads: int,
    long: tuple[np.ndarray, list[float]],
    whole: list[Detection],
    tiny_recognizer: Recognizer,
) -> None:
    chunks = np.split(long[0], sorted(cuts))
    together = list(tiny_recognizer.detect([long[0]], TOGETHER))
    assert list(tiny_recognizer.detect(chunks, TOGETHER, threads)) == together
    for mine, live in zip(together, whole, strict=True):
        assert (mine.label, mine.start, mine.end) == (live.label, live.start, live.end)
        assert mine.confidence == pytest.approx(live.confidence, abs=1e-5)


def test_steps_scored_together_are_the_single_steps(tiny_recognizer: Recognizer) -> None:
    for samples in (0, 1, 9_000, 16_000, 40_001):
        with case(samples):
            sound = sounds.hiss(samples, np.random.default_rng(0), 0.1)
            single, together = (list(tiny_recognizer.scores([sound], count)) for count in (1, TOGETHER))
            assert [window.end for window in together] == [window.end for window in single]
            for mine, live in zip(together, single, strict=True):
                np.testing.assert_allclose(mine.probabilities, live.probabilities, atol=1e-5)


def test_a_clip_has_the_same_word_and_probabilities_alone_and_among_others(tiny_recognizer: Recognizer) -> None:
    clips = [sounds.clip(word, seed)[: 16_000 - 700 * seed] for word in sounds.TONES for seed in range(9)]
    for name, recognizer in (("tiny", tiny_recognizer), ("commands", sayso.load("commands"))):
        alone = [recognizer.classify(clip, sounds.RATE) for clip in clips]
        groups = {
            "in order": recognizer.classify_clips(clips),
            "reversed": recognizer.classify_clips(clips[::-1])[::-1],
            "one by one": [recognizer.classify_clips([clip])[0] for clip in clips],
            "in fives": [found for first in range(0, 36, 5) for found in recognizer.classify_clips(clips[first:][:5])],
        }
        for group, detections in groups.items():
            for number, (found, expected) in enumerate(zip(detections, alone, strict=True)):
                with case(name, group, number):
                    assert (found.label, found.start, found.end) == (expected.label, expected.start, expected.end)
                    assert found.confidence == pytest.approx(expected.confidence, abs=1e-5)
                    assert dict(found.runners_up) == pytest.approx(dict(expected.runners_up), abs=1e-5)
        assert recognizer.classify_clips([]) == []


def test_a_long_file_gives_the_detections_of_its_samples(
    long: tuple[np.ndarray, list[float]], tmp_path: Path, tiny_recognizer: Recognizer
) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, long[0], sounds.RATE, subtype="FLOAT")
    chunks = audio.read_chunks(path, sounds.RATE, chunk=0.7)
    assert list(tiny_recognizer.detect(chunks)) == list(tiny_recognizer.detect([long[0]]))


def test_a_detection_comes_within_a_step_and_a_chunk_of_its_end(
    long: tuple[np.ndarray, list[float]], tiny_recognizer: Recognizer
) -> None:
    taken = 0

    def microphone() -> Iterator[np.ndarray]:
        nonlocal taken
        for chunk in np.array_split(long[0], 200):
            taken += len(chunk)
            yield chunk

    for detection in tiny_recognizer.detect(microphone()):
        # Steps of a tenth of a second, and chunks of a twentieth.
        assert 0 <= taken / sounds.RATE - detection.end < 0.2
    assert taken == len(long[0])


def test_a_word_at_either_end_of_a_stream_is_detected(tiny_recognizer: Recognizer) -> None:
    word = sounds.spoken("no")
    for start in (0, 3 * sounds.RATE - len(word)):
        with case(start):
            samples = sounds.hiss(3 * sounds.RATE, np.random.default_rng(0))
            samples[start : start + len(word)] += word
            (detection,) = tiny_recognizer.detect([samples])
            assert detection.label == "no"
            assert detection.start >= 0
            assert detection.start < (start + len(word) / 2) / sounds.RATE < detection.end


def test_short_and_empty_streams_hold_no_word(tiny_recognizer: Recognizer) -> None:
    for samples in (0, 1, 100, 5_000):
        with case(samples):
            assert list(tiny_recognizer.detect([np.zeros(samples, np.float32)])) == []
    assert list(tiny_recognizer.detect([])) == []


def test_noise_is_not_a_word(tiny_recognizer: Recognizer) -> None:
    rng = np.random.default_rng(3)
    assert list(tiny_recognizer.detect(sounds.hiss(sounds.RATE, rng, 0.02) for _ in range(10))) == []


@given(st.lists(st.integers(0, 20), max_size=12), st.integers(1, 9))
def test_blocks_hold_the_stream_in_order(lengths: list[int], size: int) -> None:
    samples = np.arange(1, sum(lengths) + 1, dtype=np.float32)
    chunks = np.split(samples, np.cumsum(lengths)[:-1]) if lengths else []
    stream = Blocks(size)
    blocks = [block for chunk in chunks for block in stream.push(chunk)] + stream.close()
    assert all(len(block) == size for block in blocks)
    joined = np.concatenate([np.empty(0, np.float32), *blocks])
    np.testing.assert_array_equal(joined[: len(samples)], samples)
    assert not joined[len(samples) :].any()
    assert len(joined) - len(samples) < size


def test_a_model_is_loaded_by_its_path(tiny_model_path: Path) -> None:
    for path in (tiny_model_path, str(tiny_model_path)):
        assert sayso.load(path).classify(sounds.clip("up"), sounds.RATE).label == "up"
    with pytest.raises(ModelError, match="no model nothing"):
        sayso.load("nothing")


def test_a_model_of_absurdly_large_numbers_is_refused_when_it_is_used(
    tiny_model: Model, recwarn: pytest.WarningsRecorder
) -> None:
    network = copy.deepcopy(tiny_model.network)
    network.parameters.vector[:] = 1e30
    with pytest.raises(ModelError, match="grow beyond all bounds"):
        Recognizer(dataclasses.replace(tiny_model, network=network)).classify(sounds.clip("yes"), sounds.RATE)
    assert not recwarn.list


def test_a_high_pass_in_the_features_removes_an_offset_from_clips_and_streams_alike(tiny_model: Model) -> None:
    filtered = Recognizer(
        dataclasses.replace(tiny_model, features=dataclasses.replace(tiny_model.features, high_pass=60.0))
    )
    samples = sounds.stream(["yes", "no"])[0]
    for offset in (0.02, -0.3):
        with case(offset):
            moved = samples + np.float32(offset)
            plain = np.array([window.probabilities for window in filtered.scores([samples])])
            for size in (700, 16_000):
                chunks = [moved[start : start + size] for start in range(0, len(moved), size)]
                scores = np.array([window.probabilities for window in filtered.scores(chunks)])
                np.testing.assert_allclose(scores, plain, atol=0.02)
            clip = sounds.clip("yes")
            for classify in (lambda c: filtered.classify(c, sounds.RATE), lambda c: filtered.classify_clips([c])[0]):
                found, expected = classify(clip + np.float32(offset)), classify(clip)
                assert (found.label, found.confidence) == (expected.label, pytest.approx(expected.confidence, abs=0.02))
