"""predict on Spark: checks the flags, reads the documents, prints the result."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import mlflow
from mlflow.models import get_model_info

from entry_points.command_line import cli
from entry_points.command_line.tracking import name_run
from entry_points.logged_models.loading import ask_for_key, extractor_config, version_of
from entry_points.predictions.output import KEY
from entry_points.predictions.tally import PredictResult, report
from entry_points.spark.documents import find_on_spark, is_url, local_url
from entry_points.spark.folder import OutputFolder
from entry_points.spark.reading import SparkPlan, read_documents
from entry_points.spark.session import (
    FEWEST_AT_ONCE,
    Shares,
    executor_environment,
    open_session,
    task_slots,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType


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
    with open_session(args.spark_master, args.max_concurrency) as spark:
        shares = Shares.of(config, args.max_concurrency, task_slots(spark))
        print(f"Spark: {shares.count} tasks at once, each with {dict(shares.settings)}.")
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", shares.documents_at_once)
        documents = find_on_spark(spark, args.input, found, config["max_document_bytes"])
        plan, schema = _plan(spark, args, shares)
        outcome = read_documents(plan, documents, OutputFolder(spark, output, schema))
    report(outcome, output)
    return outcome


def _check(args: argparse.Namespace) -> str:
    """Return the output as Spark takes it.

    Raises:
        UsageError: A flag cannot be used with Spark.
    """
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
    """Return how to read with the logged extractor, and the columns of the rows.

    Raises:
        UsageError: The extractor does not say what type its output has on Spark.
    """
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
        extra_env=executor_environment(shares.settings),
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
