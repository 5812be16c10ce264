"""`sayso record`: guide a person through recording words, of their own or those that a model knows."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note, say_next
from sayso.cli.options import device_option, model_option
from sayso.cli.sound_options import channel_option
from sayso.live.guidance import COUNT, COUNT_KNOWN, COUNT_NEW, NOISE, RATE, seconds_for

if TYPE_CHECKING:
    from sayso.live.microphone import Microphone
    from sayso.live.takes import Take, TakeFiles
    from sayso.sound.stream import Samples

KEYS = "[enter] record   [p] play the last   [u] undo the last   [s] skip this word   [n] record noise   [q] quit"


@click.command()
@click.argument("words", nargs=-1, metavar="WORD...")
@click.option("--commands", is_flag=True, help="Record the words that the model knows, to adapt it.")
@model_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the recordings.")
@click.option(
    "--count", type=click.IntRange(1),
    help=f"Recordings of each word by the speaker, with those in the folder. "
    f"[default: {COUNT_NEW}, or {COUNT_KNOWN} with --commands]",
)  # fmt: skip
@click.option(
    "--auto", is_flag=True, help="Record hands-free: takes follow each other, and a tone marks when to speak."
)
@click.option("--speaker", help="Name of the speaker, for the file names. [default: your user name]")
@device_option
@channel_option
def record(
    words: tuple[str, ...], commands: bool, model: str | None, output: Path, count: int | None, auto: bool,
    speaker: str | None, device: str | None, channel: int | None,
) -> None:  # fmt: skip
    """Record each WORD several times, to train or teach a model; or the model's own words, to adapt it to a voice.

    Each recording is checked and trimmed to the word. One with a problem is saved only if you agree; with --auto it is
    recorded again. What is missing after an interruption is recorded when the command is run again. Let several people
    record, each with their own --speaker name: a model that is trained on one voice recognises only that voice.

    Example: sayso record lamp music -o recordings --count 20 --speaker anna --auto
    """
    from sayso.live.takes import TakeFiles, check_name, speaker_named
    from sayso.system.user_folders import user_name

    if commands == bool(words):
        raise click.UsageError("give either the words to record, or --commands for those that the model knows")
    if model is not None and not commands:
        raise click.UsageError("--model says whose words to record; give --commands, too")
    names = [check_name("word", word) for word in (_words_of(model) if commands else words)]
    speaker = speaker_named(user_name()) if speaker is None else check_name("speaker", speaker)
    count = count or (COUNT_KNOWN if commands else COUNT_NEW)
    files = TakeFiles(output, speaker, RATE, datetime.now())
    missing = [word for word in names if files.taken(word) < count]
    if not missing:
        note(f"nothing is missing: {output} holds {count} of each word by {speaker}; a larger --count records more")
    else:
        if not auto:
            _check_terminal()
        _guide(files, missing, count, device, channel, f"as {speaker}", auto)
    if any(map(files.taken, names)):
        say_next(shlex.join(["teach", str(output), *(["-m", model] if model else []), "-o", "mine.safetensors"]))


def _guide(
    files: TakeFiles, words: Sequence[str], count: int, device: str | None, channel: int | None, who: str,
    auto: bool,
) -> None:  # fmt: skip
    """Record words until there are `count` takes of each, or the speaker has had enough."""
    from sayso.cli.record_auto import HOW, HandsFree
    from sayso.live.microphone import Microphone

    with Microphone(device, RATE, note, channel) as microphone:
        note(f"recording {', '.join(words)} with {microphone.device.name} {who}; {HOW if auto else KEYS}")
        dialogue = HandsFree(microphone, files) if auto else Dialogue(microphone, files)
        try:
            for word in words:
                dialogue.record_word(word, count)
            if isinstance(dialogue, Dialogue) and _confirmed(f"record {NOISE:g} s of background noise, in silence?"):
                dialogue.record_noise()
        except (KeyboardInterrupt, EOFError, click.Abort):
            note("")
        finally:
            saved = ", ".join(f"{number} of {word}" for word, number in files.counts().items())
            note(f"saved in {files.folder}: {saved or 'nothing'}")


def _words_of(model: str | None) -> list[str]:
    """Return the words that a model knows."""
    from sayso.config import SILENCE, UNKNOWN
    from sayso.model import model_file, shipped

    labels = model_file.load(shipped.find(model or shipped.DEFAULT)).labels
    return [label for label in labels if label not in (SILENCE, UNKNOWN)]


def _check_terminal() -> None:
    """Refuse to start where no key can be pressed; the keys are read from the terminal, not from standard input."""
    if sys.stdin.isatty() or os.name == "nt":
        return
    try:
        Path("/dev/tty").open("rb").close()
    except OSError as error:
        raise click.UsageError(
            "`sayso record` waits for keys, and there is no terminal; run it in one (with ssh or docker run, give -t), "
            "or record with `sayso listen --record FILE`"
        ) from error


def _confirmed(question: str) -> bool:
    """Ask a question and return whether the answer is yes; other keys are ignored."""
    note(f"{question}   [y] yes   [n] no")
    while True:
        key = click.getchar()
        if key in "\x03\x04":
            raise KeyboardInterrupt
        if key in "yYnN":
            return key in "yY"


class Dialogue:
    """The dialogue with the speaker.

    Parameters
    ----------
    microphone : Microphone
        An open microphone.
    files : TakeFiles
        Where takes are saved.
    """

    def __init__(self, microphone: Microphone, files: TakeFiles) -> None:
        from sayso.cli.live_display import LevelMeter

        self._microphone, self._files, self._meter = microphone, files, LevelMeter()
        self._last: Samples | None = None

    def record_word(self, word: str, count: int) -> None:
        """Record a word until there are `count` takes of it or it is skipped."""
        while (saved := self._files.taken(word)) < count:
            note(f"\n{word}, {saved + 1} of {count}", bold=True)
            key = click.getchar()
            if key in ("\r", "\n", " "):
                self._take(word)
            elif key == "p":
                self._play()
            elif key == "u":
                path = self._files.undo()
                note(f"deleted {path}" if path else "there is nothing to undo")
            elif key == "s":
                return
            elif key == "n":
                self.record_noise()
            elif key in ("q", "\x03", "\x04", "\x1b"):
                raise KeyboardInterrupt
            else:
                note(KEYS)

    def record_noise(self) -> None:
        """Record background noise and save it."""
        from sayso.corpus.layouts import NOISE_FOLDER

        note("recording background noise; please be quiet")
        note(f"saved {self._files.save(NOISE_FOLDER, self._record(NOISE))}")

    def _take(self, word: str) -> None:
        """Count down, record, check, and save the take if it is good or the speaker wants to keep it."""
        from sayso.live.takes import trimmed

        for number in (3, 2, 1):
            click.echo(f"{number} … ", nl=False, err=True)
            time.sleep(COUNT)
        note(f"say {word!r}", fg="green", bold=True)
        take = trimmed(self._record(seconds_for(word)), RATE)
        self._last = take.samples
        note(f"recorded {len(take.samples) / RATE:.2f} s")
        if self._accepted(take):
            note(f"saved {self._files.save(word, take.samples)}")

    def _accepted(self, take: Take) -> bool:
        """Print the problems of a take; if there are any, ask whether to keep it."""
        for problem in take.problems:
            note(problem, fg="yellow")
        return not take.problems or _confirmed("keep it anyway?")

    def _record(self, seconds: float) -> Samples:
        """Record from now on, with a level meter on the screen."""
        with self._meter:
            return self._microphone.record(seconds, self._meter.show)

    def _play(self) -> None:
        """Play the last take."""
        from sayso.live.devices import play

        if self._last is None:
            note("nothing has been recorded yet")
        else:
            play(self._last, RATE)
