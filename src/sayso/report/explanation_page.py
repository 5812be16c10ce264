"""The page that shows the forward and the backward pass of one clip through a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sayso.explanation.by_hand import NUDGE, HiddenChain
from sayso.explanation.clip import ClipExplanation, FloatArray
from sayso.explanation.formulas import Formulas, formulas_of
from sayso.explanation.hardest import Hardest
from sayso.nn import BatchNorm, Dropout, Flatten, Merging, ReLU, Stack, Tanh
from sayso.nn.tracing import Passage
from sayso.report import page
from sayso.report.explanation_plots import explanation_plots, full_colour
from sayso.report.mathml import mathml, prose

if TYPE_CHECKING:
    from markupsafe import Markup

# A longer vector is drawn in rows of this length.
ROW = 64
# Layers that belong to the block of the layer before them, and that with more layers its blocks are folded.
ATTACHED, MOST_OPEN = (BatchNorm, ReLU, Tanh, Dropout, Flatten, Stack, Merging), 8
# Terms of a sum that the page shows.
MOST_TERMS = 5

PARAMETERS = {"weight": "weights", "bias": "biases", "scale": "scales", "shift": "shifts"}
BRANCHES = {"layers": "branch f", "shortcut": "shortcut g"}


@dataclass(frozen=True)
class ParameterView:
    """What the page shows of a parameter: its size, and the formula and norm of its gradient."""

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
        Its position, such as "4", or "4.2" inside a block.
    formulas : Formulas
        Description and formulas of its kind.
    shape : str
        The shape of its output in words.
    mean, deviation : float
        Mean and standard deviation of its output.
    output_gradient, input_gradient : float
        Norms of the gradients with respect to its output and to its input.
    parameters : list of ParameterView
        Its parameters.
    activation, gradient : Markup or None
        Pictures of its output and of the gradient with respect to its input; none if it only passes values on.
    inside : dict of list of LayerView
        The layers of a block, by the name of the branch.
    """

    number: str
    formulas: Formulas
    shape: str
    mean: float
    deviation: float
    output_gradient: float
    input_gradient: float
    parameters: list[ParameterView]
    activation: Markup | None
    gradient: Markup | None
    inside: dict[str, list[LayerView]]


@dataclass(frozen=True)
class BlockView:
    """Layers that are shown together: one that mixes its inputs, and those around it that do not.

    Attributes
    ----------
    layers : list of LayerView
        The layers.
    main : LayerView
        The one that mixes its inputs.
    """

    layers: list[LayerView]
    main: LayerView

    @property
    def identifier(self) -> str:
        """Identifier for links."""
        return self.layers[0].number

    @property
    def numbers(self) -> str:
        """The number of its layer, or of the first and the last."""
        first, last = self.layers[0].number, self.layers[-1].number
        return first if first == last else f"{first}–{last}"

    @property
    def others(self) -> str:
        """The names of the other layers."""
        return ", ".join(layer.formulas.title for layer in self.layers if layer is not self.main)

    @property
    def activation(self) -> Markup | None:
        """The picture of its output."""
        return next((layer.activation for layer in reversed(self.layers) if layer.activation), None)

    @property
    def gradient(self) -> Markup | None:
        """The picture of the gradient with respect to its input."""
        return next((layer.gradient for layer in self.layers if layer.gradient), None)


def explanation_page(
    explanation: ClipExplanation, source: str, model: str, animate: bool = False, found: Hardest | None = None
) -> str:
    """Render the page.

    Parameters
    ----------
    explanation : ClipExplanation
        The results to show.
    source, model : str
        Names of the clip and of the model.
    animate : bool
        Whether the page has buttons to step through it.
    found : Hardest, optional
        How the clip was found, if it was not given.
    """
    trace, labels = explanation.trace, explanation.labels
    with page.style():
        plots = explanation_plots(explanation)
    order = np.argsort(trace.probabilities)[::-1]
    return page.render(
        "explanation.html",
        explanation=explanation,
        trace=trace,
        descent=explanation.descent,
        weight=explanation.weight,
        nudge=NUDGE,
        target=labels[explanation.target],
        predicted=labels[int(trace.probabilities.argmax())],
        predicted_after=labels[int(explanation.descent.probabilities.argmax())],
        order=[int(index) for index in order],
        blocks=_blocks(trace.passages),
        folded=len(trace.passages) > MOST_OPEN,
        hidden=explanation.hidden,
        sums=_sums(explanation.hidden, labels) if explanation.hidden else [],
        formulas_of=formulas_of,
        found=found,
        plots=plots,
        player=page.sound(explanation.samples, explanation.sample_rate, f"The clip, {source}"),
        source=source,
        model=model,
        animate=animate,
        mathml=mathml,
        prose=prose,
    )


def _blocks(passages: Sequence[Passage]) -> list[BlockView]:
    """Group layers: each that mixes its inputs starts a block, except behind nothing but attached ones."""
    groups: list[list[int]] = [[]]
    for place, passage in enumerate(passages):
        mixes = not isinstance(passage.layer, ATTACHED)
        if mixes and any(not isinstance(passages[other].layer, ATTACHED) for other in groups[-1]):
            groups.append([])
        groups[-1].append(place)
    blocks = []
    for group in groups:
        layers = [_layer(passages[place], str(place + 1)) for place in group]
        mixing = [view for view, place in zip(layers, group, strict=True)
                  if not isinstance(passages[place].layer, ATTACHED)]  # fmt: skip
        blocks.append(BlockView(layers, (mixing or layers)[0]))
    return blocks


def _sums(hidden: HiddenChain, labels: Sequence[str]) -> list[dict[str, object]]:
    """Prepare the sums over the outputs: the largest terms with the names of their outputs, and the rest together."""
    tables = []
    for total in hidden.sums:
        shown, rest = total.terms[:MOST_TERMS], total.terms[MOST_TERMS:]
        names = [
            labels[term.output] if term.output < len(labels) else f"part {term.output - len(labels) + 1}"
            for term in shown
        ]
        tables.append({
            "input": total.input + 1,
            "total": total.total,
            "terms": list(zip(names, shown, strict=True)),
            "others": len(rest),
            "rest": sum(term.product for term in rest),
        })  # fmt: skip
    return tables


def _layer(passage: Passage, number: str) -> LayerView:
    formulas = formulas_of(passage.layer)
    unchanged = np.may_share_memory(passage.y, passage.x)
    inside = {}
    for (branch, passages), mark in zip(passage.branches.items(), ("", "g"), strict=False):
        inside[BRANCHES[branch]] = [_layer(inner, f"{number}.{mark}{i}") for i, inner in enumerate(passages, 1)]
    return LayerView(
        number=number,
        formulas=formulas,
        shape=_shape(passage.y),
        mean=float(passage.y.mean()),
        deviation=float(passage.y.std()),
        output_gradient=float(np.linalg.norm(passage.grad_y)),
        input_gradient=float(np.linalg.norm(passage.grad_x)),
        parameters=[
            ParameterView(
                PARAMETERS[name],
                passage.gradients[name].size,
                mathml(formula),
                float(np.linalg.norm(passage.gradients[name])),
            )
            for name, formula in formulas.parameters.items()
        ],
        activation=None if unchanged else _picture(passage.y, f"Output of layer {number}, {formulas.title}"),
        gradient=None
        if unchanged
        else _picture(passage.grad_x, f"Gradient of the loss with respect to the input of layer {number}"),
        inside=inside,
    )


def _shape(values: FloatArray) -> str:
    if values.ndim == 1:
        return f"{len(values)} numbers"
    names = ("channels", "frames") if values.ndim == 2 else ("channels", "bands", "frames")
    counts = zip(values.shape, names, strict=True)
    return " × ".join(f"{count} {name if count != 1 else name.removesuffix('s')}" for count, name in counts)


def _picture(values: FloatArray, alt: str) -> Markup:
    """Draw activations or gradients: time to the right, channels (and the bands of each) upwards; a vector in rows."""
    limit = full_colour(values)
    if values.ndim == 1:
        rows = -(-len(values) // ROW)
        folded = np.zeros(rows * ROW if rows > 1 else len(values))
        folded[: len(values)] = values
        # The vector starts at the top.
        values = folded.reshape(rows, -1)[::-1]
    values = values.reshape(-1, values.shape[-1])
    return page.picture(values, f"{alt}; full colour: {page.number(limit)} or more", limit)
