"""Training: it learns, is reproducible bit by bit, and can be stopped and resumed at any time."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.metrics import balanced_accuracy_score, log_loss
from threadpoolctl import threadpool_limits

import sounds
from cases import case
from command_line import Result
from sayso.config import UNKNOWN, DecisionSettings, Settings, TrainingSettings
from sayso.corpus.clip_sets import ClipSet
from sayso.corpus.corpus import scan
from sayso.errors import ModelError, SettingsError
from sayso.nn import SGD, AdamW, Constant, CosineWithWarmup, Network, OneCycle, StepDecay
from sayso.training import training as training_module
from sayso.training.distillation import Distillation
from sayso.training.preparation import prepare
from sayso.training.training import Training, optimizer, schedule


def start(corpus: Path, settings: Settings, checkpoint: Path | None = None) -> Training:
    return prepare(scan(corpus), settings, checkpoint=checkpoint).training


def with_training(settings: Settings, **changes: object) -> Settings:
    return dataclasses.replace(settings, training=dataclasses.replace(settings.training, **changes))


def saved(training: Training, path: Path) -> bytes:
    training.model().save(path)
    return path.read_bytes()


def test_training_learns_and_keeps_the_best_epoch(tiny_corpus: Path, tiny_settings: Settings) -> None:
    training = start(tiny_corpus, tiny_settings)
    rows = list(training.epochs())
    assert [row.epoch for row in rows] == list(range(1, tiny_settings.training.epochs + 1))
    assert rows[-1].loss < 0.7 * rows[0].loss
    best = max(row.validation_accuracy for row in rows)
    assert best > 0.8
    model = training.model()
    assert model.training["validation_accuracy"] == best
    assert rows[training.best_epoch - 1].validation_accuracy == best
    features = training.standardizer.apply(training.extractor(training.validation.windows))
    predicted = model.network.logits(features).argmax(axis=1)
    assert balanced_accuracy_score(training.validation.labels, predicted) == pytest.approx(best)


def test_the_same_seed_gives_the_same_file_whatever_the_number_of_threads(
    tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path
) -> None:
    files = []
    for threads in (1, 3):
        training = start(tiny_corpus, with_training(tiny_settings, epochs=2))
        training.threads = threads
        with threadpool_limits(threads, "blas"):
            list(training.epochs())
        files.append(saved(training, tmp_path / "model.safetensors"))
    assert files[0] == files[1]


def test_another_seed_gives_another_model(tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path) -> None:
    files = []
    for seed in (0, 1):
        training = start(tiny_corpus, with_training(tiny_settings, epochs=1, seed=seed))
        list(training.epochs())
        files.append(training.model().network.parameters.vector)
    assert not np.array_equal(*files)


@pytest.mark.parametrize("rule", ["adamw", "sgd"])
def test_a_run_resumed_after_any_epoch_equals_an_uninterrupted_one(
    rule: str, tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_module, "CHECKPOINT_SECONDS", 0.0)
    settings = with_training(tiny_settings, epochs=3, optimizer=rule, learning_rate=0.01)
    whole = start(tiny_corpus, settings)
    list(whole.epochs())
    expected = saved(whole, tmp_path / "whole.safetensors")
    checkpoint = tmp_path / "checkpoint"
    for done in (1, 2, 3):
        broken = start(tiny_corpus, settings, checkpoint)
        for row in broken.epochs():
            if row.epoch == done:
                break
        resumed = start(tiny_corpus, settings, checkpoint)
        resumed.resume(checkpoint)
        assert len(resumed.history) == done
        list(resumed.epochs())
        assert saved(resumed, tmp_path / "resumed.safetensors") == expected


def test_a_killed_process_resumes_bit_by_bit(sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    command = ["train", str(tiny_corpus), "--config", "quickstart", "--epochs", "6", "--seed", "3", "-o"]
    assert sayso(*command, whole).status == 0
    other = [sys.executable, "-m", "sayso", *command, str(killed)]
    with subprocess.Popen(other, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 3/"):
                process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
                break
    assert not killed.exists()
    assert killed.with_name("killed.safetensors.checkpoint").exists()
    assert sayso(*command, killed, "--resume").status == 0
    assert killed.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.safetensors", "whole.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process alone")
def test_ctrl_c_keeps_the_best_model_and_the_checkpoint(tiny_corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.safetensors"
    arguments = ["train", str(tiny_corpus), "-o", str(output), "--config", "quickstart", "--epochs", "10000"]
    with subprocess.Popen([sys.executable, "-m", "sayso", *arguments], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 2/"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 0
    assert "--resume continues" in rest
    assert output.exists()
    assert output.with_name("model.safetensors.checkpoint").exists()


def test_patience_stops_early(tiny_corpus: Path, tiny_settings: Settings) -> None:
    settings = with_training(tiny_settings, epochs=50, patience=2, learning_rate=1e-9, average_decay=0.0)
    training = start(tiny_corpus, settings)
    rows = list(training.epochs())
    # The weights hardly change, and equal accuracy counts as progress, so training stops unless accuracy never falls.
    assert len(rows) < 50 or len({row.validation_accuracy for row in rows}) == 1
    assert training.finished


def test_a_checkpoint_of_another_training_is_refused(
    tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint"
    list(start(tiny_corpus, with_training(tiny_settings, epochs=1), checkpoint).epochs())
    with pytest.raises(SettingsError, match="different settings"):
        start(tiny_corpus, with_training(tiny_settings, epochs=2)).resume(checkpoint)
    corpus = scan(tiny_corpus)
    left_out = corpus.by_split("training")[0]
    fewer = dataclasses.replace(corpus, clips=tuple(clip for clip in corpus.clips if clip != left_out))
    with pytest.raises(SettingsError, match="different recordings"):
        prepare(fewer, with_training(tiny_settings, epochs=1)).training.resume(checkpoint)


def test_a_checkpoint_with_other_negatives_is_refused(
    tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path
) -> None:
    checkpoint, settings = tmp_path / "checkpoint", with_training(tiny_settings, epochs=1)
    talk, other = tmp_path / "talk.wav", tmp_path / "other.wav"
    soundfile.write(talk, sounds.stream(["zero", "zero"])[0], sounds.RATE)
    soundfile.write(other, sounds.stream(["zero", "up"])[0], sounds.RATE)
    list(prepare(scan(tiny_corpus), settings, negatives=[talk], checkpoint=checkpoint).training.epochs())
    for negatives in ([], [other], [talk, other]):
        with pytest.raises(SettingsError, match="different recordings"):
            prepare(scan(tiny_corpus), settings, negatives=negatives).training.resume(checkpoint)
    resumed = prepare(scan(tiny_corpus), settings, negatives=[talk]).training
    resumed.resume(checkpoint)
    assert len(resumed.history) == 1


def test_validation_accuracy_is_balanced(
    tiny_corpus: Path, tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = start(tiny_corpus, with_training(tiny_settings, epochs=1))
    # Of the four clips of the first label only one is left.
    fewer = np.flatnonzero((training.validation.labels != 0) | (np.cumsum(training.validation.labels == 0) == 1))
    windows, labels, names = training.validation
    training.validation = ClipSet(windows[fewer], labels[fewer], tuple(names[position] for position in fewer))
    training._validation_features = training._validation_features[fewer]
    always = np.zeros((len(fewer), 5), np.float32)
    always[:, 0] = 1
    monkeypatch.setattr(Network, "logits", lambda self, features: always)
    (row,) = training.epochs()
    assert row.validation_accuracy == pytest.approx(1 / 5)


def test_a_damaged_checkpoint_is_refused(tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path) -> None:
    checkpoint, settings = tmp_path / "checkpoint", with_training(tiny_settings, epochs=1)
    training = start(tiny_corpus, settings, checkpoint)
    list(training.epochs())
    good = checkpoint.read_bytes()
    for damage, content in {"empty": b"", "noise": os.urandom(500), "truncated": good[: len(good) // 2]}.items():
        checkpoint.write_bytes(content)
        with case(damage), pytest.raises(ModelError, match="not a checkpoint that can be resumed"):
            training.resume(checkpoint)
    checkpoint.unlink()
    with pytest.raises(ModelError, match="not a checkpoint that can be resumed"):
        training.resume(checkpoint)


def test_settings_choose_the_optimiser_and_the_schedule() -> None:
    assert optimizer(TrainingSettings(optimizer="sgd", momentum=0.5)) == SGD(0.5)
    assert optimizer(TrainingSettings(optimizer="adam", weight_decay=0.1)) == AdamW(weight_decay=0.0)
    assert optimizer(TrainingSettings(optimizer="adamw", weight_decay=0.1)) == AdamW(weight_decay=0.1)
    kinds = {"one-cycle": OneCycle, "cosine": CosineWithWarmup, "step": StepDecay, "constant": Constant}
    for name, kind in kinds.items():
        assert isinstance(schedule(TrainingSettings(schedule=name)), kind)


def test_the_model_records_its_settings_and_data(tiny_corpus: Path, tiny_settings: Settings) -> None:
    training = start(tiny_corpus, with_training(tiny_settings, epochs=1))
    list(training.epochs())
    record = training.model().training
    assert Settings.from_dict(record["settings"]) == training.settings
    assert record["data"]["corpus"] == tiny_corpus.name
    assert sum(record["data"]["clips"]["training"].values()) == len(scan(tiny_corpus).by_split("training"))
    assert len(record["history"]) == 1


def test_each_epoch_has_the_validation_loss_and_the_gradient_norm_of_each_layer(
    tiny_corpus: Path, tiny_settings: Settings
) -> None:
    settings = with_training(tiny_settings, epochs=2, batch_size=1_000, label_smoothing=0.0)
    training = start(tiny_corpus, settings)
    assert training.data.batches == 1
    row, last = training.epochs()
    model = training.snapshot()
    features = training.standardizer.apply(training.extractor(training.validation.windows))
    probabilities = model.network.probabilities(features)
    kept = (row, last)[training.best_epoch - 1]
    assert kept.validation_loss == pytest.approx(log_loss(training.validation.labels, probabilities), rel=1e-4)
    # The norms of all layers give the norm of the whole gradient.
    assert model.training["layers"] == ["1.Dense", "2.BatchNorm", "4.Dense"]
    for epoch in (row, last):
        assert np.linalg.norm(epoch.layer_gradient_norms) == pytest.approx(epoch.gradient_norm, rel=0.01)
    assert row.layer_gradient_norms != last.layer_gradient_norms


def test_unknown_speech_is_not_preferred_for_being_drawn_more_often(tiny_corpus: Path, tiny_settings: Settings) -> None:
    corpus, settings = (
        scan(tiny_corpus),
        with_training(tiny_settings, unknown_draws=4.0, unknown_by_word=True, epochs=1),
    )
    training = prepare(corpus, settings, ["yes", "no"]).training
    next(training.epochs())
    unknown = training.data.labels.index("_unknown_")
    features = training.standardizer.apply(training.extractor(training.validation.windows))
    model = training.model()
    raw = Network(training.network.chain.layers, model.network.input_shape)
    raw.parameters.vector[:] = training._trainer.averaged
    # Two words are unknown speech, and separate classes after the labels.
    assert tuple(training.data.parts) == ("up", "zero")
    classes = raw.logits(features)
    labels = len(training.data.labels)
    assert classes.shape[1] == labels + 2
    expected = classes[:, :labels]
    members = np.column_stack([expected[:, unknown], classes[:, labels:]])
    expected[:, unknown] = np.log(np.exp(members).sum(axis=1)) - np.log(4)
    np.testing.assert_allclose(model.network.logits(features), expected, atol=1e-5)
    # The rehearsal examples of these words count as unknown speech, both augmented and as recorded.
    assert model.rehearsal is not None
    plain = sum(row.word in ("up", "zero") for row in training.data._clips.rows)
    assert (model.rehearsal.labels == unknown).sum() > plain
    # Validation uses exactly the model that is kept.
    predicted = expected.argmax(axis=1)
    recalls = balanced_accuracy_score(training.validation.labels, predicted)
    assert model.training["validation_accuracy"] == pytest.approx(recalls)


def test_a_checkpoint_that_is_not_what_was_saved_is_refused(
    tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path
) -> None:
    changes: dict[str, Callable[[Any, Any], object]] = {
        "best epoch is a list": lambda header, arrays: header["best"].update(epoch=[1]),
        "best epoch is after the last": lambda header, arrays: header["best"].update(epoch=7),
        "best accuracy is text": lambda header, arrays: header["best"].update(accuracy="high"),
        "best accuracy is not a number": lambda header, arrays: header["best"].update(accuracy=float("nan")),
        "best accuracy is huge": lambda header, arrays: header["best"].update(accuracy=10**400),
        "best epoch is huge": lambda header, arrays: header["best"].update(epoch=10**400),
        "an epoch is huge": lambda header, arrays: header["history"][0].update(epoch=10**400),
        "a loss is huge": lambda header, arrays: header["history"][0].update(loss=10**4_000),
        "a norm is huge": lambda header, arrays: header["history"][0].update(layer_gradient_norms=[10**400]),
        "there is no history": lambda header, arrays: header.pop("history"),
        "no loss": lambda header, arrays: header["history"][0].update(loss=None),
        "history is a number": lambda header, arrays: header.update(history=3),
        "best weights are NaN": lambda header, arrays: arrays["best"].fill(np.nan),
        "average weights are infinite": lambda header, arrays: arrays["average"].fill(np.inf),
        "too few weights": lambda header, arrays: arrays.update(parameters=arrays["parameters"][:1]),
        "best weights are double": lambda header, arrays: arrays.update(best=arrays["best"].astype(np.float64)),
    }
    settings, checkpoint = with_training(tiny_settings, epochs=1), tmp_path / "checkpoint"
    training = start(tiny_corpus, settings, checkpoint)
    next(training.epochs())
    good = checkpoint.read_bytes()
    for name, change in changes.items():
        with case(name):
            checkpoint.write_bytes(good)
            with safe_open(checkpoint, framework="numpy") as file:
                header = json.loads(file.metadata()["checkpoint"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            change(header, arrays)
            save_file(arrays, checkpoint, {"checkpoint": json.dumps(header)})
            with pytest.raises(ModelError, match="not a checkpoint that can be resumed"):
                training.resume(checkpoint)


def test_a_diverging_training_ends_with_an_error(
    tiny_corpus: Path, tiny_settings: Settings, recwarn: pytest.WarningsRecorder
) -> None:
    training = start(tiny_corpus, with_training(tiny_settings, shard_size=8))
    training.network.parameters.vector[:] = 1e30
    with pytest.raises(SettingsError, match=r"training diverged.* use a smaller learning rate than 0\.01"):
        next(training.epochs())
    assert not recwarn.list


def test_a_checkpoint_of_an_older_version_is_resumed(
    tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path
) -> None:
    checkpoint, settings = tmp_path / "checkpoint", with_training(tiny_settings, epochs=1)
    list(start(tiny_corpus, settings, checkpoint).epochs())
    with safe_open(checkpoint, framework="numpy") as file:
        header = json.loads(file.metadata()["checkpoint"])
        vectors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    assert "decision" not in header["settings"]
    # It also held how words are decided, and did not know all of today's settings.
    header["settings"]["decision"] = {"threshold": 0.1, "margin": 0.1}
    del header["settings"]["training"]["unknown_classes"]
    save_file(vectors, checkpoint, {"checkpoint": json.dumps(header)})
    other = dataclasses.replace(settings, decision=DecisionSettings(threshold=0.9))
    resumed = start(tiny_corpus, other)
    resumed.resume(checkpoint)
    assert len(resumed.history) == 1
    assert resumed.model().decision.threshold == 0.9


def test_a_network_learns_from_a_larger_model(tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path) -> None:
    corpus, words = scan(tiny_corpus), ("yes", "no", "up")
    by_word = with_training(tiny_settings, unknown_by_word=True, unknown_draws=2.0)
    teacher = prepare(corpus, by_word, words).training
    list(teacher.epochs())
    larger = teacher.model()

    def imitating(share: float, **changes: object) -> Training:
        settings = with_training(tiny_settings, distillation=share, epochs=4, **changes)
        return prepare(corpus, settings, words, distill=larger, checkpoint=tmp_path / "checkpoint").training

    # With equal features and all of its classes, the targets are what the larger network itself makes of the features.
    training = imitating(1.0, unknown_by_word=True, unknown_draws=2.0)
    features, classes = next(training.data.epoch(1, training.standardizer, 1))
    distillation = Distillation(larger, training.data, training.standardizer, training.settings)
    targets = distillation.targets(features, classes)
    heard = teacher.standardizer.apply(features * training.standardizer.deviation + training.standardizer.mean)
    network = Network(larger.network.chain.layers[:-1], larger.network.input_shape)
    network.parameters.vector[:] = larger.network.parameters.vector
    for name in (UNKNOWN, *larger.parts):
        network.raise_logit((*larger.labels, *larger.parts).index(name), np.log(2))
    np.testing.assert_allclose(targets.T, network.probabilities(heard), atol=1e-5)
    # Half of each is the label's.
    shared = with_training(training.settings, distillation=0.5, label_smoothing=0.0)
    half = Distillation(larger, training.data, training.standardizer, shared)
    truth = np.eye(len(targets), dtype=np.float32)[classes].T
    np.testing.assert_allclose(half.targets(features, classes), (targets + truth) / 2, atol=1e-6)
    # Words that only the larger model tells apart are unknown speech together.
    merged = imitating(1.0)
    told = Distillation(larger, merged.data, merged.standardizer, merged.settings).targets(features, classes * 0)
    assert told.shape == (len(merged.data.labels), len(features))
    np.testing.assert_allclose(told.sum(axis=0), 1, atol=1e-5)
    # Where there is no unknown speech, what the larger model knows of it is left out.
    whole = prepare(corpus, with_training(tiny_settings, distillation=1.0), distill=larger).training
    assert UNKNOWN not in whole.data.labels
    told = Distillation(larger, whole.data, whole.standardizer, whole.settings).targets(features, classes * 0)
    heard = teacher.standardizer.apply(features * whole.standardizer.deviation + whole.standardizer.mean)
    known = [(*larger.labels, *larger.parts).index(label) for label in whole.data.labels]
    # There it was all of the unknown speech, which was drawn twice.
    network.raise_logit(known[whole.data.labels.index("zero")], -np.log(2))
    among = network.probabilities(heard)[:, known]
    np.testing.assert_allclose(told.T, among / among.sum(axis=1, keepdims=True), atol=1e-5)
    # It learns so without any label, is reproducible, and resumed only with the same model.
    assert list(merged.epochs())[-1].validation_accuracy > 0.7
    settings = with_training(tiny_settings, distillation=1.0, epochs=4)
    changed = dataclasses.replace(settings, features=dataclasses.replace(settings.features, high_pass=50.0))
    with pytest.raises(SettingsError, match="recordings"):
        prepare(corpus, settings, words).training.resume(tmp_path / "checkpoint")
    with pytest.raises(SettingsError, match="other \\[features\\]"):
        prepare(corpus, changed, words, distill=larger)
    with pytest.raises(SettingsError, match="does not know 'yes'"):
        prepare(corpus, settings, words, distill=dataclasses.replace(larger, labels=("ja", *larger.labels[1:])))
