"""Plots as PNG files: the course of a training, and what was taken for what."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heed.scores import Evaluation
from heed.storage import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from heed.stream_scores import StreamScore

BLUE, ORANGE, GREY = "#1f6fb4", "#d9692b", "#6b6b6b"


def save_learning_curve(history: Sequence[Mapping[str, Any]], best_epoch: int, path: Path) -> None:
    """Plot the loss and the accuracies of each epoch.

    Parameters
    ----------
    history : sequence of mapping
        Rows as in `EpochRow`.
    best_epoch : int
        The epoch whose weights were kept.
    path : Path
        Where to save the PNG.
    """
    from matplotlib.figure import Figure

    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [row["loss"] for row in history], color=BLUE)
    left.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy (nats)", ylim=(0, None))
    right.plot(epochs, [100 * row["validation_accuracy"] for row in history], color=ORANGE, label="validation")
    right.plot(epochs, [100 * row["training_accuracy"] for row in history], color=BLUE, label="training, varied clips")
    right.axvline(best_epoch, color=GREY, linestyle=":", label=f"kept: epoch {best_epoch}")
    right.set(title="Accuracy", xlabel="epoch", ylabel="clips told rightly (%)", ylim=(0, 101))
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)


def save_confusion(evaluation: Evaluation, path: Path) -> None:
    """Plot the confusion matrix: colour tells the share of a row, the number counts clips.

    Parameters
    ----------
    evaluation : Evaluation
        What was said to which clips.
    path : Path
        Where to save the PNG.
    """
    from matplotlib.figure import Figure

    labels, counts = evaluation.labels, evaluation.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 0.48 * len(labels)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    low, high = evaluation.interval
    axes.set(
        title=f"Accuracy {100 * evaluation.accuracy:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f} %)",
        xlabel="what heed said",
        ylabel="what was said",
        xticks=range(len(labels)),
        yticks=range(len(labels)),
    )
    axes.set_xticklabels(labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticklabels(labels)
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=9)
    _save(figure, path)


def save_trade_off(curve: Sequence[tuple[float, StreamScore]], in_use: StreamScore, path: Path) -> None:
    """Plot misses against false alarms for all thresholds, and mark what the settings in use give.

    Parameters
    ----------
    curve : sequence of (float, StreamScore)
        Thresholds and what they gave.
    in_use : StreamScore
        What is marked.
    path : Path
        Where to save the PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    rates = [score.false_alarm_rate for _, score in curve]
    misses = [100 * score.miss_rate for _, score in curve]
    axes.plot(rates, misses, color=BLUE, marker=".", label="one threshold for all words")
    axes.plot([in_use.false_alarm_rate], [100 * in_use.miss_rate], "o", color=ORANGE, markersize=9, label="in use")
    for (tried, _), rate, miss in zip(curve, rates, misses, strict=True):
        if round(tried * 10, 3).is_integer():
            axes.annotate(f"{tried:.2f}", (rate, miss), (4, 4), textcoords="offset points", color=GREY, fontsize=8)
    hours = curve[0][1].hours
    axes.set(
        title=f"Misses against false alarms, {hours:.1f} h, {curve[0][1].words} words",
        xlabel="false alarms an hour",
        ylabel="words missed (%)",
        ylim=(0, max(min(100.0, 1.1 * max(misses)), 5.0)),
    )
    # Below one alarm in the whole stream the scale is linear, so that none at all has its place.
    axes.set_xscale("symlog", linthresh=1 / hours)
    axes.set_xlim(0, None)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    write_atomically(path, content.getvalue())
