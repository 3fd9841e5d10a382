"""Tracks the position on the sheet while blocks are placed below each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.generator.content import Field, chance, choose, expand
from data.generator.sheet import Sheet, text_width
from data.generator.style import Style
from data.generator.typefaces import Type


@dataclass
class Flow:
    """A column of the sheet that fills from the top.

    Attributes:
        sheet: Drawn on.
        style: Of the form.
        rng: Decides everything that is left open.
        left: x of the column, px.
        right: Its end.
        y: Where the next block begins.
        bottom: Where the column ends.
        year: Of every date on the form, two digits.
        count: Questions that were numbered so far.
    """

    sheet: Sheet
    style: Style
    rng: np.random.Generator
    left: float
    right: float
    y: float
    bottom: float
    year: str
    count: int = 0

    @property
    def width(self) -> float:
        """Width of the column, px."""
        return self.right - self.left

    def room(self, height: float) -> bool:
        """Tell whether a block of this height (px) still fits."""
        return self.y + height <= self.bottom

    def ask(
        self,
        at: tuple[float, float],
        text: str | Sequence[str],
        header: int | None,
        look: Type | None = None,
    ) -> int:
        """Write a question (or option) under a header, in `look`; return its index."""
        question = self.sheet.write(at, text, look or self.style.label, "question")
        if header is not None:
            self.sheet.link(header, question)
        return question

    def answer(
        self, question: int, at: tuple[float, float], lines: Sequence[str], leading: float = 0
    ) -> int:
        """Write the answer of a question; return its index."""
        answer = self.sheet.write(at, lines, self.style.value, "answer", leading)
        self.sheet.link(question, answer)
        return answer

    def head(self, text: str) -> int | None:
        """Write a section header if there is one, advance, and return its index."""
        header = choose(self.rng, text)
        if not header:
            return None
        style = self.style
        baseline = self.y + style.header.size
        printed = style.cased(header)
        width = text_width(printed, style.header)
        x = self.left + (max(0.0, self.width - width) / 2 if "centred" in style.habits else 0)
        index = self.sheet.write((x, baseline), printed, style.header, "header")
        if style.underline:
            self.sheet.line([(x, baseline + 3), (x + width, baseline + 3)], style.rule)
        self.y += style.header.size + 0.6 * style.pitch
        return index

    def expand(self, grammar: str) -> str:
        """Fill in a value grammar."""
        text = expand(self.rng, grammar, self.year)
        written = not text.startswith("=")  # or a total to be added up
        return text.upper() if written and "capitals" in self.style.habits else text

    def question(self, field: Field) -> str:
        """Return a question as this form prints it."""
        text = choose(self.rng, field.label)
        habits = self.style.habits
        if "hints" in habits and chance(self.rng, 0.3):
            text = f"{text} {self.expand('{hint}')}"
        return self.style.question(text)

    def numbered(self, question: str) -> str:
        """Return the question with its number, on a form that has them."""
        if "numbered" not in self.style.habits:
            return question
        self.count += 1
        return f"{self.count}. {question}"

    def value(self, field: Field) -> str:
        """Return the entry of a field; "" for none."""
        if not field.value or chance(self.rng, self.style.blank):
            return ""
        return self.expand(field.value)

    def fill_line(self, start: float, end: float, baseline: float) -> None:
        """Draw the line under an answer, from x = `start` to `end`."""
        if end - start < 8:
            return
        if self.style.fill == "rule":
            self.sheet.line([(start, baseline + 2), (end, baseline + 2)], self.style.rule)
        elif self.style.fill == "dots":
            self.sheet.dots((start, baseline), end, 0.45 * self.style.label.size)
