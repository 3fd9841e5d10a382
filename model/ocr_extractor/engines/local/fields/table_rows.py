"""Which lines of a page are rows of a table: below titles, by arithmetic, or above a total."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from ocr_extractor.engines.local.fields.table_columns import products
from ocr_extractor.engines.local.fields.table_page import (
    MONEY,
    Line,
    TablePage,
    is_number,
    joined,
    run_of,
    split_over,
)
from ocr_extractor.engines.local.fields.table_spans import find_spans, match_spans, nearest
from ocr_extractor.engines.local.fields.table_titles import ALIKE, fold_title
from ocr_extractor.ocr.text_shapes import has_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.engines.local.fields.table_spans import Run
    from ocr_extractor.engines.local.fields.table_titles import Kind
    from ocr_extractor.ocr.words import Word

_HEADS_READ = 4
"""Rows of titles that are looked at closely on a page."""

_TITLE_WORDS = 8
"""A cell of more words is no title, nor several ones that stand close."""

_LEAST_CUT = 0.35
"""White space, in text heights, from which a number may be a cell of its own."""

SUPPORT = 0.6
"""Part of the numeric columns that a row must fill to be one."""


@dataclass(frozen=True)
class Head:
    """The titles above a table: lines `first` to `last`, inclusive."""

    first: int
    last: int
    worth: float


def find_heads(page: TablePage, kinds: Sequence[Kind]) -> list[Head]:
    """Return the lines that are titles of columns, the best first."""
    scored = []
    for at, line in enumerate(page.lines):
        worth = titles_in(line, kinds)
        if worth:
            scored.append((worth, at))
    heads = []
    for worth, at in sorted(scored, reverse=True)[:_HEADS_READ]:
        first = at - 1 if at and _may_join(page, at - 1, at) else at
        last = at
        while last - at < 2 and last + 1 < len(page.lines) and _may_join(page, last, last + 1):
            last += 1
        blocks = {(at, at), (at, last), (first, last), (at, min(last, at + 1)), (first, at)}
        heads += [Head(*block, worth) for block in sorted(blocks)]
    return heads


def _may_join(page: TablePage, upper: int, lower: int) -> bool:
    """Tell whether two lines may be titles together: close, and without numbers."""
    above, below = page.lines[upper], page.lines[lower]
    return below.box[1] - above.box[3] < 0.8 * page.height and not any(
        MONEY.search(run.text) or np.isfinite(page.number(run.text))
        for line in (above, below)
        for run in line.runs
    )


def titles_in(line: Line, kinds: Sequence[Kind]) -> float:
    """Return how much a line is a row of titles; 0 for not at all."""
    if len(line.runs) < 2 and len(line.text.split()) < 3:
        return 0.0
    if any(MONEY.search(run.text) or len(run.words) > _TITLE_WORDS for run in line.runs):
        return 0.0
    texts = []
    for run in line.runs:
        whole = fold_title(run.text)
        words = [fold_title(word.text) for word in run.words]
        if len(words) > 1 and max(kind.likeness(whole) for kind in kinds) < ALIKE:
            texts += words
        else:
            texts.append(whole)
    likeness = np.array([[kind.likeness(text) for text in texts] for kind in kinds])
    likeness[likeness < ALIKE] = 0
    rows, columns = linear_sum_assignment(likeness, maximize=True)
    found = [
        (likeness[at], kinds[at[0]])
        for at in zip(rows.tolist(), columns.tolist(), strict=True)
        if likeness[at]
    ]
    members = [kind for _, kind in found if kind.field is not None]
    numeric = any(kind.is_numeric for kind in kinds if kind.field is not None)
    if len(found) < 2 or not any(kind.is_numeric or not numeric for kind in members):
        return 0.0
    return float(sum(worth * (0.5 if kind.field is None else 1) for worth, kind in found)) / 100


def titles_over(page: TablePage, head: Head | None, spans: Sequence[tuple[int, int]]) -> list[str]:
    """Return the folded title above each column."""
    if head is None or not spans:
        return [""] * len(spans)
    runs = [
        run_of(words)
        for line in page.lines[head.first : head.last + 1]
        for run in line.runs
        for words in split_over(run, spans)
    ]
    cells = find_spans([[run] for run in runs], page.height, page.width, least=1)
    over = match_spans(cells, spans)
    titles: list[list[Word]] = [[] for _ in spans]
    for run in runs:
        titles[over[nearest(run.left, run.right, cells)]] += run.words
    return [fold_title(joined(words)) if words else "" for words in titles]


def rows_below(page: TablePage, kinds: Sequence[Kind], head: Head) -> tuple[list[int], list[int]]:
    """Return the lines below some titles that fill most of the numeric columns.

    Returns:
        Those above the first sum, and those below it.
    """
    block = [line.runs for line in page.lines[head.first : head.last + 1]]
    spans = find_spans(block, page.height, page.width)
    numeric, money = set(), set()
    for at, title in enumerate(titles_over(page, head, spans)):
        best = max(kinds, key=lambda kind: kind.likeness(title))
        if title and (best.is_numeric or best.likeness(title) < ALIKE):
            numeric.add(at)
            if best.is_money:
                money.add(at)
    support: dict[int, int] = {}
    later: dict[int, int] = {}
    most = 0
    ended = False
    for number in range(head.last + 1, len(page.lines)):
        line = page.lines[number]
        met = [
            (nearest(run.left, run.right, spans), "%" in run.text)
            for run in line.runs
            if is_number(run, page)
        ]
        if numeric:
            filled = {at for at, percent in met if at in numeric and not (percent and at in money)}
        else:
            filled = {nearest(run.left, run.right, spans) for run in line.runs}
        is_money = any(MONEY.search(run.text) for run in line.runs)
        is_head = len(line.runs) > 2 and not any(has_digits(run.text) for run in line.runs)
        if line.is_total and (is_money or is_head) and len(filled) < max(most, 2):
            ended = ended or bool(support)
            continue
        if filled:
            (later if ended else support)[number] = len(filled)
        if not ended:
            most = max(most, len(filled))
    first, second = (
        [number for number, filled in each.items() if filled >= SUPPORT * most]
        for each in (support, later)
    )
    return first, second


def agreeing_rows(page: TablePage) -> list[int]:
    """Return the lines on which one number times another is a third one."""
    found = []
    for at, line in enumerate(page.numbered):
        numbers = [page.number(run.text) for run in line.runs]
        known = [number for number in numbers if np.isfinite(number) and number]
        if len(known) < 3 or line.is_total:
            continue
        for first, second in combinations(known[:-1], 2):
            one = np.array([[first], [second], [known[-1]]])
            if products(*one).all():
                found.append(at)
                break
    if len(found) < 2:
        return []
    gaps = [lower - upper for upper, lower in pairwise(found)]
    return found if max(gaps) < 12 else []


def summed_rows(page: TablePage) -> list[int]:
    """Return the lines of a text and an amount each whose sum is the total below them."""
    for at, line in enumerate(page.numbered):
        if not line.is_total or len(line.runs) < 2:
            continue
        total, end = page.number(line.runs[-1].text), line.runs[-1].right
        found: list[int] = []
        sum_ = 0.0
        for above in range(at - 1, -1, -1):
            *texts, amount = page.numbered[above].runs
            number = page.number(amount.text)
            if page.numbered[above].is_total or at - above > 40:
                break
            if abs(amount.right - end) > page.height or not MONEY.search(amount.text):
                continue
            if not texts or not np.isfinite(number):
                break
            found.insert(0, above)
            sum_ += number
            if abs(sum_ - total) < 0.005 and total:
                return found
    return []


def gathered(page: TablePage, lines: Sequence[Line], anchors: Sequence[int]) -> list[Line]:
    """Return the lines, a row's with its numbers that stand up to a line higher or lower."""
    own = {*anchors}
    gathered = list(lines)
    for at in anchors:
        middle = sum(lines[at].box[1::2])
        for near in (at - 1, at + 1):
            if near in own or not 0 <= near < len(lines):
                continue
            if abs(sum(lines[near].box[1::2]) - middle) < 2 * page.height:
                added = [
                    run
                    for run in lines[near].runs
                    if MONEY.search(run.text)
                    and is_number(run, page)
                    and not any(
                        run.left < other.right and other.left < run.right
                        for other in gathered[at].runs
                    )
                ]
                runs = sorted([*gathered[at].runs, *added], key=lambda run: run.left)
                gathered[at] = Line(tuple(runs), gathered[at].box)
    return gathered


def aligned(page: TablePage, lines: Sequence[Line], anchors: Sequence[int]) -> list[Line]:
    """Return the lines with cells cut where a number stands below or above other numbers."""
    alone = [
        (run.left, run.right)
        for at in anchors
        for run in lines[at].runs
        if np.isfinite(page.number(run.text))
    ]
    ends = [
        (run.words[-1].box[0], run.right)
        for at in anchors
        for run in lines[at].runs
        if len(run.words) > 1 and np.isfinite(page.number(run.words[-1].text))
    ]
    near = 0.4 * page.height

    def is_below(word: Word, others: Sequence[tuple[int, int]], *, right_end: bool) -> bool:
        same = sum(
            abs(word.box[2] - right) < near or (abs(word.box[0] - left) < near and not right_end)
            for left, right in others
        )
        return same > 1 and bool(np.isfinite(page.number(word.text)))

    def is_cut(left: Word, right: Word, *, last: bool, whole: bool) -> bool:
        if right.box[0] - left.box[2] < _LEAST_CUT * page.height:
            return False
        if is_below(left, alone, right_end=whole):
            return any(map(str.isdigit, right.text))
        if not any(map(str.isalpha, left.text)):
            return False
        return last and is_below(right, [*alone, *ends], right_end=False)

    cut = list(lines)
    for at in anchors:
        runs: list[Run] = []
        for run in lines[at].runs:
            part = [run.words[0]]
            # A space may separate thousands.
            whole = np.isfinite(page.number(run.text))
            for place, (left, right) in enumerate(pairwise(run.words)):
                if is_cut(left, right, last=place == len(run.words) - 2, whole=bool(whole)):
                    runs.append(run_of(part))
                    part = []
                part.append(right)
            runs.append(run_of(part))
        cut[at] = Line(tuple(runs), lines[at].box)
    return cut
