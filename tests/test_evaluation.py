"""Measuring a model: which clips are used, which are skipped and why, and how noise lowers the accuracy."""

import dataclasses
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import sounds
from cases import case
from sayso.config import SILENCE, UNKNOWN
from sayso.corpus.corpus import scan
from sayso.corpus.skipped import Skipped
from sayso.corpus.splits import Split
from sayso.errors import CorpusError
from sayso.evaluation.accuracy import Evaluation
from sayso.evaluation.measure import clips_to_measure, evaluate, evaluate_in_noise
from sayso.recognition.recognizer import Recognizer


def measured(recognizer: Recognizer, corpus: Path, split: Split) -> tuple[Evaluation, list[Skipped]]:
    clips, skipped, _, _ = clips_to_measure(recognizer, scan(corpus), split)
    return evaluate(recognizer, clips), skipped


def test_every_label_gets_as_many_clips_as_a_word_has_in_the_split(
    tiny_corpus: Path, tiny_recognizer: Recognizer
) -> None:
    sizes: tuple[tuple[Split, int], ...] = (("training", 16), ("validation", 4), ("testing", 4))
    for split, clips in sizes:
        with case(split):
            evaluation, skipped = measured(tiny_recognizer, tiny_corpus, split)
            np.testing.assert_array_equal(evaluation.confusion, clips * np.eye(5))
            assert evaluation.labels == tiny_recognizer.labels
            assert skipped == []


def test_every_clip_of_a_test_archive_is_used(tiny_corpus: Path, tiny_recognizer: Recognizer, tmp_path: Path) -> None:
    for label, word, count in (("yes", "yes", 5), ("other", "no", 4), (UNKNOWN, "zero", 9), (SILENCE, "no", 3)):
        (tmp_path / label).mkdir()
        for path in sorted((tiny_corpus / word).iterdir())[:count]:
            shutil.copy(path, tmp_path / label)
    evaluation, _ = measured(tiny_recognizer, tmp_path, "validation")
    words = evaluation.words
    # Words that the model does not know count as unknown.
    assert [words[label].clips for label in tiny_recognizer.labels] == [5, 0, 0, 13, 3]
    no, unknown, silence = (tiny_recognizer.labels.index(label) for label in ("no", UNKNOWN, SILENCE))
    assert evaluation.confusion[unknown, no] == 4
    assert evaluation.confusion[silence, no] == 3
    assert evaluation.correct == 14


def test_bad_files_are_reported_and_the_others_measured(
    tiny_corpus: Path, tiny_recognizer: Recognizer, tmp_path: Path
) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    bad = [scan(root).by_split("testing")[0].path, root / "_background_noise_" / "white.wav"]
    for path in bad:
        path.write_bytes(b"damaged")
    evaluation, skipped = measured(tiny_recognizer, root, "testing")
    assert [entry.path for entry in skipped] == bad
    assert evaluation.words["no"].clips == 3


def test_a_split_without_usable_clips_is_an_error(
    tiny_corpus: Path, tiny_recognizer: Recognizer, tmp_path: Path
) -> None:
    (tmp_path / "yes").mkdir()
    clip = scan(tiny_corpus).by_split("training")[0].path
    shutil.copy(clip, tmp_path / "yes")
    with pytest.raises(CorpusError, match=r"no usable testing clip of the model's labels \(yes, no, up, "):
        clips_to_measure(tiny_recognizer, scan(tmp_path), "testing")


def test_a_benchmark_is_the_same_each_time(tiny_corpus: Path, tiny_recognizer: Recognizer) -> None:
    first, again = (clips_to_measure(tiny_recognizer, scan(tiny_corpus), "testing")[0] for _ in range(2))
    np.testing.assert_array_equal(first.windows, again.windows)
    assert first.names == again.names


def test_more_noise_gives_more_mistakes(tiny_corpus: Path, tiny_recognizer: Recognizer) -> None:
    clips = clips_to_measure(tiny_recognizer, scan(tiny_corpus), "training").clips
    untouched = clips.windows.copy()
    noises = [sounds.hiss(3 * sounds.RATE, np.random.default_rng(5), 0.1)]
    ratios = (60.0, 10.0, -5.0, -20.0, -40.0)
    scores = evaluate_in_noise(tiny_recognizer, clips, noises, ratios)
    assert tuple(scores) == ratios
    accuracies = [score.accuracy for score in scores.values()]
    clean = evaluate(tiny_recognizer, clips)
    assert accuracies[0] == clean.accuracy
    assert all(louder <= fainter + 0.05 for fainter, louder in pairwise(accuracies))
    # In nothing but noise, all clips are alike.
    assert accuracies[-1] < 0.45
    assert {score.clips for score in scores.values()} == {clean.clips}
    np.testing.assert_array_equal(clips.windows, untouched)


def test_the_noise_is_the_same_for_every_model_and_ratio(tiny_corpus: Path, tiny_recognizer: Recognizer) -> None:
    clips = clips_to_measure(tiny_recognizer, scan(tiny_corpus), "testing").clips
    noises = [sounds.hiss(3 * sounds.RATE, np.random.default_rng(5), 0.1)]
    both = evaluate_in_noise(tiny_recognizer, clips, noises, (0.0, -10.0))
    (alone,) = evaluate_in_noise(tiny_recognizer, clips, noises, (-10.0,)).values()
    np.testing.assert_array_equal(both[-10.0].confusion, alone.confusion)
    expected = evaluate(tiny_recognizer, clips.with_noise(noises, -10.0, np.random.default_rng(0)))
    np.testing.assert_array_equal(alone.confusion, expected.confusion)


def test_words_that_are_no_labels_are_named_with_the_label_that_was_meant(
    tiny_corpus: Path, tiny_recognizer: Recognizer, tmp_path: Path
) -> None:
    files = [clip.path for clip in scan(tiny_corpus).clips if clip.word == "yes"][:12]
    for word in ("YES", "noo", "Uq", "banana"):
        (tmp_path / word).mkdir()
        for number, path in enumerate(files):
            shutil.copy(path, tmp_path / word / f"{number}.wav")
    found = clips_to_measure(tiny_recognizer, scan(tmp_path), "testing")
    assert found.clips.labels[: len(found.clips.labels)].tolist().count(tiny_recognizer.labels.index("yes")) == 2
    assert found.notes == [
        "the word 'YES' is taken for the label 'yes', which differs in case alone",
        "6 clips of 3 words that are no labels of the model are counted as unknown speech: "
        "noo (did you mean no?), Uq, banana",
    ]
    assert any("there is no testing clip of no, up" in warning for warning in found.warnings)
    assert any("recordings are under two words" in warning for warning in found.warnings)
    without = Recognizer(dataclasses.replace(tiny_recognizer.model, labels=("yes", "no", "up", "go", SILENCE)))
    assert (
        "are left out, as the model knows no unknown speech"
        in clips_to_measure(without, scan(tmp_path), "testing").notes[1]
    )


def test_clips_that_the_model_learned_from_are_found(
    tiny_corpus: Path, tiny_recognizer: Recognizer, tmp_path: Path
) -> None:
    for split, known in (("training", 64), ("validation", 16), ("testing", 0)):
        warnings = clips_to_measure(tiny_recognizer, scan(tiny_corpus), split).warnings
        assert len(warnings) == (known > 0), split
        assert not known or f"was trained on {known} of these {known} clips" in warnings[0]
    older = Recognizer(dataclasses.replace(tiny_recognizer.model, digests=np.empty(0, np.uint64)))
    (warning,) = clips_to_measure(older, scan(tiny_corpus), "training").warnings
    assert "trained on these clips" in warning


def test_what_was_skipped_is_told_when_measuring_fails(tiny_recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "a.wav").write_text("no sound")
    (tmp_path / "testing_list.txt").write_text("yes/a.wav")
    with pytest.raises(CorpusError, match=r"it has 1 testing clips of yes") as caught:
        clips_to_measure(tiny_recognizer, scan(tmp_path), "testing")
    assert "1 file was skipped:" in caught.value.__notes__[0]
    assert "yes/a.wav: " in caught.value.__notes__[0]
