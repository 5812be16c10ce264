"""`sayso listen`: live recognition from a microphone, a file or a pipe."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import can_draw, note, warn
from sayso.cli.live_recognizer import live_recognizer, wake_options
from sayso.cli.options import decision_options, device_option, finite, format_option, model_option
from sayso.cli.sound_options import KINDS, channel_option, gain_option, raw_layout
from sayso.cli.tables import percent

if TYPE_CHECKING:
    from sayso.live.listening import Listening
    from sayso.live.microphone import Microphone
    from sayso.recognition.stream import WindowScores
    from sayso.sound.headers import Layout
    from sayso.sound.stream import Samples

# Seconds between two lines of --stats.
STATS_EVERY = 10.0
# Seconds of sound per read, so that a pipe is heard as it comes.
INPUT_BLOCK = 0.05


@click.command()
@model_option
@device_option
@click.option(
    "--input", "source", metavar="FILE|-",
    help="Read a file, a named pipe, or standard input, in any format of sound.",
)  # fmt: skip
@click.option("--rate", type=click.IntRange(1), metavar="HZ", help="The --input is raw samples, so many a second.")
@click.option("--channels", type=click.IntRange(1), metavar="N", help="Channels of raw samples. [default: 1]")
@click.option("--sample-format", "kind", type=click.Choice(KINDS), help="Form of raw samples. [default: s16le]")
@channel_option
@decision_options
@format_option("text", "jsonl")
@click.option(
    "--exec", "actions", multiple=True, metavar="WORD=COMMAND",
    help="Start a command when a word is detected. Its environment holds SAYSO_WORD, SAYSO_CONFIDENCE, SAYSO_START and "
    "SAYSO_END.",
)  # fmt: skip
@click.option(
    "--exec-timeout", "exec_timeout", type=click.FloatRange(0), metavar="SECONDS", default=60.0, show_default=True,
    callback=finite, help="End a command of --exec that still runs after this time; 0 lets it run for ever.",
)  # fmt: skip
@click.option("--shell", is_flag=True, help="Run the commands of --exec in a shell.")
@click.option(
    "--record", type=click.Path(path_type=Path),
    help="Save the sound to a WAV or FLAC file, and the detections to FILE.jsonl next to it.",
)  # fmt: skip
@gain_option
@wake_options
@click.option("--stats", is_flag=True, help="Show computing times and lost sound while listening, not only at the end.")
def listen(
    model: str | None, device: str | None, source: str | None, rate: int | None, channels: int | None,
    kind: str | None, channel: int | None, sensitivity: float, anywhere: bool, patient: bool, style: str,
    actions: tuple[str, ...], exec_timeout: float, shell: bool, record: Path | None, gain: float,
    wake: str | None, seconds: float | None, stats: bool,
) -> None:  # fmt: skip
    """Listen to the microphone and print each word when it is detected, until Ctrl-C.

    Example: sayso listen --wake computer --exec 'left=xdotool key Left'
    """
    from rich.console import Console

    from sayso.cli.live_display import Display
    from sayso.live.actions import Actions, parse
    from sayso.live.listening import Listening
    from sayso.live.microphone import Microphone
    from sayso.live.session import SessionRecorder
    from sayso.model.shipped import DEFAULT
    from sayso.system.memory import keep_freed_memory
    from sayso.system.signals import end_as_ctrl_c

    if source is not None and device is not None:
        raise click.UsageError("--device and --input exclude each other: give only one of them")
    raw = raw_layout(rate, channels, kind)
    if raw and source is None:
        raise click.UsageError("--rate says that the --input is raw samples; give it, too")
    if shell and not actions:
        raise click.UsageError("--shell says how to read --exec; give --exec, too")
    keep_freed_memory()
    name = model or DEFAULT
    recognizer, gate = live_recognizer(name, sensitivity, anywhere, patient, wake, seconds)
    model_rate = recognizer.model.features.sample_rate
    display: Display | None = None

    def tell(text: str) -> None:
        (display.print if display else note)(text)

    def complain(text: str) -> None:
        tell(f"warning: {text}")

    commands = Actions(parse(actions, recognizer.labels), shell, complain, tell, exec_timeout)
    end_as_ctrl_c()
    with ExitStack() as stack:
        stack.enter_context(commands)
        session = stack.enter_context(SessionRecorder(record, model_rate)) if record else None
        microphone, title = None, f"sayso · {name} · {source}"
        if source is None:
            microphone = stack.enter_context(Microphone(device, model_rate, complain, channel))
            chunks: Iterable[Samples] = microphone.chunks()
            title = f"sayso · {name} · {microphone.device.name}, {microphone.device_rate:g} Hz"
        else:
            chunks = input_chunks(source, model_rate, channel, raw)
        listening = Listening(recognizer, chunks, session.write_chunk if session else None, gain, gate)

        def statistics() -> str:
            return statistics_line(listening, microphone)

        # Registered before the display, so that it is printed after it, below its last picture.
        stack.callback(lambda: note(statistics()) if listening.pace.steps else None)
        show: Callable[[WindowScores], None]
        console = Console()
        if style == "text" and can_draw(console):
            display = Display(title, recognizer.labels, listening, statistics if stats else lambda: "", console)
            show = stack.enter_context(display).show
        else:
            note(title)
            show = line_printer(style, listening, statistics if stats else None)
        try:
            for window in listening.scores():
                if window.detection:
                    commands.start(window.detection)
                    if session:
                        session.write_detection(window.detection)
                show(window)
            # The sound has ended, and not the user's patience.
            commands.wait()
        except KeyboardInterrupt:
            pass


def input_chunks(source: str, sample_rate: int, channel: int | None, raw: Layout | None) -> Iterator[Samples]:
    """Read a file or a pipe; what has no known format is never played as noise."""
    from sayso.errors import FormatError
    from sayso.sound.audio import read_chunks

    try:
        yield from read_chunks(source, sample_rate, INPUT_BLOCK, channel, raw)
    except FormatError as error:
        raise FormatError(f"{error}; raw samples need --rate, --channels and --sample-format") from error


def line_printer(
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
                if detection.since_wake == 0 and listening.wake:
                    line += f"  awake for {listening.wake.seconds:g} s"
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
