"""Plots of a training: loss, accuracy, learning rate, and the norm of the gradient, in total and by layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sayso.model.history import EpochRow
from sayso.report.page import BLUE, MUTED, ORANGE, PURPLE, WIDTH, name_ticks, number, percent, style
from sayso.report.plots import Plot, epochs_axis, legend, save, small_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def training_plots(
    history: Sequence[EpochRow], best_epoch: int, layers: Sequence[str], planned: int | None = None
) -> list[Plot]:
    """Plot the history of a training, as far as it was recorded.

    Parameters
    ----------
    history : sequence of EpochRow
        The epochs, at least one.
    best_epoch : int
        The epoch whose weights were kept; 0 if there is none yet.
    layers : sequence of str
        Names of the layers whose gradient norms are in the history.
    planned : int, optional
        Number of epochs that the axes have while the training runs; by default those of the history.
    """
    plots = [_loss(history, best_epoch), _accuracy(history, best_epoch), _learning_rate(history), _gradient(history)]
    for plot in plots:
        epochs_axis(plot.figure.axes[0], planned)
    if layers and all(len(row.layer_gradient_norms) == len(layers) for row in history):
        plots.append(_layers(history, layers, planned))
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


def _draw_accuracy(axes: Axes, history: Sequence[EpochRow], best_epoch: int) -> None:
    """Draw the accuracies of each epoch."""
    epochs = [row.epoch for row in history]
    training = [100 * row.training_accuracy for row in history]
    axes.plot(epochs, training, color=BLUE, marker=_marker(history), label="training (augmented clips)")
    validation = [100 * row.validation_accuracy for row in history]
    axes.plot(epochs, validation, color=ORANGE, marker=_marker(history), label="validation")
    _mark(axes, best_epoch)
    axes.set(title="Accuracy", xlabel="epoch", ylabel="accuracy (%)", ylim=(0, 101))
    legend(axes)


def _loss(history: Sequence[EpochRow], best_epoch: int) -> Plot:
    figure, axes = small_axes()
    _draw_loss(axes, history, best_epoch)
    first, last = history[0], history[-1]
    final = "" if last.validation_loss is None else f"; the validation loss ends at {number(last.validation_loss)}"
    alt = f"The training loss goes from {number(first.loss)} to {number(last.loss)} nats in {last.epoch} epochs{final}."
    caption = (
        "Mean cross-entropy. The training loss may be above the validation loss, since clips are augmented and dropout "
        "is active only in training."
    )
    return Plot("loss", figure, alt, caption)


def _accuracy(history: Sequence[EpochRow], best_epoch: int) -> Plot:
    figure, axes = small_axes()
    _draw_accuracy(axes, history, best_epoch)
    last = history[-1]
    alt = (
        f"After {last.epoch} epochs the accuracy is {percent(last.training_accuracy)} on augmented training clips and "
        f"{percent(last.validation_accuracy)} on validation clips."
    )
    return Plot("accuracy", figure, alt, "The validation accuracy is balanced: the mean of the recalls of all labels.")


def _learning_rate(history: Sequence[EpochRow]) -> Plot:
    figure, axes = small_axes()
    rates = [row.learning_rate for row in history]
    axes.plot([row.epoch for row in history], rates, color=PURPLE, marker=_marker(history))
    axes.set(title="Learning rate", xlabel="epoch", ylabel="at the end of the epoch", ylim=(0, None))
    alt = f"The learning rate of each epoch, at most {number(max(rates))}, {number(rates[-1])} at the end."
    return Plot("learning_rate", figure, alt, "The size of the steps of gradient descent.")


def _gradient(history: Sequence[EpochRow]) -> Plot:
    figure, axes = small_axes()
    norms = [row.gradient_norm for row in history]
    axes.plot([row.epoch for row in history], norms, color=PURPLE, marker=_marker(history))
    axes.set(title="Gradient norm", xlabel="epoch", ylabel="mean Euclidean norm", ylim=(0, None))
    alt = f"The norm of the gradient goes from {number(norms[0])} in the first epoch to {number(norms[-1])} at the end."
    return Plot("gradient_norm", figure, alt, "How steep the loss is at the current weights.")


def _layers(history: Sequence[EpochRow], layers: Sequence[str], planned: int | None) -> Plot:
    """Plot the gradient norm of each layer in each epoch as colours on a logarithmic scale."""
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
    axes.set(title="Gradient norm of each layer", xlabel="epoch")
    name_ticks(axes.yaxis, [short_name(layer) for layer in layers], fontsize=6.5)
    axes.tick_params(axis="y", length=0)
    epochs_axis(axes, planned, grid=False)
    bar = figure.colorbar(picture, ax=axes, aspect=40, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6.5)
    # Plain numbers, even if the colours span less than a power of ten.
    bar.set_ticks(LogLocator(subs=(1.0, 3.0)))
    bar.minorticks_off()
    bar.formatter = StrMethodFormatter("{x:g}")
    largest, smallest = layers[int(norms[:, -1].argmax())], layers[int(norms[:, -1].argmin())]
    alt = (
        f"The norm of the gradient of {len(layers)} layers in each epoch, as colours. At the end it is largest in "
        f"{largest} ({number(norms[:, -1].max())}), smallest in {smallest} ({number(norms[:, -1].min())})."
    )
    caption = (
        "The first layer is on top. If gradients vanished in the backward pass, rows would get darker towards the top. "
        "Averaged over a few steps of each epoch."
    )
    return Plot("gradient_layers", figure, alt, caption)


def short_name(layer: str) -> str:
    """Shorten the dotted name of a layer: "3.Residual.layers.1.Pointwise" becomes "3.1 Pointwise"."""
    *outer, place, kind = layer.split(".") if "." in layer else ("", layer)
    places = [*re.findall(r"\d+|shortcut", ".".join(outer)), place]
    kind = kind.replace("Convolution", "Conv") if len(kind) > len("Convolution") else kind
    return f"{'.'.join(places).replace('shortcut', 's')} {kind}".strip()


def _values(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values])


def _marker(history: Sequence[EpochRow]) -> str:
    """Return the marker of a line; a single epoch is drawn as a dot."""
    return "o" if len(history) == 1 else ""


def _mark(axes: Axes, best_epoch: int) -> None:
    if best_epoch:
        axes.axvline(best_epoch, color=MUTED, linestyle=":", label=f"kept: epoch {best_epoch}")


def save_learning_curve(history: Sequence[EpochRow], best_epoch: int, path: Path) -> None:
    """Save a plot of loss and accuracy side by side, as PNG or SVG by the suffix of the path."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(2 * WIDTH, 2.7))
        left, right = figure.subplots(1, 2)
        _draw_loss(left, history, best_epoch)
        _draw_accuracy(right, history, best_epoch)
        for axes in (left, right):
            epochs_axis(axes)
        save(figure, path)
