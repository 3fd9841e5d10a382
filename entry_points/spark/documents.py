"""The documents of a folder or bucket as Spark reads them, and the folder that it writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from data.folder import IMAGE_SUFFIXES
from entry_points.command_line.cli import UsageError, in_project
from entry_points.predictions.output import KEY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructType


@dataclass(frozen=True)
class SparkDocuments:
    """The documents of one run.

    Attributes:
        files: Spark's `binaryFile` rows of the documents that it can read.
        names: The doc_id of every document, also of those that Spark cannot read.
        root: Path of their folder, without the store that it is in.
    """

    files: DataFrame
    names: DataFrame
    root: str

    @cached_property
    def count(self) -> int:
        """Their number."""
        return self.names.count()

    def wave(self, number: int, of: int) -> DataFrame:
        """Return the doc_id and content of every `of`-th document; the others are not opened."""
        from pyspark.sql import functions as f

        share = f.pmod(f.xxhash64("_metadata.file_path"), f.lit(of))
        return self.files.where(share == number).select(_doc_id(self.root), "content")


def find_on_spark(
    spark: SparkSession, source: str, found: Sequence[str], max_bytes: int
) -> SparkDocuments:
    """Find the documents of a folder, with the folders in it.

    Args:
        spark: The session.
        source: A folder, or the URL of one that Spark knows, `s3a://bucket/scans`.
        found: The doc_ids of a folder on this machine's disk, which the executors must see, too.
        max_bytes: Larger documents are not opened.

    Raises:
        UsageError: There are none.
    """
    from pyspark.sql import functions as f

    path = source if is_url(source) else escape(local_url(source))
    suffixes = "|".join(re.escape(each.removeprefix(".")) for each in IMAGE_SUFFIXES)
    files = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .load(path)
        .where(f.lower("_metadata.file_name").rlike(rf"\.({suffixes})$"))
    )
    root = urlsplit(source).path if is_url(source) else str(in_project(source))
    root = root.rstrip("/")
    listed = files.select(_doc_id(root))
    names = spark.createDataFrame([(each,) for each in found], "doc_id string") if found else listed
    documents = SparkDocuments(files.where(f"_metadata.file_size <= {max_bytes}"), names, root)
    if not documents.count:
        raise UsageError(
            f"{source} holds no document: name a folder of files with the suffixes "
            f"{' '.join(IMAGE_SUFFIXES)}."
        )
    return documents


def is_url(source: str) -> bool:
    """Tell a URL from a path on this machine's disk."""
    return "://" in source


def local_url(path: str) -> str:
    """Return the URL of a project path for Spark, whose default file system may be a cluster's."""
    return f"file://{in_project(path)}"


def escape(path: str) -> str:
    """Escape a path so that Spark does not read it as a pattern."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)


def _doc_id(root: str) -> Column:
    from pyspark.sql import functions as f

    # Spark's path may add a scheme and host that the given path lacks: file:, hdfs://host:8020.
    prefix = rf"^[^:/]+:(//[^/]*)?{re.escape(root)}/"
    return f.regexp_replace("path", prefix, "").alias("doc_id")


class OutputFolder:
    """Rows that are stored after each wave of documents, on any of Hadoop's file systems."""

    def __init__(self, spark: SparkSession, path: str, schema: StructType) -> None:
        """Look at what an earlier start has left.

        Args:
            spark: The session.
            path: A folder or its URL, as Spark takes it.
            schema: The rows' columns.

        Raises:
            UsageError: The path is not a folder that predict has written.
        """
        self._spark = spark
        self._path = path
        self._schema = schema
        # PySpark has no public way to Hadoop's file systems, which rename and delete on any store.
        jvm: Any = spark._jvm
        hadoop: Any = spark._jsc.hadoopConfiguration()
        self._here = jvm.org.apache.hadoop.fs.Path(path)
        self._new = jvm.org.apache.hadoop.fs.Path(f"{path}.new")
        self._old = jvm.org.apache.hadoop.fs.Path(f"{path}.old")
        self._files = self._here.getFileSystem(hadoop)
        self._settle()
        if self.exists and (
            self._files.getFileStatus(self._here).isFile()
            or not self.rows.where(f"{KEY} IS NULL").isEmpty()
        ):
            raise UsageError(
                f"{path} was not written by predict on Spark: name another output, or remove it."
            )

    @property
    def exists(self) -> bool:
        """Whether something was written."""
        return bool(self._files.exists(self._here))

    @property
    def rows(self) -> DataFrame:
        """All rows that are there."""
        if not self.exists:
            return self._spark.createDataFrame([], self._schema)
        return self._spark.read.schema(self._schema).parquet(escape(self._path))

    def append(self, rows: DataFrame) -> None:
        """Add rows: all of them, or none when the job fails."""
        rows.write.mode("append").parquet(self._path)

    def keep(self, rows: DataFrame) -> None:
        """Keep only these rows; an interruption leaves either the old rows or the new ones."""
        rows.write.mode("overwrite").parquet(str(self._new))
        self._files.rename(self._here, self._old)
        self._settle()

    def _settle(self) -> None:
        """Move new rows to the place of the old ones if these were moved away; clean up."""
        if not self.exists and self._files.exists(self._new):
            self._files.rename(self._new, self._here)
        for left in (self._new, self._old):
            self._files.delete(left, True)
