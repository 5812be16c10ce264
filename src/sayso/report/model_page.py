"""The report on a model: its network, training, accuracy, mistakes and cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sayso.config import SILENCE
from sayso.evaluation.measure import Measured
from sayso.features.mfcc import MfccExtractor
from sayso.model.metadata import Score, scores_of, training_of
from sayso.model.model_file import Model
from sayso.report import page, plots
from sayso.report.layers import layer_rows
from sayso.report.plots import Plot
from sayso.report.training_plots import training_plots

# Number of clips that are shown, and of kinds of mistakes that are listed.
WORST, MISTAKES = 12, 10
# While a training is running the page reloads itself after this time, in seconds.
RELOAD = 10.0
# With a higher probability of another label, the label of the clip may be wrong.
CONFIDENT = 0.7
# Dynamic range of a spectrogram in decibels.
RANGE = 60.0
THRESHOLDS = tuple(round(0.01 * step, 2) for step in range(1, 100))
_IN_NOISE = re.compile(r"(?P<data>.+), noise at (?P<ratio>-?[0-9]{1,3}(?:\.[0-9]{1,3})?) dB")
# Signal-to-noise ratios of earlier measurements that are drawn.
MOST_RATIOS = 40


@dataclass(frozen=True, eq=False)
class Subject:
    """The subject of a report.

    Attributes
    ----------
    name : str
        Name of the model.
    model : Model
        The model.
    bytes : int or None
        Size of its file, if there is one.
    measured : Measured or None
        Measurements for the report.
    seconds : float or None
        Processing time of one window of sound.
    card : str or None
        Text of the model card, if there is one next to the file.
    epochs : int or None
        Planned number of epochs, while the training is running.
    """

    name: str
    model: Model
    bytes: int | None = None
    measured: Measured | None = None
    seconds: float | None = None
    card: str | None = None
    epochs: int | None = None


def draw(subject: Subject) -> list[Plot]:
    """Draw all plots of a report; call it inside `page.style`."""
    model, measured = subject.model, subject.measured
    drawn: list[Plot] = []
    record = training_of(model.training)
    if record.history:
        drawn += training_plots(record.history, record.best_epoch or 0, record.layers, subject.epochs)
    if measured:
        evaluation = measured.predictions.evaluation
        drawn += [plots.confusion(evaluation), plots.words(evaluation), plots.reliability(measured.predictions)]
        if measured.in_noise:
            rates = {ratio: (noisy.accuracy, *noisy.interval) for ratio, noisy in measured.in_noise.items()}
            drawn.append(plots.noise_curve(evaluation.accuracy, rates, measured.noise))
        if in_use := measured.predictions.detection(model.decision.threshold, model.decision.words):
            drawn.append(plots.clip_trade_off(measured.predictions.trade_off(THRESHOLDS), in_use))
    elif kept := _kept_noise(scores_of(model.scores)):
        data, clean, rates = kept
        drawn.append(plots.noise_curve(clean, rates, f"as measured on {data}"))
    return drawn


def render(subject: Subject, drawn: Sequence[Plot]) -> str:
    """Render the page; call it inside `page.style`.

    Parameters
    ----------
    subject : Subject
        The subject.
    drawn : sequence of Plot
        Its plots, from `draw`.
    """
    model, measured = subject.model, subject.measured
    evaluation = measured.predictions.evaluation if measured else None
    worst = _worst(model, measured) if measured else []
    figures = {plot.name: {"svg": page.svg(plot.figure, plot.alt), "caption": plot.caption} for plot in drawn}
    return page.render(
        "report.html",
        subject=subject,
        model=model,
        training=training_of(model.training),
        scores=scores_of(model.scores),
        figures=figures,
        layers=layer_rows(model.network),
        evaluation=evaluation,
        mistakes=evaluation.mistakes[:MISTAKES] if evaluation else [],
        worst=worst,
        millions=f"{page.number(model.network.multiply_adds / 1e6, 2)} million",
        reload=round(1000 * RELOAD),
        ms=f"{page.number(1000 * subject.seconds, 2)} ms" if subject.seconds else "",
        sections=_sections(subject, worst),
        SILENCE=SILENCE,
    )


def _sections(subject: Subject, worst: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the sections of the page in their order, each with its title: first how good the model is, then how made.

    While the training runs there is little to say of the result, so its curves come first.
    """
    sections = {"accuracy": "Accuracy"}
    if worst:
        right = all(clip["correct"] for clip in worst)
        sections["mistakes"] = "Least certain clips" if right else "Mistakes and least certain clips"
    training = {"training": "Training"}
    sections = training | sections if subject.epochs else sections | training
    return {**sections, "model": "Model", "cost": "Computational cost", "origin": "Training data and settings"}


def _worst(model: Model, measured: Measured) -> list[dict[str, Any]]:
    """Describe the clips with the largest loss, worst first."""
    predictions = measured.predictions
    positions = predictions.worst(WORST)
    windows = measured.clips.windows[positions]
    extractor = MfccExtractor(model.features, model.tables)
    shown: list[dict[str, Any]] = []
    for position, window, decibels in zip(
        positions, windows, extractor.decibels(extractor.energies(windows)), strict=True
    ):
        truth, predicted = (model.labels[places[position]] for places in (predictions.truth, predictions.predicted))
        name = _within(measured.clips.names[position], measured.root)
        probabilities = predictions.probabilities[position]
        loud = np.maximum(decibels.T - (decibels.max() - RANGE), 0)
        shown.append(
            {
                "number": len(shown) + 1,
                "name": name,
                "correct": predicted == truth,
                "truth": truth,
                "predicted": predicted,
                "confidence": probabilities.max(),
                "of_truth": probabilities[predictions.truth[position]],
                "loss": predictions.losses[position],
                "doubtful": predicted != truth
                and probabilities.max() >= CONFIDENT
                and not name.startswith(f"{SILENCE} "),
                "sound": page.sound(window, model.features.sample_rate, f"{name}, labelled {truth}"),
                "picture": page.picture(loud, f"Mel spectrogram of {name}", RANGE, "grey"),
            }
        )
    return shown


def _within(name: str, root: Path | None) -> str:
    """Shorten a path to its part within the corpus; the names of generated clips are kept."""
    path = Path(name)
    return str(path.relative_to(root)) if root and path.is_relative_to(root) else name


def _kept_noise(scores: Mapping[str, Score]) -> tuple[str, float, dict[float, tuple[float, float, float]]] | None:
    """Return the stored scores in noise: the name of the data, the accuracy without noise, and that at each ratio."""
    rates: dict[str, dict[float, tuple[float, float, float]]] = {}
    for name, score in scores.items():
        found = _IN_NOISE.fullmatch(name)
        if found and score.accuracy is not None and score.interval:
            rates.setdefault(found["data"], {})[float(found["ratio"])] = (score.accuracy, *score.interval)
    for data, noisy in rates.items():
        clean = scores.get(data, Score()).accuracy
        if clean is not None:
            return data, clean, dict(list(noisy.items())[:MOST_RATIOS])
    return None
