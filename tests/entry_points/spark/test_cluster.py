"""predict with spark_master: a cluster of two workers."""

from __future__ import annotations

import shutil

import pyarrow.parquet as pq
import pytest

from tests.entry_points.conftest import Project
from tests.entry_points.spark.cluster import Cluster


@pytest.mark.usefixtures("spark", "main_run")
def test_a_cluster_of_two_workers_shares_the_work(project: Project):
    output = project.folder / "cluster.parquet"
    pages = project.folder / "many"
    pages.mkdir()
    for number in range(40):
        shutil.copy(project.dataset / "images" / "invoice-01.png", pages / f"{number}.png")
    (pages / "bad.png").write_bytes(b"no picture")
    with Cluster(project.folder / "cluster", project.environment, workers=2) as cluster:
        flags = ("--input", str(pages), "--output", str(output), "--max-concurrency", "2")
        done = project.run(
            *("-m", "entry_points.predict", "--spark-master", cluster.url, *flags),
            MLFLOW_TRACKING_URI=project.tracking_uri,
        )
        assert done.returncode == 3, done.stdout
        assert len(cluster.executors()) == 2
    assert "Spark: 2 tasks at once, each with {'max_concurrency': 1, 'cache': ''}." in done.stdout
    assert "40 of 41 documents read." in done.stdout
    names = pq.read_table(output, columns=["doc_id"])["doc_id"].to_pylist()
    assert len(set(names)) == len(names) == 41
