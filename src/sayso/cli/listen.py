"""`sayso listen`: live recognition of words, from a microphone or a stream."""

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
from sayso.cli.options import device_option, model_option
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
    help="Listen to a file, or to standard input: WAV, or raw 16-bit mono at the model's rate.",
)  # fmt: skip
@click.option(
    "--format", "style", type=click.Choice(["text", "jsonl"]), default="text", show_default=True,
    help="For people: a display on a terminal, else a line for each word. For programs: JSON lines.",
)  # fmt: skip
@click.option(
    "--exec", "actions", multiple=True, metavar="WORD=COMMAND",
    help="Start a command at a word. Its environment holds SAYSO_WORD, SAYSO_CONFIDENCE, SAYSO_START and SAYSO_END.",
)  # fmt: skip
@click.option("--shell", is_flag=True, help="Let a shell read the commands of --exec.")
@click.option(
    "--record", type=click.Path(path_type=Path),
    help="Keep what is heard in a WAV or FLAC file, and the detections in FILE.jsonl beside it.",
)  # fmt: skip
@click.option("--stats", is_flag=True, help="Show how the work keeps up, also before the end.")
def listen(
    model: str | None, device: str | None, source: str | None, style: str, actions: tuple[str, ...], shell: bool,
    record: Path | None, stats: bool,
) -> None:  # fmt: skip
    """Listen to the microphone and tell each word when it was said, until Ctrl-C.

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
        raise click.UsageError("--device and --input exclude each other: give the one to listen to")
    if shell and not actions:
        raise click.UsageError("--shell says how to read --exec; give that, too")
    keep_freed_memory()
    name = model or DEFAULT
    recognizer = load(name)
    rate = recognizer.model.features.sample_rate
    commands = Actions(parse(actions, recognizer.labels), shell, warn)
    # Whoever ends the program by SIGTERM wants the same orderly end as by Ctrl-C.
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
        listening = Listening(recognizer, chunks, session.hear if session else None)

        def work() -> str:
            return statistics(listening, microphone)

        # Said last, below the picture that the display leaves.
        stack.callback(lambda: note(work()) if listening.pace.steps else None)
        show: Callable[[WindowScores], None]
        if style == "text" and sys.stdout.isatty():
            from rich.console import Console

            from sayso.cli.live_display import Display

            show = stack.enter_context(
                Display(title, recognizer.labels, listening, work if stats else lambda: "", Console())
            ).show
        else:
            note(title)
            show = _lines(style, listening, work if stats else None)
        try:
            for window in listening.scores():
                if window.detection:
                    commands.start(window.detection)
                    if session:
                        session.detect(window.detection)
                show(window)
        except KeyboardInterrupt:
            pass


def _lines(style: str, listening: Listening, work: Callable[[], str] | None) -> Callable[[WindowScores], None]:
    """Return what prints each detection as a line, and now and then on stderr what is wrong or how the work goes."""
    from sayso.live.session import detection_to_dict

    due = time.monotonic() + STATS_EVERY
    told = ""

    def show(window: WindowScores) -> None:
        nonlocal due, told
        if detection := window.detection:
            now = datetime.now().astimezone().isoformat(timespec="milliseconds")
            if style == "jsonl":
                line = json.dumps({"time": now, **detection_to_dict(detection)}, ensure_ascii=False)
            else:
                line = f"{detection.end:>10.2f} s  {detection.label:<12} {percent(detection.confidence)}"
            click.echo(line)
            sys.stdout.flush()
        trouble = listening.level.trouble
        if trouble and trouble != told:
            warn(trouble)
        told = trouble
        if work and time.monotonic() >= due:
            due = time.monotonic() + STATS_EVERY
            note(work())

    return show


def statistics(listening: Listening, microphone: Microphone | None) -> str:
    """Say in a line how the work keeps up."""
    pace = listening.pace
    text = f"{pace.steps} steps of {1e3 * pace.quantile(0.5):.1f} ms (99 %: {1e3 * pace.quantile(0.99):.1f} ms)"
    if microphone is None:
        return text
    health = microphone.health
    return (
        f"{text}, lag at most {1e3 * health.longest_lag:.0f} ms, {health.dropped} dropped, "
        f"{health.overflows} overflows, {health.reopened} reopened"
    )
