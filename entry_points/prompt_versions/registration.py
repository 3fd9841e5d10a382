"""Finds and registers versions of prompts: a template, and a schema if there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import mlflow
from mlflow.entities.model_registry import PromptVersion
from mlflow.exceptions import MlflowException

from entry_points import ROOT
from entry_points.command_line import cli
from entry_points.command_line.tracking import all_pages, list_of
from ocr_extractor.errors import PromptError, shorten
from ocr_extractor.fields.schema import Schema
from ocr_extractor.prompts.prompt import Prompt, check_template_and_schema

TEMPLATE = "model/prompts/ocr-question-answer.md"
FIELDS_TEMPLATE = "model/prompts/ocr-fields.md"


def register_prompt(
    name: str,
    template: str,
    *,
    schema: Schema | None = None,
    commit_message: str = "",
    tags: Mapping[str, str] | None = None,
) -> PromptVersion:
    """Register a template and its schema, None for pairs, or find the version that has both.

    The first version of a prompt also becomes `production`, so that there is one to load.

    Raises:
        PromptError: The template cannot be used, or not with this schema.
    """
    check_template_and_schema(template, schema)
    document = schema.document if schema else None
    versions = list_versions(name)
    same = next((each for each in versions if _is_same(each, template, document)), None)
    version = same or mlflow.genai.register_prompt(
        name,
        template,
        commit_message=commit_message or None,
        tags=dict(tags or {}),
        response_format=document,
    )
    state = "already registered" if same else "registered"
    size = f"{len(template):,} characters{schema_note(version)}"
    print(f"Prompt prompts:/{name}/{version.version} {state}: {size}.")
    if not versions:
        point_alias(cli.PRODUCTION, version)
    return version


def point_alias(alias: str, version: PromptVersion) -> None:
    """Let an alias of the version's prompt name this version."""
    mlflow.genai.set_prompt_alias(version.name, alias=alias, version=int(version.version))
    print(f"Alias {alias} points at version {version.version}.")


def _is_same(version: PromptVersion, template: str, document: Mapping[str, Any] | None) -> bool:
    """Tell whether a version has this template and this schema, its fields in this order."""
    return version.template == template and (
        json.dumps(version.response_format) == json.dumps(document)
    )


def schema_of(version: PromptVersion) -> Schema | None:
    """Return the schema of a version, None where it has none."""
    return Prompt(version.uri, version, "registry").schema


def schema_note(version: PromptVersion) -> str:
    """Return what a line of output says of a version's schema, "" where it has none."""
    if (schema := schema_of(version)) is None:
        return ""
    title = cli.printable(shorten(schema.title)) or "a schema without title"
    return f", {len(schema.leaves())} fields of {title}"


def list_versions(name: str) -> list[PromptVersion]:
    """Return a prompt's versions, newest first; none when there is no such prompt."""
    client = mlflow.MlflowClient()
    if client.get_prompt(name) is None:
        return []
    pages = all_pages(lambda token: client.search_prompt_versions(name, page_token=token))
    return sorted(pages, key=lambda version: int(version.version), reverse=True)


def find_prompt(uri: str, name: str, schema: Schema | None = None) -> PromptVersion:
    """Load the prompt version to pin; what the registry lacks is registered.

    Without a `uri` this is the production version of the prompt `name`, or the shipped template if
    there is no such prompt. A `schema` that production does not have is registered with
    production's template if that one is for fields, else with the shipped one.

    Raises:
        UsageError: The registry has no such version, or there are a URI and a schema.
        PromptError: The version cannot be used by the extractor.
    """
    if uri and schema:
        raise cli.UsageError(
            "--prompt names a version, which has its own schema or none: give --prompt or "
            "--schema, not both."
        )
    if uri or list_versions(name):
        version = load_version(uri or f"prompts:/{name}@{cli.PRODUCTION}")
        if schema is None:
            return version
        if version.response_format is not None:
            template, message = str(version.template), f"The template of version {version.version}."
            return register_prompt(name, template, schema=schema, commit_message=message)
    shipped = (ROOT / (FIELDS_TEMPLATE if schema else TEMPLATE)).read_text(encoding="utf-8")
    return register_prompt(name, shipped, schema=schema, commit_message="The shipped template.")


def load_version(uri: str) -> PromptVersion:
    """Load a prompt version that the extractor can use.

    Raises:
        UsageError: The registry has no such version.
        PromptError: It cannot be used.
    """
    try:
        version: PromptVersion = mlflow.genai.load_prompt(uri, cache_ttl_seconds=0)
    except MlflowException as error:
        raise cli.UsageError(
            f"{uri} cannot be loaded ({error.message}). Register a template with "
            f"`{cli.RUN} -e register_prompt -P alias={cli.PRODUCTION}`, or name a version that "
            f"exists: see {list_of('prompts')}."
        ) from error
    try:
        Prompt(uri, version, "registry").check()
    except PromptError as error:
        raise PromptError(f"{uri} cannot be used. {error}") from None
    return version
