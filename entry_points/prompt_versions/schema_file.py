"""From --schema to a schema: a JSON or YAML file, or a pydantic class of the user's own."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from entry_points.command_line import cli
from ocr_extractor.errors import SchemaError, shorten
from ocr_extractor.fields.schema import Schema

_CLASS = re.compile(r"(?P<module>[\w.]+):(?P<name>\w+)")


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
