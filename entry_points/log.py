"""Logs the extractor: engine and prompt version pinned, everything it needs travelling with it."""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow.entities.model_registry import PromptVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

from entry_points import ROOT
from entry_points.command_line import cli, flags
from entry_points.command_line.flags import read_settings
from entry_points.command_line.store_watch import needs_store
from entry_points.command_line.tracking import mlflow_logs_only, name_run
from entry_points.engine_access.tiny_ocr import fetch_tiny_ocr
from entry_points.logged_models.card import keep_card
from entry_points.logged_models.card_text import write_card
from entry_points.logged_models.loading import CHOSEN, LEARNED_FROM, ask_for_key, has_llm_access
from entry_points.prompt_versions.prompt_files import read_schema
from entry_points.prompt_versions.registration import find_prompt, schema_note, schema_of
from entry_points.training.origin import learned_hashes
from ocr_extractor.build import TINY_OCR_ARTIFACT, WEIGHTS_ARTIFACT, check_escalation
from ocr_extractor.config import ExtractorConfig
from ocr_extractor.contract import signature, spark_ddl
from ocr_extractor.engines.local.fields.ranker import SETTINGS
from ocr_extractor.engines.local.learned.weights import DECISION
from ocr_extractor.errors import ConfigError, PromptError
from ocr_extractor.prompts.prompt import SNAPSHOT_ARTIFACT, write_snapshot


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    return flags.parser(__doc__, *flags.LOG_FLAGS)


def log(
    *,
    engine: str,
    prompt: PromptVersion,
    model_name: str,
    settings: dict[str, Any],
    local_weights: str = "",
) -> ModelInfo:
    """Log and register the extractor within the active run.

    Raises:
        ConfigError: A setting is wrong.
        UsageError: The model has the prompt's name, weights cannot be fetched, or a package that
            the model needs is not installed.
    """
    if model_name == prompt.name:
        raise cli.UsageError(
            f"the prompt is called {prompt.name} too, and MLflow keeps both in one registry: give "
            "another --model-name."
        )
    config = ExtractorConfig.from_model_config(
        {
            "engine": resolve_engine(engine),
            "prompt_uri": f"prompts:/{prompt.name}/{prompt.version}",
            **settings,
        }
    )
    schema = schema_of(prompt)
    check_escalation(config, has_schema=schema is not None)
    # MLflow also tries to log the settings as the run's params, where `mlflow run` has put the
    # entry point's of the same names, and warns; the LoggedModel has them all.
    logging.getLogger("mlflow.models.model").addFilter(
        lambda record: "Failed to log model config as params" not in record.getMessage()
    )
    params = config.model_dump()
    if schema:
        params |= {"schema_title": schema.title, "schema_fields": len(schema.leaves())}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), mlflow_logs_only():
        # MLflow loads the model and reads an example while it logs: that took half of the CPU time
        # with the local engine, and would be a paid request of an LLM.
        warnings.filterwarnings("ignore", ".*input example was not provided", UserWarning)
        snapshot = Path(folder) / SNAPSHOT_ARTIFACT
        write_snapshot(prompt, snapshot)
        artifacts = {SNAPSHOT_ARTIFACT: str(snapshot)}
        weights = fetch_weights(local_weights, Path(folder)) if local_weights else None
        if weights:
            artifacts[WEIGHTS_ARTIFACT] = str(weights)
        if config.ocr_quality == "fast":
            artifacts[TINY_OCR_ARTIFACT] = str(fetch_tiny_ocr())
        info: ModelInfo = mlflow.pyfunc.log_model(
            name="extractor",
            python_model=str(ROOT / "model" / "pyfunc.py"),
            code_paths=[str(ROOT / "model" / "ocr_extractor")],
            artifacts=artifacts,
            model_config=config.model_dump(),
            params=params,
            signature=signature(),
            pip_requirements=travelling_requirements(),
            prompts=[prompt],
            metadata={
                "spark_ddl": spark_ddl(),
                LEARNED_FROM: learned_hashes(weights) if weights else [],
            },
            registered_model_name=model_name,
        )
        card = write_card(config, prompt, schema, travelling(), weights)
        keep_card(card, info.model_id)
        version = str(info.registered_model_version)
        mlflow.MlflowClient().update_model_version(model_name, version, description=card)
    return info


def fetch_weights(uri: str, folder: Path) -> Path:
    """Fetch weights that `train` has logged, or those of a logged extractor, into a folder.

    Raises:
        UsageError: There are none.
    """
    try:
        fetched = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
    except MlflowException as error:
        raise cli.UsageError(f"{uri} cannot be fetched ({error.message}).") from error
    of_model = fetched / "artifacts" / WEIGHTS_ARTIFACT
    weights = of_model if of_model.is_dir() else fetched
    if not any((weights / file).is_file() for file in (DECISION, SETTINGS)):
        raise cli.UsageError(
            f"{uri} holds no weights of the local engine: give runs:/<id>/{WEIGHTS_ARTIFACT} as "
            f"`{cli.RUN} -e train` prints it, or an extractor that was logged with one."
        )
    return weights


def resolve_engine(engine: str) -> str:
    """Turn "auto" into the engine that the environment allows, and say which."""
    if engine != "auto":
        return engine
    if has_llm_access():
        print(f"{CHOSEN} openai (auto: the environment names a key or a server).")
        return "openai"
    print(f"{CHOSEN} local (auto: no key and no server in the environment).")
    return "local"


def travelling() -> list[str]:
    """Return the names of the packages that the logged model needs, as python_env.yaml lists them.

    They are all that `model/` imports, and what MLflow adds to each Python model.
    """
    text = (ROOT / "python_env.yaml").read_text(encoding="utf-8")
    listed = yaml.safe_load(text.partition("  # for the entry points\n")[0])["dependencies"]
    return [re.split("[<>=]", each)[0] for each in listed]


def travelling_requirements() -> list[str]:
    """Return the logged model's pip requirements: exactly the versions that are installed.

    Raises:
        UsageError: One is not installed.
    """
    try:
        return [f"{name}=={importlib.metadata.version(name)}" for name in travelling()]
    except importlib.metadata.PackageNotFoundError as error:
        raise cli.UsageError(
            f"the extractor needs the package {error.name}, which is not installed: "
            f"`{cli.RUN}` installs what python_env.yaml lists."
        ) from None


@cli.reports(ConfigError, PromptError)
@needs_store()
def main(argv: Sequence[str] | None = None, *, last: bool = True) -> int:
    """Run the entry point; `last` prints the next command, which is main's to print otherwise."""
    args = build_parser().parse_args(argv)
    settings = read_settings(args.settings) | {"max_concurrency": args.max_concurrency}
    if args.llm:
        settings["llm"] = args.llm
    schema = read_schema(args.schema)
    ask_for_key({"engine": args.engine} | settings)
    with mlflow.start_run():
        prompt = find_prompt(args.prompt, args.prompt_name, schema)
        info = log(
            engine=args.engine,
            prompt=prompt,
            model_name=args.model_name,
            settings=settings,
            local_weights=args.local_weights,
        )
        version = f"{args.model_name}/{info.registered_model_version}"
        name_run(f"log {version} with {prompt.name}/{prompt.version}")
    uri = f"models:/{version}"
    print(f"Logged {uri} with prompts:/{prompt.name}/{prompt.version}{schema_note(prompt)}.")
    if last:
        print(f"Next: {cli.RUN} -e evaluate -P model_uri={uri}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
