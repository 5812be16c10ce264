"""The report of a model: what it is, how it was trained, how good it is, what it gets wrong, and what it costs."""

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
from sayso.model.history import history_of
from sayso.model.model_file import Model
from sayso.report import page, plots
from sayso.report.layers import layer_rows
from sayso.report.plots import Plot
from sayso.report.training_plots import training_plots

# So many clips are shown, and so many kinds of mistakes are listed.
WORST, MISTAKES = 12, 10
# While a training goes on the page renews itself, so many seconds after it was opened.
RENEWAL = 10.0
# Above this the model is sure of another label: that of the clip may be wrong.
SURE = 0.7
# Decibels below its loudest spot that a spectrogram shows.
RANGE = 60.0
THRESHOLDS = tuple(round(0.01 * step, 2) for step in range(1, 100))
_IN_NOISE = re.compile(r"(?P<data>.+), noise at (?P<ratio>-?[\d.]+) dB")


@dataclass(frozen=True, eq=False)
class Subject:
    """What a report speaks of.

    Attributes
    ----------
    name : str
        What to call the model.
    model : Model
        The model.
    bytes : int or None
        Size of its file, if there is one.
    measured : Measured or None
        What was measured for the report.
    seconds : float or None
        How long one window of sound takes.
    card : str or None
        Its model card, where one lies beside its file.
    epochs : int or None
        While the training is going on: how many epochs it has at most.
    """

    name: str
    model: Model
    bytes: int | None = None
    measured: Measured | None = None
    seconds: float | None = None
    card: str | None = None
    epochs: int | None = None


def draw(subject: Subject) -> list[Plot]:
    """Draw all plots of a report; call it within `page.style`."""
    model, measured = subject.model, subject.measured
    drawn: list[Plot] = []
    if history := history_of(model.training):
        best, layers = model.training.get("best_epoch", 0), model.training.get("layers", ())
        drawn += training_plots(history, best, layers)
    if measured:
        evaluation = measured.predictions.evaluation
        drawn += [plots.confusion(evaluation), plots.words(evaluation), plots.reliability(measured.predictions)]
        if measured.in_noise:
            rates = {ratio: (noisy.accuracy, *noisy.interval) for ratio, noisy in measured.in_noise.items()}
            drawn.append(plots.noise_curve(evaluation.accuracy, rates, measured.noise))
        if in_use := measured.predictions.detection(model.decision.threshold, model.decision.words):
            drawn.append(plots.clip_trade_off(measured.predictions.trade_off(THRESHOLDS), in_use))
    elif kept := _kept_noise(model.scores):
        data, clean, rates = kept
        drawn.append(plots.noise_curve(clean, rates, f"as it was measured on {data}"))
    return drawn


def render(subject: Subject, drawn: Sequence[Plot]) -> str:
    """Make the page.

    Parameters
    ----------
    subject : Subject
        What it speaks of.
    drawn : sequence of Plot
        What `draw` returned; call it within `page.style`.
    """
    model, measured = subject.model, subject.measured
    evaluation = measured.predictions.evaluation if measured else None
    figures = {plot.name: {"svg": page.svg(plot.figure, plot.alt), "caption": plot.caption} for plot in drawn}
    return page.render(
        "report.html",
        subject=subject,
        model=model,
        training=model.training,
        history=history_of(model.training),
        figures=figures,
        layers=layer_rows(model.network),
        evaluation=evaluation,
        mistakes=evaluation.mistakes[:MISTAKES] if evaluation else [],
        worst=_worst(model, measured) if measured else [],
        settings=_flat(model.training.get("settings", {})),
        millions=f"{page.number(model.network.multiply_adds / 1e6, 2)} million",
        renewal=round(1000 * RENEWAL),
        ms=f"{page.number(1000 * subject.seconds, 2)} ms" if subject.seconds else "",
        sections={
            "what": "What it is",
            "trained": "How it was trained",
            "good": "How good it is",
            **({"wrong": "What it gets wrong"} if measured else {}),
            "costs": "What it costs",
            "origin": "Where it comes from",
        },
        SILENCE=SILENCE,
    )


def _worst(model: Model, measured: Measured) -> list[dict[str, Any]]:
    """Show the clips that fit their label least."""
    answers = measured.predictions
    positions = answers.worst(WORST)
    windows = measured.clips.windows[positions]
    extractor = MfccExtractor(model.features, model.tables)
    shown = []
    for position, window, decibels in zip(
        positions, windows, extractor.decibels(extractor.energies(windows)), strict=True
    ):
        truth, said = answers.labels[answers.truth[position]], answers.labels[answers.predicted[position]]
        name = _within(measured.clips.names[position], measured.root)
        chances = answers.probabilities[position]
        loud = np.maximum(decibels.T - (decibels.max() - RANGE), 0)
        shown.append(
            {
                "name": name,
                "truth": truth,
                "said": said,
                "confidence": chances.max(),
                "of_truth": chances[answers.truth[position]],
                "loss": answers.losses[position],
                "doubtful": said != truth and chances.max() >= SURE and not name.startswith(f"{SILENCE} "),
                "sound": page.sound(window, model.features.sample_rate, f"{name}, labelled {truth}"),
                "picture": page.picture(loud, f"Mel spectrogram of {name}", RANGE, "grey"),
            }
        )
    return shown


def _within(name: str, root: Path | None) -> str:
    """Write a path as it is within the corpus; what stands for a made-up clip stays."""
    path = Path(name)
    return str(path.relative_to(root)) if root and path.is_relative_to(root) else name


def _kept_noise(scores: Mapping[str, Any]) -> tuple[str, float, dict[float, tuple[float, float, float]]] | None:
    """Find what the file tells of clips in noise: which clips, the accuracy without noise, and that at each ratio."""
    rates: dict[str, dict[float, tuple[float, float, float]]] = {}
    for name, score in scores.items():
        if found := _IN_NOISE.fullmatch(name):
            rates.setdefault(found["data"], {})[float(found["ratio"])] = (score["accuracy"], *score["interval"])
    return next(((data, scores[data]["accuracy"], rates[data]) for data in rates if data in scores), None)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Lay out nested settings as rows of dotted names and values."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append(
                (f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
            )
    return rows
