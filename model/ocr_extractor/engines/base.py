"""What every engine is: something that reads one page and returns its pairs or fields."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from PIL import Image

    from ocr_extractor.contract import Box, Pair
    from ocr_extractor.errors import EngineError
    from ocr_extractor.fields.raw_tree import RawTree
    from ocr_extractor.fields.schema import Schema


@dataclass(frozen=True)
class Page:
    """One image of a document.

    Attributes:
        number: Position in the document, from 1.
        image: The upright page, mode "RGB" or "L", at the document's own resolution.
        png: A PNG file of exactly this image and nothing else, None where there is none yet.
    """

    number: int
    image: Image.Image
    png: bytes | None = None


@dataclass(frozen=True)
class Evidence:
    """What proves that a text stands on its page.

    Attributes:
        box: Where it stands, px; None when unknown.
        score: How well it agrees with the page, or how sure the engine is of it, [0, 1]; None when
            unknown.
        grounded: Whether the OCR read it, too; None where that was not checked.
        ocr_score: How sure the OCR is of the words there, [0, 1]; None when unknown.
        probability: What the LLM gives the text, [0, 1]; None when unknown.
    """

    box: Box | None = None
    score: float | None = None
    grounded: bool | None = None
    ocr_score: float | None = None
    probability: float | None = None

    @property
    def confidence(self) -> float | None:
        """How well the text is supported: the product of the scores that are known, [0, 1]."""
        factors = (self.score, self.ocr_score, self.probability)
        known = [each for each in factors if each is not None]
        return prod(known) if known else None


@dataclass(frozen=True)
class PageReading:
    """What an engine found on one page.

    Attributes:
        pairs: The page's pairs in reading order, duplicates kept.
        input_tokens: Tokens the LLM read, None for an engine that counts none.
        output_tokens: Tokens the LLM wrote, None for an engine that counts none.
        cached_tokens: Input tokens that the server had in its cache, None where none are counted.
        attempts: Requests that were sent, failed ones included; their tokens are counted too.
        cost: What they cost, USD; None when the price is not known.
        from_cache: Whether the completion was kept from an earlier request.
        failure: Why pairs or fields may be missing; None when the page was read to its end.
        raw_fields: The texts of the schema's fields; None without a schema, and when there was no
            usable answer.
        evidence: What proves them, by their path on this page; without those of which nothing is
            known.
        rows_shown: How many rows of a table the page shows, by the table's name; without those
            that could not be counted.
    """

    pairs: tuple[Pair, ...]
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    attempts: int = 0
    cost: float | None = None
    from_cache: bool = False
    failure: EngineError | None = None
    raw_fields: RawTree | None = None
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    rows_shown: Mapping[str, int] = field(default_factory=dict)


class Engine(Protocol):
    """Reads pages; `read` is called from several threads at once."""

    @property
    def name(self) -> str:
        """The engine's name as it stands in model_config and in the output."""
        ...

    def read(self, page: Page, instructions: str, schema: Schema | None = None) -> PageReading:
        """Read one page.

        Args:
            page: The page to read.
            instructions: The rendered prompt; an engine without an LLM ignores it.
            schema: The fields to read; None for the question-answer pairs.

        Returns:
            The page's pairs, or the texts of its fields; boxes in px of `page.image`.

        Raises:
            EngineError: The page cannot be read.
        """
        ...


def total(counts: Iterable[int | None]) -> int | None:
    """Add up what was counted; None when nothing was."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def total_cost(readings: Iterable[PageReading]) -> float | None:
    """Add up what the requests cost; one unknown cost makes the sum unknown."""
    costs = [reading.cost for reading in readings if reading.attempts or reading.from_cache]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


def with_requests_of(reading: PageReading, other: PageReading) -> PageReading:
    """Return a page's reading with what another reading of the same page took added to its own."""
    both = (reading, other)
    return replace(
        reading,
        input_tokens=total(each.input_tokens for each in both),
        output_tokens=total(each.output_tokens for each in both),
        cached_tokens=total(each.cached_tokens for each in both),
        attempts=reading.attempts + other.attempts,
        cost=total_cost(both),
        from_cache=reading.from_cache and other.from_cache,
    )
