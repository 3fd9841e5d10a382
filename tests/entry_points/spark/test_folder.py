"""The folder of rows survives what interrupts it, and is never somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entry_points.command_line.cli import UsageError
from entry_points.spark.documents import OutputFolder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [
    pytest.mark.usefixtures("spark"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]
SCHEMA = "doc_id string, document_key string"


@pytest.fixture(scope="module")
def session(spark: None) -> Iterator[SparkSession]:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    with builder.config("spark.log.level", "ERROR").getOrCreate() as session:
        yield session


def open_folder(session: SparkSession, path: Path) -> OutputFolder:
    from pyspark.sql.types import StructType

    schema = StructType.fromDDL(SCHEMA)
    assert isinstance(schema, StructType)
    return OutputFolder(session, f"file://{path}", schema)


def ids(folder: OutputFolder) -> list[str]:
    return sorted(row["doc_id"] for row in folder.rows.collect())


@pytest.fixture
def path(session: SparkSession, tmp_path: Path) -> Path:
    """A folder with the rows a and b."""
    path = tmp_path / "a folder [1].parquet"
    folder = open_folder(session, path)
    assert not folder.exists
    assert ids(folder) == []
    for name in ("a", "b"):
        folder.append(session.createDataFrame([(name, f"key of {name}")], SCHEMA))
    return path


def test_rows_are_added_and_dropped(session: SparkSession, path: Path):
    folder = open_folder(session, path)
    assert ids(folder) == ["a", "b"]
    folder.keep(folder.rows.where("doc_id = 'b'"))
    assert ids(folder) == ["b"]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("step", ["while the kept rows are written", "between the two renames"])
def test_an_interrupted_drop_loses_no_row(session: SparkSession, path: Path, step: str):
    new = path.with_name(f"{path.name}.new")
    if step == "between the two renames":
        path.rename(path.with_name(f"{path.name}.old"))
        kept = session.createDataFrame([("b", "key of b")], SCHEMA)
        kept.write.parquet(f"file://{new}")
    else:
        (new / "_temporary").mkdir(parents=True)
    expected = ["b"] if step == "between the two renames" else ["a", "b"]
    assert ids(open_folder(session, path)) == expected
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_wave_that_was_not_finished_counts_as_nothing(session: SparkSession, tmp_path: Path):
    (tmp_path / "out.parquet" / "_temporary" / "0").mkdir(parents=True)
    assert ids(open_folder(session, tmp_path / "out.parquet")) == []


def test_what_is_not_ours_is_refused(session: SparkSession, path: Path, tmp_path: Path):
    [part, *_] = path.glob("part-*")
    part.rename(tmp_path / "table.parquet")
    session.range(3).write.parquet(f"file://{tmp_path / 'numbers'}")
    for other in ("table.parquet", "numbers"):
        with pytest.raises(UsageError, match="was not written by predict on Spark"):
            open_folder(session, tmp_path / other)
