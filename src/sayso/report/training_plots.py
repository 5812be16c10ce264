"""The course of a training as plots: loss, accuracy, learning rate, and the gradient, whole and layer by layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sayso.model.history import EpochRow
from sayso.report.page import BLUE, MUTED, ORANGE, PURPLE, WIDTH, number, percent, style
from sayso.report.plots import Plot, epochs_axis, legend, save, small_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def training_plots(history: Sequence[EpochRow], best_epoch: int, layers: Sequence[str]) -> list[Plot]:
    """Plot what the epochs showed, as far as the history tells it.

    Parameters
    ----------
    history : sequence of EpochRow
        The epochs, at least one.
    best_epoch : int
        The epoch whose weights were kept; 0 if none was yet.
    layers : sequence of str
        Names of the layers whose gradients the history tells.
    """
    plots = [_loss(history, best_epoch), _accuracy(history, best_epoch), _learning_rate(history), _gradient(history)]
    if layers and all(len(row.layer_gradient_norms) == len(layers) for row in history):
        plots.append(_layers(history, layers))
    return plots


def _draw_loss(axes: Axes, history: Sequence[EpochRow], best_epoch: int) -> None:
    """Draw the loss of each epoch."""
    epochs = [row.epoch for row in history]
    axes.plot(epochs, [row.loss for row in history], color=BLUE, marker=_marker(history), label="training")
    validation = _values([row.validation_loss for row in history])
    if not np.isnan(validation).all():
        axes.plot(epochs, validation, color=ORANGE, marker=_marker(history), label="validation")
    _mark(axes, best_epoch)
    axes.set(title="Loss", xlabel="epoch", ylabel="cross-entropy (nats)", ylim=(0, None))
    legend(axes)
    epochs_axis(axes)


def _draw_accuracy(axes: Axes, history: Sequence[EpochRow], best_epoch: int) -> None:
    """Draw the accuracies of each epoch."""
    epochs = [row.epoch for row in history]
    training = [100 * row.training_accuracy for row in history]
    axes.plot(epochs, training, color=BLUE, marker=_marker(history), label="training, varied clips")
    validation = [100 * row.validation_accuracy for row in history]
    axes.plot(epochs, validation, color=ORANGE, marker=_marker(history), label="validation")
    _mark(axes, best_epoch)
    axes.set(title="Accuracy", xlabel="epoch", ylabel="accuracy (%)", ylim=(0, 101))
    legend(axes)
    epochs_axis(axes)


def _loss(history: Sequence[EpochRow], best_epoch: int) -> Plot:
    figure, axes = small_axes()
    _draw_loss(axes, history, best_epoch)
    first, last = history[0], history[-1]
    said = "" if last.validation_loss is None else f"; in validation it ends at {number(last.validation_loss)}"
    alt = f"The training loss falls from {number(first.loss)} to {number(last.loss)} nats in {last.epoch} epochs{said}."
    caption = (
        "Mean cross-entropy. While training, clips are varied and dropout is on, so its loss may lie above that of "
        "validation."
    )
    return Plot("loss", figure, alt, caption)


def _accuracy(history: Sequence[EpochRow], best_epoch: int) -> Plot:
    figure, axes = small_axes()
    _draw_accuracy(axes, history, best_epoch)
    last = history[-1]
    alt = (
        f"After {last.epoch} epochs {percent(last.training_accuracy)} of the varied training clips and "
        f"{percent(last.validation_accuracy)} of the validation clips are told rightly."
    )
    return Plot("accuracy", figure, alt, "In validation each label counts the same, however many clips it has.")


def _learning_rate(history: Sequence[EpochRow]) -> Plot:
    figure, axes = small_axes()
    rates = [row.learning_rate for row in history]
    axes.plot([row.epoch for row in history], rates, color=PURPLE, marker=_marker(history))
    axes.set(title="Learning rate", xlabel="epoch", ylabel="at the end of the epoch", ylim=(0, None))
    epochs_axis(axes)
    alt = f"The learning rate of each epoch, at most {number(max(rates))}, {number(rates[-1])} at the end."
    return Plot("learning_rate", figure, alt, "How far one step of gradient descent goes.")


def _gradient(history: Sequence[EpochRow]) -> Plot:
    figure, axes = small_axes()
    norms = [row.gradient_norm for row in history]
    axes.plot([row.epoch for row in history], norms, color=PURPLE, marker=_marker(history))
    axes.set(title="Gradient", xlabel="epoch", ylabel="mean Euclidean norm", ylim=(0, None))
    epochs_axis(axes)
    alt = f"The norm of the gradient goes from {number(norms[0])} in the first epoch to {number(norms[-1])} at the end."
    return Plot("gradient_norm", figure, alt, "How steep the loss is where the weights are.")


def _layers(history: Sequence[EpochRow], layers: Sequence[str]) -> Plot:
    """Plot the gradient of each layer in each epoch as colours on a logarithmic scale."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    norms = np.array([row.layer_gradient_norms for row in history]).T
    floor = max(float(norms.max(initial=0.0)), 1e-12) * 1e-4
    figure = Figure(figsize=(WIDTH, 1.1 + 0.145 * len(layers)))
    axes = figure.subplots()
    first, last = history[0].epoch - 0.5, history[-1].epoch + 0.5
    picture = axes.imshow(
        np.maximum(norms, floor),
        aspect="auto",
        cmap="viridis",
        norm=LogNorm(max(float(norms.min()), floor), max(float(norms.max()), 2 * floor)),
        interpolation="nearest",
        extent=(first, last, len(layers) - 0.5, -0.5),
    )
    axes.set(title="Gradient of each layer", xlabel="epoch", yticks=range(len(layers)))
    axes.set_yticklabels([short_name(layer) for layer in layers], fontsize=6.5)
    axes.tick_params(axis="y", length=0)
    epochs_axis(axes, grid=False)
    bar = figure.colorbar(picture, ax=axes, aspect=40, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6.5)
    # Plain numbers, also where the colours span less than a power of ten.
    bar.set_ticks(LogLocator(subs=(1.0, 3.0)))
    bar.minorticks_off()
    bar.formatter = StrMethodFormatter("{x:g}")
    largest, smallest = layers[int(norms[:, -1].argmax())], layers[int(norms[:, -1].argmin())]
    alt = (
        f"The norm of the gradient of {len(layers)} layers in each epoch, as colours. At the end it is largest in "
        f"{largest} ({number(norms[:, -1].max())}), smallest in {smallest} ({number(norms[:, -1].min())})."
    )
    caption = (
        "The lowest layer on top. If gradients vanished on their way back, the rows would darken upwards."
        " Looked at in a few steps of each epoch."
    )
    return Plot("gradient_layers", figure, alt, caption)


def short_name(layer: str) -> str:
    """Shorten the dotted name of a layer to its positions and its kind: "3.Residual.layers.1.Pointwise" is "3.1 …"."""
    *outer, place, kind = layer.split(".") if "." in layer else ("", layer)
    places = [*re.findall(r"\d+|shortcut", ".".join(outer)), place]
    kind = kind.replace("Convolution", "Conv") if len(kind) > len("Convolution") else kind
    return f"{'.'.join(places).replace('shortcut', 's')} {kind}".strip()


def _values(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values])


def _marker(history: Sequence[EpochRow]) -> str:
    """Of one epoch there is no line to draw, so it is a dot."""
    return "o" if len(history) == 1 else ""


def _mark(axes: Axes, best_epoch: int) -> None:
    if best_epoch:
        axes.axvline(best_epoch, color=MUTED, linestyle=":", label=f"kept: epoch {best_epoch}")


def save_learning_curve(history: Sequence[EpochRow], best_epoch: int, path: Path) -> None:
    """Draw loss and accuracy side by side into a file, PNG or SVG by its name."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(2 * WIDTH, 2.7))
        left, right = figure.subplots(1, 2)
        _draw_loss(left, history, best_epoch)
        _draw_accuracy(right, history, best_epoch)
        save(figure, path)
