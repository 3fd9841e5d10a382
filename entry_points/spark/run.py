"""predict on Spark: starts it, shares the limits among its models, reads and prints."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import mlflow
from mlflow.models import get_model_info

from entry_points.command_line import cli
from entry_points.command_line.cli import UsageError
from entry_points.command_line.tracking import name_run
from entry_points.logged_models.loading import ask_for_key, extractor_config, version_of
from entry_points.predictions.output import KEY
from entry_points.predictions.tally import PredictResult, report
from entry_points.spark.documents import OutputFolder, find_on_spark, is_url, local_url
from entry_points.spark.reading import SparkPlan, read_documents

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

PYSPARK = "pyspark>=4.3,<5"

# Prefixes of the variables for the LLM server, its key, and MLflow's stores and credentials.
_FOR_EXECUTORS = ("OPENAI_", "AZURE_OPENAI_", "MLFLOW_")

_SETTINGS: dict[str, bool | float | int | str | None] = {
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
    # An unreadable file fails alone: predict notices that its row is missing.
    "spark.sql.files.ignoreCorruptFiles": "true",
    "spark.sql.files.ignoreMissingFiles": "true",
    # The limits are divided among the cores that are there when the run begins.
    "spark.dynamicAllocation.enabled": "false",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "15s",
}
FEWEST_AT_ONCE = 16
"""Fewest documents in a batch of Spark; all of a batch are in memory together."""

_A_MINUTE = ("requests_per_minute", "tokens_per_minute")


@contextlib.contextmanager
def _open_session(master: str, max_concurrency: int) -> Iterator[SparkSession]:
    """Start Spark, on a standalone cluster with so many cores; stop it at the end."""
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        command = f"{shlex.quote(sys.executable)} -m pip install '{PYSPARK}'"
        raise UsageError(
            f"--spark-master needs pyspark, which is not installed, and Java 17: `{command}`."
        ) from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = _SETTINGS | {"spark.cores.max": max_concurrency}
    try:
        session = SparkSession.builder.master(master).appName("predict").config(map=settings)
        with session.getOrCreate() as spark:
            yield spark
    except (PySparkException, Py4JError) as error:
        raise UsageError(
            f"Spark ({master}) failed: {_reason(str(error))}. What was finished is kept; "
            "the same command continues."
        ) from error


def _task_slots(spark: SparkSession) -> int:
    """Return how many tasks can run at once, after the executors have started."""
    context = spark.sparkContext
    spark.range(1).count()
    return max(1, context.defaultParallelism // int(context.getConf().get("spark.task.cpus", "1")))


def _executor_environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that a model on an executor needs."""
    handed_on = {k: v for k, v in os.environ.items() if k.startswith(_FOR_EXECUTORS)}
    # Traces from many machines are written only if the user asks for them. Spark ends its workers
    # without warning, so a trace is written before its document is finished.
    handed_on.setdefault("MLFLOW_TRACE_SAMPLING_RATIO", "0")
    handed_on["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    # On a cluster, MLflow drops the `model_config` of `spark_udf`.
    return handed_on | {"SERVING_MODEL_CONFIG": json.dumps(dict(settings))}


def _reason(message: str) -> str:
    """Return the line that names the error in Spark's long messages."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("at ", "File ", ":", "..."))]
    errors = [line for line in told if "Error: " in line or "Exception: " in line]
    return (errors or told or [message])[-1].rstrip(".")


@dataclass(frozen=True)
class Shares:
    """How many models read in parallel, and the limits of each.

    Attributes:
        count: Most tasks that may run at once; each loads a model.
        settings: The extractor's settings of each.
    """

    count: int
    settings: Mapping[str, Any]

    @property
    def documents_at_once(self) -> int:
        """Documents in a batch of Spark: twice the pages read at once keep the model busy."""
        return max(FEWEST_AT_ONCE, 2 * int(self.settings["max_concurrency"]))

    @classmethod
    def of(cls, config: Mapping[str, Any], max_concurrency: int, slots: int) -> Shares:
        """Divide the limits, rounding down, so that all models together keep them.

        Args:
            config: The settings that the extractor was logged with.
            max_concurrency: Most pages read at once by all of them.
            slots: How many tasks Spark can run at once.
        """
        ceilings = {name: config[name] for name in _A_MINUTE if config[name]}
        count = min(slots, max_concurrency, *ceilings.values())
        each = {name: most // count for name, most in ceilings.items()}
        # The cache of completions is a file on one machine.
        return cls(count, each | {"max_concurrency": max_concurrency // count, "cache": ""})


def predict_on_spark(args: argparse.Namespace, found: Sequence[str]) -> PredictResult:
    """Read a folder's documents with predict's flags, and print what became of them.

    Args:
        args: predict's flags.
        found: The doc_ids of the input if it is on this machine's disk.

    Raises:
        UsageError: A flag cannot be used with Spark, or Spark fails.
    """
    config = extractor_config(args.model_uri)
    output = _check(args)
    if config.get("follow_alias"):
        raise cli.UsageError(
            f"{args.model_uri} follows an alias, and a run on Spark reads with one prompt: log it "
            "with follow_alias=false."
        )
    ask_for_key(config)
    name_run(f"predict {version_of(args.model_uri)} on {PurePosixPath(args.input).name} (Spark)")
    with _open_session(args.spark_master, args.max_concurrency) as spark:
        shares = Shares.of(config, args.max_concurrency, _task_slots(spark))
        print(f"Spark: {shares.count} tasks at once, each with {dict(shares.settings)}.")
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", shares.documents_at_once)
        documents = find_on_spark(spark, args.input, found, config["max_document_bytes"])
        plan, schema = _plan(spark, args, shares)
        outcome = read_documents(plan, documents, OutputFolder(spark, output, schema))
    report(outcome, output)
    return outcome


def _check(args: argparse.Namespace) -> str:
    """Return the output as Spark takes it."""
    if args.mode != "now":
        raise cli.UsageError("--mode batch and cancel are for one machine: leave out the master.")
    if not args.output.endswith(".parquet"):
        raise cli.UsageError(
            f"--output is {args.output}: on Spark it is a folder of Parquet files, x.parquet."
        )
    if not is_url(args.input) and not cli.in_project(args.input).is_dir():
        raise cli.UsageError(f"--input is {args.input}: on Spark it is a folder, or a URL of one.")
    return args.output if is_url(args.output) else local_url(args.output)


def _plan(
    spark: SparkSession, args: argparse.Namespace, shares: Shares
) -> tuple[SparkPlan, StructType]:
    """Return how to read with the logged extractor, and the columns of the rows."""
    from pyspark.sql.types import StructType

    model = get_model_info(args.model_uri)
    ddl = (model.metadata or {}).get("spark_ddl")
    if ddl is None:
        raise cli.UsageError(
            f"{args.model_uri} was logged without its columns for Spark: log it again."
        )
    params = {"additional_rules": args.additional_rules, "pages": args.pages}
    read: Any = mlflow.pyfunc.spark_udf(
        spark,
        args.model_uri,
        result_type=ddl,
        env_manager="local",
        params=params | {"as_struct": True},
        extra_env=_executor_environment(shares.settings),
    )
    plan = SparkPlan(
        model=model,
        read=read,
        params=params,
        tasks=shares.count,
        # The cost of a document is known after the first wave.
        wave=shares.count * (shares.documents_at_once if args.max_cost is None else FEWEST_AT_ONCE),
        max_cost=args.max_cost,
        retry_errors=cli.BOOLEANS[args.retry_errors],
    )
    columns: Any = cast(StructType, StructType.fromDDL(ddl))["extraction"].dataType
    return plan, columns.add(KEY, "string")
