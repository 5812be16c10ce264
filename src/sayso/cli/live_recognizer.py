"""The recogniser of a live command: its model, how readily it detects words, and the wake word that it waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note

if TYPE_CHECKING:
    from sayso.recognition.recognizer import Recognizer
    from sayso.recognition.wake import WakeGate

_wake_option = click.option(
    "--wake", metavar="WORD",
    help="A wake word, such as computer: other words count only for some seconds after it.",
)  # fmt: skip
_for_option = click.option(
    "--for", "seconds", type=click.FloatRange(0, 3_600, min_open=True), metavar="SECONDS",
    help="How long words count after the wake word. [default: 5]",
)  # fmt: skip


def wake_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the wake word."""
    return _wake_option(_for_option(command))


def check_wake(wake: str | None, seconds: float | None) -> None:
    """Refuse seconds without a wake word."""
    if seconds is not None and wake is None:
        raise click.UsageError("--for says how long words count after a wake word; give --wake, too")


def live_recognizer(
    name: str, sensitivity: float, anywhere: bool, patient: bool, wake: str | None, seconds: float | None
) -> tuple[Recognizer, WakeGate | None]:
    """Load a model as the options of a command say, and tell what false alarms another sensitivity costs.

    Parameters
    ----------
    name : str
        A model file, or the name of a shipped model.
    sensitivity, anywhere, patient
        As for `recognizer.load`.
    wake, seconds
        The values of `wake_options`.

    Returns
    -------
    recognizer : Recognizer
        The recogniser, which has the wake word as a label.
    gate : WakeGate or None
        The gate that detections must pass, if a wake word is waited for.

    Raises
    ------
    UsageError
        If there are seconds without a wake word.
    SaysoError
        If the model cannot be used, or does not know the wake word.
    """
    from sayso.recognition.recognizer import load
    from sayso.recognition.wake import SECONDS, waiting_for

    check_wake(wake, seconds)
    recognizer, gate = load(name, sensitivity=sensitivity, anywhere=anywhere, patient=patient), None
    if wake is not None:
        recognizer, gate = waiting_for(wake, recognizer, SECONDS if seconds is None else seconds)
    if sensitivity != 0.5 and (alarms := recognizer.model.alarms):
        nearest = min(alarms, key=lambda point: abs(point[0] - sensitivity))
        note(f"at a sensitivity of {nearest[0]:g}, about {nearest[1]:g} false alarms per hour of talk")
    return recognizer, gate
