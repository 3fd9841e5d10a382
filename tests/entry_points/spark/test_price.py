"""predict with spark_master: the ceiling of the cost."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.entry_points.conftest import Project
from tests.llm_servers.faulty import FaultyLlm, raw


@pytest.mark.usefixtures("spark")
def test_a_failed_request_leaves_the_price_known(project: Project, tmp_path: Path):
    for number in range(2):
        shutil.copy(project.dataset / "images" / "invoice-01.png", tmp_path / f"{number}.png")
    prices = '{"input_price": 1.0, "output_price": 1.0}'
    project.command("log", engine="openai", model_name="priced", settings=prices)
    with FaultyLlm() as llm:
        llm.script = [raw('{"error": {"message": "no"}}', 400)]
        own = replace(project, environment=project.environment | {"OPENAI_BASE_URL": llm.base_url})
        output = tmp_path / "priced.parquet"
        done = own.command(
            "predict",
            spark_master="local[2]",
            input=tmp_path,
            output=output,
            model_uri="models:/priced/1",
            max_cost=1,
        )
    assert "1 of 2 documents read." in done.stdout, done.stdout
    assert "2 requests for 2 of 2 documents" in done.stdout
