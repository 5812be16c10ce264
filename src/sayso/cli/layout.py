"""Lay out text in columns within a given width, by the width that characters take on a terminal."""

import re
from collections.abc import Sequence

GAP = "  "
# Columns of text are not made narrower than this to fit beside the others.
NARROW = 12
# After these a long word, such as a path, may be continued on the next line.
_PIECES = re.compile(r"[^\s/_-]*[\s/_-]|[^\s/_-]+")


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrapped(text: str, width: int) -> list[str]:
    """Wrap a text at spaces, and words that are too long at slashes, hyphens or anywhere.

    Further lines are indented by two spaces more than the first one.
    """
    if width_of(text) <= width:
        return [text]
    indent = " " * (len(text) - len(text.lstrip()) + len(GAP))
    if width <= len(indent) + 4:
        indent = ""
    lines, line = [], text[: len(text) - len(text.lstrip())]
    empty = line
    for piece in _pieces(text.lstrip(), width - len(indent)):
        if line != empty and width_of(line) + width_of(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = empty = indent
        line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str, width: int) -> list[str]:
    """Cut a text behind spaces, and words wider than `width` so that each piece fits."""
    pieces: list[str] = []
    for word in re.findall(r"\S+\s*|\s+", text):
        if width_of(word.rstrip()) <= width:
            pieces.append(word)
            continue
        for part in _PIECES.findall(word):
            while width_of(part.rstrip()) > width:
                end = next(end for end in range(len(part) - 1, 0, -1) if end == 1 or width_of(part[:end]) <= width)
                pieces.append(part[:end])
                part = part[end:]
            pieces.append(part)
    return pieces


def table(lines: Sequence[Sequence[str]], left: int, width: int) -> str:
    """Lay out rows in columns.

    Parameters
    ----------
    lines : sequence of sequence of str
        The rows, all of one length; the first may be a header.
    left : int
        Number of columns that are aligned left and may be wrapped; the others are aligned right.
    width : int
        Width of the table. Columns that do not fit follow in further blocks, each behind the first column.
    """
    widths = [max(width_of(line[column]) for line in lines) for column in range(len(lines[0]))]
    # The widest column of text gives way first, but names stay whole, as they are there to be copied.
    least = [
        min(full, max(NARROW, min(_longest_word(lines, column), width // 3))) if column < left else full
        for column, full in enumerate(widths)
    ]
    while _total(widths) > width and any(full > few for full, few in zip(widths, least, strict=True)):
        widest = max((w, c) for c, w in enumerate(widths) if w > least[c])[1]
        widths[widest] -= 1
    blocks: list[list[int]] = [[]]
    for column in range(len(widths)):
        fits = _total([widths[each] for each in (*blocks[-1], column)]) <= width
        if not fits and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(column)
    return "\n\n".join("\n".join(_block(lines, block, widths, left)) for block in blocks)


def _longest_word(lines: Sequence[Sequence[str]], column: int) -> int:
    return max((width_of(word) for line in lines for word in line[column].split()), default=0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _block(lines: Sequence[Sequence[str]], block: Sequence[int], widths: Sequence[int], left: int) -> list[str]:
    """Return the lines of some columns; a row takes as many lines as its highest cell."""
    shown = []
    for line in lines:
        cells = [wrapped(line[column], widths[column]) if column < left else [line[column]] for column in block]
        for place in range(max(map(len, cells))):
            parts = [cell[place] if place < len(cell) else "" for cell in cells]
            shown.append(
                GAP.join(
                    part + padding if column < left else padding + part
                    for column, part in zip(block, parts, strict=True)
                    for padding in [" " * (widths[column] - width_of(part))]
                ).rstrip()
            )
    return shown
