"""A prompt is returned only if it wins on forms that the search has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.genai.optimize.types import EvaluationResultRecord, PromptOptimizerOutput

from entry_points.command_line.cli import UsageError
from entry_points.optimizing.budget import OptimizationBudget
from entry_points.optimizing.examples import EXAMPLES, FewShotExamples
from entry_points.optimizing.gepa_optimizer import GepaOptimizer, OptimizationTask
from entry_points.scoring.forms import Truth

PAIRS = (("Date", "May 5"), ("To", "J. Poe"))
DEVELOPMENT = [f"development-{number}" for number in range(4)]
VALIDATION = [f"validation-{number}" for number in range(6)]
TRUTHS = {each: Truth(PAIRS, PAIRS) for each in (*DEVELOPMENT, *VALIDATION)}
FIRST, BETTER = "Read.", "Read all."

Reads = Callable[[str, str], bool]


def row(pairs: tuple[tuple[str, str], ...], error_code: str | None = None) -> dict[str, Any]:
    listed = [{"question": question, "answer": answer} for question, answer in pairs]
    return {"pairs": listed, "error_code": error_code, "error": error_code}


def reading(reads_all: Reads, error_code: str | None = None) -> Any:
    """Stand for MLflow's eval_fn: one pair of two, or both where `reads_all(template, id)`."""

    def eval_fn(
        candidate: dict[str, str], records: list[dict[str, Any]]
    ) -> list[EvaluationResultRecord]:
        [template] = candidate.values()
        results = []
        for record in records:
            form_id = record["inputs"]["doc_id"]
            outputs = row(PAIRS if reads_all(template, form_id) else PAIRS[:1], error_code)
            score = TRUTHS[form_id].score(outputs).metrics()["pair_f1"]
            results.append(
                EvaluationResultRecord(
                    inputs=record["inputs"],
                    outputs=outputs,
                    expectations={},
                    score=score,
                    trace=None,  # type: ignore[arg-type]  # as MLflow makes it without tracing
                    rationales={"pair_f1": "missed 'To'"},
                )
            )
        return results

    return eval_fn


def task(**changes: Any) -> OptimizationTask:
    """A search whose LLM always proposes `BETTER`."""
    built = OptimizationTask(
        truths=TRUTHS,
        metric="pair_f1",
        validation=VALIDATION,
        template_fault=lambda template: None,
        ask=lambda question: (f"```\n{BETTER}\n```", 0.001),
        budget=OptimizationBudget(60, None, len(DEVELOPMENT), validation=len(VALIDATION)),
        seed=1,
        run_dir=None,
        shots=FewShotExamples(),
    )
    return replace(built, **changes)


def search(optimizer: GepaOptimizer, eval_fn: Any) -> PromptOptimizerOutput:
    records = [{"inputs": {"doc_id": form_id}} for form_id in DEVELOPMENT]
    return optimizer.optimize(eval_fn, records, {"p": FIRST})


def winner(optimizer: GepaOptimizer) -> str | None:
    return optimizer.outcome.best.template if optimizer.outcome.wins else None


def better(template: str, form_id: str) -> bool:
    return template == BETTER


def test_a_prompt_that_wins_is_returned():
    optimizer = GepaOptimizer(task())
    output = search(optimizer, reading(better))
    assert winner(optimizer) == BETTER
    assert output.optimized_prompts == {}, "MLflow would register it without its schema"
    assert optimizer.outcome.verdict
    assert optimizer.outcome.verdict.gain.value == pytest.approx(1 / 3)
    assert output.initial_eval_score == pytest.approx(2 / 3)
    assert output.final_eval_score == 1.0


def test_a_prompt_that_helps_the_development_forms_alone_is_not():
    optimizer = GepaOptimizer(task())
    search(optimizer, reading(lambda prompt, form_id: prompt == BETTER and form_id in DEVELOPMENT))
    assert optimizer.outcome.best.template == BETTER
    assert optimizer.outcome.best.score == 1.0
    assert optimizer.outcome.verdict
    assert optimizer.outcome.verdict.gain.value == 0.0
    assert winner(optimizer) is None


def test_a_prompt_that_helps_one_validation_form_in_six_is_not():
    def one(template: str, form_id: str) -> bool:
        return template == BETTER and form_id in {*DEVELOPMENT, VALIDATION[0]}

    optimizer = GepaOptimizer(task())
    search(optimizer, reading(one))
    assert winner(optimizer) is None
    assert optimizer.outcome.verdict
    assert optimizer.outcome.verdict.gain.value > 0


def test_a_template_that_cannot_be_used_is_not_read_with():
    used = []

    def note(template: str, form_id: str) -> bool:
        used.append(template)
        return False

    fault = {BETTER: "it has lost {{ ocr_text }}"}.get
    optimizer = GepaOptimizer(task(template_fault=fault))
    search(optimizer, reading(note))
    assert winner(optimizer) is None
    assert optimizer.outcome.verdict is None
    assert set(used) == {FIRST}


def test_the_llm_is_shown_ids_texts_and_scores():
    questions: list[str] = []

    def ask(question: str) -> tuple[str, None]:
        questions.append(question)
        return f"```\n{BETTER}\n```", None

    search(GepaOptimizer(task(ask=ask)), reading(better))
    for text in (FIRST, "development-", "0.67 of 1", "missed 'To'", "To -> J. Poe"):
        assert text in questions[0], text
    assert "validation-" not in questions[0]


def test_a_larger_budget_goes_on_with_what_was_found_and_spent(tmp_path: Path):
    asked: list[str] = []

    def ask(question: str) -> tuple[str, float]:
        asked.append(question)
        return f"```\n{BETTER if len(asked) > 1 else 'Worse.'}\n```", 0.25

    def budget(calls: int) -> OptimizationBudget:
        return OptimizationBudget(calls, None, len(DEVELOPMENT), validation=len(VALIDATION))

    first = GepaOptimizer(task(ask=ask, budget=budget(30), run_dir=tmp_path))
    search(first, reading(better))
    assert winner(first) is None
    assert len(asked) == 1
    second = GepaOptimizer(task(ask=ask, budget=budget(60), run_dir=tmp_path))
    search(second, reading(better))
    assert winner(second) == BETTER
    assert len(asked) == 2
    assert second.task.budget.spent == 0.5


def test_an_llm_that_does_not_answer_ends_the_search():
    def ask(question: str) -> tuple[str, None]:
        raise TimeoutError("no answer")

    with pytest.raises(TimeoutError, match="no answer"):
        search(GepaOptimizer(task(ask=ask)), reading(better))


def test_forms_that_all_fail_end_the_search():
    with pytest.raises(UsageError, match=r"no form was read.*authentication_failed"):
        search(GepaOptimizer(task()), reading(better, "authentication_failed"))


def test_examples_are_chosen_and_stand_in_the_prompt():
    written = {"shown-1": "first form", "shown-2": "second form"}

    def second(template: str, form_id: str) -> bool:
        return "second form" in template

    proposals = task(
        shots=FewShotExamples(1, written, seed=3),
        ask=lambda question: (f"```\n{FIRST}\n{{{{ examples }}}}\n```", None),
    )
    optimizer = GepaOptimizer(proposals)
    search(optimizer, reading(second))
    template = winner(optimizer)
    assert template
    assert template.startswith(FIRST)
    assert "<examples>\n\nsecond form\n\n</examples>" in template
    assert "first form" not in template
    assert optimizer.outcome.best.examples == "shown-2"
    assert EXAMPLES not in template.replace("<examples>", "").replace("</examples>", "")


def test_examples_that_a_prompt_has_stay_and_are_kept_from_the_llm():
    first = "Read.\n<examples>\n\na form\n\n</examples>"
    questions: list[str] = []

    def ask(question: str) -> tuple[str, None]:
        questions.append(question)
        return "```\nRead all.\n{{ examples }}\n```", None

    optimizer = GepaOptimizer(task(ask=ask))
    records = [{"inputs": {"doc_id": form_id}} for form_id in DEVELOPMENT]
    optimizer.optimize(
        reading(lambda template, form_id: "Read all." in template), records, {"p": first}
    )
    assert winner(optimizer) == first.replace("Read.", "Read all.")
    assert "{{ examples }}" in questions[0]
    assert "a form" not in questions[0]
