"""What may be a field's value on a page: dates, numbers, currencies, codes, texts and blocks."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ocr_extractor.fields.date_text import date_spans, order_of
from ocr_extractor.fields.locale_names import currencies
from ocr_extractor.fields.normalisation import Hints
from ocr_extractor.fields.number_text import decimal_of
from ocr_extractor.ocr.segments import words_between
from ocr_extractor.ocr.text_shapes import has_letters
from ocr_extractor.ocr.words import union

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.local.fields.layout import Layout

SOURCES = ("segment", "line", "block", "part", "rest", "head")
"""How a text was cut out of the page: `part` by its type, `rest` behind a label, `head` before a
number in brackets."""

_NUMBER = re.compile(
    r"""(?<![\w.,/:'\u2019-])
        (?P<all> (?: (?: (?P<open>\() | [-\u2212\u2013] ) (?: [A-Z]{0,2}[$€£¥] | [A-Z]{3} )? )? \s?
          (?: \d{1,2} (?: ,\d{2} )+ ,\d{3} (?: \.\d{1,2} )?    # 1,23,456.00
            | \d{1,3} (?: [ ]\d{3} )+ (?: [.,]\d{1,2} )?        # 1 234,56
            | \d{1,3} (?: [.,'\u2018\u2019\u00b4]\s?\d{3} )+ (?: [.,]\s?\d{1,4} )?  # 1,234.56
            | \d+ (?: \s?[.,]\s?\d{1,4} )?
            | [.,]\d{2} )
          (?: \s?% | -(?![\w]) | \s-(?=\s*$) | \s?CR\b )? (?(open) \)? ) )
        (?![\w:/]|[.,-]\d)""",
    re.VERBOSE,
)
_SIGN = re.compile(r"(?<=[A-Za-z$€£¥])(?=\d)|(?<=\d)(?=[A-Za-z€$£]{1,4}\b)")
"""Where a currency is glued to its amount."""

_CODE = re.compile(r"(?<!\S)[#(]?((?=[^\s]*\d)[A-Za-z0-9][\w./&-]{2,}[\w])")
_CURRENCY = re.compile(r"\b[A-Z]{3}\b|\b[Rr][MmPp]\b|[$€£¥₹]|\b[A-Z]{1,2}\$")
_TIME = re.compile(r"(?<=[/.-]\d{4})(?=\d{2}:\d{2})")
"""Between a date and a time that the OCR has glued together."""

_BRACKET = re.compile(r"\s*[(\[](?=[^)\]]*\d)|\s+(?=\d{4,}[\w-]*\s*(?:\(.*)?$)")
"""Before a number that follows a name: `Smith Ltd (12345-X)`."""

_BESIDE = 10.0
"""Space between two dates of a range, text heights of the page."""

_MOST_TEXT = 160
_MOST_BLOCKS = 400
_REST_WORDS = 4
"""Words of a label that stands before its value without a colon."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that may be a value.

    Attributes:
        text: As it is printed.
        box: Where it stands, px of the upright page.
        segment: The number of its first segment.
        source: One of `SOURCES`.
        before: What stands before it in its segment.
        after: What stands behind it in its segment.
        last: The number of its last segment.
        lines: How many it has.
        end: 1 for the first of two dates that stand beside each other, 2 for the second one, 0 for
            all others.
        range: The number of these two dates, -1 for all others.
    """

    text: str
    box: Box
    segment: int
    source: str
    before: str = ""
    after: str = ""
    last: int = -1
    lines: int = 1
    end: int = 0
    range: int = -1


class Candidates:
    """All candidates of a page, by what they can be."""

    def __init__(self, layout: Layout) -> None:
        """Collect those of a page when they are asked for."""
        self.layout = layout

    @cached_property
    def dates(self) -> list[Candidate]:
        """Every date; of two beside each other each says which one it is."""
        found: list[Candidate] = []
        alone: dict[int, int] = {}
        for number, segment in enumerate(self.layout.segments):
            text = _TIME.sub(" ", segment.text)
            spans = list(date_spans(text)) if any(map(str.isdigit, text)) else []
            for at, (start, end) in enumerate(spans):
                shift = len(text[:start]) - len(_TIME.sub(" ", segment.text[:start]))
                each = self._part(number, start - max(shift, 0), end - max(shift, 0))
                each = replace(each, text=text[start:end])
                if len(spans) == 2:
                    each = replace(each, end=at + 1, range=number)
                elif len(spans) == 1:
                    alone[number] = len(found)
                found.append(each)
        near, gaps = (
            of["right"] for of in (self.layout.geometry.nearest, self.layout.geometry.gaps)
        )
        for number, at in alone.items():
            other = alone.get(int(near[number]), -1)
            if (
                other >= 0
                and gaps[number] <= _BESIDE
                and not found[at].end
                and not found[other].end
            ):
                for place, end in enumerate((at, other), 1):
                    found[end] = replace(found[end], end=place, range=number)
        return [each for each in found if each.text]

    @cached_property
    def numbers(self) -> list[Candidate]:
        """Every number that is no part of a date, a code or a time."""
        found = []
        for number, segment in enumerate(self.layout.segments):
            text = segment.text
            if not any(map(str.isdigit, text)):
                continue
            taken = date_spans(text)
            spread = _SIGN.sub(" ", text)
            for each in _NUMBER.finditer(spread):
                start, end = (_place(text, spread, at) for at in each.span("all"))
                if not any(start < stop and begin < end for begin, stop in taken):
                    part = self._part(number, start, end)
                    found.append(
                        replace(part, text=re.sub(r"\s(?=[.,])|(?<=[.,])\s", "", part.text))
                    )
        return [each for each in found if each.text]

    @cached_property
    def currencies(self) -> list[Candidate]:
        """Every code and sign of a currency."""
        known = currencies()
        return [
            self._part(number, *each.span())
            for number, segment in enumerate(self.layout.segments)
            for each in _CURRENCY.finditer(segment.text)
            if known.get(each[0].casefold())
        ]

    @cached_property
    def texts(self) -> list[Candidate]:
        """Segments, whole lines, blocks, codes, and what stands behind a label."""
        segments = self.layout.segments
        found = [
            Candidate(each.text, each.box, number, "segment", last=number)
            for number, each in enumerate(segments)
        ]
        found += self._lines()
        for number, segment in enumerate(segments):
            found += [self._part(number, *each.span(1)) for each in _CODE.finditer(segment.text)]
            found += self._rests(number)
            if (cut := _BRACKET.search(segment.text)) and has_letters(segment.text[: cut.start()]):
                found.append(replace(self._part(number, 0, cut.start()), source="head"))
        for run in list(self.layout.blocks())[:_MOST_BLOCKS]:
            box = union(segments[each].box for each in run)
            text = " ".join(segments[each].text for each in run)
            found.append(Candidate(text, box, run[0], "block", last=run[-1], lines=len(run)))
        return _each_once(found)

    def _lines(self) -> Iterator[Candidate]:
        """Yield the text lines that were cut into segments."""
        members: dict[int, list[int]] = {}
        for number, segment in enumerate(self.layout.segments):
            members.setdefault(segment.words[0].line, []).append(number)
        for numbers in members.values():
            if len(numbers) > 1:
                numbers.sort(key=lambda each: self.layout.segments[each].box[0])
                parts = [self.layout.segments[each] for each in numbers]
                text = " ".join(part.text for part in parts)
                box = union(part.box for part in parts)
                yield Candidate(text, box, numbers[0], "line", last=numbers[-1])

    def _rests(self, number: int) -> Iterator[Candidate]:
        """Yield what stands behind the first words of a segment: they may be a label."""
        words = self.layout.segments[number].words
        if not 2 <= len(words) <= _REST_WORDS + 8:
            return
        for first in range(1, min(len(words), _REST_WORDS + 1)):
            before = " ".join(word.text for word in words[:first])
            if has_letters(before):
                text = " ".join(word.text for word in words[first:])
                box = union(word.box for word in words[first:])
                yield Candidate(text, box, number, "rest", before, last=number)

    def _part(self, number: int, start: int, end: int) -> Candidate:
        """Return characters of a segment's text."""
        words, text = self.layout.segments[number].words, self.layout.segments[number].text
        parts = words_between(words, start, end) or words[:1]
        box = union(word.box for word in parts)
        before, after = text[:start].strip(), text[end:].strip()
        return Candidate(text[start:end].strip(), box, number, "part", before, after, number)

    @cached_property
    def told(self) -> Hints:
        """What the page's dates and numbers tell about each other: what most of them say."""
        orders = Counter(order for each in self.dates if (order := order_of(each.text)))
        decimals = Counter(sign for each in self.numbers if (sign := decimal_of(each.text)))
        return Hints(
            orders.most_common(1)[0][0] if orders else None,
            decimals.most_common(1)[0][0] if decimals else None,
        )


def _place(text: str, spread: str, at: int) -> int:
    """Return the place in a text of one in the same text with more spaces."""
    letters = len(spread[:at].replace(" ", ""))
    place = 0
    while place < len(text) and (letters or text[place] == " "):
        letters -= text[place] != " "
        if letters < 0:
            break
        place += 1
    return place


def _each_once(found: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates of different texts or places, not longer than a value can be."""
    kept: dict[tuple[str, Box], Candidate] = {}
    for each in found:
        if each.text and len(each.text) <= _MOST_TEXT:
            kept.setdefault((each.text, each.box), each)
    return [*kept.values()]
