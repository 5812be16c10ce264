"""`sayso record`: guide a person through recording words."""

from __future__ import annotations

import getpass
import os
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note
from sayso.cli.options import device_option
from sayso.cli.sound_options import channel_option

if TYPE_CHECKING:
    from sayso.live.microphone import Microphone
    from sayso.live.takes import Take, TakeFiles
    from sayso.sound.stream import Samples

RATE = 16_000
# Seconds of each step of the countdown, of the recording of a word, and of background noise.
COUNT, TAKE, NOISE = 0.5, 2.0, 20.0
KEYS = "[enter] record   [p] play the last   [u] undo the last   [s] skip this word   [n] record noise   [q] quit"


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the recordings.")
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="Recordings of each word.")
@click.option("--speaker", help="Name of the speaker, for the file names. [default: your user name]")
@device_option
@channel_option
def record(
    words: tuple[str, ...], output: Path, count: int, speaker: str | None, device: str | None, channel: int | None
) -> None:
    """Record each WORD several times, to train or teach a model.

    Each recording is checked and trimmed to the word; one with a problem is saved only if you agree. Let several people
    record, each with their own --speaker name: a model that is trained on one voice recognises only that voice.

    Example: sayso record lamp music -o recordings --count 20 --speaker anna
    """
    from sayso.live.microphone import Microphone
    from sayso.live.takes import TakeFiles, check_name, speaker_named

    names = [check_name("word", word) for word in words]
    speaker = speaker_named(_user()) if speaker is None else check_name("speaker", speaker)
    _check_terminal()
    files = TakeFiles(output, speaker, RATE, datetime.now())
    with ExitStack() as stack:
        microphone = stack.enter_context(Microphone(device, RATE, note, channel))
        note(f"recording {', '.join(names)} with {microphone.device.name} as {speaker}; {KEYS}")
        dialogue = Dialogue(microphone, files)
        try:
            for word in names:
                dialogue.record_word(word, count)
            if _confirmed(f"record {NOISE:g} s of background noise, without speaking?"):
                dialogue.record_noise()
        except (KeyboardInterrupt, EOFError, click.Abort):
            note("")
    saved = ", ".join(f"{number} of {word}" for word, number in files.counts().items())
    note(f"saved in {output}: {saved or 'nothing'}")


def _user() -> str:
    """Return the user's name; it is empty if the system does not know it, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


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
        self._microphone, self._files = microphone, files
        self._last: Samples | None = None

    def record_word(self, word: str, count: int) -> None:
        """Record a word until `count` takes are saved or it is skipped."""
        while (saved := self._files.counts().get(word, 0)) < count:
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
        take = trimmed(self._record(TAKE), RATE)
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
        from sayso.cli.live_display import LevelMeter

        with LevelMeter() as meter:
            return self._microphone.record(seconds, meter.show)

    def _play(self) -> None:
        """Play the last take."""
        from sayso.live.devices import play

        if self._last is None:
            note("nothing has been recorded yet")
        else:
            play(self._last, RATE)
