"""Format the tables and lines of figures that commands and scripts print."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sayso.cli import layout
from sayso.system.text import printable

if TYPE_CHECKING:
    from sayso.config import DecisionSettings
    from sayso.evaluation.accuracy import Doubtful, Evaluation
    from sayso.evaluation.stream_scores import Fault, StreamScore
    from sayso.model.metadata import Score
    from sayso.nn import Network

# Columns for which tables are laid out on a terminal that is narrower still.
LEAST = 40


def percent(share: float) -> str:
    """Format a fraction as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


def accuracy_line(evaluation: Evaluation) -> str:
    """Format an accuracy with its interval and its counts."""
    low, high = evaluation.interval
    return (
        f"{percent(evaluation.accuracy)} (95 % interval {100 * low:.1f} to {percent(high)}, "
        f"{evaluation.correct} of {evaluation.clips} clips)"
    )


def accuracy(score: Score) -> str:
    """Format the accuracy in a score from a model file, which may be missing."""
    return "unknown" if score.accuracy is None else percent(score.accuracy)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Lay out rows in columns that fit the terminal: the first `left` of them aligned left, the others right.

    Cells that are too wide are wrapped at spaces. Columns that still do not fit follow below, behind the first one.
    """
    return layout.table([list(map(printable, row)) for row in (header, *rows)], left, columns())


def facts_table(facts: Mapping[str, str], least: int = 0) -> str:
    """Lay out names, in a column of at least this width, and what they stand for."""
    lines = [[printable(name).ljust(least), printable(fact)] for name, fact in facts.items()]
    return layout.table(lines, 2, columns())


def filled(text: str) -> str:
    """Wrap a text at spaces, so that it fits the terminal; further lines are indented."""
    return "\n".join(layout.wrapped(printable(text), columns()))


def columns() -> int:
    """Return the width of the terminal, or COLUMNS if that is set; without a terminal it is 80."""
    return max(shutil.get_terminal_size().columns, LEAST)


def doubtful_table(recordings: Sequence[Doubtful]) -> str:
    """List recordings that may be mislabelled or empty."""
    rows = [(str(entry.clip.path), entry.clip.word, entry.predicted, f"{entry.loss:.1f}") for entry in recordings]
    return table(("doubtful recording: listen to it", "word", "predicted", "loss"), rows, left=3)


def noise_table(in_noise: Mapping[float, Evaluation]) -> str:
    """Lay out the accuracy at each signal-to-noise ratio."""
    rows = [(f"{ratio:g} dB", accuracy_line(evaluation)) for ratio, evaluation in in_noise.items()]
    return table(("SNR", "accuracy"), rows, left=2)


def word_table(evaluation: Evaluation) -> str:
    """Lay out precision, recall and F1 of each label; a dash stands for what clips of the label would be needed for."""
    rows = []
    for label, score in evaluation.words.items():
        precision = percent(score.precision) if score.clips and score.predicted else "–"
        recall, f1 = (percent(value) if score.clips else "–" for value in (score.recall, score.f1))
        rows.append((label, precision, recall, f1, str(score.clips)))
    return table(("word", "precision", "recall", "F1", "clips"), rows)


def confusion_table(evaluation: Evaluation) -> str:
    """Lay out the confusion matrix: true labels in rows, predicted labels in columns, dots for zeros."""
    rows = [
        (label, *("·" if count == 0 else str(count) for count in counts))
        for label, counts in zip(evaluation.labels, evaluation.confusion.tolist(), strict=True)
    ]
    return table(("true \\ predicted", *evaluation.labels), rows)


def fault_table(faults: Sequence[tuple[Fault, int]]) -> str:
    """List errors that occurred more than once with the same recording, which may be mislabelled or hard."""
    rows = [(str(fault.source), fault.word, fault.what, str(times)) for fault, times in faults]
    return table(("repeated error: listen to it", "word", "error", "times"), rows, left=3)


def stream_table(score: StreamScore, settings: DecisionSettings) -> str:
    """Lay out the score of a model on a stream."""
    thresholds = f"threshold {settings.threshold:g}"
    if settings.words:
        thresholds = f"thresholds {min(settings.words.values()):g} to {max(settings.words.values()):g}"
    facts = score.to_dict()
    low, high = facts["miss_interval"]
    least, most = facts["false_alarms_interval"]
    delay = "no word detected"
    if facts["delay_median"] is not None:
        delay = f"{1e3 * facts['delay_median']:.0f} ms (95 % within {1e3 * facts['delay_95']:.0f} ms)"
    rows: Sequence[tuple[str, str]] = [
        ("stream", f"{score.hours:.2f} h, {thresholds}"),
        (
            "missed",
            f"{percent(score.miss_rate)} ({100 * low:.1f} to {percent(high)}, {score.misses} of {score.words} words)",
        ),
        ("wrong word", f"{score.wrong} of {score.words} words"),
        (
            "false alarms",
            f"{score.false_alarm_rate:.2f} per hour ({least:.2f} to {most:.2f}, {score.false_alarms} in all, "
            f"{score.in_speech} of them in other speech)",
        ),
        ("delay", f"{delay} from the end of the word"),
    ]
    return table(("", "measured (95 % interval)"), rows, left=2)


def layer_table(network: Network) -> str:
    """Lay out the layers of a network with their outputs (channels x time), parameters and multiply-adds."""
    from sayso.report.layers import layer_rows

    rows = [
        (
            f"{'  ' * row.depth}{'shortcut ' if row.shortcut else ''}{row.name}",
            " x ".join(map(str, row.output)),
            *(f"{count:,}" if count else "" for count in (row.parameters, row.multiply_adds)),
        )
        for row in layer_rows(network)
    ]
    return table(("layer", "output", "parameters", "multiply-adds"), rows)
