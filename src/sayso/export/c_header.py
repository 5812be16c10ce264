"""A C99 header without dependencies: the model's tables, and the code that recognises with them.

Weights are 8-bit integers; sums are computed in single precision, as the floating-point units of today's
microcontrollers do as fast as integers. So no calibration is needed, and the result equals Python's.
"""

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.export.exported import Exported
from sayso.export.memory import places
from sayso.export.operations import (
    Add,
    Convolve,
    ConvolveDepthwise,
    Merge,
    Operation,
    Pool,
    Rectify,
    Reshape,
    Scale,
    TakeTanh,
)
from sayso.export.quantization import quantized
from sayso.recognition import decision
from sayso.recognition.limits import Limits
from sayso.recognition.scoring import LEAST_WORDS

COLUMNS = 116
BYTES = {"int8_t": 1, "uint16_t": 2, "float": 4}


class _Table(NamedTuple):
    """A constant array of the header: its type, name, length and the lines of its numbers."""

    kind: str
    name: str
    length: int
    text: str


def write(exported: Exported) -> bytes:
    """Return the content of a header; a program includes it once with `SAYSO_IMPLEMENTATION` defined.

    Raises
    ------
    ExportError
        If the length of the Fourier transform is not a power of two.
    """
    import jinja2

    front_end = exported.front_end
    front_end.check_transform()
    tables = list(_front_end_tables(exported))
    positions, memory = places(exported.operations)
    calls = []
    for number, operation in enumerate(exported.operations, 1):
        *inputs, output = (_pointer(positions[each]) for each in (*operation.inputs, number))
        added, call = _written(number, operation, inputs, output)
        tables += added
        calls += textwrap.wrap(f"{call};", COLUMNS, subsequent_indent="    ") if call else []
    template = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (resources.files("sayso.export") / name).read_text(encoding="utf-8")),
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined,
        autoescape=False,
    ).get_template("sayso.h.jinja")  # fmt: skip
    settings = exported.model.decision
    limits = Limits.of(settings, exported.model.labels, exported.newest > 0)
    tables += _decision_tables(limits)
    width, bands = len(front_end.offset), len(front_end.mel)
    # The static arrays of the templates.
    shared = memory + 3 * front_end.fft_size // 2 + 1 + bands + 3 * len(exported.model.labels)
    if exported.newest:
        shared += front_end.frames * width + 2 * len(exported.model.labels)
    text = template.render(
        front_end=front_end,
        step=exported.step,
        step_samples=exported.step * front_end.hop,
        margin=exported.margin,
        newest=exported.newest,
        labels=[literal(label) for label in exported.model.labels],
        width=width,
        bands=bands,
        floor=_number(front_end.floor),
        high_pass=_high_pass(exported),
        tables=tables,
        calls=calls,
        kinds={type(operation).__name__ for operation in exported.operations},
        logits=_pointer(positions[-1]),
        memory=memory,
        shared=4 * shared,
        constants=sum(table.length * BYTES[table.kind] for table in tables),
        about=_about(exported),
        limits=limits,
        smoothing=settings.smoothing,
        refractory=settings.refractory,
        patient=settings.patient,
        seconds=exported.model.features.clip,
        pauses=math.floor(decision.BEFORE[1] / (exported.step * exported.model.features.hop)) + 2,
        STEPS=decision.STEPS,
        STEPS_AGAIN=decision.STEPS_AGAIN,
        COMPANY=decision.COMPANY,
        BEFORE=decision.BEFORE,
        AFTER=decision.AFTER,
        PAUSE=_number(decision.PAUSE),
        LARGEST=_number(decision.LARGEST),
        LEAST_WORDS=_number(LEAST_WORDS),
    )
    return text.encode()


def _about(exported: Exported) -> list[str]:
    """Return the lines that introduce the model, safe for a comment."""
    facts = exported.facts
    paragraphs = (
        f"The model {facts['name']}, written by {facts['made_by']}.",
        f"Labels: {', '.join(exported.model.labels)}",
        f"Licence: {facts['licence']}",
        f"Settings of the decision: {', '.join(f'{name} {value}' for name, value in facts['decision'].items())}",
    )
    return [line for each in paragraphs for line in textwrap.wrap(comment(each), COLUMNS)]


def _front_end_tables(exported: Exported) -> Iterable[_Table]:
    front_end = exported.front_end
    angles = 2 * np.pi * np.arange(front_end.fft_size // 2) / front_end.fft_size
    yield _floats("window", front_end.window)
    yield _floats("cosines", np.cos(angles))
    yield _floats("sines", np.sin(angles))
    filters = front_end.filters
    yield _table("uint16_t", "mel_first", [first for first, _ in filters])
    yield _table("uint16_t", "mel_count", [len(weights) for _, weights in filters])
    yield _floats("mel", np.concatenate([weights for _, weights in filters]))
    yield _floats("matrix", front_end.matrix)
    yield _floats("offset", front_end.offset)
    if exported.newest:
        yield _floats("silence", front_end.silence)


def _decision_tables(limits: Limits) -> Iterable[_Table]:
    yield _table("uint16_t", "words", limits.words.tolist())
    yield _table("int8_t", "anywhere", limits.anywhere.astype(int).tolist())
    for name in ("clear", "heard", "rearm", "newest", "again"):
        yield _floats(f"{name}_at", getattr(limits, name))


def _high_pass(exported: Exported) -> dict[str, str] | None:
    filtering = exported.front_end.high_pass
    if filtering is None:
        return None
    numbers = {"a": filtering.transition, "b": filtering.input, "c": filtering.output, "d": np.array(filtering.direct)}
    return {f"{name}{place}": _number(each) for name, array in numbers.items() for place, each in enumerate(array.flat)}


def _pointer(place: int | None) -> str:
    return "features" if place is None else f"sayso_memory + {place}"


def _written(number: int, operation: Operation, inputs: Sequence[str], output: str) -> tuple[list[_Table], str | None]:
    """Return the tables of an operation and the call that computes it, or None if there is nothing to compute."""
    frames, channels, _ = operation.taken
    count = math.prod(operation.shape)
    where = ", ".join([*inputs, output])
    tables: list[_Table] = []

    def call(function: str, *numbers: object) -> str:
        names = (f"sayso_{table.name}" for table in tables)
        return f"sayso_{function}({', '.join(map(str, (where, *names, *numbers)))})"

    match operation:
        case Convolve():
            _, kernel, _, band_kernel = operation.weight.shape
            tables = [*_weights(number, operation.weight), _floats(f"bias_{number}", operation.bias)]
            window = (kernel, operation.stride, operation.dilation, operation.padding)
            sizes = (*_shapes(operation), *window, band_kernel, operation.band_stride)
            return tables, call("convolve", *sizes)
        case ConvolveDepthwise():
            tables = _weights(number, operation.weight, axis=1)
            window = (len(operation.weight), operation.stride, operation.dilation, operation.padding)
            return tables, call("convolve_depthwise", *_shapes(operation), *window)
        case Scale():
            tables = [_floats(f"gain_{number}", operation.gain), _floats(f"shift_{number}", operation.shift)]
            return tables, call("scale", _shapes(operation)[0])
        case Rectify():
            return tables, call("rectify", count)
        case TakeTanh():
            return tables, call("tanh", count)
        case Add():
            return tables, call("add", count)
        case Pool():
            return tables, call("pool", frames, channels, _number(operation.epsilon))
        case Merge():
            return tables, call("merge", channels, operation.into, operation.parts)
        case Reshape():
            return tables, None if inputs == [output] else f"memcpy({output}, {inputs[0]}, {count} * sizeof(float))"
    raise AssertionError(f"there is no C function here for a {type(operation).__name__}, which `lowered` makes")


def _shapes(operation: Operation) -> list[str]:
    return [f"sayso_shape_of({', '.join(map(str, shape))})" for shape in (operation.taken, operation.shape)]


def _weights(number: int, weight: NDArray[np.float32], axis: int = 0) -> list[_Table]:
    integers, scales = quantized(weight, axis)
    return [_table("int8_t", f"weight_{number}", integers.ravel().tolist()), _floats(f"scale_{number}", scales)]


def _floats(name: str, numbers: NDArray[np.floating]) -> _Table:
    return _table("float", name, [_number(each) for each in numbers.ravel()])


def _table(kind: str, name: str, numbers: Sequence[Any]) -> _Table:
    """Format numbers in lines; C has no empty arrays."""
    text = textwrap.fill(", ".join(map(str, numbers or [0])), COLUMNS, break_long_words=False)
    return _Table(kind, name, max(len(numbers), 1), textwrap.indent(text, "    "))


def _number(number: float | np.floating) -> str:
    """Format a number of single precision, so that it is read as the same again."""
    text = f"{np.float32(number):.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def literal(text: str) -> str:
    """Return a text as a string literal of C: whatever could end it, or be a trigraph, is written as octal bytes."""
    safe = re.compile(rb"[A-Za-z0-9 _.,-]")
    encoded = text.encode()
    parts = [chr(byte) if safe.match(bytes([byte])) else f"\\{byte:03o}" for byte in encoded]
    return f'"{"".join(parts)}"'


def comment(text: str) -> str:
    """Return a text that neither ends the comment in which it stands, nor begins another or joins lines."""
    return re.sub(r"[\\?]", "_", text).replace("*/", "* /").replace("/*", "/ *")
