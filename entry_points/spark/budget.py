"""Divides concurrency and rate limits among the models that Spark loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FEWEST_AT_ONCE = 16
"""Documents that Spark hands to a model at once, at least: they are in memory together."""

_A_MINUTE = ("requests_per_minute", "tokens_per_minute")


@dataclass(frozen=True)
class Shares:
    """How many models read side by side, and what each may ask for.

    Attributes:
        count: Most tasks that may run at once; each loads a model.
        settings: The extractor's settings of each.
    """

    count: int
    settings: Mapping[str, Any]

    @property
    def documents_at_once(self) -> int:
        """How many Spark should hand to a model: twice the pages it reads at once keep it busy."""
        return max(FEWEST_AT_ONCE, 2 * int(self.settings["max_concurrency"]))

    @classmethod
    def of(cls, config: Mapping[str, Any], max_concurrency: int, slots: int) -> Shares:
        """Divide, rounding down, so that all models together never ask for more.

        Args:
            config: The settings that the extractor was logged with.
            max_concurrency: Most pages read at once by all of them.
            slots: How many tasks Spark can run at once.
        """
        ceilings = {name: config[name] for name in _A_MINUTE if config[name]}
        count = min(slots, max_concurrency, *ceilings.values())
        each = {name: most // count for name, most in ceilings.items()}
        # A file of completions is on one machine.
        return cls(count, each | {"max_concurrency": max_concurrency // count, "cache": ""})
