"""The result of a search, whether it is better than the current prompt, and its registration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import mlflow
from mlflow.entities.model_registry import PromptVersion

from entry_points.command_line.tracking import all_pages
from entry_points.scoring.bootstrap import Difference


@dataclass(frozen=True)
class PromptCandidate:
    """One template, its mean score on the development forms, and the form ids of its examples."""

    template: str
    score: float
    examples: str = ""


@dataclass(frozen=True)
class Verdict:
    """The metric on the validation forms with the first and the best template, and its gain."""

    metric: str
    forms: int
    before: float
    after: float
    gain: Difference

    def __str__(self) -> str:
        gain = self.gain
        return (
            f"{self.metric} {self.before:.3f} -> {self.after:.3f} on {self.forms} forms, "
            f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], p {gain.p_value:.4f}"
        )


@dataclass(frozen=True)
class OptimizationResult:
    """The templates that the search kept, the first one first, and the best of them."""

    candidates: Sequence[PromptCandidate]
    best: PromptCandidate
    verdict: Verdict | None

    @property
    def wins(self) -> bool:
        """Whether the whole 95 % confidence interval of the gain is above 0."""
        return self.verdict is not None and self.verdict.gain.low > 0


def register_winner(prompt: PromptVersion, outcome: OptimizationResult) -> str:
    """Register the best template as a version of its prompt, or find that version; return its URI.

    MLflow's optimizer would do so by itself, and drop the schema. A new version is tagged with what
    it rests on.
    """
    wanted = (outcome.best.template, json.dumps(prompt.response_format))
    search = mlflow.MlflowClient().search_prompt_versions
    for each in all_pages(lambda token: search(prompt.name, page_token=token)):
        if (each.template, json.dumps(each.response_format)) == wanted:
            return str(each.uri)
    version = mlflow.genai.register_prompt(
        prompt.name,
        outcome.best.template,
        response_format=prompt.response_format,
        model_config=prompt.model_config,
    )
    run = mlflow.active_run()
    evidence = {
        "optimized_from": prompt.uri,
        "optimized_in_run": run.info.run_id if run else "",
        "gain": str(outcome.verdict),
    }
    if outcome.best.examples:
        evidence["examples"] = outcome.best.examples
    for key, value in evidence.items():
        mlflow.genai.set_prompt_version_tag(version.name, version.version, key, value)
    return str(version.uri)
