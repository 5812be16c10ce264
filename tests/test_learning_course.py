"""The record of a small network while it learns."""

from pathlib import Path

import numpy as np
import pytest

from cases import case
from sayso.errors import CorpusError
from sayso.explanation.course import GRID, HIDDEN, Course, watch_learning

WORDS = ("yes", "no", "up")


@pytest.fixture(scope="module")
def course(tiny_corpus: Path) -> Course:
    return watch_learning(tiny_corpus, WORDS, (0, 2, 12))


def test_the_network_learns(course: Course) -> None:
    assert [snapshot.epoch for snapshot in course.snapshots] == [0, 2, 12]
    assert course.losses.shape == course.accuracies.shape == (13, 2)
    assert course.losses[0, 0] == pytest.approx(np.log(3), rel=0.1)
    assert course.losses[-1, 0] < 0.2 * course.losses[0, 0]
    assert course.accuracies[-1, 0] > 0.9
    assert np.ptp(course.snapshots[-1].weights) > 2 * np.ptp(course.snapshots[0].weights)
    assert all(len(one.weights) == HIDDEN for one in course.snapshots)


def test_clips_are_split_into_training_and_validation(course: Course) -> None:
    assert course.in_training.sum() == 3 * 8 * 2
    assert (~course.in_training).sum() == 3 * 4 * 2


def test_the_map_agrees_with_the_predictions(course: Course) -> None:
    for snapshot in course.snapshots:
        with case(snapshot.epoch):
            cells = (GRID * (snapshot.points - snapshot.low) / (snapshot.high - snapshot.low)).astype(int)
            correct = snapshot.regions[cells[:, 1], cells[:, 0]] == course.labels
            accuracies = [np.mean(correct[part]) for part in (course.in_training, ~course.in_training)]
            np.testing.assert_allclose(accuracies, course.accuracies[snapshot.epoch], atol=0.03)


def test_the_same_seed_gives_the_same_course(course: Course, tiny_corpus: Path) -> None:
    again = watch_learning(tiny_corpus, WORDS, (0, 2, 12))
    np.testing.assert_array_equal(again.losses, course.losses)
    np.testing.assert_array_equal(again.snapshots[-1].points, course.snapshots[-1].points)


def test_a_corpus_without_the_words_is_refused(tiny_corpus: Path) -> None:
    with pytest.raises(CorpusError, match=r"has no clip of 'down'; expected a corpus with yes, no, up, down"):
        watch_learning(tiny_corpus)


def test_a_clip_that_cannot_be_read_is_an_error(tiny_corpus: Path, tmp_path: Path) -> None:
    for folder in tiny_corpus.iterdir():
        if folder.name in WORDS:
            (tmp_path / folder.name).symlink_to(folder)
    (tmp_path / "up").unlink()
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "a_nohash_0.wav").write_bytes(b"not a sound")
    with pytest.raises(CorpusError, match=r"a_nohash_0.wav cannot be used: "):
        watch_learning(tmp_path, WORDS, (0, 1))
