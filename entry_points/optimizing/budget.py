"""The forms of an optimization, and its budget in forms read and in money."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.forms import Document
from data.splits import in_split
from entry_points.command_line.cli import UsageError

if TYPE_CHECKING:
    from gepa.core.state import GEPAState

# With fewer forms the confidence interval is meaningless.
LEAST_VALIDATION = 5

MINIBATCH = 3
"""Forms on which a new prompt is tried first; the LLM sees the mistakes on them."""


@dataclass(frozen=True)
class PromptParts:
    """A dataset's forms, none of them in two parts.

    Attributes:
        development: The search scores prompts on them.
        shown: The search takes its examples from them, so that no form is its own example.
        validation: The best prompt must win on them.
    """

    development: Sequence[Document]
    shown: Sequence[Document]
    validation: Sequence[Document]


def divide(forms: Sequence[Document], examples: int, seed: int) -> PromptParts:
    """Divide forms by their split; keep twice the number of shown examples as candidates.

    Raises:
        UsageError: There are too few.
    """
    development, validation = (in_split(forms, each) for each in ("development", "validation"))
    shown = 2 * examples
    if len(development) < shown + MINIBATCH or len(validation) < LEAST_VALIDATION:
        raise UsageError(
            f"{len(development)} development and {len(validation)} validation forms are too few: "
            f"at least {shown + MINIBATCH} and {LEAST_VALIDATION} are needed. A form's id decides "
            "its part."
        )
    random.Random(seed).shuffle(development)  # noqa: S311 - no secret
    return PromptParts(development[shown:], development[:shown], validation)


class OptimizationBudget:
    """Stops GEPA, which asks it before each iteration.

    An iteration starts only if its largest number of forms and its highest cost fit into the
    rest of the budget, and leave enough for the validation.

    Attributes:
        max_metric_calls: Most forms read during the search; GEPA's progress bar ends there.
        spent: Known cost of all requests, USD, earlier starts included.
        priced: Whether the cost of every request is known.
        questions: How many new prompts this start has asked the LLM for.
        fault: The error that must end the search; GEPA itself would continue without a prompt.
    """

    def __init__(
        self, max_calls: int, max_cost: float | None, development: int, *, validation: int
    ) -> None:
        """Reserve the budget of the validation.

        Args:
            max_calls: Most forms read, those whose completion is in the cache included.
            max_cost: Most the requests may cost, USD; None for no ceiling.
            development: Forms of the search.
            validation: Forms that are read twice at its end.

        Raises:
            UsageError: `max_calls` does not allow a single new prompt.
        """
        self._iteration = 2 * MINIBATCH + development
        self._validation = 2 * validation
        least = development + self._iteration + self._validation
        if max_calls < least:
            raise UsageError(
                f"--max-calls is {max_calls}: trying one prompt on these forms takes {least}."
            )
        self.max_metric_calls = max_calls - self._validation
        self.spent = 0.0
        self.priced = True
        self.questions = 0
        self.fault: Exception | None = None
        self._max_cost = max_cost
        self._most_for_a_form = 0.0
        self._most_for_a_question = 0.0
        self._lock = threading.Lock()

    def count_form(self, cost: float | None, attempts: int, *, failed: bool = False) -> None:
        """Count one form that was read with `attempts` requests; `cost` is in USD or unknown.

        One that failed may have cost as much as the dearest.
        """
        with self._lock:
            if cost is None and attempts:
                if failed:
                    cost = self._most_for_a_form
                else:
                    self._price_unknown()
            self.spent += cost or 0.0
            self._most_for_a_form = max(self._most_for_a_form, cost or 0.0)

    def count_question(self, cost: float | None) -> None:
        """Count one new prompt that the LLM was asked for; `cost` as in `count_form`."""
        self.questions += 1
        if cost is None:
            self._price_unknown()
        self.spent += cost or 0.0
        self._most_for_a_question = max(self._most_for_a_question, cost or 0.0)

    def _price_unknown(self) -> None:
        self.priced = False
        if self._max_cost is not None:
            self.fault = UsageError(
                "an LLM's price is not known, so --max-cost cannot be kept: log the extractor "
                "with the settings input_price and output_price, and let it reflect itself."
            )

    def __call__(self, gepa_state: GEPAState[Any, Any]) -> bool:
        """Tell whether the search must end.

        Raises:
            Exception: The `fault`.
        """
        if self.fault is not None:
            raise self.fault
        if gepa_state.total_num_evals + self._iteration > self.max_metric_calls:
            return True
        forms = self._iteration + self._validation
        ahead = forms * self._most_for_a_form + self._most_for_a_question
        return self._max_cost is not None and self.spent + ahead > self._max_cost
