"""Starts Spark and passes parts of the environment to its executors."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from entry_points.command_line.cli import UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PYSPARK = "pyspark>=4.3,<5"

# What an extractor looks for: its server and key, and MLflow's stores with their credentials.
_FOR_EXECUTORS = ("OPENAI_", "AZURE_OPENAI_", "MLFLOW_")

_SETTINGS: dict[str, bool | float | int | str | None] = {
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
    # A file that cannot be read fails alone: predict notices that its row is missing.
    "spark.sql.files.ignoreCorruptFiles": "true",
    "spark.sql.files.ignoreMissingFiles": "true",
    # The budget is divided among the cores that are there when the run begins.
    "spark.dynamicAllocation.enabled": "false",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "15s",
}


@contextlib.contextmanager
def open_session(master: str, max_concurrency: int) -> Iterator[SparkSession]:
    """Start Spark, and stop it in the end.

    Args:
        master: Spark's master URL, `local[2]` or `spark://host:7077`.
        max_concurrency: Most cores that the run can use, of a cluster that asks.

    Raises:
        UsageError: Spark is not installed, does not start, or ends the run.
    """
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
            f"Spark ({master}) cannot do it: {_reason(str(error))}. What was finished is kept; "
            "the same command goes on."
        ) from error


def task_slots(spark: SparkSession) -> int:
    """Return how many tasks can run at once, as soon as the executors have come."""
    context = spark.sparkContext
    spark.range(1).count()
    return max(1, context.defaultParallelism // int(context.getConf().get("spark.task.cpus", "1")))


def executor_environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that a model on an executor needs.

    Args:
        settings: The extractor's settings that replace those it was logged with. They go through
            the environment because MLflow drops `spark_udf`'s `model_config` on a cluster.
    """
    handed_on = {k: v for k, v in os.environ.items() if k.startswith(_FOR_EXECUTORS)}
    # A store takes traces from many machines only where it was asked to; and Spark ends its
    # workers without warning, so a trace is written before its document is finished.
    handed_on.setdefault("MLFLOW_TRACE_SAMPLING_RATIO", "0")
    handed_on["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    return handed_on | {"SERVING_MODEL_CONFIG": json.dumps(dict(settings))}


def _reason(message: str) -> str:
    """Return the line of Spark's long messages that says what is wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("at ", "File ", ":", "..."))]
    errors = [line for line in told if "Error: " in line or "Exception: " in line]
    return (errors or told or [message])[-1].rstrip(".")
