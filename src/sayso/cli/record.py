"""`sayso record`: guide a person through recording words of their own."""

from __future__ import annotations

import getpass
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note
from sayso.cli.options import device_option

if TYPE_CHECKING:
    from sayso.live.microphone import Microphone
    from sayso.live.takes import Take, TakeFiles
    from sayso.sound.stream import Samples

RATE = 16_000
# Seconds of each step of the count-down, of listening to one word, and of background noise.
COUNT, TAKE, NOISE = 0.5, 2.0, 20.0
KEYS = "[enter] record   [p] play the last   [u] undo the last   [s] skip this word   [n] record noise   [q] quit"


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the recordings.")
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="Recordings of each word.")
@click.option("--speaker", help="Who speaks; kept in the names of the files. [default: your user name]")
@device_option
def record(words: tuple[str, ...], output: Path, count: int, speaker: str | None, device: str | None) -> None:
    """Record each WORD a few times, guided, to train or teach a model on.

    Each recording is shown, judged and trimmed to the word; nothing is kept that was not heard. Let several people
    record, each under a name of their own: a model that knows one voice knows only that one.

    Example: sayso record lamp music -o recordings --count 20 --speaker anna
    """
    from sayso.live.microphone import Microphone
    from sayso.live.takes import TakeFiles, check_name

    names = [check_name("word", word) for word in words]
    speaker = check_name("speaker", _user() if speaker is None else speaker)
    files = TakeFiles(output, speaker, RATE, datetime.now())
    with ExitStack() as stack:
        microphone = stack.enter_context(Microphone(device, RATE, note))
        note(f"recording {', '.join(names)} with {microphone.device.name} as {speaker}; {KEYS}")
        dialogue = Dialogue(microphone, files)
        try:
            for word in names:
                dialogue.word(word, count)
            if _asked(f"record {NOISE:g} s of background noise, without speaking?"):
                dialogue.noise()
        except (KeyboardInterrupt, EOFError, click.Abort):
            note("")
    kept = ", ".join(f"{number} of {word}" for word, number in files.counts().items())
    note(f"kept in {output}: {kept or 'nothing'}")


def _user() -> str:
    """Return the user's name, or something to call them where the system knows none, as in some containers."""
    try:
        return getpass.getuser().replace(".", "-")
    except (KeyError, OSError, ImportError):
        return "speaker"


def _asked(question: str) -> bool:
    """Ask, and return whether the answer is yes; keys that were pressed before do not count."""
    note(f"{question}   [y] yes   [n] no")
    while True:
        key = click.getchar()
        if key in "\x03\x04":
            raise KeyboardInterrupt
        if key in "yYnN":
            return key in "yY"


class Dialogue:
    """The dialogue with the person who speaks.

    Parameters
    ----------
    microphone : Microphone
        Open.
    files : TakeFiles
        Where takes go.
    """

    def __init__(self, microphone: Microphone, files: TakeFiles) -> None:
        self._microphone, self._files = microphone, files
        self._last: Samples | None = None

    def word(self, word: str, count: int) -> None:
        """Record a word so many times, or until it is skipped."""
        while (kept := self._files.counts().get(word, 0)) < count:
            note(f"\n{word}, {kept + 1} of {count}", bold=True)
            key = click.getchar()
            if key in ("\r", "\n", " "):
                self._take(word)
            elif key == "p":
                self._play()
            elif key == "u":
                path = self._files.undo()
                note(f"took back {path}" if path else "there is nothing to take back")
            elif key == "s":
                return
            elif key == "n":
                self.noise()
            elif key in ("q", "\x03", "\x04", "\x1b"):
                raise KeyboardInterrupt
            else:
                note(KEYS)

    def noise(self) -> None:
        """Record background noise."""
        from sayso.corpus.corpus import NOISE_FOLDER

        note("be quiet, let the room sound as it does")
        note(f"kept {self._files.keep(NOISE_FOLDER, self._hear(NOISE))}")

    def _take(self, word: str) -> None:
        """Count down, record, judge, and keep what is good or what the person wants to keep."""
        from sayso.live.takes import take_of

        for number in (3, 2, 1):
            click.echo(f"{number} … ", nl=False, err=True)
            time.sleep(COUNT)
        note(f"say {word!r}", fg="green", bold=True)
        take = take_of(self._hear(TAKE), RATE)
        self._last = take.samples
        note(f"heard {len(take.samples) / RATE:.2f} s")
        if self._wanted(take):
            note(f"kept {self._files.keep(word, take.samples)}")

    def _wanted(self, take: Take) -> bool:
        for problem in take.problems:
            note(problem, fg="yellow")
        return not take.problems or _asked("keep it all the same?")

    def _hear(self, seconds: float) -> Samples:
        """Record for a while, with a level that moves; what was said before is not part of it."""
        from sayso.cli.live_display import LevelMeter

        with LevelMeter() as meter:
            return self._microphone.record(seconds, meter.show)

    def _play(self) -> None:
        from sayso.live.devices import play

        if self._last is None:
            note("nothing has been recorded yet")
        else:
            play(self._last, RATE)
