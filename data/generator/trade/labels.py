"""How a document prints its labels: which of several, in which case, with which mark behind."""

from __future__ import annotations

from decimal import Decimal

from data.generator.trade.draft import Draft
from data.generator.trade.wanted import concepts


class Labels:
    """The labels of one document; what is asked twice is the same.

    Attributes:
        tax: The name of its tax.
        rate: In percent.
    """

    def __init__(self, draft: Draft, kind: str) -> None:
        self.tax: str = draft.pick(draft.country["tax"])
        self.rate = Decimal(str(draft.pick(draft.country["rates"])))
        self._draft, self._kind = draft, kind
        self._upper = draft.chance(0.3)
        self._mark = draft.pick((":", ":", " :", "", ""))
        self._chosen: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Return the label of a concept without a mark."""
        if name not in self._chosen:
            table, _, column = name.rpartition(".")
            labels = concepts(table or self._kind)[column][self._draft.language]
            text = self._draft.pick(labels).replace("{tax}", self.tax)
            rate = str(self.rate).replace(".", self._draft.country["decimal"])
            text = text.replace("{rate}", rate)
            self._chosen[name] = text.upper() if self._upper else text
        return self._chosen[name]

    def asked(self, name: str) -> str:
        """Return the label of a concept as it stands before its value."""
        text = self[name]
        return text if text.endswith((":", "?")) else text + self._mark

    def cased(self, text: str) -> str:
        """Return a text in the case of the labels."""
        return text.upper() if self._upper else text
