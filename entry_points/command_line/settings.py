"""Reads the flag --settings, and refuses passwords in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from entry_points.command_line.cli import FILES, UsageError, read_file


def read_settings(text: str) -> dict[str, Any]:
    """Read --settings: a JSON object, a file that holds one, or "none".

    Raises:
        UsageError: There is no such file, it is not an object, or it holds a password.
    """
    if text == "none":
        return {}
    if text.endswith(FILES):
        settings, source = read_file(text, "--settings"), text
    else:
        source = "--settings"
        try:
            settings = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            # The text is not shown: it may hold a password.
            raise UsageError(
                f'--settings is not JSON ({error}): write {{"key": value}}, or name a .yaml or '
                ".json file with keys and values."
            ) from None
    if not isinstance(settings, dict):
        raise UsageError(
            f'{source} is not a JSON object: write {{"key": value}}, or name a .yaml or .json file '
            "with keys and values."
        )
    refuse_secret(settings)
    return settings


def refuse_secret(settings: Mapping[str, Any]) -> None:
    """Refuse a password in `base_url` before it is logged or handed to another process.

    The logged code refuses it too, but some commands must not import that code.

    Raises:
        UsageError: There is one; it is not shown.
    """
    url = str(settings.get("base_url", ""))
    if "@" not in url and "?" not in url:
        return
    run_id = os.environ.get("MLFLOW_RUN_ID")
    kept = (
        f" MLflow has kept it among the parameters of run {run_id}: delete that run (`mlflow runs "
        f"delete --run-id {run_id}`, then `mlflow gc --run-ids {run_id}`), and change the password."
        if run_id
        else ""
    )
    raise UsageError(
        "base_url holds a user name, a password or a query (what stands before @ or after ?): "
        "write http://host:port/v1, and put the server's key into the environment variable "
        f"OPENAI_API_KEY.{kept}"
    )
