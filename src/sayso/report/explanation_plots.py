"""The plots of the page about one clip: its sound and features, the prediction, the error, gradients, and one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sayso.explanation.clip import ClipExplanation, FloatArray
from sayso.nn.tracing import Passage
from sayso.report import page
from sayso.report.page import BLUE, GREEN, INK, MUTED, ORANGE

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

# Quantile of the absolute values that gets the full colour, so that outliers do not make all others pale.
FULL_COLOUR = 0.99
# Dynamic range of the log-mel plot in decibels.
RANGE = 60.0
# Number of columns of the waveform plot.
COLUMNS = 360
# Least range of an axis of bars.
LEAST_RANGE = 0.01
# Number of the most probable labels that have bars in the plots; the tables have all labels.
MOST_BARS = 40


def explanation_plots(explanation: ClipExplanation) -> dict[str, Markup | None]:
    """Draw the plots by name; call it inside `page.style`."""
    trace = explanation.trace
    rows = "coefficient" if explanation.cepstral else "mel band"
    return {
        "waveform": _waveform(explanation),
        "log_mel": _log_mel(explanation),
        "features": _features(explanation),
        "probabilities": _bars(
            explanation, 100 * trace.probabilities, "probability (%)", "Probabilities, as in the table"
        ),
        "error": _error(explanation),
        "norms": _norms(trace.passages),
        "feature_gradient": _overlay(
            explanation.features, explanation.grad_features, explanation, rows,
            "Gradient of the loss with respect to the features, on top of them",
        ),
        "log_mel_gradient": _overlay(
            explanation.log_mel, explanation.grad_log_mel, explanation, "mel band",
            "Gradient of the loss with respect to the log-mel energies, on top of them",
        ) if explanation.cepstral else None,
        "descent": _descent(explanation),
        "changed": _changed(explanation),
    }  # fmt: skip


def full_colour(values: FloatArray) -> float:
    """Choose the absolute value that gets the full colour."""
    absolute = np.abs(values)
    return float(np.quantile(absolute, FULL_COLOUR)) or float(absolute.max()) or 1.0


def _new(height: float) -> tuple[Any, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(page.WIDTH, height))
    return figure, figure.subplots()


def _seconds(explanation: ClipExplanation) -> float:
    return len(explanation.samples) / explanation.sample_rate


def _waveform(explanation: ClipExplanation) -> Markup:
    figure, axes = _new(1.5)
    parts = np.array_split(explanation.samples, COLUMNS)
    times = np.linspace(0, _seconds(explanation), COLUMNS)
    axes.fill_between(times, [part.min() for part in parts], [part.max() for part in parts], color=BLUE, linewidth=0.5)
    axes.set(xlabel="time (s)", ylabel="sound pressure", xlim=(0, times[-1]))
    return page.svg(figure, "Waveform of the clip: sound pressure over time")


def _image(
    axes: Axes, values: FloatArray, explanation: ClipExplanation, limit: float, scale: page.Scale, alpha: float = 1.0
) -> None:
    """Draw an array of shape (frames, rows): time to the right, coefficients or bands upwards."""
    extent = (0.0, _seconds(explanation), -0.5, values.shape[1] - 0.5)
    axes.imshow(
        values.T, cmap=page.colormap(scale), vmin=-limit, vmax=limit, origin="lower", aspect="auto", extent=extent,
        interpolation="none", alpha=alpha if alpha < 1 else None,
    )  # fmt: skip
    axes.set(xlabel="time (s)")
    axes.locator_params(axis="y", integer=True)


def _log_mel(explanation: ClipExplanation) -> Markup:
    figure, axes = _new(2.3)
    _image(axes, _loudness(explanation.log_mel), explanation, 1, "signed")
    axes.set(ylabel="mel band, low to high")
    return page.svg(figure, "Log-mel energies of the clip: the level of each band in each frame; stronger is louder")


def _loudness(log_mel: FloatArray) -> FloatArray:
    """Scale decibels to the range from 0 to 1."""
    loudness: FloatArray = np.clip(1 + (log_mel - log_mel.max()) / RANGE, 0, 1)
    return loudness


def _features(explanation: ClipExplanation) -> Markup:
    figure, axes = _new(2.3)
    _image(axes, explanation.features, explanation, full_colour(explanation.features), "signed")
    axes.set(ylabel="coefficient" if explanation.cepstral else "mel band")
    return page.svg(figure, "Input of the network: orange is above the mean of the training clips, blue below")


def _overlay(
    values: FloatArray, gradient: FloatArray, explanation: ClipExplanation, rows: str, alt: str
) -> Markup:  # fmt: skip
    figure, axes = _new(2.6)
    background = _loudness(values) if values is explanation.log_mel else np.abs(values) / full_colour(values)
    _image(axes, np.clip(background, 0, 1), explanation, 1, "grey", 0.55)
    _image(axes, gradient, explanation, full_colour(gradient), "signed")
    axes.set(ylabel=rows)
    return page.svg(figure, f"{alt}: orange where an increase would raise the loss, blue where it would lower the loss")


def _drawn(explanation: ClipExplanation) -> list[int]:
    """Return the positions of the labels that have bars: all, or of very many the true and the most probable ones."""
    ranking = np.argsort(-explanation.trace.probabilities)
    return sorted({explanation.target, *ranking[:MOST_BARS].tolist()})


def _bars(explanation: ClipExplanation, values: FloatArray, unit: str, alt: str, above: str = BLUE) -> Markup:
    drawn = _drawn(explanation)
    figure, axes = _new(0.7 + 0.19 * len(drawn))
    colours = [above if value > 0 else BLUE for value in values[drawn]]
    axes.barh(range(len(drawn)), values[drawn], color=colours, height=0.7)
    page.name_ticks(axes.yaxis, [explanation.labels[position] for position in drawn])
    axes.invert_yaxis()
    axes.axvline(0, color=MUTED, linewidth=0.8)
    # Where all values are about zero, the axis would only tell how far from it rounding leaves them.
    if np.ptp(values) < LEAST_RANGE:
        axes.set_xlim(-LEAST_RANGE, LEAST_RANGE)
    axes.locator_params(axis="x", nbins=4)
    axes.set(xlabel=unit)
    axes.tick_params(axis="y", length=0)
    return page.svg(figure, alt)


def _error(explanation: ClipExplanation) -> Markup:
    target = explanation.labels[explanation.target]
    alt = f"The error at each output: {target} should rise, all others should fall, as in the table"
    return _bars(explanation, explanation.trace.error, "should rise  ←  error p − t  →  should fall", alt, ORANGE)


def _norms(passages: Sequence[Passage]) -> Markup:
    figure, axes = _new(2.2)
    norms = [float(np.linalg.norm(passage.grad_x)) for passage in passages]
    norms.append(float(np.linalg.norm(passages[-1].grad_y)))
    places = list(range(1, len(norms) + 1))
    axes.plot(places, norms, color=ORANGE, marker="o", markersize=4)
    if min(norms) > 0:
        axes.set_yscale("log")
        page.plain_powers(axes.yaxis)
    axes.set(xlabel="input of layer (L: logits)", ylabel="norm of the gradient")
    # Only some of many layers have space for a number.
    every = -(-len(places) // 12)
    numbers = [place for place in places[:-1:every] if place <= places[-1] - every]
    axes.set_xticks([*numbers, places[-1]], [*map(str, numbers), "L"])
    axes.grid(axis="y")
    # The backward pass goes from right to left; its arrow is above the line.
    axes.annotate(
        "", (0.25, 0.97), (0.75, 0.97), xycoords="axes fraction", arrowprops={"arrowstyle": "->", "color": MUTED}
    )
    axes.margins(y=0.15)
    return page.svg(figure, "Norm of the gradient at each layer, from the logits back to the features")


def _descent(explanation: ClipExplanation) -> Markup:
    descent = explanation.descent
    figure, axes = _new(2.6)
    line = descent.loss - descent.rates * descent.gradient_norm**2
    axes.plot(descent.rates, descent.losses, color=BLUE, label="loss")
    axes.plot(descent.rates, line, color=ORANGE, linestyle="--", label="linear approximation")
    axes.plot([0], [descent.loss], "o", color=INK, label="before")
    axes.plot([descent.learning_rate], [descent.new_loss], "o", color=GREEN, label="after")
    # A factor for all numbers, as in "1e-6", would lie on the name of the axis.
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda rate, _: page.number(rate))
    axes.set(xlabel="learning rate η", ylabel="loss (nats)", ylim=(min(0.0, float(line.min())), None))
    axes.grid(axis="y")
    axes.legend(loc="upper right")
    return page.svg(figure, "The loss against the learning rate of the step, with its linear approximation")


def _changed(explanation: ClipExplanation) -> Markup:
    drawn = _drawn(explanation)
    places = np.arange(len(drawn))
    before, after = 100 * explanation.trace.probabilities[drawn], 100 * explanation.descent.probabilities[drawn]
    figure, axes = _new(0.9 + 0.22 * len(drawn))
    axes.barh(places - 0.2, before, 0.36, color=MUTED, label="before")
    axes.barh(places + 0.2, after, 0.36, color=GREEN, label="after one step")
    page.name_ticks(axes.yaxis, [explanation.labels[position] for position in drawn])
    axes.invert_yaxis()
    axes.set(xlabel="probability (%)")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower right")
    return page.svg(figure, "Probabilities before and after the step, as in the table")
