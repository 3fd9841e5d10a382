"""Logs what is measured and what it is compared against; prints the URIs."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import mlflow
from mlflow.models import ModelSignature

from entry_points import cli, log
from ocr_extractor.contract import signature

BASELINES = ("empty", "bare")


def main() -> None:
    """Log the extractor with both engines, and the two baselines with its input signature."""
    uris = {}
    with contextlib.redirect_stdout(sys.stderr):
        for engine in ("openai", "local"):
            name = f"{cli.MODEL_NAME}-{engine}"
            if log.main(["--engine", engine, "--model-name", name, "--llm", "loopback"]):
                raise SystemExit(1)
            uris[engine] = f"models:/{name}/1"
        for name in BASELINES:
            info = mlflow.pyfunc.log_model(
                name=name,
                python_model=str(Path(__file__).with_name(f"{name}_model.py")),
                signature=ModelSignature(inputs=signature().inputs),
                pip_requirements=["mlflow"],
            )
            uris[name] = info.model_uri
    print(json.dumps(uris))


if __name__ == "__main__":
    main()
