"""Plots of the performance of a model, for a page, or as PNG or SVG for a paper."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from sayso.evaluation.accuracy import Evaluation
from sayso.evaluation.intervals import wilson_interval
from sayso.evaluation.predictions import Predictions, TradeOff
from sayso.report.page import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, WIDTH, name_ticks, percent, plain_powers, style
from sayso.system.atomic_files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sayso.evaluation.stream_scores import StreamScore

# Largest opacity of a cell of the confusion matrix, so that its number stays readable.
MOST_OPAQUE = 0.42
# Resolution of a PNG in dots per inch, as usual for printing.
DPI = 300
# Pixels of a PNG: the confusion matrix of very many labels has a lower resolution.
MOST_PIXELS = 40e6
# Misses in percent, and false alarms per hour, that the plot of a stream shows: with more, a model is of no use.
MOST_MISSES, MOST_ALARMS = 50.0, 1000.0
# Width and height of the label of a threshold, in inches.
LABEL = np.array([0.3, 0.12])


@dataclass(frozen=True, eq=False)
class Plot:
    """A plot with its description.

    Attributes
    ----------
    name : str
        Name of its file, without suffix.
    figure : Figure
        The figure, in the style of the pages.
    alt : str
        Description for people who cannot see it.
    caption : str
        How to read it.
    """

    name: str
    figure: Figure
    alt: str
    caption: str = ""


def small_axes(height: float = 2.5) -> tuple[Figure, Axes]:
    """Create a figure as wide as the screen of a phone."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots()


def epochs_axis(axes: Axes, planned: int | None = None, grid: bool = True) -> None:
    """Label an axis of epochs with integers; while a training runs, it has all planned epochs and stays as it is."""
    from matplotlib.ticker import MaxNLocator

    if planned:
        axes.set_xlim(0.5, planned + 0.5)
    # Few, as the axes of some plots are narrow.
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(grid)


def legend(axes: Axes, place: Literal["best", "lower left", "upper right"] = "best") -> None:
    """Add a legend with a background, so that no line runs through its text."""
    axes.legend(loc=place, frameon=True, facecolor=PAPER, edgecolor="none", framealpha=0.85)


def confusion(evaluation: Evaluation) -> Plot:
    """Plot the confusion matrix: correct predictions blue, mistakes orange, stronger with their fraction of the row."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    labels, counts = evaluation.labels, evaluation.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(WIDTH, 1.1 + 0.27 * len(labels))
    figure = Figure(figsize=(side, side - 0.2))
    axes = figure.subplots()
    size = 7 if len(labels) <= 20 else 5.5
    for row, column in np.argwhere(counts > 0):
        correct = row == column
        # Rare mistakes stay visible beside frequent ones.
        opacity = MOST_OPAQUE * (shares[row, column] if correct else 0.3 + 0.7 * np.sqrt(shares[row, column]))
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=BLUE if correct else ORANGE, alpha=opacity, linewidth=0))
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=INK, fontsize=size)
    # At the edge of the figure, as the matrix may be narrower than its title.
    figure.suptitle(_accuracy_title(evaluation), x=0.02, ha="left", fontsize=9, fontweight="bold", color=INK)
    axes.set(
        xlabel="predicted label",
        ylabel="true label",
        xlim=(-0.5, len(labels) - 0.5),
        ylim=(len(labels) - 0.5, -0.5),
        aspect="equal",
    )
    name_ticks(axes.xaxis, labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=size)
    name_ticks(axes.yaxis, labels, fontsize=size)
    axes.tick_params(length=0)
    alt = (
        f"Confusion matrix of {len(labels)} labels: {evaluation.correct} of {evaluation.clips} are on the diagonal. "
        "The most frequent mistakes are listed next to it."
    )
    caption = "Number of clips by true label (row) and predicted label (column). The diagonal is correct."
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
    # Without any prediction of a label there is no precision, and no marker.
    precision = [100 * score.precision if score.predicted else np.nan for score in scores.values()]
    axes.plot(precision, rows + 0.15, "D", color=ORANGE, markersize=4, label="precision")
    low = float(np.nanmin([bounds.min(), *precision]))
    axes.set(title="Recall and precision", xlabel="%", xlim=(max(5 * np.floor(low / 5) - 2, -2), 102))
    name_ticks(axes.yaxis, list(scores))
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=2)
    worst = min(scores, key=lambda label: scores[label].recall)
    lowest = percent(scores[worst].recall)
    alt = f"Recall and precision of {len(scores)} labels; the lowest recall is that of {worst}, {lowest}."
    caption = (
        "Recall: fraction of the clips of a label that are predicted as this label. Precision: fraction of the clips "
        "predicted as this label for which it is true."
    )
    return Plot("words", figure, alt, caption)


def reliability(predictions: Predictions) -> Plot:
    """Plot accuracy against confidence; on the diagonal the two are equal."""
    from matplotlib.figure import Figure

    bins = predictions.calibration()
    figure = Figure(figsize=(WIDTH, 3.5))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    confidence, accuracy = ([100 * value for value in column] for column in list(zip(*bins, strict=True))[:2])
    above.plot([0, 100], [0, 100], color=MUTED, linestyle=":", label="perfect calibration")
    for step, x in zip(bins, confidence, strict=True):
        low, high = wilson_interval(round(step.accuracy * step.clips), step.clips)
        above.vlines(x, 100 * low, 100 * high, color=BLUE, linewidth=1.2, alpha=0.55)
    above.plot(confidence, accuracy, color=BLUE, marker="o", markersize=4.5, label="accuracy, 95 % interval")
    above.set(title="Calibration", ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 104))
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    below.bar(confidence, [step.clips for step in bins], width=6, color=BLUE, alpha=0.6)
    below.set(xlabel="confidence (%)", ylabel="clips")
    for axes in (above, below):
        axes.grid(True)
    error = percent(predictions.calibration_error)
    alt = f"Accuracy against confidence, in ten bins; the expected calibration error is {error}."
    caption = (
        f"Expected calibration error: {error}. Above the dotted line the model is correct more often than its "
        "confidence says, and below it less often."
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
        Description of the noise.
    """
    ratios = sorted(in_noise)
    rows = 100 * np.array([in_noise[ratio] for ratio in ratios])
    without = 100 * clean
    figure, axes = small_axes()
    axes.axhline(without, color=GREEN, linestyle="--", label=f"without noise: {without:.1f} %")
    axes.fill_between(ratios, rows[:, 1], rows[:, 2], color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(ratios, rows[:, 0], color=BLUE, marker="o", markersize=4.5, label="in noise, with 95 % interval")
    axes.set(
        title="Accuracy in noise", xlabel="signal-to-noise ratio (dB)", ylabel="accuracy (%)", xticks=ratios,
        ylim=(max(5 * np.floor(float(rows.min()) / 5 - 1), 0), 100.5),
    )  # fmt: skip
    axes.invert_xaxis()
    axes.grid(True)
    legend(axes, "lower left")
    values = ", ".join(f"{row[0]:.1f} % at {ratio:g} dB" for ratio, row in zip(ratios, rows, strict=True))
    return Plot("noise", figure, f"Accuracy in noise: {values}; {without:.1f} % without noise.", f"Noise: {source}.")


def clip_trade_off(curve: Sequence[TradeOff], in_use: TradeOff) -> Plot:
    """Plot misses against false alarms on clips for all thresholds, and mark the thresholds of the model."""
    figure, axes = small_axes()
    alarms, misses = [100 * point.false_alarm_rate for point in curve], [100 * point.miss_rate for point in curve]
    axes.plot(alarms, misses, color=BLUE, drawstyle="steps-post", label="one threshold for all words")
    alarm, miss = 100 * in_use.false_alarm_rate, 100 * in_use.miss_rate
    axes.plot(
        [alarm], [miss], "o", color=ORANGE, markersize=7, label="thresholds of the model", zorder=3, clip_on=False
    )
    axes.set(
        title="Misses and false alarms",
        xlabel="false alarms (% of clips without a word)",
        ylabel="misses (% of words)",
        xlim=(0, max(min(100.0, 4 * alarm), 10.0)),
        ylim=(0, max(min(100.0, 3 * miss), 10.0)),
    )
    axes.grid(True)
    legend(axes, "upper right")
    alt = (
        f"At the thresholds of the model {miss:.1f} % of the words are missed, and a word is detected in {alarm:.1f} % "
        "of the other clips."
    )
    caption = (
        "Measured on single clips: a word is detected if its probability reaches the threshold. In live use several "
        "scores are averaged; sayso evaluate --stream measures that."
    )
    return Plot("misses_false_alarms", figure, alt, caption)


def stream_trade_off(curve: Sequence[tuple[float, StreamScore]], in_use: StreamScore) -> Plot:
    """Plot misses against false alarms per hour for all thresholds, and mark the thresholds of the model."""
    name = "one threshold for all words"
    return _trade_offs("stream", "", {name: curve}, [(in_use.false_alarm_rate, in_use)])


def running_trade_off(
    curves: Mapping[str, Sequence[tuple[float, StreamScore]]], rate: float, in_use: Mapping[str, StreamScore]
) -> Plot:
    """Plot misses in streams against false alarms per hour of running speech, which `rate` is for the model's own."""
    return _trade_offs("running", " of talk", curves, [(rate, score) for score in in_use.values()])


def _trade_offs(
    name: str,
    of: str,
    curves: Mapping[str, Sequence[tuple[float, StreamScore]]],
    in_use: Sequence[tuple[float, StreamScore]],
) -> Plot:
    figure, axes = small_axes(3.0)
    points = {
        label: [(tried, score.false_alarm_rate, 100 * score.miss_rate) for tried, score in curve]
        for label, curve in curves.items()
    }
    for (label, curve), colour in zip(points.items(), (BLUE, GREEN), strict=False):
        _, rates, misses = zip(*curve, strict=True)
        axes.plot(rates, misses, color=colour, marker=".", label=label)
    axes.plot(
        [rate for rate, _ in in_use],
        [100 * score.miss_rate for _, score in in_use],
        "o",
        color=ORANGE,
        markersize=7,
        label="thresholds of the model",
    )
    first = next(iter(curves.values()))
    hours, spoken = first[0][1].hours, first[0][1].words
    most = max(miss for curve in points.values() for _, _, miss in curve)
    loudest = max(rate for curve in points.values() for _, rate, _ in curve)
    axes.set(
        title="Misses and false alarms",
        xlabel=f"false alarms per hour{of} ({hours:.1f} h, {spoken} words)",
        ylabel="misses (% of words)",
        ylim=(0, max(min(MOST_MISSES, 1.1 * most), 5.0)),
    )
    # Below one alarm in all the hours the scale is linear, so that zero has a place on it.
    axes.set_xscale("symlog", linthresh=1 / hours)
    plain_powers(axes.xaxis)
    axes.set_xlim(0, min(max(MOST_ALARMS, *(2 * rate for rate, _ in in_use)), max(1.1 * loudest, 1 / hours)))
    axes.grid(True)
    legend(axes)
    # The thresholds are even in log-odds: every fourth is labelled, unless that would overlap the previous label.
    last = np.full(2, -np.inf)
    for tried, rate, miss in next(iter(points.values()))[::4]:
        place = axes.transData.transform((rate, miss))
        if (np.abs(place - last) > LABEL * figure.dpi).any():
            axes.annotate(f"{tried:.3g}", (rate, miss), (4, 4), textcoords="offset points", color=MUTED, fontsize=7)
            last = place
    alt = f"Misses against false alarms per hour{of}, over {hours:.1f} hours, at {len(first)} thresholds."
    return Plot(name, figure, alt)


def save_confusion(evaluation: Evaluation, path: Path) -> None:
    """Save a plot of the confusion matrix, as PNG or SVG by the suffix of the path."""
    with style():
        save(confusion(evaluation).figure, path)


def save_drawn(folder: Path, draw: Callable[[], Sequence[Plot]]) -> None:
    """Draw plots in the style of the pages and save them in a folder, each as PNG and as SVG."""
    with style():
        plots = draw()
    save_all(plots, folder)


def save(figure: Figure, path: Path) -> None:
    """Save a figure in the style of the pages for use elsewhere.

    Parameters
    ----------
    figure : Figure
        The figure, drawn inside `style`.
    path : Path
        The file; SVG if it has that suffix, else PNG.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    import matplotlib as mpl

    content = io.BytesIO()
    kind = "svg" if path.suffix.lower() == ".svg" else "png"
    # Text becomes outlines, which look the same whatever fonts are installed.
    with mpl.rc_context({"svg.fonttype": "path"}):
        metadata = {"Date": None} if kind == "svg" else None
        width, height = figure.get_size_inches()
        dpi = min(DPI, (MOST_PIXELS / (width * height)) ** 0.5)
        figure.savefig(content, format=kind, dpi=dpi, facecolor=PAPER, metadata=metadata)
    write_atomically(path, content.getvalue())


def save_all(plots: Sequence[Plot], folder: Path) -> None:
    """Save plots in a folder, each as PNG and as SVG."""
    with style():
        for plot in plots:
            for suffix in ("png", "svg"):
                save(plot.figure, folder / f"{plot.name}.{suffix}")


def _accuracy_title(evaluation: Evaluation) -> str:
    low, high = evaluation.interval
    return f"Accuracy {100 * evaluation.accuracy:.1f} %\n95 % interval {100 * low:.1f} to {100 * high:.1f} %"
