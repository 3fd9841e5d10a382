"""Counts over the rows of documents, and what predict prints of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from entry_points.command_line import cli

# How many failed documents are listed; the output has all of them.
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
        asked: Documents for which the LLM, or its cache, was asked.
        attempts: Requests to the LLM.
        cache_hits: Pages whose completion came from the cache.
        usd: Known cost, USD.
        cost_unknown: Whether a row with requests has no cost.
    """

    documents: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    failed: list[Mapping[str, Any]] = field(default_factory=list)
    pages: int = 0
    tokens: int = 0
    asked: int = 0
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
        self.asked += bool(row["attempts"] or row["cache_hits"])
        self.attempts += row["attempts"]
        self.cache_hits += row["cache_hits"]
        self.usd += row["cost"] or 0.0
        self.cost_unknown |= bool(row["attempts"]) and row["cost"] is None
        if row["output_tokens"] and row["page_count"]:
            self._written += row["output_tokens"]
            self._written_pages += row["page_count"]

    @property
    def output_tokens_per_page(self) -> float:
        """Mean output tokens of a page; 0 if no page reports them."""
        return self._written / self._written_pages if self._written_pages else 0.0

    def progress(self) -> dict[str, float]:
        """Return the figures that a progress bar shows."""
        return {
            "failed": self.errors.total(),
            "pages": self.pages,
            "tokens": self.tokens,
            "usd": self.usd,
        }


@dataclass(frozen=True)
class PredictResult:
    """The result of one start.

    Attributes:
        read: Documents that this start has read, failed ones included.
        skipped: Documents that an earlier start has written.
        left: How many were not started because of `max_cost`, or were removed from their batch.
    """

    read: Tally
    skipped: Tally
    left: int

    @property
    def failed(self) -> int:
        """How many documents failed, in this start and earlier ones."""
        return self.read.errors.total() + self.skipped.errors.total()


def report(outcome: PredictResult, output: object, *, cancelled: bool = False) -> None:
    """Print how many documents were read, their cost, and the failed ones."""
    read, skipped = outcome.read, outcome.skipped
    documents = read.documents + skipped.documents
    print(f"{documents - outcome.failed} of {documents + outcome.left} documents read.")
    if skipped.documents:
        print(f"{skipped.documents} of them were there already.")
    if outcome.left:
        print(
            f"{outcome.left} left: "
            + (
                "with mode=batch, the same command asks for them."
                if cancelled
                else "--max-cost would be exceeded. The same command continues."
            )
        )
    if read.attempts or read.cache_hits:
        print(
            f"{read.attempts} requests for {read.asked} of {read.documents} documents, "
            f"{read.cache_hits} pages from the cache, cost "
            + ("unknown." if read.cost_unknown else f"{read.usd:.4f} USD.")
        )
    print(f"Written: {cli.printable(output)}")
    listed = [*skipped.failed, *read.failed][:MOST_LISTED]
    for row in listed:
        fault = f"{row['doc_id']}: {row['error_code']}: {row['error']}"
        print(f"  failed: {cli.printable(fault)}")
    if outcome.failed > len(listed):
        errors = (read.errors + skipped.errors).most_common()
        print(
            f"  and {outcome.failed - len(listed):,} more; all by error code: "
            + ", ".join(f"{code} {count:,}" for code, count in errors)
        )
