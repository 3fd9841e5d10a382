"""The search ends while there is still enough for the verdict."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from entry_points.command_line.cli import UsageError
from entry_points.optimizing.budget import OptimizationBudget


def state(calls: int) -> Any:
    return SimpleNamespace(total_num_evals=calls)


def test_an_iteration_begins_only_if_validation_still_fits():
    budget = OptimizationBudget(
        60, None, 10, validation=5
    )  # an iteration takes 16, the validation 10
    assert budget.max_metric_calls == 50
    assert not budget(state(34))
    assert budget(state(35))


def test_an_iteration_begins_only_if_there_is_money_for_the_dearest():
    budget = OptimizationBudget(100, 1.0, 10, validation=5)
    budget.count_form(0.01, 1)
    budget.count_form(0.02, 1)
    assert not budget(state(10))  # 26 forms at 0.02 and 0.03 spent
    budget.count_question(0.45)
    assert budget(state(10))


def test_a_budget_for_no_prompt_at_all_is_refused():
    with pytest.raises(UsageError, match="takes 36"):
        OptimizationBudget(35, None, 10, validation=5)


def test_an_unknown_price_ends_a_search_with_a_ceiling():
    budget = OptimizationBudget(100, 1.0, 10, validation=5)
    budget.count_form(None, 0)  # read from the cache
    assert not budget(state(10))
    budget.count_form(None, 1)
    with pytest.raises(UsageError, match="price is not known"):
        budget(state(10))


def test_a_form_that_failed_leaves_the_price_known():
    budget = OptimizationBudget(100, 1.0, 10, validation=5)
    budget.count_form(0.02, 1)
    budget.count_form(None, 1, failed=True)
    assert not budget(state(10))
    assert (budget.spent, budget.priced) == (0.04, True)


def test_without_a_ceiling_no_price_is_needed():
    budget = OptimizationBudget(100, None, 10, validation=5)
    budget.count_form(0.5, 1)
    assert budget.priced
    budget.count_form(None, 1)
    assert not budget(state(10))
    assert (budget.spent, budget.priced) == (0.5, False)
