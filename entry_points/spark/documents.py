"""The documents of a folder or bucket, as Spark reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from data.folder import IMAGE_SUFFIXES
from entry_points.command_line.cli import UsageError, in_project

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


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
