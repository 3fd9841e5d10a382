"""Reads documents on Spark in waves; the rows of finished waves are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

from data.progress import Progress
from entry_points.logged_models.calls import CostCeiling
from entry_points.predictions.output import KEY, configuration_of, key_prefix
from entry_points.predictions.tally import MOST_LISTED, PredictResult, Tally

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo
    from pyspark.sql import Column, DataFrame

    from entry_points.spark.documents import OutputFolder, SparkDocuments

_MOST_WAVES = 200

# The counts over the rows of a wave, as SQL.
_FIGURES = {
    "documents": "count(*)",
    "failed": "count(error_code)",
    "pages": "sum(page_count)",
    "tokens": "sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))",
    "usd": "sum(cost)",
    "unknown": "count_if(cost IS NULL AND attempts > 0)",
    "unpriced": (
        "count_if(cost IS NULL AND attempts > 0 AND input_tokens IS NOT NULL"
        " AND error_code IS NULL)"
    ),
    "dearest": "max(cost)",
    "asked": "count_if(attempts > 0)",
    "attempts": "sum(attempts)",
}

# The error of a document that Spark's reader has left out.
_UNREADABLE = (
    "Spark returned no content for it: check that it exists and may be read, is not empty and not "
    "larger than max_document_bytes, and that its name begins with neither . nor _."
)


@dataclass(frozen=True)
class SparkPlan:
    """How documents are to be read.

    Attributes:
        model: The extractor.
        read: Its `spark_udf`.
        params: The signature's params: `additional_rules`, `pages`.
        tasks: Most tasks at once.
        wave: Documents that are read before any of them counts as finished; more where there would
            be too many waves.
        max_cost: No wave is started that could exceed this cost, USD; None for no limit.
        retry_errors: Whether documents that failed at an earlier start are read again.
    """

    model: ModelInfo
    read: Callable[[Column], Column]
    params: Mapping[str, str]
    tasks: int
    wave: int
    max_cost: float | None
    retry_errors: bool

    def key(self, *, readable: bool) -> Column:
        """Return the column that names a document as `document_key` does."""
        from pyspark.sql import functions as f

        prefix = f.lit(
            key_prefix(configuration_of(self.model.model_uuid, self.params), readable=readable)
        )
        return f.sha2(f.concat(prefix, "content") if readable else prefix, 256).alias(KEY)


def read_documents(
    plan: SparkPlan, documents: SparkDocuments, folder: OutputFolder
) -> PredictResult:
    """Read the documents that the output does not have yet, wave by wave.

    Raises:
        UsageError: `max_cost` is given for an LLM whose price is not known.
    """
    from pyspark.sql import functions as f

    done = _finished(plan, documents, folder)
    read, skipped = Tally(), Tally(documents=done.count())
    todo = documents.count - skipped.documents
    waves = min(_MOST_WAVES, ceil(todo / plan.wave))
    ceiling = CostCeiling(plan.max_cost)
    with Progress(total=todo, unit="documents") as bar:
        for number in range(waves):
            wave = documents.wave(number, waves).join(f.broadcast(done), "doc_id", "anti")
            rows = _rows(plan, wave, readable=True)
            if ceiling.read(partial(_write, rows, plan.tasks, folder, read, bar)) is None:
                break
        else:
            unread = documents.names.join(folder.rows, "doc_id", "anti")
            if not unread.isEmpty():
                empty = unread.selectExpr("doc_id", "CAST(NULL AS BINARY) AS content")
                _write(_rows(plan, empty, readable=False), plan.tasks, folder, read, bar)
    ceiling.check()
    failed = folder.rows.where("error_code IS NOT NULL").join(documents.names, "doc_id", "semi")
    # Of this start and of earlier ones.
    codes = failed.groupBy("error_code").count().collect()
    read.errors = Counter({row["error_code"]: row["count"] for row in codes})
    read.failed = [row.asDict() for row in failed.orderBy("doc_id").take(MOST_LISTED)]
    return PredictResult(read, skipped, todo - read.documents)


def _finished(plan: SparkPlan, documents: SparkDocuments, folder: OutputFolder) -> DataFrame:
    """Return the doc_ids of finished documents, and drop the rows of the others."""
    from pyspark.sql import functions as f

    session = documents.names.sparkSession
    if not folder.exists:
        return session.createDataFrame([], "doc_id string")
    rows = folder.rows
    usable = rows.where("error_code IS NULL") if plan.retry_errors else rows
    contents = documents.wave(0, 1).select("doc_id", plan.key(readable=True))
    current = documents.names.join(contents, "doc_id", "left").select(
        "doc_id", f.coalesce(KEY, plan.key(readable=False)).alias(KEY)
    )
    found = current.join(usable, ["doc_id", KEY], "semi").select("doc_id").collect()
    done = session.createDataFrame(found, "doc_id string")
    replaced = documents.names.join(done, "doc_id", "anti")
    if not rows.join(replaced, "doc_id", "semi").isEmpty():
        folder.keep(rows.join(replaced, "doc_id", "anti"))
    return done


def _rows(plan: SparkPlan, documents: DataFrame, *, readable: bool) -> DataFrame:
    """Return a lazy frame of the documents' rows in the columns of the output."""
    from pyspark.sql import functions as f

    document = f.struct(f.col("content").alias("image"), "doc_id")
    rows = documents.select(plan.read(document).alias("read"), plan.key(readable=readable))
    rows = rows.select("read.extraction.*", KEY)
    # A struct for Spark has an empty list in place of null (ocr_extractor.contract.to_frame).
    rows = rows.withColumn("fields", f.when(f.col("values").isNotNull(), f.col("fields")))
    if readable:
        return rows
    return rows.withColumns({"error_code": f.lit("unreadable_file"), "error": f.lit(_UNREADABLE)})


def _write(
    rows: DataFrame, tasks: int, folder: OutputFolder, read: Tally, bar: Progress
) -> dict[str, Any]:
    """Read and write rows and count them; return their cost like a row of the output."""
    from pyspark.sql import Observation

    found = Observation()
    folder.append(rows.observe(found, *_figures()).coalesce(tasks))
    seen = found.get
    read.documents += seen["documents"]
    read.errors["failed"] += seen["failed"]
    read.pages += seen["pages"]
    read.tokens += seen["tokens"]
    read.usd += seen["usd"]
    read.asked += seen["asked"]
    read.attempts += seen["attempts"]
    read.cost_unknown |= seen["unknown"] > 0
    bar.update(seen["documents"])
    bar.set_postfix(read.progress())
    # As for single documents: what failed before anything was counted may have been billed.
    usd = seen["usd"] + seen["unknown"] * seen["dearest"]
    return {
        "cost": None if seen["unpriced"] else usd,
        "attempts": seen["attempts"],
        "input_tokens": seen["tokens"],
    }


def _figures() -> list[Column]:
    from pyspark.sql import functions as f

    return [f.expr(f"coalesce({sql}, 0)").alias(name) for name, sql in _FIGURES.items()]
