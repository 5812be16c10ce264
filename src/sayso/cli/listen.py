"""`sayso listen`: live recognition from a microphone, a file or a pipe."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from sayso.cli.console import note, warn
from sayso.cli.options import device_option, format_option, model_option
from sayso.cli.tables import percent

if TYPE_CHECKING:
    from sayso.live.listening import Listening
    from sayso.live.microphone import Microphone
    from sayso.recognition.recognizer import WindowScores
    from sayso.sound.stream import Samples

# Seconds between two lines of --stats.
STATS_EVERY = 10.0


@click.command()
@model_option
@device_option
@click.option(
    "--input", "source", metavar="FILE|-",
    help="Read a file, or standard input: WAV, or raw 16-bit mono at the model's rate.",
)  # fmt: skip
@format_option("text", "jsonl")
@click.option(
    "--exec", "actions", multiple=True, metavar="WORD=COMMAND",
    help="Start a command when a word is detected. Its environment holds SAYSO_WORD, SAYSO_CONFIDENCE, SAYSO_START and "
    "SAYSO_END.",
)  # fmt: skip
@click.option("--shell", is_flag=True, help="Run the commands of --exec in a shell.")
@click.option(
    "--record", type=click.Path(path_type=Path),
    help="Save the sound to a WAV or FLAC file, and the detections to FILE.jsonl next to it.",
)  # fmt: skip
@click.option("--stats", is_flag=True, help="Show computing times and lost sound while listening, not only at the end.")
def listen(
    model: str | None, device: str | None, source: str | None, style: str, actions: tuple[str, ...], shell: bool,
    record: Path | None, stats: bool,
) -> None:  # fmt: skip
    """Listen to the microphone and print each word when it is detected, until Ctrl-C.

    Example: sayso listen --exec 'left=xdotool key Left'
    """
    from sayso.live.actions import Actions, parse
    from sayso.live.listening import Listening
    from sayso.live.microphone import Microphone
    from sayso.live.pipe import piped_chunks
    from sayso.live.session import SessionRecorder
    from sayso.model.shipped import DEFAULT
    from sayso.recognition.recognizer import load
    from sayso.sound.audio import read_chunks
    from sayso.system.memory import keep_freed_memory

    if source is not None and device is not None:
        raise click.UsageError("--device and --input exclude each other: give only one of them")
    if shell and not actions:
        raise click.UsageError("--shell says how to read --exec; give --exec, too")
    keep_freed_memory()
    name = model or DEFAULT
    recognizer = load(name)
    rate = recognizer.model.features.sample_rate
    commands = Actions(parse(actions, recognizer.labels), shell, warn)
    # SIGTERM ends the program as Ctrl-C does, with all files closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        session = stack.enter_context(SessionRecorder(record, rate)) if record else None
        microphone, title = None, f"sayso · {name} · {source}"
        if source is None:
            microphone = stack.enter_context(Microphone(device, rate, warn))
            chunks: Iterable[Samples] = microphone.chunks()
            title = f"sayso · {name} · {microphone.device.name}, {microphone.device_rate:g} Hz"
        else:
            chunks = (
                piped_chunks(cast(BufferedReader, sys.stdin.buffer), rate)
                if source == "-"
                else read_chunks(source, rate)
            )
        listening = Listening(recognizer, chunks, session.write_chunk if session else None)

        def statistics() -> str:
            return statistics_line(listening, microphone)

        # Registered before the display, so that it is printed after it, below its last picture.
        stack.callback(lambda: note(statistics()) if listening.pace.steps else None)
        show: Callable[[WindowScores], None]
        if style == "text" and sys.stdout.isatty():
            from rich.console import Console

            from sayso.cli.live_display import Display

            show = stack.enter_context(
                Display(title, recognizer.labels, listening, statistics if stats else lambda: "", Console())
            ).show
        else:
            note(title)
            show = _line_printer(style, listening, statistics if stats else None)
        try:
            for window in listening.scores():
                if window.detection:
                    commands.start(window.detection)
                    if session:
                        session.write_detection(window.detection)
                show(window)
        except KeyboardInterrupt:
            pass


def _line_printer(
    style: str, listening: Listening, statistics: Callable[[], str] | None
) -> Callable[[WindowScores], None]:
    """Return a function that prints each detection as a line, and on stderr problems and the statistics."""
    from sayso.live.session import detection_to_dict

    due = time.monotonic() + STATS_EVERY
    reported = ""

    def show(window: WindowScores) -> None:
        nonlocal due, reported
        if detection := window.detection:
            now = datetime.now().astimezone().isoformat(timespec="milliseconds")
            if style == "jsonl":
                line = json.dumps({"time": now, **detection_to_dict(detection)}, ensure_ascii=False)
            else:
                line = f"{detection.end:>10.2f} s  {detection.label:<12} {percent(detection.confidence)}"
            click.echo(line)
            sys.stdout.flush()
        problem = listening.level.problem
        if problem and problem != reported:
            warn(problem)
        reported = problem
        if statistics and time.monotonic() >= due:
            due = time.monotonic() + STATS_EVERY
            note(statistics())

    return show


def statistics_line(listening: Listening, microphone: Microphone | None) -> str:
    """Return one line with the computing times and the counts of lost sound."""
    pace = listening.pace
    text = f"{pace.steps} steps of {1e3 * pace.quantile(0.5):.1f} ms (99 %: {1e3 * pace.quantile(0.99):.1f} ms)"
    if microphone is None:
        return text
    health = microphone.health
    return (
        f"{text}, lag at most {1e3 * health.longest_lag:.0f} ms, {health.dropped} dropped, "
        f"{health.overflows} overflows, {health.reopened} reopened"
    )
