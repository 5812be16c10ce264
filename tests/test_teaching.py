"""Teaching: new words are learned, known ones are kept, doubtful recordings found, and unsuitable input refused."""

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.corpus.corpus import Clip, Corpus, scan
from sayso.errors import CorpusError, ModelError
from sayso.evaluation.measure import clips_to_measure
from sayso.features.mfcc import MfccExtractor
from sayso.model import model_file
from sayso.model.model_file import Model
from sayso.model.rehearsal import EXAMPLES, UNKNOWN_EXAMPLES, Rehearsal
from sayso.nn import Dense, Dropout, Merging, Network, ReLU, Residual
from sayso.recognition.recognizer import Recognizer
from sayso.training import last_layer, teacher
from sayso.training.holding_out import folds_of
from sayso.training.teaching import Taught, teach

NEW = {"three": (900.0, 1_000.0), "left": (5_000.0, 5_600.0), "right": (420.0, 3_000.0), "_unknown_": (200.0, 250.0)}


def clip(word: str, seed: int) -> np.ndarray:
    """Return a clip of a word; every seed is another speaker."""
    pitch = 1 + 0.05 * np.sin(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sounds, "TONES", sounds.TONES | NEW)
        return sounds.clip(word.lower(), seed, float(pitch))


def recordings(folder: Path, mislabelled: bool = False, **counts: int) -> Corpus:
    """Make a corpus with a number of clips of each word; one clip of the first may really be a "no"."""
    for word, count in counts.items():
        (folder / word).mkdir(parents=True)
        for number in range(count):
            spoken = "no" if mislabelled and number == 0 and word == next(iter(counts)) else word
            soundfile.write(folder / word / f"{number}.wav", clip(spoken, number), sounds.RATE)
    return scan(folder)


def recall(model: Model, word: str) -> float:
    recognizer = Recognizer(model)
    return float(np.mean([recognizer.classify(clip(word, seed), sounds.RATE).label == word for seed in range(50, 70)]))


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Learn from fewer examples; for tones it is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teacher, "PLAIN", 60)
        patch.setattr(teacher, "AUGMENTED", 120)
        yield


@pytest.fixture(scope="module")
def taught(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    return teach(tiny_model, recordings(tmp_path_factory.mktemp("new"), left=6, right=6))


def test_new_words_are_recognised_and_known_ones_are_kept(taught: Taught, tiny_model: Model) -> None:
    assert tiny_model.labels == ("yes", "no", "up", "_unknown_", "_silence_")
    assert taught.model.labels == ("yes", "no", "up", "left", "right", "_unknown_", "_silence_")
    for word in ("left", "right", "yes", "no", "up"):
        assert recall(taught.model, word) >= 0.9, word
    zero = Recognizer(taught.model).classify(clip("zero", 3), sounds.RATE)
    assert zero.label == "_unknown_"
    assert taught.before.clips == taught.after.clips > 10
    assert taught.before.balanced_accuracy >= 0.9
    for word in ("yes", "no", "up", "_unknown_"):
        assert taught.after.words[word].recall >= taught.before.words[word].recall - 0.2, word
    # All six recordings of each word are learned; models taught without some of them are measured by these, in turn.
    assert taught.clips == {"left": 6, "right": 6}
    assert taught.tested.words["left"].clips == taught.tested.words["right"].clips == 6
    assert taught.tested.accuracy >= 0.9
    assert taught.tested_before.accuracy == 0
    assert taught.expected["left"].takes == 6
    assert taught.expected["left"].heard >= 5
    assert taught.expected["left"].false_alarms_per_hour is None
    assert not taught.doubtful


def test_only_the_last_layer_learns(taught: Taught, tiny_model: Model) -> None:
    before, after = tiny_model.network.parameters.named(), taught.model.network.parameters.named()
    last = tiny_model.network.chain.names[tiny_model.network.last]
    kept = {name for name in before if not name.startswith(f"{last}.")}
    assert len(kept) >= 4
    for name in kept:
        np.testing.assert_array_equal(before[name], after[name])


def test_the_logits_of_known_labels_stay(
    tiny_model: Model, by_word_model: Model, taught: Taught, tmp_path: Path
) -> None:
    windows = np.stack([clip(word, 7) for word in ("yes", "no", "left", "zero")])
    for name, model in {"plain": tiny_model, "unknown words as classes": by_word_model, "taught": taught.model}.items():
        with case(name):
            more = teach(model, recordings(tmp_path / name, three=3)).model
            places = [more.labels.index(label) for label in model.labels]
            features = model.standardizer.apply(MfccExtractor(model.features, model.tables)(windows))
            logits = model.network.logits(features)
            np.testing.assert_allclose(more.network.logits(features)[:, places], logits, atol=1e-4)


def test_a_model_that_was_taught_a_hidden_layer_learns_more_words(tiny_model: Model, tmp_path: Path) -> None:
    # Earlier versions put a hidden layer beside the last one.
    network, place = tiny_model.network, tiny_model.network.last
    outputs = network.classes
    block = Residual((Dense(8), ReLU(), Dropout(0.5), Dense(outputs)), (Dense(outputs),))
    last = Network([block], network.last_input_shape).initialise(np.random.default_rng(0))
    values, learned = last.parameters.values["0.Residual"], network.parameters.values[network.chain.names[place]]
    for name in ("weight", "bias"):
        values["shortcut"]["0.Dense"][name][...] = learned[name]
    base = dataclasses.replace(tiny_model, network=last_layer.replaced(network, last))
    more = teach(base, recordings(tmp_path, left=6)).model
    assert recall(more, "left") >= 0.9
    windows = np.stack([clip(word, 7) for word in ("yes", "no", "up")])
    features = base.standardizer.apply(MfccExtractor(base.features, base.tables)(windows))
    np.testing.assert_allclose(more.network.logits(features)[:, :3], base.network.logits(features)[:, :3], atol=1e-4)


def test_unknown_words_stay_separate_classes(by_word_model: Model, tmp_path: Path) -> None:
    taught = teach(by_word_model, recordings(tmp_path / "left", left=6)).model
    assert taught.network.chain.layers[-1] == Merging(into=taught.labels.index("_unknown_"), parts=1)
    more = teach(taught, recordings(tmp_path / "right", right=6)).model
    assert more.network.chain.layers[-1] == Merging(into=more.labels.index("_unknown_"), parts=1)
    for word in ("left", "right", "yes"):
        assert recall(more, word) >= 0.9, word
    assert Recognizer(more).classify(clip("zero", 3), sounds.RATE).label == "_unknown_"


def test_a_taught_model_can_be_saved_and_taught_again(taught: Taught, tmp_path: Path) -> None:
    taught.model.save(tmp_path / "taught.safetensors")
    again = model_file.load(tmp_path / "taught.safetensors")
    assert again.training["taught"][0]["clips"] == {"left": 6, "right": 6}
    # What was measured before is another model's.
    assert "validation_accuracy" not in again.training
    assert again.training["before_teaching"]["validation_accuracy"] > 0.9
    assert [score["clips"] for score in again.scores.values()] == [12, taught.after.clips]
    assert again.rehearsal is not None
    assert set(again.rehearsal.labels.tolist()) == set(range(7))
    more = teach(again, recordings(tmp_path / "yes", yes=4)).model
    assert more.labels == again.labels
    assert recall(more, "left") >= 0.9


def test_the_same_seed_gives_the_same_model_whatever_the_threads(
    taught: Taught, tiny_model: Model, tmp_path: Path
) -> None:
    corpus = recordings(tmp_path, left=6, right=6)
    same = teach(tiny_model, corpus, threads=3).model.network.parameters.vector
    np.testing.assert_array_equal(same, taught.model.network.parameters.vector)
    other = teach(tiny_model, corpus, seed=1).model.network.parameters.vector
    assert not np.array_equal(other, same)


def test_a_mislabelled_recording_is_reported(tiny_model: Model, tmp_path: Path) -> None:
    found = teach(tiny_model, recordings(tmp_path, mislabelled=True, left=8)).doubtful
    assert (found[0].clip.path.name, found[0].clip.word, found[0].predicted) == ("0.wav", "left", "no")
    assert len(found) <= 2
    assert found[0].loss > 0.7


def test_negatives_are_learned_as_unknown(tiny_model: Model, tmp_path: Path) -> None:
    corpus = recordings(tmp_path / "words", left=6)
    speech = tmp_path / "speech.wav"
    soundfile.write(speech, np.concatenate([clip("right", seed) for seed in range(20)]), sounds.RATE)
    model = teach(tiny_model, corpus, negatives=[speech]).model
    predicted = [Recognizer(model).classify(clip("right", seed), sounds.RATE).label for seed in range(50, 60)]
    assert predicted.count("_unknown_") >= 7


def test_recordings_are_known_again_when_evaluated(tiny_model: Model, tmp_path: Path) -> None:
    for word in ("left", "right"):
        for number, speaker in enumerate(("ann", "bob", "cat", "dan")):
            for take in range(2):
                path = tmp_path / word / f"{speaker}-{word}-{take}.wav"
                path.parent.mkdir(exist_ok=True)
                soundfile.write(path, clip(word, 10 * number + take), sounds.RATE)
    corpus = scan(tmp_path)
    taught = teach(tiny_model, corpus)
    assert taught.clips == {"left": 8, "right": 8}
    assert taught.tested.clips == 16
    assert taught.warnings == ()
    recognizer = Recognizer(taught.model)
    for split, count in (("training", 8), ("validation", 4), ("testing", 4)):
        warnings = clips_to_measure(recognizer, corpus, split).warnings
        assert any(f"was trained on {count} of these {count} clips" in warning for warning in warnings)
    # Under other names, and in another folder, they are the same recordings.
    copies = tmp_path / "copies" / "left"
    copies.mkdir(parents=True)
    for path in (tmp_path / "left").iterdir():
        copies.joinpath(f"x {path.name}").write_bytes(path.read_bytes())
    (tmp_path / "copies" / "testing_list.txt").write_text("".join(f"left/{path.name}\n" for path in copies.iterdir()))
    found = clips_to_measure(recognizer, scan(tmp_path / "copies"), "testing").warnings
    assert any("was trained on 8 of these 8 clips" in warning for warning in found)


def test_recordings_are_held_out_in_turn_by_speaker_where_there_are_enough(tmp_path: Path) -> None:
    def rows(speakers: str, word: str = "left") -> list[Clip]:
        return [Clip(tmp_path, word, None if name == "-" else name, "training") for name in speakers]

    for name, clips, expected in (
        ("five speakers", rows("aabbccddee"), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
        ("few speakers", rows("aaabbb"), [0, 1, 2, 3, 4, 0]),
        ("unknown speakers", rows("abcde-"), [0, 1, 2, 3, 4, 0]),
        ("too few recordings", rows("aaa"), [-1, -1, -1]),
        ("just enough", rows("aaaa"), [0, 1, 2, 3]),
        ("two words", [*rows("aaaa"), *rows("aa", "right")], [0, 1, 2, 3, -1, -1]),
        # Without the recordings of most speakers too few would be left.
        ("one speaker has most", rows("aaaaaabcde"), [0, 0, 0, 0, 0, 0, 1, 2, 3, 4]),
        ("too few without one speaker", rows("aaaabcd"), [0, 1, 2, 3, 4, 0, 1]),
    ):
        with case(name):
            assert folds_of(clips).tolist() == expected


def test_a_recording_that_is_held_out_has_no_part_in_the_model_that_it_measures(tiny_model: Model) -> None:
    labels = last_layer.labels_with(tiny_model.labels, ["left"])
    assert tiny_model.rehearsal
    rng = np.random.default_rng(0)
    spoken = teacher.Spoken(
        inputs=rng.random((12, tiny_model.rehearsal.inputs.shape[1]), np.float32),
        labels=np.full(12, labels.index("left")),
        augmented=np.arange(12) % 2 == 0,
        folds=np.arange(12) // 4,
    )
    others = teacher.Spoken(*(array[spoken.folds != 1] for array in spoken))
    teaching = teacher.Teacher(tiny_model, labels, ["left"], None, None, 0)
    learned, expected, everything = (
        model.network.parameters.vector
        for model in (teaching.model(spoken, without=1), teaching.model(others), teaching.model(spoken))
    )
    np.testing.assert_array_equal(learned, expected)
    assert not np.array_equal(learned, everything)


def test_words_that_the_model_knows_are_warned_of(tiny_model: Model, tmp_path: Path) -> None:
    taught = teach(tiny_model, recordings(tmp_path, Yes=8, left=3))
    assert taught.model.labels == ("yes", "no", "up", "left", "_unknown_", "_silence_")
    assert taught.clips == {"yes": 8, "left": 3}
    for part in (
        "'Yes' is taken for the label 'yes'",
        "the model knows yes already",
        "no recording of left was held out",
    ):
        assert any(part in warning for warning in taught.warnings), part
    assert taught.tested_before.words["yes"].clips == 8
    assert set(taught.expected) == {"left"}


def test_a_phrase_that_is_longer_than_two_windows_is_warned_of(tiny_model: Model, tmp_path: Path) -> None:
    for word, length in (("short", 0.5), ("phrase", 1.6), ("long", 2.6)):
        (tmp_path / word).mkdir()
        for number in range(3):
            time = np.arange(int(length * sounds.RATE)) / sounds.RATE
            sound = np.pad(0.3 * np.sin(2 * np.pi * (700 + 50 * number) * time), sounds.RATE // 4)
            soundfile.write(tmp_path / word / f"{number}.wav", sound, sounds.RATE)
    warnings = [warning for warning in teach(tiny_model, scan(tmp_path)).warnings if "to say" in warning]
    assert len(warnings) == 1
    assert warnings[0].startswith("long takes 2.6 s to say, but a phrase is at most 2 s long")


def test_what_cannot_be_taught_is_refused(tiny_model: Model, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the word 'left' has 2 usable recordings; expected at least 3"):
        teach(tiny_model, recordings(tmp_path / "few", left=2))
    corpus = recordings(tmp_path / "enough", left=3)
    with pytest.raises(ModelError, match="cannot be taught: it has no examples of its training"):
        teach(dataclasses.replace(tiny_model, rehearsal=None), corpus)
    with pytest.raises(CorpusError, match="no word to teach"):
        teach(tiny_model, recordings(tmp_path / "none", _unknown_=3))


def test_rehearsal_keeps_the_first_examples_of_each_label() -> None:
    labels = np.repeat([0, 1, 2], 3_000)
    inputs = np.arange(9_000, dtype=np.float32)[:, None] * np.float32(1e3)
    kept = Rehearsal.of(inputs, labels, ("yes", "_unknown_", "_silence_"))
    assert np.bincount(kept.labels).tolist() == [EXAMPLES, UNKNOWN_EXAMPLES, EXAMPLES]
    assert np.isfinite(kept.inputs).all()
    assert kept.inputs[1, 0] == 1_000


def test_a_damaged_rehearsal_is_refused(tiny_model: Model, tmp_path: Path) -> None:
    assert tiny_model.rehearsal
    inputs, labels = tiny_model.rehearsal.inputs, tiny_model.rehearsal.labels
    nan, unknown_label = inputs.copy(), labels.copy()
    nan[3, 3], unknown_label[0] = np.nan, 5
    damaged = {
        "float32": Rehearsal(inputs.astype(np.float32), labels),  # type: ignore[arg-type]
        "nan": Rehearsal(nan, labels),
        "count": Rehearsal(inputs, labels[1:]),
        "width": Rehearsal(inputs[:, 1:], labels),
        "label": Rehearsal(inputs, unknown_label),
    }
    path = tmp_path / "model.safetensors"
    for name, rehearsal in damaged.items():
        dataclasses.replace(tiny_model, rehearsal=rehearsal).save(path)
        with case(name), pytest.raises(ModelError, match="damaged or not made by sayso"):
            model_file.load(path)


@pytest.mark.usefixtures("recwarn")
def test_a_model_with_absurdly_large_weights_cannot_be_taught(tiny_model: Model, tmp_path: Path) -> None:
    network = copy.deepcopy(tiny_model.network)
    network.parameters.vector[:] = 1e30
    with pytest.raises(ModelError, match="weights are too large for finite results"):
        teach(dataclasses.replace(tiny_model, network=network), recordings(tmp_path, left=5))
