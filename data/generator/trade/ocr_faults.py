"""Reads a drawn page as an OCR would: words in lines, with the faults of an OCR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from data.forms import Box
from data.generator.trade.canvas import DrawnWord

_ALIKE = (
    *("0O", "O0", "1l", "1I", "l1", "I1", "5S", "S5", "8B", "B8", "6G", "2Z", "Z2", "gq", "vy"),
    *("uv", "ce", "ec", ".,", ",.", ":.", "-~", "-.", "x\u00d7", "ée", "èe", "üu"),
    *("äa", "öo", "ßB", "ñn", "/1", "tf", "ft", "ij", "DO", "CG", "EF", "MN", "UV", "39", "71"),
)
_CONFUSED: dict[str, str] = {}
for _pair in _ALIKE:
    _CONFUSED[_pair[0]] = _CONFUSED.get(_pair[0], "") + _pair[1]


_TOUCHING, _WIDE = 0.04, 0.7
"""Spaces between words that are never seen, and that are always seen, heights."""


@dataclass(frozen=True)
class ReadWord:
    """A word as an OCR gives it.

    Attributes:
        text: Never empty and without spaces.
        box: px of the page.
        line: Number of its text line; lines go from top to bottom, their words from left to right.
        underlined: Whether a ruled line runs below it.
        walled: Whether an upright ruled line stands close on its left.
        sources: Indices of the drawn words that are in it: several if they were glued.
    """

    text: str
    box: Box
    line: int
    underlined: bool
    walled: bool
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Faults:
    """How badly a page is read; shares are in [0, 1].

    Attributes:
        wrong: Share of characters that are taken for others.
        dropped: Share of characters that are not seen.
        glued: Share of spaces that are not seen; more of them behind a colon.
        split: Share of words that are cut in two.
        lost: Share of lines that are not seen.
        jitter: Standard deviation of a box's sides, in heights of the line.
        pad: What a box has above and below its line, in heights of it.
        gap: Space between two words from which they are in different lines, in heights.
    """

    wrong: float = 0.0
    dropped: float = 0.0
    glued: float = 0.0
    split: float = 0.0
    lost: float = 0.0
    jitter: float = 0.0
    pad: float = 0.0
    gap: float = 1.5


def draw_faults(rng: Random) -> Faults:
    """Draw the faults of one reading: most pages are read well, some are not."""
    bad = rng.choice((0.2, 0.5, 0.5, 1.0, 1.0, 2.5))
    return Faults(
        wrong=0.006 * bad,
        dropped=0.002 * bad,
        glued=0.03 * bad,
        split=0.01 * bad,
        lost=0.004 * bad,
        jitter=0.06 * min(bad, 1.5),
        pad=rng.uniform(0.05, 0.2),
        gap=rng.uniform(0.8, 1.5),
    )


def read_words(words: Sequence[DrawnWord], faults: Faults, rng: Random) -> list[ReadWord]:
    """Return a page's words as an OCR with these faults reads them."""
    read: list[ReadWord] = []
    number = 0
    for line in _lines(words, faults.gap):
        if rng.random() < faults.lost:
            continue
        found = _read_line(line, number, faults, rng)
        read += found
        number += bool(found)
    return read


def _lines(words: Sequence[DrawnWord], gap: float) -> list[list[ReadWord]]:
    """Group words into lines as an OCR does: what stands on one height and close together."""
    order = sorted(range(len(words)), key=lambda at: words[at].box[1] + words[at].box[3])
    rows: list[list[int]] = []
    for at in order:
        y0, y1 = words[at].box[1], words[at].box[3]
        # Only the last rows can be as high as this word.
        for row in reversed(rows[-6:]):
            _, above, _, below = words[row[0]].box
            if min(y1, below) - max(y0, above) > 0.6 * max(y1 - y0, below - above):
                row.append(at)
                break
        else:
            rows.append([at])
    lines: list[list[ReadWord]] = []
    for row in rows:
        row.sort(key=lambda at: words[at].box[0])
        end = float("-inf")
        for at in row:
            word = words[at]
            x0, y0, x1, y1 = word.box
            space = x0 - end
            apart = space > gap * (y1 - y0) or (word.walled and space > 0.5 * (y1 - y0))
            if apart or space < y0 - y1:
                lines.append([])
            part = ReadWord(word.text, word.box, 0, word.underlined, word.walled, (at,))
            lines[-1].append(part)
            end = x1
    return lines


def _read_line(
    line: Sequence[ReadWord], number: int, faults: Faults, rng: Random
) -> list[ReadWord]:
    y0, y1 = min(word.box[1] for word in line), max(word.box[3] for word in line)
    tall = y1 - y0
    top = y0 + (rng.gauss(0, faults.jitter) - faults.pad) * tall
    bottom = y1 + (rng.gauss(0, faults.jitter) + faults.pad) * tall
    found: list[ReadWord] = []
    for word in _cut(_glue(line, faults, rng), faults, rng):
        text = _misread(word.text, faults, rng)
        if not text:
            continue
        x0 = round(word.box[0] + rng.gauss(0, faults.jitter) * tall)
        x1 = round(word.box[2] + rng.gauss(0, faults.jitter) * tall)
        box = (max(0, x0), max(0, round(top)), max(x0 + 2, x1), max(round(top) + 2, round(bottom)))
        found.append(replace(word, text=text, box=box, line=number))
    return found


def _glue(line: Sequence[ReadWord], faults: Faults, rng: Random) -> list[ReadWord]:
    glued = [line[0]]
    for word in line[1:]:
        last = glued[-1]
        tall = last.box[3] - last.box[1]
        space = (word.box[0] - last.box[2]) / tall
        share = faults.glued * (4 if last.text[-1] in ":.,;#" else 1)
        # Words that touch are one to every OCR.
        if space < _TOUCHING or (space < _WIDE and rng.random() < share):
            box = (last.box[0], last.box[1], word.box[2], last.box[3])
            text, sources = last.text + word.text, last.sources + word.sources
            glued[-1] = replace(last, text=text, box=box, sources=sources)
        else:
            glued.append(word)
    return glued


def _cut(line: Sequence[ReadWord], faults: Faults, rng: Random) -> list[ReadWord]:
    cut: list[ReadWord] = []
    for word in line:
        if len(word.text) < 3 or rng.random() >= faults.split:
            cut.append(word)
            continue
        at = rng.randrange(1, len(word.text))
        x0, y0, x1, y1 = word.box
        middle = round(x0 + (x1 - x0) * at / len(word.text))
        cut.append(replace(word, text=word.text[:at], box=(x0, y0, middle, y1)))
        cut.append(replace(word, text=word.text[at:], box=(middle, y0, x1, y1), walled=False))
    return cut


def _misread(text: str, faults: Faults, rng: Random) -> str:
    if not faults.wrong + faults.dropped:
        return text
    read = []
    for character in text:
        lot = rng.random()
        if lot < faults.wrong:
            read.append(rng.choice(_CONFUSED.get(character, character + character.swapcase())))
        elif lot >= faults.wrong + faults.dropped:
            read.append(character)
    return "".join(read)
