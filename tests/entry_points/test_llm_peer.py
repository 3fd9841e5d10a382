"""The way from logging to predicting with a server and an LLM that we did not write."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from data.funsd import load_folder
from tests.entry_points.conftest import SAMPLES, Done, Project
from tests.llm_servers import llama

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("LLM_PEER") != "1", reason="LLM_PEER=1 runs it: it downloads 0.5 GB once"
    ),
]
# A small LLM may not come to an end: what it wrote before the limit is what counts.
UNFINISHED = {None, "completion_cut_off", "degenerate_completion"}
OTHER_PROMPT = """You are given the text of a form. Return a single pair: the question is "Topic",
the answer says in one word what the form is about.
{{ ocr_text }}"""


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama.serve("0.5b", tmp_path_factory.mktemp("peer") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short forms, of FUNSD where it is there: the LLM reads a word in some 50 ms."""
    funsd = os.environ.get("FUNSD_DIR")
    source = Path(funsd) / "training_data" if funsd else SAMPLES
    folder = tmp_path_factory.mktemp("forms")
    with_pairs = [form for form in load_folder(source) if len(form.pairs()) >= 5]
    shortest = sorted(with_pairs, key=lambda form: sum(len(e.text) for e in form.entities))[:3]
    for part in ("images", "annotations"):
        (folder / part).mkdir()
        for form in shortest:
            [file] = (source / part).glob(f"{form.form_id}.*")
            shutil.copy(file, folder / part)
    return folder


def log(project: Project, base_url: str, **parameters: str) -> str:
    """Log an extractor that gives the LLM text; return its URI."""
    settings = {"base_url": base_url, "page_input": "text", "max_tokens": 300, "timeout_s": 600}
    done = project.mlflow_run(
        "log",
        engine="openai",
        llm="qwen2.5-coder-0.5b",
        model_name="peer",
        prompt_name="peer-prompt",
        settings=json.dumps(settings | {"max_retries": 0}),
        **parameters,
    )
    assert done.returncode == 0, done.stdout
    [uri] = re.findall(r"^Logged (\S+) with", done.stdout, re.MULTILINE)
    return str(uri)


def predict(project: Project, uri: str, forms: Path, cache: Path) -> dict[str, dict[str, Any]]:
    output = cache.with_name(f"{uri.rpartition('/')[2]}.jsonl")
    done = project.mlflow_run(
        "predict", model_uri=uri, input=forms / "images", output=output, cache=cache
    )
    print(done.stdout)
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return {Path(row["doc_id"]).stem: row for row in rows}


def evaluated(project: Project, done: Done) -> dict[str, dict[str, Any]]:
    """Return the table of predictions, by form."""
    [run_id] = re.findall(r"^Run (\w{32}) ", done.stdout, re.MULTILINE)
    run = project.client.get_run(run_id)
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/predictions.json")
    traces = mlflow.search_traces(run_id=run_id, return_type="list")
    usage = [trace.info.token_usage or {} for trace in traces]
    assert sum(each["input_tokens"] for each in usage) == run.data.metrics["input_tokens"] > 0
    assert sum(each["output_tokens"] for each in usage) == run.data.metrics["output_tokens"] > 0
    assert run.data.metrics["attempts"] == len(traces) == 2
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    return {row["doc_id"]: row for row in rows}


def test_log_evaluate_predict(project: Project, base_url: str, forms: Path, tmp_path: Path):
    cache = tmp_path / "cache.sqlite"
    first = log(project, base_url)
    done = project.mlflow_run("evaluate", model_uri=first, dataset=forms, limit=2, cache=cache)
    print(done.stdout)
    scored = evaluated(project, done)
    assert len(scored) == 2

    read = predict(project, first, forms, cache)
    assert len(read) == 3
    assert {row["error_code"] for row in read.values()} <= UNFINISHED
    pairs = [pair for row in read.values() for pair in row["pairs"]]
    assert pairs
    assert all(pair["question"] and pair["page"] == 1 for pair in pairs)
    finished = {doc_id: row for doc_id, row in scored.items() if row["error_code"] is None}
    for doc_id, row in finished.items():
        assert json.loads(row["pairs"]) == read[doc_id]["pairs"]
        assert (read[doc_id]["attempts"], read[doc_id]["cache_hits"]) == (0, 1)
    [new] = read.keys() - scored.keys()
    assert (read[new]["attempts"], read[new]["cache_hits"]) == (1, 0)
    assert read[new]["input_tokens"] > 300  # the prompt alone has them
    assert 0 < read[new]["output_tokens"] <= 300

    template = tmp_path / "other.md"
    template.write_text(OTHER_PROMPT, encoding="utf-8")
    project.mlflow_run("register_prompt", prompt_name="peer-prompt", template=template)
    second = log(project, base_url, prompt="prompts:/peer-prompt/2")
    other = predict(project, second, forms, cache)
    assert {row["prompt_uri"] for row in other.values()} == {"prompts:/peer-prompt/2"}
    assert {row["prompt_uri"] for row in read.values()} == {"prompts:/peer-prompt/1"}
    assert all(other[doc_id]["pairs"] != read[doc_id]["pairs"] for doc_id in read)
