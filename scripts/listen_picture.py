"""Draw docs/images/listen.svg: `sayso listen` in a terminal, as it shows words of the demo corpus while they come.

The program is the real one, in a pseudo-terminal; it hears a named pipe, into which the words are written as fast as
they are spoken. It needs pyte, which understands what terminals are sent: `pip install pyte`.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np
import pyte

import sayso
from sayso.sound import audio

ROOT = Path(__file__).resolve().parent.parent
PICTURE, DEMO = ROOT / "docs" / "images" / "listen.svg", ROOT / "data" / "demo"
# What is said; "house" is no word of the model.
WORDS, RATE = ("left", "stop", "house", "yes"), 16_000
COLUMNS, ROWS = 72, 16
# Seconds before the first word, after each, and of the last picture before the film starts again.
BEFORE, AFTER, LAST = 0.8, 0.6, 2.5
# Root mean square of the noise of the room.
NOISE = 10**-2.6
# Size of a character, of the letters in it, and of the margin and title, in pixels.
WIDTH, HEIGHT, LETTERS, MARGIN, TITLE = 8.4, 18, 14, 14, 34
STYLE = f"""
svg {{ --ink: #1b1f24; --dim: #57606a; --paper: #fdfdfc; --edge: #c9d0d7; --cyan: #0b6f7e; --green: #1f7a4d; --red: #c02b3b }}
@media (prefers-color-scheme: dark) {{ svg {{ --ink: #e9ecef; --dim: #a7b0ba; --paper: #14171a; --edge: #3a424b;
  --cyan: #5cc8d7; --green: #5ecb93; --red: #f58a94 }} }}
text {{ font: {LETTERS}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre }}
.default {{ fill: var(--ink) }} .magenta {{ fill: var(--dim) }} .cyan {{ fill: var(--cyan) }}
.green {{ fill: var(--green) }} .red {{ fill: var(--red) }} .bold {{ font-weight: bold }}
.dots {{ stroke: var(--dim); stroke-width: 2; stroke-dasharray: 2 {WIDTH - 2:g} }}
.window {{ fill: var(--paper); stroke: var(--edge) }}
@media (prefers-reduced-motion: reduce) {{ #film {{ animation: none }} }}
"""  # noqa: E501


class Frame(NamedTuple):
    """A picture of the terminal: when it appeared, in seconds, and its rows of runs (text, colour, bold)."""

    time: float
    rows: tuple[tuple[tuple[str, str, bool], ...], ...]


def speech() -> np.ndarray:
    """Return the words with pauses over faint noise, by the first voice that the model understands."""
    recognizer = sayso.load()
    known = [word for word in WORDS if word in recognizer.labels]
    for voice in sorted(path.name for path in (DEMO / WORDS[0]).iterdir()):
        parts = [np.zeros(round(BEFORE * RATE), np.float32)]
        for word in WORDS:
            parts += [audio.load(DEMO / word / voice, RATE), np.zeros(round(AFTER * RATE), np.float32)]
        samples = np.concatenate(parts)
        samples += np.random.default_rng(0).normal(0, NOISE, len(samples)).astype(np.float32)
        if [detection.label for detection in recognizer.detect([samples])] == known:
            return samples
    sys.exit(f"no voice of the demo corpus is understood in all of {', '.join(known)}")


def write_in_time(pipe: Path, samples: np.ndarray) -> None:
    """Write 16-bit samples into a pipe as fast as a microphone would."""
    with pipe.open("wb", buffering=0) as file:
        start = time.monotonic()
        for first in range(0, len(samples), RATE // 20):
            time.sleep(max(start + first / RATE - time.monotonic(), 0))
            file.write((samples[first : first + RATE // 20] * 2**15).astype("<i2").tobytes())


def film(samples: np.ndarray) -> list[Frame]:
    """Run `sayso listen` in a terminal and return what it shows, from its first picture to the last sound."""
    screen, frames, changed = pyte.Screen(COLUMNS, ROWS), list[Frame](), False
    stream = pyte.ByteStream(screen)
    shown, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "microphone"
        os.mkfifo(pipe)
        command = [sys.executable, "-m", "sayso", "listen", "--input", pipe.name, "--rate", str(RATE)]
        size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "xterm-256color"}
        process = subprocess.Popen(command, cwd=folder, env=os.environ | size, stdout=terminal, stderr=terminal)
        os.close(terminal)
        writer = threading.Thread(target=write_in_time, args=(pipe, samples))
        writer.start()
        # At the end of the sound, it says how long it took and closes the terminal, which reads as an error.
        with suppress(OSError):
            while True:
                if select.select([shown], [], [], 0.02)[0]:
                    # pyte knows no faint text; nothing here is magenta.
                    stream.feed(re.sub(rb"\x1b\[2(?=[m;])", b"\x1b[35", os.read(shown, 65_536)))
                    changed = True
                elif changed and writer.is_alive():
                    frames.append(Frame(time.monotonic(), tuple(runs(screen, row) for row in range(ROWS))))
                    changed = False
        if process.wait():
            sys.exit("\n".join(screen.display))
    return [frame._replace(time=frame.time - frames[0].time) for frame in frames]


def runs(screen: pyte.Screen, row: int) -> tuple[tuple[str, str, bool], ...]:
    """Return a row of the terminal in pieces of the same look."""
    cells = [screen.buffer[row][column] for column in range(COLUMNS)]
    found = groupby(cells, key=lambda cell: (cell.fg, cell.bold))
    parts = [("".join(cell.data for cell in group), colour, bold) for (colour, bold), group in found]
    return tuple(parts) if "".join(text for text, *_ in parts).strip() else ()


def drawn(row: Sequence[tuple[str, str, bool]]) -> str:
    """Draw a row: bars as rectangles, what is missing of them as dots, the rest as text of fixed width."""
    parts, column = [], 0
    for run, colour, bold in row:
        for piece in re.findall(r"█+|·{2,}|(?:(?!█|··).)+", run):
            x, width = column * WIDTH, len(piece) * WIDTH
            column += len(piece)
            if piece[0] == "█":
                parts.append(f'<rect class="{colour}" x="{x:g}" y="3" width="{width:g}" height="{HEIGHT - 6}"/>')
            elif piece[:2] == "··":
                start = x + WIDTH / 2 - 1
                parts.append(f'<path class="dots" d="M{start:g} {HEIGHT / 2:g}h{width - WIDTH / 2:g}"/>')
            elif text := piece.strip():
                x += (len(piece) - len(piece.lstrip())) * WIDTH
                look = f"{colour} bold" if bold else colour
                length = f'textLength="{len(text) * WIDTH:g}" lengthAdjust="spacingAndGlyphs"'
                parts.append(f'<text class="{look}" x="{x:g}" y="{HEIGHT - 5}" {length}>{escape(text)}</text>')
    return "".join(parts)


def svg(frames: Sequence[Frame]) -> str:
    """Return the film as SVG: all pictures are on one strip, which CSS moves.

    Without motion, the picture is shown that is the first with all detections.
    """
    whole, tall, wide = frames[-1].time + LAST, ROWS * HEIGHT, COLUMNS * WIDTH
    distinct = dict.fromkeys(row for frame in frames for row in frame.rows if row)
    names = {row: f"r{number}" for number, row in enumerate(distinct)}
    strip = "".join(
        f'<use href="#{names[row]}" y="{number * tall + line * HEIGHT}"/>'
        for number, frame in enumerate(frames)
        for line, row in enumerate(frame.rows)
        if row
    )
    filled = [sum(map(bool, frame.rows)) for frame in frames]
    still = filled.index(max(filled))
    moved = [f"transform: translateY({-number * tall}px)" for number in range(len(frames))]
    steps = [f"{100 * frame.time / whole:.2f}% {{ {move} }}" for frame, move in zip(frames, moved, strict=True)]
    said, known = (
        ", ".join(f"“{word}”" for word in words)
        for words in (WORDS, [word for word in WORDS if word in sayso.load().labels])
    )
    box = f"0 0 {wide + 2 * MARGIN:g} {tall + TITLE + MARGIN}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-labelledby="title about">',
        '<title id="title">sayso listen in a terminal</title>',
        f'<desc id="about">A film of {whole:.0f} seconds: while {said} are said, the level of the sound and the',
        f"probabilities rise and fall, and {known} are listed as detected, each with time and probability.</desc>",
        f"<style>#film {{ {moved[still]}; animation: film {whole:.2f}s step-end infinite }}",
        *("@keyframes film {", *steps, f"100% {{ {moved[-1]} }}", f"}}{STYLE}</style>"),
        f'<defs><clipPath id="screen"><rect width="{wide:g}" height="{tall}"/></clipPath>',
        *(f'<g id="{name}">{drawn(row)}</g>' for row, name in names.items()),
        "</defs>",
        '<rect class="window" x="1" y="1" style="width: calc(100% - 2px); height: calc(100% - 2px)" rx="8"/>',
        f'<text class="default bold" x="{MARGIN}" y="23">$ sayso listen</text>',
        f'<g transform="translate({MARGIN} {TITLE})" clip-path="url(#screen)"><g id="film">{strip}</g></g>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(svg(film(speech())), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}, {PICTURE.stat().st_size / 1e3:.0f} kB")
