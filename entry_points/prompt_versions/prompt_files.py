"""The files that a prompt is made of: its template with examples, and its schema."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from data.funsd import load_folder, pick_form
from entry_points.command_line import cli
from entry_points.optimizing.examples import NOT_WITH_A_SCHEMA, fill, has_place, write_example
from ocr_extractor.errors import SchemaError, shorten
from ocr_extractor.fields.schema import Schema
from ocr_extractor.ocr.page_text import document_text

_CLASS = re.compile(r"(?P<module>[\w.]+):(?P<name>\w+)")


def put_examples(
    template: str, form_ids: Sequence[str], dataset: Path, schema: Schema | None
) -> str:
    """Fill `{{ examples }}` with forms of a FUNSD folder: what OCR reads on them, and their pairs.

    Raises:
        UsageError: There are forms and no place for them, or a place and no forms; or there is a
            schema.
        DatasetError: There is no such form.
        DocumentError: A form cannot be read.
    """
    if has_place(template) != bool(form_ids):
        raise cli.UsageError(
            "a template with {{ examples }} needs -P examples=<form id>,<form id>, and no other "
            "template has a place for them."
        )
    if not form_ids:
        return template
    if schema is not None:
        raise cli.UsageError(NOT_WITH_A_SCHEMA)
    forms = load_folder(dataset)
    chosen = [pick_form(forms, form_id, seed=0) for form_id in form_ids]
    return fill(
        template,
        [write_example(each, document_text(each.image_path.read_bytes())) for each in chosen],
    )


def example_tags(form_ids: Sequence[str]) -> dict[str, str]:
    """Return the tags that say which forms stand in a prompt as examples."""
    return {"examples": ",".join(form_ids)} if form_ids else {}


def read_schema(given: str) -> Schema | None:
    """Read --schema.

    Args:
        given: A .json, .yaml or .yml file, relative to the project; `<module>:<Class>` of a
            pydantic model that can be imported from the working directory or the PYTHONPATH; or
            "" for none.

    Raises:
        UsageError: There is no such file or class, or its schema is wrong; the message names it.
    """
    if not given:
        return None
    try:
        if given.endswith(cli.FILES):
            return Schema.load(cli.read_text(given, "--schema"))
        if found := _CLASS.fullmatch(given):
            return Schema.parse(_document_of_class(found["module"], found["name"]))
    except SchemaError as error:
        raise cli.UsageError(f"--schema is {shorten(Path(given).name)}: {error}") from None
    raise cli.UsageError(
        f"--schema is {shorten(given)!r}: give a .json, .yaml or .yml file, or <module>:<Class> of "
        "a pydantic model."
    )


def _document_of_class(module: str, name: str) -> dict[str, Any]:
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # whatever the user's own module raises
        raise cli.UsageError(
            f"--schema names the module {shorten(module)}, which cannot be imported "
            f"({type(error).__name__}: {shorten(error)}): correct it, or put its folder into "
            "PYTHONPATH."
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise cli.UsageError(
            f"--schema names {shorten(f'{module}:{name}')}, which is not a pydantic model: name a "
            "class that derives from pydantic.BaseModel."
        )
    try:
        return found.model_json_schema()
    except PydanticUserError as error:
        raise cli.UsageError(
            f"--schema names {shorten(f'{module}:{name}')}, which has no JSON Schema "
            f"({shorten(error)}): use types that JSON has."
        ) from None
