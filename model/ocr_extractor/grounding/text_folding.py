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
"""What every tick and cross is folded to."""

_FOLDED = str.maketrans(dict.fromkeys("☑☒✓✔√", MARK))

_LOOKALIKES = str.maketrans("oil", "011")
"""Letters that the OCR takes for digits, and digits for letters: `B1014` and `BIO14`."""

_CUT_COST = 1.0
"""Characters lost by a match that begins or ends inside a word: `12` is not what `3124` says."""


@dataclass(frozen=True)
class Token:
    """A word of a text, folded; punctuation at its ends, which OCR loses first, is but counted."""

    text: str
    before: int = 0
    after: int = 0


@dataclass(frozen=True, eq=False)
class FoldedLine:
    """A text line of the page.

    Attributes:
        text: Its characters without spaces, folded.
        words: For each character the word that it comes from.
        boxes: For each character where it stands, px.
        first: Characters of the page before it.
    """

    text: str
    words: tuple[Word, ...]
    boxes: tuple[Box, ...]
    first: int

    def cut_cost(self, position: int) -> float:
        """Return what it costs to begin or end a match before a character."""
        around = self.words[max(position - 1, 0) : position + 1]
        if len(around) < 2 or around[0] is not around[1]:
            return 0.0
        return _CUT_COST if self.text[position - 1 : position + 1].isalnum() else 0.0


def fold(text: str) -> str:
    """Return a text without case, spaces, the kind of a tick, and what tells look-alikes apart."""
    folded = unicodedata.normalize("NFKC", text).translate(_FOLDED).casefold()
    return "".join(folded.translate(_LOOKALIKES).split())


def tokens_of(text: str) -> list[Token]:
    """Return the words of a text.

    Those that are but punctuation, as a currency sign that stands apart, belong to the word
    behind; they are words if there are no others.
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
    """Return a folded text as one token; None when it is but punctuation."""
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
