"""Training a model on a corpus: epochs of backpropagation, each followed by validation, with checkpoints.

All random numbers depend on the seed and the number of the epoch alone, and a checkpoint holds every vector that the
next step depends on. So a training that was killed and resumed ends with the same bits as one that was not.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, Settings, TrainingSettings
from sayso.corpus.clip_sets import ClipSet
from sayso.errors import SettingsError
from sayso.evaluation.accuracy import Evaluation
from sayso.features.mfcc import MfccExtractor
from sayso.model.history import EpochRow
from sayso.model.model_file import Model
from sayso.model.rehearsal import EXAMPLES, UNKNOWN_EXAMPLES, UNKNOWN_PLAIN, Rehearsal
from sayso.nn import (
    SGD,
    AdamW,
    Constant,
    CosineWithWarmup,
    Dense,
    Merging,
    Network,
    OneCycle,
    Optimizer,
    Schedule,
    StepDecay,
    one_hot,
    softmax_cross_entropy,
)
from sayso.nn.trainer import Trainer
from sayso.system.memory import keep_freed_memory
from sayso.system.workers import cores
from sayso.training.batches import TrainingSet
from sayso.training.checkpoint import Checkpoint
from sayso.training.distillation import Distillation

FloatArray = NDArray[np.float32]

# Writing a checkpoint takes about as long as a short epoch, so there is at least this time between two of them.
CHECKPOINT_SECONDS = 20.0

# In about this many steps of an epoch the gradient norm of each layer is recorded.
NORM_SAMPLES = 8

# Purposes of random numbers in the training itself; `batches` and `augmented_clips` have others.
_START, _STEPS = 100, 101


@dataclass
class _Best:
    """The best weights so far; of two epochs with equal accuracy the later one is better."""

    vector: FloatArray
    epoch: int = 0
    accuracy: float = -1.0


@dataclass
class Training:
    """One training, from initial weights to the best model.

    Attributes
    ----------
    data : TrainingSet
        Clips to learn from.
    validation : ClipSet
        Clips that decide which epoch is best.
    settings : Settings
        All settings.
    extractor : MfccExtractor
        Computes the features.
    provenance : dict
        Description of the data in plain values, stored in the model; a checkpoint can only be resumed with the same.
    checkpoint : Path or None
        Where to save checkpoints.
    threads : int
        Threads that prepare batches. The result does not depend on it.
    digests : ndarray of uint64
        Digests of the training and validation clips, kept in the model.
    history : list of EpochRow
        Results of the epochs so far.
    distill : Model or None
        A larger model to learn from as well.
    """

    data: TrainingSet
    validation: ClipSet
    settings: Settings
    extractor: MfccExtractor
    provenance: dict[str, Any]
    checkpoint: Path | None = None
    threads: int = field(default_factory=cores)
    digests: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    history: list[EpochRow] = field(default_factory=list)
    distill: Model | None = None

    def __post_init__(self) -> None:
        settings = self.settings
        rng = np.random.default_rng([settings.training.seed, _START])
        shape = (settings.features.frames, settings.features.width)
        labels, parts = self.data.labels, self.data.parts
        layers = settings.network.layers(len(labels) + len(parts))
        self.network = Network(layers, shape).initialise(rng)
        self._trainer = Trainer(
            self.network,
            optimizer(settings.training),
            schedule(settings.training),
            settings.training.label_smoothing,
            settings.training.average_decay,
            settings.training.shard_size,
        )
        self.standardizer = self.data.standardizer(self.threads)
        self._distillation = None
        if self.distill:
            self._distillation = Distillation(self.distill, self.data, self.standardizer, settings)
            self.provenance |= {"distilled_from": self._distillation.digest}
        self._validation_features = self.standardizer.apply(self.extractor(self.validation.windows))
        # Validation runs the averaged weights in a second network, so that it does not disturb the training.
        merging = [Merging(labels.index(UNKNOWN), len(parts))] if parts else []
        self._validated = Network([*layers, *merging], shape)
        self._best = _Best(self._trainer.averaged.copy())

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the best validation accuracy; 0 before the first one has ended."""
        return self._best.epoch

    def epochs(self, advance: Callable[[float, float], None] = lambda done, loss: None) -> Iterator[EpochRow]:
        """Train epoch by epoch until all epochs are done or patience has run out.

        The loop may be left at any time, also by Ctrl-C; `model` then returns the best weights so far.

        Parameters
        ----------
        advance : callable
            Called after each step with the fraction of the training that is done and the loss of the step.

        Yields
        ------
        row : EpochRow
            Results of the epoch.

        Raises
        ------
        SettingsError
            If the training diverges, as it does when the learning rate is too large.
        """
        from threadpoolctl import ThreadpoolController

        # Created once: it finds the libraries in a callback from C, where a Ctrl-C would be lost.
        libraries = ThreadpoolController()
        keep_freed_memory()
        saved = 0.0
        while not self.finished:
            # The threads that prepare batches keep the other cores busy, and a single thread always sums in the same
            # order.
            with (
                libraries.limit(limits=1, user_api="blas"),
                np.errstate(over="ignore", invalid="ignore", divide="ignore"),
            ):
                row = self._epoch(len(self.history) + 1, advance)
            self.history.append(row)
            if row.validation_accuracy >= self._best.accuracy:
                self._best = _Best(self._trainer.averaged.copy(), row.epoch, row.validation_accuracy)
            if self.checkpoint and (self.finished or time.monotonic() - saved > CHECKPOINT_SECONDS):
                self._save_checkpoint(self.checkpoint)
                saved = time.monotonic()
            yield row

    @property
    def layers(self) -> list[str]:
        """Names of the layers with parameters, in the order of `layer_gradient_norms` of each epoch."""
        return list(self.network.parameters.norms(self.network.parameters.vector))

    @property
    def finished(self) -> bool:
        """Whether all epochs are done or patience has run out."""
        training, done = self.settings.training, len(self.history)
        out_of_patience = training.patience > 0 and done - self._best.epoch >= training.patience
        return done >= training.epochs or out_of_patience

    def _epoch(self, epoch: int, advance: Callable[[float, float], None]) -> EpochRow:
        training, batches = self.settings.training, self.data.batches
        rng = np.random.default_rng([training.seed, _STEPS, epoch])
        loss, correct, norm = 0.0, 0, 0.0
        norms: list[list[float]] = []
        for batch, (features, labels) in enumerate(self.data.epoch(epoch, self.standardizer, self.threads)):
            done = ((epoch - 1) * batches + batch) / (training.epochs * batches)
            targets = self._distillation.targets(features, labels) if self._distillation else None
            result = self._trainer.step(features, labels, done, rng, targets=targets)
            loss, correct, norm = loss + result.loss, correct + result.correct, norm + result.gradient_norm
            if batch % max(batches // NORM_SAMPLES, 1) == 0:
                norms.append(list(self.network.parameters.norms(self.network.parameters.gradient).values()))
            advance(done, result.loss)
        if not (np.isfinite(loss) and np.isfinite(self._trainer.averaged).all()):
            raise self._diverged()
        self._fill(self._validated, self._trainer.averaged)
        logits, truth = self._validated.logits(self._validation_features), self.validation.labels
        targets = one_hot(truth, len(self.data.labels), training.label_smoothing)
        return EpochRow(
            epoch=epoch,
            loss=loss / batches,
            training_accuracy=correct / (batches * self.data.batch_size),
            validation_accuracy=Evaluation.of(self.data.labels, truth, logits.argmax(axis=1)).balanced_accuracy,
            learning_rate=self._trainer.schedule(epoch / training.epochs),
            gradient_norm=norm / batches,
            validation_loss=softmax_cross_entropy(logits.T, targets)[0],
            # More than three digits would not show in a plot, and would make the model file larger.
            layer_gradient_norms=[float(f"{mean:.3g}") for mean in np.mean(norms, axis=0)],
        )

    def _diverged(self) -> SettingsError:
        return SettingsError(
            "training diverged: the loss or the weights are no longer finite; use a smaller learning rate than "
            f"{self.settings.training.learning_rate:g}"
        )

    @np.errstate(over="ignore", invalid="ignore")
    def model(self) -> Model:
        """Return the model with the best weights so far and the examples that `sayso teach` needs."""
        model = self.snapshot()
        return replace(model, rehearsal=self._rehearse(model.network))

    def snapshot(self) -> Model:
        """Return the model with the best weights so far, without examples for `sayso teach`; this is quick."""
        network = self._fill(Network(self._validated.chain.layers, self._validated.input_shape), self._best.vector)
        return Model(
            labels=self.data.labels,
            features=self.settings.features,
            tables=self.extractor.tables,
            standardizer=self.standardizer,
            network=network,
            decision=self.settings.decision,
            digests=self.digests,
            parts=dict(self.data.parts),
            training={
                "settings": self.settings.to_dict(),
                "data": self.provenance,
                "best_epoch": self._best.epoch,
                "validation_accuracy": self._best.accuracy,
                "validation_clips": len(self.validation.labels),
                "history": [asdict(row) for row in self.history],
                "layers": self.layers,
            },
        )

    def _rehearse(self, network: Network) -> Rehearsal | None:
        """Collect inputs of the last layer: augmented clips of the last epoch, and unknown speech as recorded."""
        if not isinstance(network.chain.layers[network.last], Dense) or not network.last:
            return None
        plain = self.data.plain_unknown(self.standardizer, UNKNOWN_PLAIN)
        inputs, labels, seen = [], [], 0
        if len(plain):
            inputs.append(network.last_inputs(plain))
            labels.append(np.full(len(plain), self.data.labels.index(UNKNOWN)))
        wanted = EXAMPLES * (len(self.data.labels) - 1) + UNKNOWN_EXAMPLES - UNKNOWN_PLAIN
        for features, classes in self.data.epoch(max(len(self.history), 1), self.standardizer, self.threads):
            inputs.append(network.last_inputs(features))
            labels.append(self.data.labels_of(classes))
            seen += len(classes)
            # The rarest label is not in every batch.
            if seen >= 2 * wanted:
                break
        examples = np.concatenate(inputs)
        if not np.isfinite(examples).all():
            raise self._diverged()
        return Rehearsal.of(examples, np.concatenate(labels), self.data.labels)

    def _fill(self, network: Network, vector: FloatArray) -> Network:
        """Copy weights into a network, corrected for use, where unknown speech and silence are as likely as any word.

        The network has learned how often each label was drawn, and of two equally likely labels it prefers the one
        drawn more often. By Bayes' rule the logarithm of that ratio is part of the logit; it is subtracted here.
        """
        network.parameters.vector[:] = vector
        training, labels = self.settings.training, self.data.labels
        for label, draws in ((UNKNOWN, training.unknown_draws), (SILENCE, training.silence_draws)):
            if label in labels:
                network.raise_logit(labels.index(label), -np.log(draws))
        return network

    def _save_checkpoint(self, path: Path) -> None:
        vectors = {**self._trainer.state(), "best": self._best.vector}
        Checkpoint(self._origin, self._best.epoch, self._best.accuracy, self.history, vectors).save(path)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint as if there had been no interruption.

        Raises
        ------
        ModelError
            If the file is not a valid checkpoint.
        SettingsError
            If it belongs to a training with different settings or recordings.
        """
        expected = {**self._trainer.state(), "best": self._best.vector}
        checkpoint = Checkpoint.load(path, self._origin, expected)
        best = checkpoint.vectors.pop("best")
        self._trainer.restore(checkpoint.vectors)
        self._best = _Best(best.astype(np.float32, copy=False), checkpoint.best_epoch, checkpoint.best_accuracy)
        self.history[:] = checkpoint.history

    @property
    def _origin(self) -> dict[str, Any]:
        """Settings of the training and recordings, which a checkpoint must share to be resumed."""
        settings = self.settings.to_dict()
        del settings["decision"]
        return {"settings": settings, "recordings": self.provenance}


def optimizer(training: TrainingSettings) -> Optimizer:
    """Return the optimiser named in the settings."""
    if training.optimizer == "sgd":
        return SGD(training.momentum)
    return AdamW(weight_decay=training.weight_decay if training.optimizer == "adamw" else 0.0)


def schedule(training: TrainingSettings) -> Schedule:
    """Return the schedule named in the settings."""
    rate, warmup = training.learning_rate, training.warmup
    schedules: dict[str, Schedule] = {
        "one-cycle": OneCycle(rate, warmup),
        "cosine": CosineWithWarmup(rate, warmup),
        "step": StepDecay(rate),
        "constant": Constant(rate),
    }
    return schedules[training.schedule]
