"""Sound that is pushed into a stream: the detections of the whole, however and at whichever rate it comes."""

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import sounds
from cases import case
from sayso.errors import ArgumentError, AudioError
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import Recognizer
from sayso.recognition.stream import Stream

WORDS = ["yes", "no", "zero", "up"]
KNOWN = ["yes", "no", "up"]


@pytest.fixture(scope="module")
def sound(tiny_recognizer: Recognizer) -> np.ndarray:
    # It ends just before the last word would be detected, so that only closing the stream reveals it.
    samples = sounds.stream(WORDS)[0]
    *_, last = tiny_recognizer.detect([samples])
    return samples[: round((last.end - 0.05) * sounds.RATE)]


@pytest.fixture(scope="module")
def whole(sound: np.ndarray, tiny_recognizer: Recognizer) -> list[Detection]:
    found = list(tiny_recognizer.detect([sound]))
    assert [detection.label for detection in found] == KNOWN
    return found


def pushed(stream: Stream, chunks: list[np.ndarray]) -> list[Detection]:
    return [detection for chunk in chunks for detection in stream.push(chunk)]


@hypothesis_settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 6 * sounds.RATE), max_size=30))
def test_pushed_sound_gives_the_detections_of_the_whole_however_it_is_cut(
    cuts: list[int], sound: np.ndarray, whole: list[Detection], tiny_recognizer: Recognizer
) -> None:
    stream = tiny_recognizer.stream()
    for _ in range(2):
        found = pushed(stream, np.split(sound, sorted(cuts)))
        last = stream.close()
        assert found + last == whole
        assert [detection.label for detection in last] == ["up"]
        assert stream.close() == []
        with pytest.raises(ArgumentError, match=r"closed; call reset\(\)"):
            stream.push(sound)
        # What was begun and not finished leaves no trace either.
        stream.reset()
        stream.push(sound[:20_000])
        stream.reset()


def test_sound_of_another_rate_is_resampled_as_it_comes(
    sound: np.ndarray, whole: list[Detection], tiny_recognizer: Recognizer
) -> None:
    for rate in (22_050, 48_000.0):
        converted = soxr.resample(sound, sounds.RATE, rate).astype(np.float32)
        stream = tiny_recognizer.stream(rate)
        found = stream.push(converted) + stream.close()
        with case(rate):
            assert [detection.label for detection in found] == KNOWN
            assert [detection.end for detection in found] == pytest.approx([at.end for at in whole], abs=0.11)
        for parts in (7, 400):
            stream.reset()
            with case(rate, parts):
                assert pushed(stream, np.array_split(converted, parts)) + stream.close() == found
    for rate in (0, 999, 1e6, float("nan")):
        with case(rate), pytest.raises(AudioError, match="the stream has a rate of"):
            tiny_recognizer.stream(rate)
    with pytest.raises(ArgumentError, match="sample_rate in Hz"):
        tiny_recognizer.stream("16 kHz")  # type: ignore[arg-type]


def test_the_steps_of_pushed_sound_are_the_scores_of_the_stream(sound: np.ndarray, tiny_recognizer: Recognizer) -> None:
    stream = tiny_recognizer.stream()
    steps = [step for chunk in np.array_split(sound, 70) for step in stream.steps(chunk)]
    scores = list(tiny_recognizer.scores([sound]))
    assert len(scores) - 7 < len(steps) < len(scores)
    for step, expected in zip(steps, scores, strict=False):
        assert (step.end, step.detection) == (expected.end, expected.detection)
        np.testing.assert_array_equal(step.probabilities, expected.probabilities)


def test_a_detection_comes_with_the_samples_that_complete_it(
    sound: np.ndarray, whole: list[Detection], tiny_recognizer: Recognizer
) -> None:
    stream, given, late = tiny_recognizer.stream(), 0, []
    for chunk in np.array_split(sound, 300):
        given += len(chunk)
        late += [given / sounds.RATE - detection.end for detection in stream.push(chunk)]
    assert len(late) == len(whole) - 1
    assert all(0 <= delay < 0.2 for delay in late)


def test_streams_of_one_recognizer_do_not_disturb_each_other(sound: np.ndarray, tiny_recognizer: Recognizer) -> None:
    reversed_sound = np.concatenate([sound[40_000:], sound[:40_000]])
    streams = {tiny_recognizer.stream(): sound, tiny_recognizer.stream(): reversed_sound}
    found: dict[Stream, list[Detection]] = {stream: [] for stream in streams}
    for start in range(0, len(sound), 1_000):
        for stream, samples in streams.items():
            found[stream] += stream.push(samples[start : start + 1_000])
    for stream, samples in streams.items():
        assert found[stream] + stream.close() == list(tiny_recognizer.detect([samples]))


def test_what_is_no_chunk_is_refused_and_leaves_the_stream_as_it_was(
    sound: np.ndarray, whole: list[Detection], tiny_recognizer: Recognizer
) -> None:
    stream = tiny_recognizer.stream()
    found = stream.push(sound[:30_000])
    for chunk, message in (
        (None, "not None"),
        (0.5, "not an object of type float"),
        (b"\0\0", "not an object of type bytes"),
        (np.zeros((9, 2), np.float32), r"not an array of shape \(9, 2\)"),
        (np.zeros(9), r"not of float64; convert it with .astype"),
        (np.zeros(9, np.int16), "divide by 32768 and convert it"),
        (np.float32([0, np.nan]), "NaN or infinite"),
        (np.float32([0, -np.inf]), "NaN or infinite"),
    ):
        with case(message), pytest.raises(ArgumentError, match=message):
            stream.push(chunk)  # type: ignore[arg-type]
    assert found + stream.push(sound[30_000:]) + stream.close() == whole
