"""The served model: a real server, the README's curl, every request shape, bad documents."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from entry_points import ROOT
from entry_points.serve import curl
from tests.entry_points.conftest import Done, Project
from tests.loopback_llm import KEY


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def url(project: Project, main_run: Done) -> Iterator[str]:
    """Start the entry point serve; the server is stopped by its own process group."""
    port = free_port()
    log = project.folder / "serve.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "entry_points.serve", "--port", str(port)],
            cwd=project.folder,
            env=project.environment | {"MLFLOW_TRACKING_URI": project.tracking_uri},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert server.poll() is None, log.read_text()
            try:
                if requests.get(f"{address}/ping", timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.5)
        else:
            pytest.fail(log.read_text())
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
    assert KEY not in log.read_text()


def post(url: str, body: dict[str, Any]) -> requests.Response:
    return requests.post(f"{url}/invocations", json=body, timeout=60)


@pytest.fixture(scope="module")
def image(project: Project) -> str:
    page = (project.dataset / "images" / "fax-01.png").read_bytes()
    return base64.b64encode(page).decode()


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda row: {"dataframe_records": [row]}, id="dataframe_records"),
        pytest.param(
            lambda row: {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}},
            id="dataframe_split",
        ),
        pytest.param(lambda row: {"inputs": [row]}, id="inputs"),
        pytest.param(lambda row: {"instances": [row]}, id="instances"),
    ],
)
def test_every_request_shape_reads_the_page(url: str, image: str, shape):
    answer = post(url, shape({"doc_id": "fax", "image": image}))
    assert answer.status_code == 200, answer.text
    [row] = answer.json()["predictions"]
    assert row["error_code"] is None
    assert row["doc_id"] == "fax"
    assert row["pairs"][0]["question"]
    assert row["prompt_uri"] == "prompts:/ocr-question-answer/1"
    assert row["prompt_source"] == "registry"


@pytest.mark.parametrize("shape", ["dataframe_records", "instances"])
def test_a_bad_document_leaves_its_neighbours_alone(url: str, image: str, shape: str):
    cut_off = image[: len(image) // 2 // 4 * 4]
    bad = ["", base64.b64encode(b"\0no picture").decode(), cut_off]
    rows = [{"image": each} for each in [image, *bad, image]]
    answer = post(url, {shape: rows})
    assert answer.status_code == 200, answer.text
    codes = [row["error_code"] for row in answer.json()["predictions"]]
    assert codes == [None, "empty_document", "unknown_format", "damaged_document", None]


def test_a_null_document_leaves_its_neighbours_alone(url: str, image: str):
    # MLflow itself answers a null among dataframe_records with 400, before the model is asked.
    answer = post(url, {"instances": [{"image": image}, {"image": None}]})
    assert answer.status_code == 200, answer.text
    codes = [row["error_code"] for row in answer.json()["predictions"]]
    assert codes == [None, "missing_image"]


@pytest.mark.parametrize("text", ["/etc/passwd", "http://127.0.0.1/a.png", "not base64!"])
@pytest.mark.parametrize("shape", ["inputs", "instances"])
def test_text_that_is_no_base64_is_refused_and_never_opened(url: str, text: str, shape: str):
    answer = post(url, {shape: [{"image": text}]})
    [row] = answer.json()["predictions"]
    assert row["error_code"] == "not_base64"
    assert row["pairs"] == []


def test_params_reach_the_prompt(project: Project, url: str, image: str):
    answer = post(
        url,
        {"dataframe_records": [{"image": image}], "params": {"additional_rules": "Skip stamps."}},
    )
    assert answer.status_code == 200, answer.text
    assert "Skip stamps." in project.llm.requests[-1]["messages"][0]["content"]


def test_the_readmes_curl_works_as_pasted(project: Project, url: str):
    [command] = re.findall(r"^printf .*$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert command == curl(5001)
    port = url.rpartition(":")[2]
    done = subprocess.run(
        ["bash", "-c", command.replace("5001", port)],
        cwd=ROOT,
        env=project.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    [row] = json.loads(done.stdout)["predictions"]
    assert row["doc_id"] == "invoice-01"
    assert row["error_code"] is None
