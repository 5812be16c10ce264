"""What a model file says about its training and its scores: the one reader of values that are only shown to people.

Nothing is computed from these values, so a file is not refused for them, and they may be anything. Whoever shows them
reads them here: each is of the type that it should have and within bounds, or missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sayso.model import plain
from sayso.model.history import MOST_EPOCHS, EpochRow, history_of

# How many scores, settings, layers with gradients, and splits of the data are shown.
MOST_SCORES, MOST_SETTINGS, MOST_LAYERS, MOST_SPLITS = 100, 200, 200, 10


class Score(NamedTuple):
    """The accuracy of a model on some clips, as its file states it.

    Attributes
    ----------
    accuracy : float or None
        Fraction of the clips that were recognised.
    interval : tuple of float, or None
        Its 95 % interval.
    clips : int or None
        Number of clips.
    """

    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    clips: int | None = None


@dataclass(frozen=True)
class TrainingRecord:
    """How a model was trained, as its file states it; None and empty where it does not.

    Attributes
    ----------
    corpus, sha256 : str or None
        Name of the corpus, and the digest of all samples.
    clips : dict of str to dict of str to int
        Number of clips of each label, by the split of the data.
    noises, seed : int or None
        Number of recordings of noise; seed of the training.
    best_epoch, validation_clips : int or None
        The epoch whose weights were kept, and the number of clips by which it was chosen.
    validation_accuracy : float or None
        Its accuracy on them.
    history : list of EpochRow
        The epochs.
    layers : list of str
        Names of the layers whose gradients the history has.
    settings : list of (str, str)
        Dotted names and values of all settings.
    taught : list of (str, int)
        Words that were added later, with the number of their recordings. The validation is then that of the model
        before, which had other labels.
    """

    corpus: str | None
    sha256: str | None
    clips: dict[str, dict[str, int]]
    noises: int | None
    seed: int | None
    best_epoch: int | None
    validation_clips: int | None
    validation_accuracy: float | None
    history: list[EpochRow]
    layers: list[str]
    settings: list[tuple[str, str]]
    taught: list[tuple[str, int]]

    @property
    def validated(self) -> bool:
        """Whether the accuracy in validation is known, with its epoch and the number of clips."""
        return None not in (self.validation_accuracy, self.validation_clips, self.best_epoch)


def training_of(training: Mapping[str, Any]) -> TrainingRecord:
    """Read the record of the training from `Model.training`."""
    data = plain.table(training.get("data"), plain.LONGEST_TEXT)
    settings = plain.table(training.get("settings"), MOST_SETTINGS)
    before = plain.table(training.get("before_teaching"), MOST_SETTINGS) or training
    layers = before.get("layers")
    names = [plain.text(name) for name in layers] if isinstance(layers, list | tuple) else []
    return TrainingRecord(
        corpus=plain.text(data.get("corpus")),
        sha256=plain.text(data.get("sha256")),
        clips={split: _counts(labels) for split, labels in plain.table(data.get("clips"), MOST_SPLITS).items()},
        noises=plain.whole(data.get("noises")),
        seed=plain.whole(plain.table(settings.get("training"), MOST_SETTINGS).get("seed"), 0, 2**63),
        best_epoch=plain.whole(before.get("best_epoch"), 1, MOST_EPOCHS),
        validation_clips=plain.whole(before.get("validation_clips")),
        validation_accuracy=plain.number(before.get("validation_accuracy"), 0, 1),
        history=history_of(before),
        layers=[name for name in names if name] if len(names) <= MOST_LAYERS and all(names) else [],
        settings=_flat(settings)[:MOST_SETTINGS],
        taught=_taught(training.get("taught")),
    )


def scores_of(scores: Mapping[str, Any]) -> dict[str, Score]:
    """Read the first scores from `Model.scores`, by the names of the data."""
    return {name: _score(score) for name, score in plain.table(scores, MOST_SCORES).items()}


def versions_of(versions: Any) -> dict[str, str]:
    """Read the versions of the software that a model was made with."""
    return {name: plain.display(version) or "?" for name, version in plain.table(versions, MOST_SPLITS).items()}


def _score(score: Any) -> Score:
    values = plain.table(score, MOST_SETTINGS)
    interval = values.get("interval")
    bounds = [plain.number(bound, 0, 1) for bound in interval] if isinstance(interval, list | tuple) else []
    low, high = bounds if len(bounds) == 2 else (None, None)
    return Score(
        accuracy=plain.number(values.get("accuracy"), 0, 1),
        interval=(low, high) if low is not None and high is not None and low <= high else None,
        clips=plain.whole(values.get("clips")),
    )


def _counts(labels: Any) -> dict[str, int]:
    counts = {label: plain.whole(count) for label, count in plain.table(labels, 10_000).items()}
    return {label: count for label, count in counts.items() if count is not None}


def _taught(sources: Any) -> list[tuple[str, int]]:
    """Return the words of every teaching with the number of their recordings."""
    tables = sources[:MOST_SETTINGS] if isinstance(sources, list) else []
    return [pair for source in tables for pair in _counts(plain.table(source, MOST_SETTINGS).get("clips")).items()]


def _flat(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return tables of settings as rows of dotted names and values; deeper tables are those of single words."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        for key, inner in plain.table(value, MOST_SETTINGS).items():
            for word, deepest in (plain.table(inner, MOST_SETTINGS) or {"": inner}).items():
                if (shown := plain.display(deepest)) is not None:
                    rows.append((f"{name}.{key}{word and f'.{word}'}", shown))
    return rows
