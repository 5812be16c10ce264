"""Whole tasks from Python: train, evaluate, classify files."""

from pathlib import Path

import pytest

import sayso
from cases import case
from sayso.config import Settings
from sayso.corpus.corpus import scan
from sayso.errors import SettingsError
from sayso.model import model_file
from sayso.training.training import Training


def test_training_reports_each_step_and_epoch_and_settings_override_the_recipe(
    tiny_corpus: Path, tiny_settings: Settings
) -> None:
    steps: list[float] = []
    epochs: list[int] = []
    ready: list[int] = []
    trained = sayso.train(
        str(tiny_corpus), words=["yes", "no"], recipe=tiny_settings, settings={"training.epochs": 3},
        on_ready=lambda prepared: ready.append(len(prepared.clips.rows)), on_step=lambda done, _: steps.append(done),
        on_epoch=lambda training: epochs.append(training.history[-1].epoch),
    )  # fmt: skip
    assert trained.finished
    assert ready == [80]  # 4 words by 10 speakers, twice
    assert epochs == [1, 2, 3]
    assert steps == sorted(steps)
    assert len(steps) % 3 == 0
    assert trained.model.labels == ("yes", "no", "_unknown_", "_silence_")
    assert trained.evaluation.clips == sum(score.clips for score in trained.evaluation.words.values())
    assert trained.recognizer.labels == trained.model.labels


def test_an_interrupted_training_returns_the_best_model_so_far(
    tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path
) -> None:
    def interrupt(training: Training) -> None:
        if len(training.history) == 2:
            raise KeyboardInterrupt

    def at_once(done: float, loss: float) -> None:
        raise KeyboardInterrupt

    asked = {"words": ["yes", "no"], "recipe": tiny_settings, "checkpoint": tmp_path / "checkpoint"}
    trained = sayso.train(tiny_corpus, **asked, on_epoch=interrupt)
    assert not trained.finished
    assert len(trained.model.training["history"]) == 2
    with pytest.raises(SettingsError, match="stopped before the first epoch"):
        sayso.train(tiny_corpus, **asked, on_step=at_once)
    resumed = sayso.train(tiny_corpus, **asked, resume=True)
    whole = sayso.train(tiny_corpus, **asked)
    assert (resumed.model.network.parameters.vector == whole.model.network.parameters.vector).all()


def test_impossible_requests_are_refused(tiny_corpus: Path, tmp_path: Path) -> None:
    for asked, reason in (
        ({"settings": {"epochs": 3}}, "'epochs' is not a setting; expected TABLE.NAME"),
        ({"settings": {"training.epoch": 3}}, "did you mean epochs"),
        ({"settings": {"training.epochs": 0}}, "between 1 and 10000"),
        ({"recipe": "comands"}, "did you mean commands"),
        ({"resume": True}, "there is no checkpoint; train without it"),
        ({"resume": True, "checkpoint": tmp_path / "none"}, "none; train without it"),
        ({"words": ["yes", "maybe"]}, "has no word 'maybe'"),
    ):
        with case(asked), pytest.raises(SettingsError, match=reason):
            sayso.train(tiny_corpus, **asked)


def test_a_model_is_measured_and_used_in_any_form(tiny_corpus: Path, tiny_model_path: Path) -> None:
    model = model_file.load(tiny_model_path)
    accuracies = []
    for form in (str(tiny_model_path), tiny_model_path, model, sayso.Recognizer(model)):
        steps: list[str] = []
        measured = sayso.evaluate(form, tiny_corpus, ratios=[20], progress=steps.append)
        accuracies.append(measured.evaluation.accuracy)
        assert list(measured.in_noise) == [20]
        assert steps == ["reading clips", "evaluating", "evaluating in noise, 20 dB"]
    assert accuracies == [1.0] * 4
    clean = sayso.evaluate(model, scan(tiny_corpus), split="validation")
    assert clean.in_noise == {}
    assert clean.noise == ""
    files = sorted((tiny_corpus / "yes").iterdir())
    done: list[int] = []
    rows = list(sayso.classify_files([*files, tiny_corpus / "no"], model, progress=done.append))
    assert [row.detection.label for row in rows if row.detection] == ["yes"] * len(files) + ["no"] * len(files)
    assert done == [len(rows)]
    missing = next(iter(sayso.classify_files("nowhere.wav", model)))
    assert missing.detection is None
    assert "nowhere.wav" in missing.error
