"""Plots of how good a model is, for a page, or for a paper as PNG or SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from sayso.evaluation.accuracy import Evaluation
from sayso.evaluation.intervals import wilson_interval
from sayso.evaluation.predictions import Predictions, TradeOff
from sayso.report.page import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, WIDTH, percent, style
from sayso.system.atomic_files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sayso.evaluation.stream_scores import StreamScore

# A cell of the confusion matrix is never darker than this, so that its number can be read on it.
MOST_OPAQUE = 0.42
# Dots a inch of a PNG: what printers ask for.
DPI = 300
# Width and height of the label of a threshold, in inches.
LABEL = np.array([0.3, 0.12])


@dataclass(frozen=True, eq=False)
class Plot:
    """A plot and what is said of it.

    Attributes
    ----------
    name : str
        What to call its file.
    figure : Figure
        What was drawn, in the style of the pages.
    alt : str
        What it shows, for those who cannot see it.
    caption : str
        How to read it.
    """

    name: str
    figure: Figure
    alt: str
    caption: str = ""


def small_axes(height: float = 2.5) -> tuple[Figure, Axes]:
    """Make a figure of the width that telephones have."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots()


def epochs_axis(axes: Axes, grid: bool = True) -> None:
    """Write the epochs as whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(grid)


def legend(axes: Axes, place: Literal["best", "lower left", "upper right"] = "best") -> None:
    """Say what the lines are, on paper of its own, so that no line runs through the words."""
    axes.legend(loc=place, frameon=True, facecolor=PAPER, edgecolor="none", framealpha=0.85)


def confusion(evaluation: Evaluation) -> Plot:
    """Plot the confusion matrix: right answers blue, mistakes orange, stronger with their share of the row."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    labels, counts = evaluation.labels, evaluation.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(WIDTH, 1.1 + 0.27 * len(labels))
    figure = Figure(figsize=(side, side - 0.2))
    axes = figure.subplots()
    size = 7 if len(labels) <= 20 else 5.5
    for row, column in np.argwhere(counts > 0):
        right = row == column
        # Rare mistakes can be seen beside frequent ones, too.
        opacity = MOST_OPAQUE * (shares[row, column] if right else 0.3 + 0.7 * np.sqrt(shares[row, column]))
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=BLUE if right else ORANGE, alpha=opacity, linewidth=0))
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=INK, fontsize=size)
    axes.set(
        title=_accuracy_title(evaluation),
        xlabel="what sayso said",
        ylabel="what was said",
        xticks=range(len(labels)),
        yticks=range(len(labels)),
        xlim=(-0.5, len(labels) - 0.5),
        ylim=(len(labels) - 0.5, -0.5),
        aspect="equal",
    )
    # A word with dollar signs is no formula.
    axes.set_xticklabels(labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=size, parse_math=False)
    axes.set_yticklabels(labels, fontsize=size, parse_math=False)
    axes.tick_params(length=0)
    alt = (
        f"Confusion matrix of {len(labels)} labels: {evaluation.correct} of {evaluation.clips} are on the diagonal. "
        "The most frequent mistakes are listed beside it."
    )
    caption = "Numbers are clips. A row is what was said, a column what the model took it for; its diagonal is right."
    return Plot("confusion", figure, alt, caption)


def words(evaluation: Evaluation) -> Plot:
    """Plot recall, with its interval, and precision of each label."""
    scores = {label: score for label, score in evaluation.words.items() if score.clips}
    rows = np.arange(len(scores))
    figure, axes = small_axes(0.9 + 0.2 * len(scores))
    recall = np.array([100 * score.recall for score in scores.values()])
    bounds = 100 * np.array([wilson_interval(round(s.recall * s.clips), s.clips) for s in scores.values()])
    axes.hlines(rows - 0.15, bounds[:, 0], bounds[:, 1], color=BLUE, linewidth=1.2, alpha=0.55)
    axes.plot(recall, rows - 0.15, "o", color=BLUE, markersize=4.5, label="recall, with 95 % interval")
    precision = [100 * score.precision for score in scores.values()]
    axes.plot(precision, rows + 0.15, "D", color=ORANGE, markersize=4, label="precision")
    low = min(float(bounds.min()), *precision)
    axes.set(title="Each word", xlabel="%", yticks=rows, xlim=(max(5 * np.floor(low / 5) - 2, -2), 102))
    axes.set_yticklabels(list(scores), parse_math=False)
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=2)
    worst = min(scores, key=lambda label: scores[label].recall)
    lowest = percent(scores[worst].recall)
    alt = f"Recall and precision of {len(scores)} labels; the lowest recall is that of {worst}, {lowest}."
    caption = "Recall: of the clips of a word, how many were told. Precision: of the clips told to be it, how many are."
    return Plot("words", figure, alt, caption)


def reliability(answers: Predictions) -> Plot:
    """Plot accuracy against confidence: on the diagonal the model is as often right as it says."""
    from matplotlib.figure import Figure

    bins = answers.calibration()
    figure = Figure(figsize=(WIDTH, 3.5))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    confidence, accuracy = ([100 * value for value in column] for column in list(zip(*bins, strict=True))[:2])
    above.plot([0, 100], [0, 100], color=MUTED, linestyle=":", label="as right as it says")
    for step, x in zip(bins, confidence, strict=True):
        low, high = wilson_interval(round(step.accuracy * step.clips), step.clips)
        above.vlines(x, 100 * low, 100 * high, color=BLUE, linewidth=1.2, alpha=0.55)
    above.plot(confidence, accuracy, color=BLUE, marker="o", markersize=4.5, label="answers, with 95 % interval")
    above.set(title="Calibration", ylabel="right (%)", xlim=(0, 100), ylim=(0, 104))
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    below.bar(confidence, [step.clips for step in bins], width=6, color=BLUE, alpha=0.6)
    below.set(xlabel="confidence (%)", ylabel="clips")
    for axes in (above, below):
        axes.grid(True)
    error = percent(answers.calibration_error)
    alt = f"Accuracy against confidence in steps of a tenth; the expected calibration error is {error}."
    caption = (
        f"Expected calibration error: {error}. Above the dotted line the model is more often right than it says, "
        "as networks are that were trained with smoothed labels."
    )
    return Plot("calibration", figure, alt, caption)


def noise_curve(clean: float, in_noise: Mapping[float, tuple[float, float, float]], source: str) -> Plot:
    """Plot the accuracy at each signal-to-noise ratio.

    Parameters
    ----------
    clean : float
        Accuracy without noise.
    in_noise : mapping of float to (float, float, float)
        Accuracy and its interval by the ratio in decibels.
    source : str
        What noise it is.
    """
    ratios = sorted(in_noise)
    rows = 100 * np.array([in_noise[ratio] for ratio in ratios])
    without = 100 * clean
    figure, axes = small_axes()
    axes.axhline(without, color=GREEN, linestyle="--", label=f"without noise: {without:.1f} %")
    axes.fill_between(ratios, rows[:, 1], rows[:, 2], color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(ratios, rows[:, 0], color=BLUE, marker="o", markersize=4.5, label="in noise, with 95 % interval")
    axes.set(
        title="Noise", xlabel="signal-to-noise ratio (dB)", ylabel="accuracy (%)", xticks=ratios,
        ylim=(max(5 * np.floor(float(rows.min()) / 5 - 1), 0), 100.5),
    )  # fmt: skip
    axes.invert_xaxis()
    axes.grid(True)
    legend(axes, "lower left")
    told = ", ".join(f"{row[0]:.1f} % at {ratio:g} dB" for ratio, row in zip(ratios, rows, strict=True))
    return Plot("noise", figure, f"Accuracy in noise: {told}; {without:.1f} % without.", f"Noise: {source}.")


def clip_trade_off(curve: Sequence[TradeOff], in_use: TradeOff) -> Plot:
    """Plot misses against false alarms on clips for all thresholds, and mark what the settings in use give."""
    figure, axes = small_axes()
    alarms, misses = [100 * point.false_alarm_rate for point in curve], [100 * point.miss_rate for point in curve]
    axes.plot(alarms, misses, color=BLUE, drawstyle="steps-post", label="one threshold for all words")
    alarm, miss = 100 * in_use.false_alarm_rate, 100 * in_use.miss_rate
    axes.plot([alarm], [miss], "o", color=ORANGE, markersize=7, label="in use", zorder=3)
    axes.set(
        title="Misses against false alarms",
        xlabel="clips without a word that are taken for one (%)",
        ylabel="words missed (%)",
        xlim=(0, max(min(100.0, 4 * alarm), 10.0)),
        ylim=(0, max(min(100.0, 3 * miss), 10.0)),
    )
    axes.grid(True)
    legend(axes, "upper right")
    alt = (
        f"At the thresholds in use {miss:.1f} % of the words are missed and {alarm:.1f} % of the other clips are taken "
        "for one."
    )
    caption = (
        "Clip by clip: a word is detected if its probability reaches the threshold. Live, several looks are averaged; "
        "sayso evaluate --stream measures that."
    )
    return Plot("misses_false_alarms", figure, alt, caption)


def stream_trade_off(curve: Sequence[tuple[float, StreamScore]], in_use: StreamScore) -> Plot:
    """Plot misses against false alarms an hour for all thresholds, and mark what the settings in use give."""
    figure, axes = small_axes(3.0)
    rates = [score.false_alarm_rate for _, score in curve]
    misses = [100 * score.miss_rate for _, score in curve]
    axes.plot(rates, misses, color=BLUE, marker=".", label="one threshold for all words")
    axes.plot([in_use.false_alarm_rate], [100 * in_use.miss_rate], "o", color=ORANGE, markersize=7, label="in use")
    hours, spoken = curve[0][1].hours, curve[0][1].words
    axes.set(
        title="Misses against false alarms",
        xlabel=f"false alarms an hour ({hours:.1f} h, {spoken} words)",
        ylabel="words missed (%)",
        ylim=(0, max(min(100.0, 1.1 * max(misses)), 5.0)),
    )
    # Below one alarm in the whole stream the scale is linear, so that none at all has its place.
    axes.set_xscale("symlog", linthresh=1 / hours)
    axes.set_xlim(0, None)
    axes.grid(True)
    legend(axes)
    # A label that would lie on the last one is left out.
    last = np.full(2, -np.inf)
    for (tried, _), rate, miss in zip(curve, rates, misses, strict=True):
        place = axes.transData.transform((rate, miss))
        if round(tried * 10, 3).is_integer() and (np.abs(place - last) > LABEL * figure.dpi).any():
            axes.annotate(f"{tried:.2f}", (rate, miss), (4, 4), textcoords="offset points", color=MUTED, fontsize=7)
            last = place
    alt = f"Misses against false alarms an hour, over {hours:.1f} hours, at {len(curve)} thresholds."
    return Plot("stream", figure, alt)


def save_confusion(evaluation: Evaluation, path: Path) -> None:
    """Draw the confusion matrix into a file, PNG or SVG by its name."""
    with style():
        save(confusion(evaluation).figure, path)


def save_trade_off(curve: Sequence[tuple[float, StreamScore]], in_use: StreamScore, path: Path) -> None:
    """Draw misses against false alarms of a stream into a file, PNG or SVG by its name."""
    with style():
        save(stream_trade_off(curve, in_use).figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure, which must have been drawn in the style of the pages, for use outside of them.

    Parameters
    ----------
    figure : Figure
        What was drawn.
    path : Path
        Where to write it; SVG if its name ends so, else PNG.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    import matplotlib as mpl

    content = io.BytesIO()
    kind = "svg" if path.suffix.lower() == ".svg" else "png"
    # Outlines look the same in every program, whatever fonts it has.
    with mpl.rc_context({"svg.fonttype": "path"}):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(content, format=kind, dpi=DPI, facecolor=PAPER, metadata=metadata)
    write_atomically(path, content.getvalue())


def save_all(plots: Sequence[Plot], folder: Path) -> None:
    """Write plots into a folder, each as PNG and as SVG."""
    with style():
        for plot in plots:
            for suffix in ("png", "svg"):
                save(plot.figure, folder / f"{plot.name}.{suffix}")


def _accuracy_title(evaluation: Evaluation) -> str:
    low, high = evaluation.interval
    return f"{100 * evaluation.accuracy:.1f} % right (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
