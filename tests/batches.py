"""Batches for tests: an archive of few files, and an interruption at a chosen write."""

from collections.abc import Callable, Sequence
from pathlib import Path

import soundfile

import sounds
from sayso.batch.classify import FileResult
from sayso.batch.journal import Journal


def make_archive() -> Path:
    """Make, in the current folder, a folder of clips, a long file with several words, and a broken file."""
    folder = Path("archive")
    folder.mkdir()
    # The last name is shorter than those that the width of a table is chosen for.
    for number in range(20):
        soundfile.write(
            folder / (f"{number:02}.wav" if number < 19 else "9.wav"), sounds.clip("yes", number), sounds.RATE
        )
    soundfile.write(folder / "05 long.wav", sounds.stream(["no", "up", "yes", "no"])[0], sounds.RATE)
    (folder / "11 broken.wav").write_text("no sound")
    return folder


def stop_at(writes: int) -> Callable[..., None]:
    """Return a `Journal.write` that is interrupted at this write."""
    write = Journal.write

    def stops(self: Journal, text: str, results: Sequence[FileResult] = ()) -> None:
        nonlocal writes
        writes -= 1
        if writes == 0:
            raise KeyboardInterrupt
        write(self, text, results)

    return stops
