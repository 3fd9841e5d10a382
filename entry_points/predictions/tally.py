"""What became of documents, in sums: no row is kept but some of those that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# So many failed documents are listed; all of them are in the output.
MOST_LISTED = 20


@dataclass
class Tally:
    """Sums over rows of the output.

    Attributes:
        documents: Their number.
        errors: How many have failed, by error code.
        failed: The first of the failed rows, at most `MOST_LISTED`.
        pages: Pages that were read.
        tokens: Tokens of the LLM, both ways.
        attempts: Requests to the LLM.
        cache_hits: Pages whose completion was kept from before.
        usd: What they cost, as far as it is known, USD.
        cost_unknown: Whether a row with requests has no cost.
    """

    documents: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    failed: list[Mapping[str, Any]] = field(default_factory=list)
    pages: int = 0
    tokens: int = 0
    attempts: int = 0
    cache_hits: int = 0
    usd: float = 0.0
    cost_unknown: bool = False
    _written: int = 0
    _written_pages: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row."""
        self.documents += 1
        if row["error_code"]:
            self.errors[row["error_code"]] += 1
            if len(self.failed) < MOST_LISTED:
                self.failed.append(row)
        self.pages += row["page_count"] or 0
        self.tokens += (row["input_tokens"] or 0) + (row["output_tokens"] or 0)
        self.attempts += row["attempts"]
        self.cache_hits += row["cache_hits"]
        self.usd += row["cost"] or 0.0
        self.cost_unknown |= bool(row["attempts"]) and row["cost"] is None
        if row["output_tokens"] and row["page_count"]:
            self._written += row["output_tokens"]
            self._written_pages += row["page_count"]

    @property
    def output_tokens_per_page(self) -> float:
        """What the LLM has written for a page, 0 when no page says it."""
        return self._written / self._written_pages if self._written_pages else 0.0
