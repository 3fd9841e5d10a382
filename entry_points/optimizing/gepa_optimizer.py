"""A prompt optimizer for MLflow that uses `gepa`; forms that GEPA never saw decide."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gepa import api as gepa
from gepa.core.adapter import EvaluationBatch, GEPAAdapter
from gepa.core.result import GEPAResult
from gepa.strategies.instruction_proposal import InstructionProposalSignature
from mlflow.genai.optimize import BasePromptOptimizer
from mlflow.genai.optimize.types import EvaluationResultRecord, PromptOptimizerOutput

from entry_points.command_line.cli import UsageError
from entry_points.optimizing.budget import MINIBATCH, OptimizationBudget
from entry_points.optimizing.examples import EXAMPLES, FewShotExamples
from entry_points.optimizing.result import OptimizationResult, PromptCandidate, Verdict
from entry_points.scoring.bootstrap import differences
from entry_points.scoring.field_score import FieldScore
from entry_points.scoring.forms import FormScore
from entry_points.scoring.scores import DocumentTruth, Score, aggregate, score_forms

_REFLECTION = Path(__file__).with_name("reflection.md")
_LISTED_CHARACTERS = 1_500
# What the LLM does, and how it is judged, by what the search goes by.
_TASKS = {
    FormScore.MAIN: (
        "reads scanned business forms and returns their question-answer pairs as JSON",
        "A pair counts where question and answer are both read right; a missed pair and an "
        "invented one cost the same.",
    ),
    FieldScore.MAIN: (
        "reads scanned business documents and returns the texts of named fields as JSON, copied "
        "as they are printed; code turns them into values",
        "A field counts where its value is right, or where it is not on the document and null was "
        "given; a missed row of a table and an invented one cost the same.",
    ),
}

_log = logging.getLogger(__name__)

Record = dict[str, Any]
Evaluate = Callable[[dict[str, str], list[Record]], list[EvaluationResultRecord]]


@dataclass(frozen=True)
class OptimizationTask:
    """The inputs of a search.

    Attributes:
        truths: What the forms say, by form id; all of one kind.
        metric: What the search goes by: the main metric of this kind.
        validation: The ids of the forms that decide.
        template_fault: Says why a template cannot be used, None when it can.
        ask: Asks the reflecting LLM; returns its answer and the cost, USD or None.
        budget: The limits of the search.
        seed: Draws the forms of each iteration.
        run_dir: Folder with the state of the search, so that it can continue; None keeps no state.
        shots: The forms that can be shown as examples.
    """

    truths: Mapping[str, DocumentTruth[Score]]
    metric: str
    validation: Sequence[str]
    template_fault: Callable[[str], str | None]
    ask: Callable[[str], tuple[str, float | None]]
    budget: OptimizationBudget
    seed: int
    run_dir: Path | None
    shots: FewShotExamples


class GepaOptimizer(BasePromptOptimizer):
    """Searches on the development forms, and returns a prompt only if it wins on the others.

    `optimize` sets the `outcome`.
    """

    outcome: OptimizationResult

    def __init__(self, task: OptimizationTask) -> None:
        self.task = task

    def optimize(
        self,
        eval_fn: Evaluate,
        train_data: list[Record],
        target_prompts: dict[str, str],
        enable_tracking: bool = True,  # noqa: ARG002 - MLflow's interface
    ) -> PromptOptimizerOutput:
        """Search for a better template of the one target prompt; MLflow gives the arguments.

        Returns:
            The scores, and no prompt: MLflow would make a version of it without its schema, and
            also where the registry has it.
        """
        [(name, first)] = target_prompts.items()
        shots = self.task.shots
        result: GEPAResult[None, int] = gepa.optimize(
            seed_candidate=shots.first_candidate(name, first),
            trainset=train_data,
            adapter=_Adapter(self.task, eval_fn, name, first),
            custom_candidate_proposer=self._propose,
            reflection_minibatch_size=MINIBATCH,
            stop_callbacks=self.task.budget,
            logger=_Debug(),
            run_dir=str(self.task.run_dir) if self.task.run_dir else None,
            track_best_outputs=False,
            display_progress_bar=True,
            seed=self.task.seed,
        )
        candidates = [
            PromptCandidate(shots.assemble(each, name, first), score, each.get(EXAMPLES, ""))
            for each, score in zip(result.candidates, result.val_aggregate_scores, strict=True)
        ]
        best = candidates[result.best_idx]
        verdict = self._judge(eval_fn, name, first, best.template)
        self.outcome = OptimizationResult(candidates, best, verdict)
        return PromptOptimizerOutput(
            {},
            initial_eval_score=verdict.before if verdict else None,
            final_eval_score=verdict.after if verdict else None,
        )

    def _judge(self, eval_fn: Evaluate, name: str, first: str, best: str) -> Verdict | None:
        """Compare two templates on the validation forms; None if they are equal."""
        if first == best:
            return None
        before, after = (self._validate(eval_fn, {name: each}) for each in (first, best))
        metric = self.task.metric
        return Verdict(
            metric=metric,
            forms=len(before),
            before=aggregate(before.values())[metric],
            after=aggregate(after.values())[metric],
            gain=differences(after, before)[metric],
        )

    def _propose(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        """Propose other examples, or other instructions by asking the LLM."""
        [component] = components_to_update
        if component == EXAMPLES:
            return {EXAMPLES: self.task.shots.others(candidate[EXAMPLES])}
        question = {
            "current_instruction_doc": candidate[component],
            "dataset_with_feedback": reflective_dataset[component],
            "prompt_template": _reflection(self.task.metric),
        }
        answer = InstructionProposalSignature.run(self._reflect, question)
        return {component: answer["new_instruction"]}

    def _reflect(self, prompt: str | list[dict[str, Any]]) -> str:
        try:
            answer, cost = self.task.ask(str(prompt))
        except Exception as error:
            self.task.budget.fault = error
            raise
        self.task.budget.count_question(cost)
        return answer

    def _validate(self, eval_fn: Evaluate, candidate: dict[str, str]) -> dict[str, Score]:
        results = eval_fn(
            candidate, [{"inputs": {"doc_id": each}} for each in self.task.validation]
        )
        if self.task.budget.fault is not None:
            raise self.task.budget.fault
        truths = {form_id: self.task.truths[form_id] for form_id in self.task.validation}
        return score_forms(truths, {each.inputs["doc_id"]: each.outputs for each in results})


class _Adapter(GEPAAdapter[Record, EvaluationResultRecord, None]):
    """Lets GEPA try templates through MLflow, and shows it the mistakes."""

    def __init__(self, task: OptimizationTask, eval_fn: Evaluate, name: str, first: str) -> None:
        self._task = task
        self._eval_fn = eval_fn
        self._name = name
        self._first = first
        self._answered = False

    def evaluate(
        self,
        batch: list[Record],
        candidate: dict[str, str],
        capture_traces: bool = False,
    ) -> EvaluationBatch[EvaluationResultRecord, None]:
        """Score a candidate on some forms; an invalid template scores 0 and reads no form."""
        template = self._task.shots.assemble(candidate, self._name, self._first)
        if fault := self._task.template_fault(template):
            _log.info("A proposed template is refused: %s", fault)
            return EvaluationBatch([None] * len(batch), [0.0] * len(batch), num_metric_calls=0)
        results = self._eval_fn({self._name: template}, batch)
        if self._task.budget.fault is not None:
            raise self._task.budget.fault
        failed = [each.outputs["error"] for each in results if each.outputs["error_code"]]
        self._answered |= len(failed) < len(results)
        if not self._answered:
            raise UsageError(f"no form was read, so there is nothing to learn from: {failed[0]}")
        return EvaluationBatch(
            outputs=[None] * len(batch),  # GEPA would write them to its folder
            scores=[each.score or 0.0 for each in results],
            trajectories=results if capture_traces else None,
        )

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],  # noqa: ARG002 - GEPA's interface
        eval_batch: EvaluationBatch[EvaluationResultRecord, None],
        components_to_update: list[str],
    ) -> dict[str, list[dict[str, str]]]:
        """Return ids, texts and scores of the forms, without images."""
        [name] = components_to_update
        return {name: [self._reflect_on(each) for each in eval_batch.trajectories or ()]}

    def _reflect_on(self, result: EvaluationResultRecord) -> dict[str, str]:
        row, form_id = result.outputs, result.inputs["doc_id"]
        return {
            "Form": form_id,
            "Score": f"{result.score:.2f} of 1",
            "Mistakes": row["error"] or result.rationales[self._task.metric],
            "What was read": _listed(_read(row)),
            "What stands there": _listed(self._task.truths[form_id].stated()),
        }

    def get_adapter_state(self) -> dict[str, Any]:
        """Return the money spent, so that the limit holds over restarts."""
        return {"spent": self._task.budget.spent}

    def set_adapter_state(self, state: dict[str, Any]) -> None:
        """Add the money that an earlier start has spent."""
        self._task.budget.spent += state.get("spent", 0.0)


def _reflection(metric: str) -> str:
    """Return the request for a better prompt; its words fit the metric: pairs or fields."""
    text = _REFLECTION.read_text(encoding="utf-8")
    return text.replace("<task>", _TASKS[metric][0]).replace("<rule>", _TASKS[metric][1])


def _read(row: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Return what a row of the output says: each pair, or each field with its printed text."""
    if (fields := row.get("fields")) is not None:
        return [(leaf["path"], leaf["raw"]) for leaf in fields if leaf["raw"] is not None]
    return [(pair["question"], pair["answer"]) for pair in row["pairs"] or ()]


def _listed(pairs: Sequence[tuple[str, str | None]]) -> str:
    """Write one pair a line, up to a fixed number of characters."""
    lines = [f"{question} -> {answer or '(left blank)'}" for question, answer in pairs]
    kept: list[str] = []
    room = _LISTED_CHARACTERS
    for line in lines:
        room -= len(line)
        if room < 0:
            return "\n".join([*kept, f"... and {len(lines) - len(kept)} more"])
        kept.append(line)
    return "\n".join(kept) or "nothing"


class _Debug:
    """GEPA's log at level DEBUG, because it quotes prompts and scores."""

    def log(self, message: str) -> None:
        _log.debug("%s", message)
