"""Starts Spark, and gives each of its models a share of the limits and of the environment."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from entry_points.command_line.cli import UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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
def open_session(master: str, max_concurrency: int) -> Iterator[SparkSession]:
    """Start Spark, and stop it at the end of the context.

    Args:
        master: Spark's master URL, `local[2]` or `spark://host:7077`.
        max_concurrency: Most cores that the run can use on a standalone cluster.

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
            f"Spark ({master}) failed: {_reason(str(error))}. What was finished is kept; "
            "the same command continues."
        ) from error


def task_slots(spark: SparkSession) -> int:
    """Return how many tasks can run at once, after the executors have started."""
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
    # Traces from many machines are written only if the user asks for them. Spark ends its workers
    # without warning, so a trace is written before its document is finished.
    handed_on.setdefault("MLFLOW_TRACE_SAMPLING_RATIO", "0")
    handed_on["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
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
