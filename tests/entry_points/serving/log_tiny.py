"""Logs versions of the tiny extractor, one for each answer; the first is the champion."""

from __future__ import annotations

from pathlib import Path

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

NAME = "tiny"
ANSWERS = ("one", "two", "cannot be loaded", "cannot read")


def main() -> None:
    """Log them in the store that the environment names."""
    signature = ModelSignature(
        inputs=Schema([ColSpec("binary", "image"), ColSpec("string", "doc_id", required=False)]),
        params=ParamSchema([ParamSpec("pages", "string", "")]),
    )
    settings = {"engine": "local", "prompt_uri": "prompts:/p/1", "follow_alias": False}
    for answer in ANSWERS:
        mlflow.pyfunc.log_model(
            name=NAME,
            python_model=Path(__file__).with_name("tiny_extractor.py"),
            signature=signature,
            model_config=settings | {"answer": answer, "max_documents": 100},
            pip_requirements=["mlflow"],
            registered_model_name=NAME,
        )
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")


if __name__ == "__main__":
    main()
