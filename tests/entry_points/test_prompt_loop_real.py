"""The prompt loop with an LLM that we did not write: the post's prompt against the shipped one.

LLM_PEER=1 runs it: eight forms judge, a quarter as many are improved on; LLM_PEER_FORMS=16 takes
twice as many. A form takes 20 to 45 s on two idle cores. `pytest -s` shows what is printed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.entry_points.conftest import Done, Project
from tests.llm_servers import llama

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("LLM_PEER") != "1", reason="LLM_PEER=1 runs it: it downloads 1.1 GB once"
    ),
]
FORMS = int(os.environ.get("LLM_PEER_FORMS", "8"))
# https://mlflow.org/blog/mlflow-prompt-evaluate; the LLM has no eyes, so it is given the text.
POST = """You are an expert at Optical Character Recognition (OCR). Extract the questions and \
answers from the image.
{{ ocr_text }}"""
WORSE = "Write one pair: the question is the form's mood, the answer a colour.\n{{ ocr_text }}"
SHIPPED = "model/prompts/ocr-question-answer.md"


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama.serve("1.5b", tmp_path_factory.mktemp("peer") / "log", threads=2) as url:
        yield url


def test_the_loop_with_a_real_llm(
    project: Project, base_url: str, funsd_training: Path, tmp_path: Path
):
    own = replace(project, folder=tmp_path, timeout_s=3600.0 * FORMS)
    for name, text in {"post": POST, "worse": WORSE}.items():
        (tmp_path / f"{name}.md").write_text(text)
    data = {
        "dataset": funsd_training,
        "cache": tmp_path / "cache.sqlite",
        "max_concurrency": 1,
    }
    judged = {"split": "validation", "limit": FORMS} | data
    promoted = {"max_cost_ratio": 10}  # a careful prompt is a longer one

    def run(entry_point: str, **parameters: object) -> Done:
        done = own.mlflow_run(entry_point, **parameters)
        print(f"\n$ {entry_point} {parameters}\n{done.stdout}")
        return done

    def champion() -> int:
        return int(own.client.get_model_version_by_alias("ocr-extractor", "champion").version)

    settings = {"base_url": base_url, "page_input": "text", "timeout_s": 1800, "max_retries": 0}
    run("register_prompt", template=tmp_path / "post.md")
    assert (
        run(
            "main",
            engine="openai",
            llm="qwen2.5-coder-1.5b",
            settings=json.dumps(settings | {"max_tokens": 1200}),
            limit=1,
            **data,
        ).returncode
        == 0
    )
    assert run("improve", template=SHIPPED, limit=FORMS // 4, **data).returncode == 0
    candidates = "models:/ocr-extractor/1,models:/ocr-extractor/2"
    assert run("compare", candidates=candidates, **judged).returncode == 0
    assert run("promote", model_uri="models:/ocr-extractor/2", **promoted).returncode == 0
    assert champion() == 2

    worse = run("improve", template=tmp_path / "worse.md", **judged)
    assert "The gate would hold it back:" in worse.stdout
    assert run("promote", model_uri="models:/ocr-extractor/3", **promoted).returncode != 0
    assert champion() == 2

    assert run("rollback").returncode == 0
    assert champion() == 1
