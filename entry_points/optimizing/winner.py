"""Registers the prompt that a search has found, with the schema that it was tried with."""

from __future__ import annotations

import json

import mlflow
from mlflow.entities.model_registry import PromptVersion

from entry_points.optimizing.result import OptimizationResult


def register_winner(prompt: PromptVersion, outcome: OptimizationResult) -> str:
    """Register the best template as a version of its prompt, or find that version; return its URI.

    MLflow's optimizer would do so by itself, and drop the schema. A new version is tagged with what
    it rests on.
    """
    wanted = (outcome.best.template, json.dumps(prompt.response_format))
    for each in mlflow.MlflowClient().search_prompt_versions(prompt.name):
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
