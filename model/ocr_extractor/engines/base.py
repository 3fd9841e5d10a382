"""What every engine is: something that reads one page and returns its pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL import Image

    from ocr_extractor.contract import Pair
    from ocr_extractor.errors import EngineError


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
        failure: Why pairs may be missing; None when the page was read to its end.
    """

    pairs: tuple[Pair, ...]
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    attempts: int = 0
    cost: float | None = None
    from_cache: bool = False
    failure: EngineError | None = None


class Engine(Protocol):
    """Reads pages; `read` is called from several threads at once."""

    @property
    def name(self) -> str:
        """The engine's name as it stands in model_config and in the output."""
        ...

    def read(self, page: Page, instructions: str) -> PageReading:
        """Read one page.

        Args:
            page: The page to read.
            instructions: The rendered prompt; an engine without an LLM ignores it.

        Returns:
            The page's pairs; boxes in px of `page.image`.

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
