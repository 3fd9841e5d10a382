"""The folder of Parquet files that predict writes on Spark: one row a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entry_points.command_line.cli import UsageError
from entry_points.predictions.output import KEY
from entry_points.spark.documents import escape

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


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
