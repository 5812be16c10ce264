"""Phrases of up to two windows: taught, told by both halves in their order, kept in the file, and refused elsewhere."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.config import DecisionSettings
from sayso.corpus.corpus import Corpus, scan
from sayso.errors import ExportError, ModelError
from sayso.evaluation.measure import clips_to_measure, evaluate
from sayso.evaluation.posteriors import posteriors_of
from sayso.explanation.clip import explain_clip
from sayso.export.exported import Exported
from sayso.model import model_file, pack, shipped
from sayso.model.phrases import Phrases, delayed
from sayso.recognition.decision import Decision
from sayso.recognition.recognizer import TOGETHER, Recognizer, load
from sayso.sound import audio
from sayso.sound.speech import speech_bounds
from sayso.training import holding_out, teacher
from sayso.training.teaching import Taught, teach

PHRASE, OTHER = ("happy", "bird", "house"), ("seven", "tree", "dog")
LABELS = ("on", "lights on", "_unknown_", "_silence_")
RATE, DEMO = 16_000, shipped.bundled("demo")
VOICES = sorted(path.name for path in (DEMO / "bird").iterdir())


def said(*words: str, voice: int = 0, seconds: float = 3.6, pause: float = 0.03) -> np.ndarray:
    """Return words of the demo corpus in a row, in the middle of faint noise."""
    sound = np.concatenate([np.append(_word(word, voice), np.zeros(round(pause * RATE), np.float32)) for word in words])
    samples = sounds.hiss(round(seconds * RATE), np.random.default_rng(voice))
    start = (len(samples) - len(sound)) // 2
    samples[start : start + len(sound)] += sound
    return samples


@functools.cache
def _word(word: str, voice: int) -> np.ndarray:
    samples = audio.load(DEMO / word / VOICES[voice], RATE)
    start, end = speech_bounds(samples, RATE)
    return samples[start:end]


def recordings(folder: Path, voices: range, *phrases: tuple[str, ...]) -> Corpus:
    """Make a corpus of phrases, each a few words in a row."""
    for phrase in phrases:
        (folder / " ".join(phrase)).mkdir(parents=True)
        for voice in voices:
            soundfile.write(
                folder / " ".join(phrase) / VOICES[voice].replace("opus", "wav"),
                said(*phrase, voice=voice, seconds=2.4),
                RATE,
            )
    return scan(folder)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Learn from fewer examples and hold out fewer parts; it is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teacher, "PLAIN", 60)
        patch.setattr(teacher, "AUGMENTED", 120)
        patch.setattr(holding_out, "FOLDS", 2)
        yield


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """A shipped model, taught two phrases, with a part of its pack."""
    corpus = recordings(tmp_path_factory.mktemp("phrases"), range(10), PHRASE, OTHER)
    base = model_file.load(shipped.find("commands"))
    whole = pack.matching(base)
    assert whole is not None
    few = whole.heard_in % 3 == 0
    part = dataclasses.replace(
        whole, learned=whole.learned[::4], learned_in=whole.learned_in[::4],
        heard=whole.heard[few], heard_in=whole.heard_in[few], pauses=whole.pauses[few],
    )  # fmt: skip
    return teach(base, corpus, pack=part)


def name(words: tuple[str, ...]) -> str:
    return " ".join(words)


def heard(recognizer: Recognizer, samples: np.ndarray) -> list[str]:
    return [detection.label for detection in recognizer.detect([samples], TOGETHER)]


def test_phrases_are_detected_and_neither_their_halves_nor_another_order_is(taught: Taught) -> None:
    recognizer, base = Recognizer(taught.model), load("commands")
    assert taught.model.phrases is not None
    assert taught.model.phrases.labels == (name(PHRASE), name(OTHER))
    assert not any("to say" in warning for warning in taught.warnings)
    for phrase in (PHRASE, OTHER):
        with case(name(phrase)):
            expected = taught.expected[name(phrase)]
            assert expected.takes == 10
            assert expected.heard >= 7
            assert expected.false_alarms_per_hour is not None
            assert expected.false_alarms_per_hour <= 0.25
            found = [heard(recognizer, said(*phrase, voice=voice)) for voice in range(40, 48)]
            assert sum(labels == [name(phrase)] for labels in found) >= 6
    for words in (("happy", "bird"), ("bird", "house"), ("tree", "dog"), ("house",), ("house", "bird", "happy")):
        with case(name(words)):
            found = [heard(recognizer, said(*words, voice=voice)) for voice in range(40, 46)]
            assert sum(map(len, found)) <= 1
    # A second between the words is not how it is said.
    assert not heard(recognizer, said(*PHRASE, voice=41, pause=1.0, seconds=6))
    # The phrases take a little of the probability of a known word, less than a nat.
    decision = taught.model.decision.at_sensitivity(0.65)
    easier = Recognizer(dataclasses.replace(taught.model, decision=decision))
    for word in ("yes", "stop"):
        with case(word):
            known = [said(word, word, voice=voice, pause=1.0, seconds=6) for voice in range(40, 46)]
            clear = [sound for sound in known if heard(base, sound) == [word, word]]
            assert clear
            assert all(heard(easier, sound) == [word, word] for sound in clear)


def test_a_phrase_said_twice_is_detected_twice_with_its_place(taught: Taught) -> None:
    sound = np.concatenate([said(*PHRASE, voice=41), said(*PHRASE, voice=42)])
    found = list(Recognizer(taught.model).detect([sound]))
    assert [detection.label for detection in found] == [name(PHRASE)] * 2
    for detection, middle in zip(found, (1.8, 5.4), strict=True):
        assert detection.start < middle < detection.end
        assert detection.end - detection.start == pytest.approx(2)
        assert detection.end == pytest.approx(middle + 0.8, abs=0.6)


def test_however_a_stream_is_cut_a_phrase_has_the_same_scores(taught: Taught) -> None:
    recognizer, sound = Recognizer(taught.model), said(*PHRASE, voice=42)
    whole = list(recognizer.scores([sound]))
    assert max(step.probabilities[taught.model.labels.index(name(PHRASE))] for step in whole) > 0.5
    stream = recognizer.stream()
    pushed = [step for chunk in np.array_split(sound, 37) for step in stream.steps(chunk)]
    assert len(pushed) >= 30
    for one, other in zip(whole, pushed, strict=False):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert one.detection == other.detection
    together = posteriors_of(recognizer, [sound])
    np.testing.assert_allclose(together.probabilities, [step.probabilities for step in whole], atol=1e-5)
    assert [(found.label, found.start) for found in together.detections(taught.model.decision)] == [
        (step.detection.label, step.detection.start) for step in whole if step.detection
    ]


def test_clips_of_phrases_and_of_words_are_classified(taught: Taught, tmp_path: Path) -> None:
    recognizer = Recognizer(taught.model)
    clips = [said(*PHRASE, voice=voice, seconds=1.9) for voice in range(40, 50)]
    many, alone = recognizer.classify_clips(clips), [recognizer.classify(clip, RATE) for clip in clips]
    assert [found.label for found in many] == [found.label for found in alone]
    np.testing.assert_allclose([found.confidence for found in many], [found.confidence for found in alone], atol=1e-5)
    assert sum(found.label == name(PHRASE) for found in alone) >= 7
    assert max(found.end - found.start for found in alone if found.label == name(PHRASE)) > 1.8
    word = recognizer.classify(said("yes", voice=41, seconds=3), RATE)
    assert (word.label, word.end - word.start) == ("yes", 1)
    assert word.start < 1.4 < 1.6 < word.end
    for half in (("happy", "bird"), ("bird", "house")):
        assert recognizer.classify(said(*half, voice=41, seconds=1.8), RATE).label == "_unknown_"
    # In an evaluation, too, phrases are seen whole.
    corpus = recordings(tmp_path, range(40, 46), PHRASE, ("yes",))
    every = dataclasses.replace(
        corpus, clips=tuple(dataclasses.replace(clip, split="testing") for clip in corpus.clips)
    )
    result = evaluate(recognizer, clips_to_measure(recognizer, every, "testing").clips)
    assert result.words[name(PHRASE)].recall >= 0.6
    assert result.words["yes"].recall >= 0.8


def test_the_file_of_a_model_with_phrases_asks_older_versions_for_an_update(taught: Taught, tmp_path: Path) -> None:
    path = tmp_path / "phrase.safetensors"
    taught.model.save(path)
    assert model_file.load_header(path)["format"] == 2
    dataclasses.replace(taught.model, phrases=None).save(tmp_path / "plain.safetensors")
    assert model_file.load_header(tmp_path / "plain.safetensors")["format"] == 1
    loaded, sound = Recognizer(model_file.load(path)), said(*PHRASE, voice=43)
    for one, other in zip(loaded.scores([sound]), Recognizer(taught.model).scores([sound]), strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
    phrases = taught.model.phrases
    assert phrases is not None
    for what, wrong in {
        "another width": phrases._replace(weight=phrases.weight[:, 1:]),
        "no row": phrases._replace(bias=phrases.bias[:0]),
        "no label": phrases._replace(labels=("happy", name(OTHER))),
        "not a word": phrases._replace(labels=("_unknown_", name(OTHER))),
        "twice": phrases._replace(labels=(name(OTHER), name(OTHER))),
    }.items():
        with case(what):
            dataclasses.replace(taught.model, phrases=wrong).save(path)
            with pytest.raises(ModelError, match="the phrases do not fit"):
                model_file.load(path)


def test_a_word_is_taught_beside_a_phrase_which_stays(taught: Taught, tmp_path: Path) -> None:
    more = teach(taught.model, recordings(tmp_path, range(4), ("cat",))).model
    assert more.phrases is not None
    assert taught.model.phrases is not None
    assert more.phrases.labels == taught.model.phrases.labels
    np.testing.assert_array_equal(more.phrases.weight, taught.model.phrases.weight)
    np.testing.assert_array_equal(more.phrases.bias, taught.model.phrases.bias)
    recognizer = Recognizer(more)
    for words in (PHRASE, ("cat",)):
        with case(name(words)):
            found = [recognizer.classify(said(*words, voice=voice), RATE).label for voice in range(40, 46)]
            assert found.count(name(words)) >= 4


def test_what_sees_one_window_refuses_phrases(taught: Taught, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="longer than a window of the network: happy bird house, seven tree dog; "):
        Exported.of(taught.model, "phrase", "MIT", int8=False)
    soundfile.write(tmp_path / "clip.wav", said("yes", seconds=1), RATE)
    with pytest.raises(ModelError, match="happy bird house, seven tree dog takes two; explain the model that was"):
        explain_clip(taught.model, tmp_path / "clip.wav")


def test_a_phrase_is_as_certain_as_its_less_certain_half() -> None:
    phrases = Phrases(("lights on",), np.array([[2.0, 0.0]], np.float32), np.array([-1.0], np.float32))
    now = np.array([0.1, 0.8, 0.05, 0.05], np.float32)
    odds = math.log(0.8 / 0.2)
    for before, expected in ((9.0, odds), (odds, odds), (-1.0, -1.0), (-np.inf, -200)):
        with case(str(before)):
            told = phrases.told(now, np.array([before], np.float32), LABELS)
            assert told.sum() == pytest.approx(1, abs=1e-6)
            assert told[1] == pytest.approx(1 / (1 + math.exp(-expected)), abs=1e-6)
            assert told[0] / told[2] == pytest.approx(2, rel=1e-5)
    # Phrases with the same second half are told apart by the first, and each is as likely as its share.
    both = Phrases(("on", "lights on"), np.zeros((2, 2), np.float32), np.zeros(2, np.float32))
    shared = both.told(np.array([0.45, 0.45, 0.05, 0.05], np.float32), np.array([5.0, 2.0], np.float32), LABELS)
    assert shared[0] / shared[1] == pytest.approx(math.exp(3) * math.exp(max(0, math.log(4.5) - 2)), rel=1e-3)
    assert shared[0] / shared[2:].sum() == pytest.approx(4.5 / (1 + math.exp(-3)), rel=1e-3)
    certain = phrases.told(np.array([0, 1, 0, 0], np.float32), np.array([-np.inf], np.float32), LABELS)
    assert certain[1] < 1e-30
    assert certain.sum() == pytest.approx(1)
    # The first half against everything that is no phrase: 2 x 3 - 1 against three equal logits of 1.
    inputs, logits = np.array([[3.0, 7.0]], np.float32), np.array([[1.0, 50.0, 1.0, 1.0]], np.float32)
    assert phrases.first_halves(inputs, logits, LABELS).item() == pytest.approx(5 - 1 - math.log(3), abs=1e-5)


def test_the_window_before_is_one_of_the_same_recording() -> None:
    odds = np.arange(7, dtype=np.float32)[:, None]
    recordings = np.array([0, 0, 0, 0, 1, 1, 1], np.uint16)
    expected = [-np.inf, -np.inf, 0, 1, -np.inf, -np.inf, 4]
    np.testing.assert_array_equal(delayed(odds, 2, recordings)[:, 0], expected)


def test_within_a_window_of_a_phrase_no_other_is_detected() -> None:
    settings = DecisionSettings(anywhere=("on", "lights on"))
    unknown, on, phrase = np.array([0, 0, 0.99, 0.01]), np.array([0.97, 0, 0.02, 0.01]), np.array([0, 0.97, 0.02, 0.01])
    for pause, expected in ((0, ["on"]), (9, ["on", "lights on"])):
        with case(f"{pause} steps"):
            decision = Decision(settings, LABELS, 10, 1.0, ("on", "lights on"))
            steps = [unknown] * 9 + [on] * 5 + [unknown] * pause + [phrase] * 5 + [unknown] * 9
            found = [decision.update(step, 10 + number, step) for number, step in enumerate(steps)]
            assert [detection.label for detection in found if detection] == expected


def test_a_word_within_a_phrase_is_a_part_of_it() -> None:
    settings = DecisionSettings(anywhere=("lights on",))
    silent, unknown = np.array([0.0, 0.0, 0.01, 0.99]), np.array([0.0, 0.0, 0.99, 0.01])
    on, phrase = np.array([0.97, 0.0, 0.02, 0.01]), np.array([0.0, 0.97, 0.02, 0.01])
    steps = [silent] * 12 + [unknown] * 14 + [on] * 5 + [phrase] * 6 + [on] * 5 + [silent] * 12
    for phrases, expected in (((), {"on", "lights on"}), (("lights on",), {"lights on"})):
        with case(str(phrases)):
            decision = Decision(settings, LABELS, 10, 1.0, phrases)
            found = [decision.update(step, 10 + number, step) for number, step in enumerate(steps)]
            labels = [detection.label for detection in found if detection]
            assert set(labels) == expected
            assert labels.count("lights on") == 1
