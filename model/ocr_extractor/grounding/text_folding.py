"""Normalises texts and lines before they are compared: case, spaces, look-alike characters."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.ocr.words import Word

MARK = "x"
"""The character to which every tick and cross is folded."""

_FOLDED = str.maketrans(dict.fromkeys("☑☒✓✔√", MARK))

_LOOKALIKES = str.maketrans("oil", "011")
"""Letters and digits that the OCR confuses: `B1014` and `BIO14`."""

_CUT_COST = 1.0
"""Cost, in characters, of a match that begins or ends inside a word, such as `12` in `3124`."""


@dataclass(frozen=True)
class Token:
    """A folded word of a text; punctuation at its ends, which OCR often loses, is only counted."""

    text: str
    before: int = 0
    after: int = 0


@dataclass(frozen=True, eq=False)
class FoldedLine:
    """A text line of the page.

    Attributes:
        text: Its characters without spaces, folded.
        words: For each character, its word.
        boxes: For each character, its box, px.
        first: Number of characters of the page before the line.
    """

    text: str
    words: tuple[Word, ...]
    boxes: tuple[Box, ...]
    first: int

    def cut_cost(self, position: int) -> float:
        """Return the cost of a match that begins or ends before a character."""
        around = self.words[max(position - 1, 0) : position + 1]
        if len(around) < 2 or around[0] is not around[1]:
            return 0.0
        return _CUT_COST if self.text[position - 1 : position + 1].isalnum() else 0.0


def fold(text: str) -> str:
    """Return a text without case, spaces, kinds of ticks, and differences of look-alikes."""
    folded = unicodedata.normalize("NFKC", text).translate(_FOLDED).casefold()
    return "".join(folded.translate(_LOOKALIKES).split())


def tokens_of(text: str) -> list[Token]:
    """Return the words of a text.

    Words of only punctuation, such as a separate currency sign, belong to the next word; they
    are words if there are no others.
    """
    folded = [each for word in text.split() if (each := fold(word))]
    tokens: list[Token] = []
    apart = 0
    for each in folded:
        token = strip(each)
        if token is None:
            apart += len(each)
        else:
            tokens.append(replace(token, before=apart + token.before))
            apart = 0
    if tokens:
        tokens[-1] = replace(tokens[-1], after=tokens[-1].after + apart)
    return tokens or [Token(each) for each in folded]


def strip(folded: str) -> Token | None:
    """Return a folded text as one token; None if it is only punctuation."""
    inside = [at for at, character in enumerate(folded) if character.isalnum()]
    if not inside:
        return None
    first, last = inside[0], inside[-1] + 1
    return Token(folded[first:last], first, len(folded) - last)


def fold_line(line: Sequence[Word], first: int) -> FoldedLine:
    """Fold a line character by character: one may become several."""
    folded = [
        (character, word, word.part(at, at + 1).box)
        for word in line
        for at, printed in enumerate(word.text)
        for character in fold(printed)
    ]
    text, words, boxes = zip(*folded, strict=True) if folded else ((), (), ())
    return FoldedLine("".join(text), words, boxes, first)
