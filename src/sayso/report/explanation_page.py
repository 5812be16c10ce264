"""The page that walks one clip through a network and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sayso.explanation.clip import NUDGE, ClipExplanation, FloatArray
from sayso.explanation.formulas import Formulas, formulas_of
from sayso.nn.tracing import Passage
from sayso.report import page
from sayso.report.mathml import mathml, prose
from sayso.report.page import BLUE, GREEN, INK, MUTED, ORANGE

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

# A vector longer than this is drawn in rows of so many numbers.
ROW = 64
# Part of the numbers that are drawn in less than the full colour: one outlier must not pale all others.
PALER = 0.99
# Decibels from the loudest to what is drawn as silence.
RANGE = 60.0
# Columns of the waveform's outline.
COLUMNS = 360

PARAMETERS = {"weight": "weights", "bias": "biases", "scale": "scales", "shift": "shifts"}
BRANCHES = {"layers": "the layers inside, f", "shortcut": "the shortcut, g"}


@dataclass(frozen=True)
class Learned:
    """A parameter of a layer: how many numbers, how its gradient is found, and how large it is."""

    name: str
    count: int
    formula: Markup
    norm: float


@dataclass(frozen=True)
class LayerView:
    """What the page shows of a layer.

    Attributes
    ----------
    number : str
        Its place, as in "4" or "4.2" inside a block.
    formulas : Formulas
        What is to be said of its kind.
    shape : str
        The shape of its output in words.
    mean, deviation : float
        Of its output.
    arriving, leaving : float
        Norms of the gradients by its output and by its input.
    learned : list of Learned
        Its parameters.
    activation, gradient : Markup or None
        Pictures of its output and of the gradient by its input; none where the layer does nothing.
    inside : dict of list of LayerView
        The layers of a block, by the name of the branch.
    """

    number: str
    formulas: Formulas
    shape: str
    mean: float
    deviation: float
    arriving: float
    leaving: float
    learned: list[Learned]
    activation: Markup | None
    gradient: Markup | None
    inside: dict[str, list[LayerView]]

    @property
    def identifier(self) -> str:
        """A name for links."""
        return self.number.replace(".", "-")


def explanation_page(explanation: ClipExplanation, source: str, model: str, animate: bool = False) -> str:
    """Write the page.

    Parameters
    ----------
    explanation : ClipExplanation
        What is shown.
    source, model : str
        Names of the clip and of the model.
    animate : bool
        Whether the page has buttons that step through it.
    """
    way, labels = explanation.trace, explanation.labels
    with page.style():
        plots = {
            "waveform": _waveform(explanation),
            "log_mel": _log_mel(explanation),
            "features": _features(explanation),
            "logits": _bars(
                labels, way.logits, "logit", f"Logits, the highest for {labels[int(way.logits.argmax())]}"
            ),
            "probabilities": _bars(
                labels, 100 * way.probabilities, "probability (%)", "Probabilities of the labels, as in the table"
            ),
            "error": _error(explanation),
            "norms": _norms(way.passages),
            "heard_features": _overlay(
                explanation.features, explanation.grad_features, explanation, "coefficient" if explanation.cepstral
                else "mel band", "Gradient of the loss by the features, laid over them",
            ),
            "heard_log_mel": _overlay(
                explanation.log_mel, explanation.grad_log_mel, explanation, "mel band",
                "Gradient of the loss by the log-mel energies, laid over them",
            ) if explanation.cepstral else None,
            "descent": _descent(explanation),
            "changed": _changed(explanation),
        }  # fmt: skip
    order = np.argsort(way.probabilities)[::-1]
    return page.render(
        "explanation.html",
        explanation=explanation,
        way=way,
        descent=explanation.descent,
        weight=explanation.weight,
        nudge=NUDGE,
        right=labels[explanation.target],
        said=labels[int(way.probabilities.argmax())],
        then=labels[int(explanation.descent.probabilities.argmax())],
        order=[int(index) for index in order],
        layers=[_layer(passage, str(place)) for place, passage in enumerate(way.passages, 1)],
        plots=plots,
        player=page.sound(explanation.samples, explanation.sample_rate, f"The clip, {source}"),
        source=source,
        model=model,
        animate=animate,
        mathml=mathml,
        prose=prose,
    )


def _layer(passage: Passage, number: str) -> LayerView:
    formulas = formulas_of(passage.layer)
    idle = np.may_share_memory(passage.y, passage.x)
    inside = {}
    for (branch, passages), mark in zip(passage.branches.items(), ("", "g"), strict=False):
        inside[BRANCHES[branch]] = [_layer(inner, f"{number}.{mark}{i}") for i, inner in enumerate(passages, 1)]
    return LayerView(
        number=number,
        formulas=formulas,
        shape=_shape(passage.y),
        mean=float(passage.y.mean()),
        deviation=float(passage.y.std()),
        arriving=float(np.linalg.norm(passage.grad_y)),
        leaving=float(np.linalg.norm(passage.grad_x)),
        learned=[
            Learned(
                PARAMETERS[name],
                passage.gradients[name].size,
                mathml(formula),
                float(np.linalg.norm(passage.gradients[name])),
            )
            for name, formula in formulas.parameters.items()
        ],
        activation=None if idle else _picture(passage.y, f"What layer {number}, {formulas.title}, gives"),
        gradient=None if idle else _picture(passage.grad_x, f"Gradient of the loss by what layer {number} was given"),
        inside=inside,
    )


def _shape(values: FloatArray) -> str:
    if values.ndim == 1:
        return f"{len(values)} numbers"
    names = ("channels", "moments") if values.ndim == 2 else ("channels", "bands", "moments")
    counts = zip(values.shape, names, strict=True)
    return " × ".join(f"{count} {name if count != 1 else name.removesuffix('s')}" for count, name in counts)


def _picture(values: FloatArray, alt: str) -> Markup:
    """Draw activations or gradients: time to the right, channels (and in each its bands) upwards, or a list in rows."""
    limit = _limit(values)
    if values.ndim == 1:
        rows = -(-len(values) // ROW)
        folded = np.zeros(rows * ROW if rows > 1 else len(values))
        folded[: len(values)] = values
        # The list starts at the top.
        values = folded.reshape(rows, -1)[::-1]
    values = values.reshape(-1, values.shape[-1])
    return page.picture(values, f"{alt}; the full colour stands for {page.number(limit)} and more", limit)


def _limit(values: FloatArray) -> float:
    """Choose the size that gets the full colour."""
    sizes = np.abs(values)
    return float(np.quantile(sizes, PALER)) or float(sizes.max()) or 1.0


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
    axes.set(xlabel="seconds", ylabel="pressure", xlim=(0, times[-1]))
    return page.svg(figure, "Waveform of the clip: pressure over time")


def _image(
    axes: Axes, values: FloatArray, explanation: ClipExplanation, limit: float, scale: page.Scale, alpha: float = 1.0
) -> None:
    """Draw frames to the right and coefficients or bands upwards."""
    extent = (0.0, _seconds(explanation), -0.5, values.shape[1] - 0.5)
    axes.imshow(
        values.T, cmap=page.colormap(scale), vmin=-limit, vmax=limit, origin="lower", aspect="auto", extent=extent,
        interpolation="none", alpha=alpha if alpha < 1 else None,
    )  # fmt: skip
    axes.set(xlabel="seconds")


def _log_mel(explanation: ClipExplanation) -> Markup:
    figure, axes = _new(2.3)
    _image(axes, _loudness(explanation.log_mel), explanation, 1, "signed")
    axes.set(ylabel="mel band, low to high")
    return page.svg(figure, "Log-mel energies of the clip: how loud each band is at each moment, stronger is louder")


def _loudness(log_mel: FloatArray) -> FloatArray:
    """Bring decibels to 0 to 1."""
    loudness: FloatArray = np.clip(1 + (log_mel - log_mel.max()) / RANGE, 0, 1)
    return loudness


def _features(explanation: ClipExplanation) -> Markup:
    figure, axes = _new(2.3)
    _image(axes, explanation.features, explanation, _limit(explanation.features), "signed")
    axes.set(ylabel="coefficient" if explanation.cepstral else "mel band")
    return page.svg(figure, "What the network is given: orange above the average of the training clips, blue below")


def _overlay(
    values: FloatArray, gradient: FloatArray, explanation: ClipExplanation, rows: str, alt: str
) -> Markup:  # fmt: skip
    figure, axes = _new(2.6)
    ground = _loudness(values) if values is explanation.log_mel else np.abs(values) / _limit(values)
    _image(axes, np.clip(ground, 0, 1), explanation, 1, "grey", 0.55)
    _image(axes, gradient, explanation, _limit(gradient), "signed")
    axes.set(ylabel=rows)
    return page.svg(figure, f"{alt}: orange where more would raise the loss, blue where more would lower it")


def _bars(labels: Sequence[str], values: FloatArray, unit: str, alt: str) -> Markup:
    figure, axes = _new(0.7 + 0.19 * len(labels))
    axes.barh(labels, values, color=BLUE, height=0.7)
    axes.invert_yaxis()
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set(xlabel=unit)
    axes.tick_params(axis="y", length=0)
    return page.svg(figure, alt)


def _error(explanation: ClipExplanation) -> Markup:
    labels, error = explanation.labels, explanation.trace.error
    figure, axes = _new(0.7 + 0.19 * len(labels))
    axes.barh(labels, error, color=[ORANGE if value > 0 else BLUE for value in error], height=0.7)
    axes.invert_yaxis()
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set(xlabel="must rise  ←  error p − t  →  must fall")
    axes.tick_params(axis="y", length=0)
    right = labels[explanation.target]
    return page.svg(figure, f"The error at each output: {right} must rise, all others must fall, as in the table")


def _norms(passages: Sequence[Passage]) -> Markup:
    figure, axes = _new(2.2)
    norms = [float(np.linalg.norm(passage.grad_x)) for passage in passages]
    norms.append(float(np.linalg.norm(passages[-1].grad_y)))
    places = list(range(1, len(norms) + 1))
    axes.plot(places, norms, color=ORANGE, marker="o", markersize=4)
    if min(norms) > 0:
        axes.set_yscale("log")
    axes.set(xlabel="layer that it leaves", ylabel="norm of the gradient")
    axes.set_xticks(places, [*map(str, places[:-1]), "L"])
    axes.grid(axis="y")
    # The way back runs from right to left.
    axes.annotate(
        "", (0.25, 0.96), (0.75, 0.96), xycoords="axes fraction", arrowprops={"arrowstyle": "->", "color": MUTED}
    )
    return page.svg(figure, "Norm of the gradient on its way back from the output to the features")


def _descent(explanation: ClipExplanation) -> Markup:
    descent = explanation.descent
    figure, axes = _new(2.6)
    line = descent.loss - descent.rates * descent.gradient_norm**2
    axes.plot(descent.rates, descent.losses, color=BLUE, label="loss")
    axes.plot(descent.rates, line, color=ORANGE, linestyle="--", label="what the gradient promises")
    axes.plot([0], [descent.loss], "o", color=INK, label="before")
    axes.plot([descent.learning_rate], [descent.reached], "o", color=GREEN, label="after")
    axes.set(xlabel="learning rate η", ylabel="loss (nats)", ylim=(min(0.0, float(line.min())), None))
    axes.grid(axis="y")
    axes.legend(loc="upper right")
    return page.svg(figure, "The loss along the step: it falls, a little less than the gradient promises")


def _changed(explanation: ClipExplanation) -> Markup:
    labels, places = explanation.labels, np.arange(len(explanation.labels))
    figure, axes = _new(0.9 + 0.26 * len(labels))
    axes.barh(places - 0.2, 100 * explanation.trace.probabilities, 0.36, color=MUTED, label="before")
    axes.barh(places + 0.2, 100 * explanation.descent.probabilities, 0.36, color=GREEN, label="after one step")
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set(xlabel="probability (%)")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower right")
    return page.svg(figure, "Probabilities before and after the step, as in the table")
