"""Registers prompt templates; an identical one makes no new version."""

from __future__ import annotations

from collections.abc import Mapping

import mlflow
from mlflow.entities.model_registry import PromptVersion

from entry_points.command_line import cli
from ocr_extractor.prompts.template import check_template

TEMPLATE = "model/prompts/ocr-question-answer.md"


def register_prompt(
    name: str,
    template: str,
    *,
    alias: str = "",
    commit_message: str = "",
    tags: Mapping[str, str] | None = None,
) -> PromptVersion:
    """Register a template unless the registry has it already; set an alias if one is given.

    The first version of a prompt also becomes `production`, so that there is one to load.

    Args:
        name: The prompt's name.
        template: Its text.
        alias: The alias to set, "" for none.
        commit_message: What changed, "" for none.
        tags: Tags of a new version.

    Returns:
        The new version, or the newest one with the same text.

    Raises:
        PromptError: The template is empty, broken, or uses variables that are not supplied.
    """
    check_template(template)
    versions = list_versions(name)
    same = next((version for version in versions if version.template == template), None)
    version = same or mlflow.genai.register_prompt(
        name, template, commit_message=commit_message or None, tags=dict(tags or {})
    )
    wanted = {alias} | (set() if versions else {cli.PRODUCTION})
    for each in sorted(wanted - {""}):
        mlflow.genai.set_prompt_alias(name, alias=each, version=int(version.version))
    state = "already registered" if same else "registered"
    print(f"Prompt prompts:/{name}/{version.version} {state}: {len(template):,} characters.")
    for each in sorted(wanted - {""}):
        print(f"Alias {each} points at version {version.version}.")
    return version


def list_versions(name: str) -> list[PromptVersion]:
    """Return a prompt's versions, newest first; none when there is no such prompt."""
    client = mlflow.MlflowClient()
    if client.get_prompt(name) is None:
        return []
    return sorted(
        client.search_prompt_versions(name), key=lambda version: int(version.version), reverse=True
    )
