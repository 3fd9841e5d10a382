"""A scanner, a form family and a prompt change after quiet weeks: how soon is each noticed?

Some drawn documents are read once under each condition, by the local engine or through the
grounding of an LLM's answers, and leave real traces; weeks are then drawn from these with
replacement. `python -m pytest tests/entry_points/monitoring/test_simulation.py -s` prints the
table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from data.generator.documents import make_page
from data.generator.page import draw_plan
from data.generator.scan import draw_scan
from data.generator.trade.documents import draw_document
from data.generator.trade.pictures import take
from entry_points.monitoring.comparison import compare
from entry_points.monitoring.records import Record
from ocr_extractor.engines.local.engine import LocalEngine
from ocr_extractor.ocr.recognition import OcrPage, WordReader
from tests.entry_points.monitoring.production import (
    TEMPLATE,
    Production,
    PromptedEngine,
    encoded,
    fingerprint,
)

GOOD, OTHERS, PROMPTED = 32, 8, 10  # documents that are read under a condition
EVALUATED, A_WEEK, STEP = 100, 200, 25
HARM = "Tell the answers in your own words."

Pool = dict[str, list[Record]]


def draw_forms(count: int) -> list[tuple[Image.Image, list[tuple[str, str]]]]:
    """Draw scanned forms with their pairs."""
    forms = []
    for number in range(count):
        rng = np.random.default_rng([7, number])
        plan = draw_plan(rng)
        page = make_page(plan, draw_scan(rng), rng, plan.size)
        texts = [" ".join(text.words) for text in page.texts]
        forms.append((page.image, [(texts[one], texts[two]) for one, two in page.links]))
    return forms


def pale(image: Image.Image) -> Image.Image:
    """Return a page as a scanner with a weak lamp gives it."""
    return image.filter(ImageFilter.GaussianBlur(0.8)).point(lambda level: 140 + level * 70 // 255)


def receipts(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [take(draw_document("receipts", n).pages[0], "scan", rng)[0] for n in range(count)]


class RememberingReader(WordReader):
    """Reads each page once: both prompts are tried on the same pages."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[str, OcrPage] = {}

    def read_upright(self, image: Image.Image) -> OcrPage:
        known = fingerprint(image)
        if known not in self._read:
            self._read[known] = super().read_upright(image.copy())  # the page is closed
        return self._read[known]


def read_pool(production: Production) -> Pool:
    """Read the documents of every condition, and return what their traces say."""
    production.settings = {"grounding": True}
    forms = draw_forms(GOOD)
    images = [image for image, _ in forms]
    local, words = LocalEngine(), RememberingReader()
    told = PromptedEngine({fingerprint(image): pairs for image, pairs in forms}, HARM)
    pool: Pool = {}
    for condition, documents, engine, template in (
        ("good", images, local, TEMPLATE),
        ("low contrast", [pale(image) for image in images[:OTHERS]], local, TEMPLATE),
        ("other form family", receipts(OTHERS), local, TEMPLATE),
        ("good prompt", images[:PROMPTED], told, TEMPLATE),
        ("harmful prompt", images[:PROMPTED], told, f"{TEMPLATE} {HARM}"),
    ):
        named = {f"{condition} {n}": encoded(image) for n, image in enumerate(documents)}
        reader = words if engine is told else None
        production.read(named, engine, template=template, word_reader=reader)
        read = [each for each in production.records() if each.doc_id in named]
        # A prompt of its own would make a group of its own: the last 200 documents are mixed here.
        pool[condition] = [
            replace(each, row={**each.row, "prompt_uri": "prompts:/p/1"}) for each in read
        ]
    return pool


def draw(rng: np.random.Generator, records: Sequence[Record], count: int) -> list[Record]:
    drawn = rng.integers(len(records), size=count)
    return [replace(records[n], trace_id=f"tr-{rng.integers(2**62):016x}") for n in drawn]


def alarms(pool: Pool, years: int, weeks: int) -> list[int]:
    """Count the weeks of each year whose verdict is not `ok` although nothing has changed."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(years):
        evaluated = draw(rng, pool["good"], EVALUATED)
        found.append(
            sum(
                compare(evaluated, draw(rng, pool["good"], A_WEEK)).verdict != "ok"
                for _ in range(weeks)
            )
        )
    return found


def noticed_after(
    pool: Pool, good: str, bad: str, repeats: int
) -> tuple[list[int | None], Mapping[str, int]]:
    """Return how many documents came after a change until it was seen among the last `A_WEEK`.

    Returns:
        The number of documents at each repeat, None for more than `A_WEEK`; and how often each
        line gave the alarm.
    """
    rng = np.random.default_rng(2)
    found: list[int | None] = []
    lines: dict[str, int] = {}
    for _ in range(repeats):
        evaluated = draw(rng, pool[good], EVALUATED)
        before, after = draw(rng, pool[good], A_WEEK), draw(rng, pool[bad], A_WEEK)
        for count in range(STEP, A_WEEK + 1, STEP):
            comparison = compare(evaluated, before[count:] + after[:count])
            if comparison.verdict != "ok":
                found.append(count)
                for line in comparison.lines:
                    if line.verdict != "ok":
                        lines[line.watch.name] = lines.get(line.watch.name, 0) + 1
                break
        else:
            found.append(None)
    return found, lines


CHANGES = (
    ("good", "low contrast"),
    ("good", "other form family"),
    ("good prompt", "harmful prompt"),
)


@pytest.fixture
def pool(store: object) -> Pool:
    return read_pool(Production.begin())


def test_each_change_is_noticed_within_200_documents_and_quiet_weeks_stay_quiet(
    pool: Pool,
) -> None:
    quiet = alarms(pool, years=2, weeks=50)
    print(f"\nquiet: {sum(quiet)} alarms in {50 * len(quiet)} weeks")
    assert sum(quiet) == 0
    for good, bad in CHANGES:
        found, lines = noticed_after(pool, good, bad, repeats=10)
        print(f"{bad}: noticed after {found} documents by {lines}")
        assert None not in found, bad
