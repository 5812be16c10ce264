"""`sayso record --auto`: takes follow each other without a key; a tone marks when to speak, another one a bad take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
import numpy as np

from sayso.cli.console import note
from sayso.errors import MicrophoneError
from sayso.live.guidance import seconds_for

if TYPE_CHECKING:
    from sayso.live.microphone import Microphone
    from sayso.live.takes import TakeFiles
    from sayso.sound.stream import Samples

# Seconds to read the word before its first take, to wait for it beyond the length of a take, and after a tone until the
# room is quiet again.
READ, WAIT, SETTLE = 2.0, 1.0, 0.2
# The tones in Hz, their length in seconds, and their amplitude: speak now; the take was not saved.
SPEAK, AGAIN, LENGTH, AMPLITUDE = 880.0, 330.0, 0.12, 0.3
# So many bad takes in a row are not the speaker's fault.
MOST_BAD = 5
HOW = "say the word once after each tone; after a low tone, once more. Ctrl-C ends, and the same command continues"


class HandsFree:
    """Records takes one after the other; the speaker needs neither keys nor, with a loudspeaker, the screen.

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
        self._audible = True

    def record_word(self, word: str, count: int) -> None:
        """Record a word until there are `count` takes of it.

        Raises
        ------
        MicrophoneError
            If several takes in a row are bad.
        """
        from sayso.live.takes import trimmed

        note(f"\nthe word is {word!r}", bold=True)
        time.sleep(READ)
        bad = 0
        while (saved := self._files.taken(word)) < count:
            self._mark(SPEAK)
            note(f"say {word!r}, {saved + 1} of {count}", fg="green", bold=True)
            take = trimmed(self._record(WAIT + seconds_for(word)), self._microphone.sample_rate)
            if not take.problems:
                self._files.save(word, take.samples)
                bad = 0
                continue
            bad += 1
            note(f"not saved: {take.problems[0]}", fg="yellow")
            self._mark(AGAIN)
            if bad == MOST_BAD:
                raise MicrophoneError(
                    f"{MOST_BAD} takes in a row cannot be used, this one as {take.problems[0]}; run `sayso doctor`, or "
                    "record without --auto"
                )

    def _record(self, seconds: float) -> Samples:
        """Record one take, until the word is over."""
        from sayso.live.takes import is_over

        rate = self._microphone.sample_rate
        with self._meter:
            return self._microphone.record(seconds, self._meter.show, lambda samples: is_over(samples, rate))

    def _mark(self, frequency: float) -> None:
        """Play a tone and wait until the room is quiet again; without a loudspeaker, ring the bell of the terminal."""
        from sayso.live.devices import play

        if self._audible:
            try:
                play(tone(frequency, self._microphone.sample_rate), self._microphone.sample_rate)
            except MicrophoneError as error:
                self._audible = False
                note(f"watch the screen: {error}", fg="yellow")
        if not self._audible:
            click.echo("\a", nl=False, err=True)
        time.sleep(SETTLE)


def tone(frequency: float, sample_rate: int) -> Samples:
    """Return a short tone that neither begins nor ends with a click."""
    times = np.arange(round(LENGTH * sample_rate)) / sample_rate
    envelope = np.sin(np.pi * times / LENGTH) ** 2
    return (AMPLITUDE * envelope * np.sin(2 * np.pi * frequency * times)).astype(np.float32)
