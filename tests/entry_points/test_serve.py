"""The served model: a real server, the documented clients, every request shape, bad documents."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mlflow
import pytest
import requests

from entry_points import ROOT
from entry_points.serve import curl
from tests.documentation import block
from tests.entry_points.conftest import Done, Project
from tests.entry_points.servers import served
from tests.llm_servers.completions import FORM
from tests.llm_servers.faulty import FaultyLlm, Held, answer, late
from tests.waiting import stays, wait_for


@pytest.fixture(scope="module")
def url(project: Project, main_run: Done) -> Iterator[str]:
    with served(project, "--max-request-bytes=2000000") as (address, _):
        yield address


def post(url: str, body: dict[str, Any]) -> requests.Response:
    return requests.post(f"{url}/invocations", json=body, timeout=300)


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
    got = post(url, shape({"doc_id": "fax", "image": image}))
    assert got.status_code == 200, got.text
    [row] = got.json()["predictions"]
    assert row["error_code"] is None
    assert row["doc_id"] == "fax"
    assert row["pairs"][0]["question"]
    assert row["prompt_uri"] == "prompts:/ocr-question-answer/1"
    assert row["prompt_source"] == "registry"


@pytest.mark.parametrize("shape", ["dataframe_records", "inputs"])
def test_a_bad_document_leaves_its_neighbours_alone(url: str, image: str, shape: str):
    cut_off = image[: len(image) // 2 // 4 * 4]
    bad = ["", base64.b64encode(b"\0no picture").decode(), cut_off, None]
    rows = [{"image": each} for each in [image, *bad, image]]
    got = post(url, {shape: rows})
    assert got.status_code == 200, got.text
    codes = [row["error_code"] for row in got.json()["predictions"]]
    damaged = ["empty_document", "unknown_format", "damaged_document", "missing_image"]
    assert codes == [None, *damaged, None]


@pytest.mark.parametrize("shape", ["dataframe_records", "dataframe_split", "inputs", "instances"])
def test_text_that_is_no_base64_is_refused_and_never_opened(url: str, project: Project, shape: str):
    file = project.dataset / "images" / "fax-01.png"
    opened = socket.create_server(("127.0.0.1", 0))
    opened.setblocking(False)
    link = f"http://127.0.0.1:{opened.getsockname()[1]}/a.png"
    texts = [str(file), file.as_uri(), link, "/etc/passwd", "not base64!", "%PDF-1.4", "QQ==\0"]
    documents: Any = [{"image": text} for text in texts]
    if shape == "dataframe_split":
        documents = {"columns": ["image"], "data": [[text] for text in texts]}
    got = post(url, {shape: documents})
    assert got.status_code == 200, got.text
    rows = got.json()["predictions"]
    assert [row["error_code"] for row in rows] == ["not_base64"] * len(texts)
    assert str(file) not in got.text
    with opened, pytest.raises(BlockingIOError):
        opened.accept()


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b'{"dataframe_records": "November 5"', 400, "The body is not JSON in UTF-8."),
        (b'{"instances": [{"picture": "November 5"}]}', 400, "instances has no image"),
        (
            b'{"inputs": [{"image": ""}], "params": {"pages": "November 5"}}',
            400,
            "write page numbers",
        ),
        (
            b'{"inputs": [{"image": ""}], "params": {"as_struct": true}}',
            400,
            "only the keys additional_rules, pages.",
        ),
        (b'{"inputs": [{"image": "%s"}]}' % (b"QUJD" * 600_000), 413, "larger than 2,000,000"),
    ],
    ids=["cut off", "no image", "pages", "as Spark", "too large"],
)
def test_a_request_that_is_wrong_as_a_whole_is_told_in_one_sentence(
    url: str, body: bytes, status: int, message: str
):
    headers = {"Content-Type": "application/json"}
    got = requests.post(f"{url}/invocations", body, headers=headers, timeout=60)
    assert got.status_code == status
    assert got.json().keys() == {"error_code", "message"}
    assert message in got.json()["message"]
    for leak in ("Traceback", ".py", "stack"):
        assert leak not in got.text


def test_other_types_of_content_are_refused(url: str):
    got = requests.post(f"{url}/invocations", "image\nQQ==", timeout=60)
    assert got.status_code == 415
    assert "application/json" in got.json()["message"]


def test_the_docs_show_a_request_that_can_be_sent_and_its_answer(url: str):
    assert requests.get(f"{url}/docs", timeout=60).ok
    assert requests.get(f"{url}/version", timeout=60).text == mlflow.__version__
    route = requests.get(f"{url}/openapi.json", timeout=60).json()["paths"]["/invocations"]["post"]
    example = route["requestBody"]["content"]["application/json"]["example"]
    shown = route["responses"]["200"]["content"]["application/json"]["example"]
    got = post(url, example)
    [row], [promised] = got.json()["predictions"], shown["predictions"]
    assert row["error_code"] is None
    assert promised.keys() <= row.keys()
    assert promised["pairs"][0].keys() <= row["pairs"][0].keys()


def test_sigterm_finishes_what_is_in_flight(project: Project, main_run: Done, image: str):
    body = {"inputs": [{"image": image}]}
    with FaultyLlm() as llm, ThreadPoolExecutor(1) as client:
        llm.always = late(2)
        with served(project, OPENAI_BASE_URL=llm.base_url) as (address, server):
            pending = client.submit(post, address, body)
            wait_for(lambda: llm.requests)
            server.send_signal(signal.SIGTERM)
            assert pending.result(60).json()["predictions"][0]["error_code"] is None
            server.wait(60)


def test_sigterm_writes_the_traces_that_wait(project: Project, main_run: Done, image: str):
    body = {"inputs": [{"doc_id": "last", "image": image}] * 40}
    with served(project) as (address, server):
        assert post(address, body).ok
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    traces = mlflow.search_traces(return_type="list", max_results=1000)
    assert sum(trace.info.request_preview == "last" for trace in traces) == 40


@pytest.mark.parametrize(
    "timeout_s", [pytest.param(None, id="client goes"), pytest.param(5, id="timeout")]
)
def test_what_nobody_waits_for_frees_its_work(
    project: Project, main_run: Done, image: str, timeout_s: int | None
):
    """Of 40 pages, 8 at once, those that were begun are all that is asked for."""
    held = Held()
    flags = [] if timeout_s is None else [f"--timeout={timeout_s}"]
    with FaultyLlm() as llm, served(project, *flags, OPENAI_BASE_URL=llm.base_url) as (address, _):
        llm.always = held
        body = json.dumps({"inputs": [{"image": image}] * 40}).encode()
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            wait_for(lambda: llm.requests)
            if timeout_s is not None:
                assert client.recv(100).startswith(b"HTTP/1.1 504 ")
        assert stays(lambda: len(llm.requests) <= 8, for_s=3)  # the server sees the client go
        held.released.set()  # every page that was begun gets its answer, and the next would begin
        assert stays(lambda: len(llm.requests) <= 8, for_s=2)
        llm.always = answer(FORM)
        wait_for(lambda: post(address, {"inputs": [{"image": image}]}).ok)


def test_an_unknown_setting_stops_the_server(project: Project, main_run: Done):
    done = project.run(
        "-m",
        "entry_points.serve",
        MLFLOW_TRACKING_URI=project.tracking_uri,
        SERVING_MODEL_CONFIG='{"colour": "red"}',
    )
    assert done.returncode == 2
    assert "error: model_config is wrong: colour: " in done.stdout
    assert "Known settings: engine, " in done.stdout
    assert "Traceback" not in done.stdout


def test_params_reach_the_prompt(project: Project, url: str, image: str):
    got = post(
        url,
        {"dataframe_records": [{"image": image}], "params": {"additional_rules": "Skip stamps."}},
    )
    assert got.status_code == 200, got.text
    assert "Skip stamps." in project.llm.requests[-1]["messages"][0]["content"]


def test_a_port_that_is_in_use_is_said_before_the_model_is_loaded(project: Project, url: str):
    done = project.command("serve", port=url.rpartition(":")[2])
    assert done.returncode == 2
    assert "(Address already in use): give another --port or --host." in done.stdout
    assert "curl" not in done.stdout


def test_the_documented_curl_works_as_pasted(project: Project, url: str):
    command = block("bash", r"""invoice-01.png | tr -d '\n')" | curl""").strip()
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


def test_the_documented_python_client_works_as_pasted(project: Project, url: str):
    code = block("python", "requests.post").replace("http://127.0.0.1:5001", url)
    shutil.copy(project.dataset / "images" / "invoice-01.png", project.folder)
    done = project.run("-c", code)
    assert done.returncode == 0, done.stdout
    assert "Left blank -> None" in done.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs the browser's code")
def test_the_documented_fetch_works_as_pasted(project: Project, url: str):
    page = project.dataset / "images" / "invoice-01.png"
    script = block("js", "fetch(") + (
        f"\nconst bytes = require('fs').readFileSync({str(page)!r});"
        "\nconst file = Object.assign(new Blob([bytes]), {name: 'invoice-01.png'});"
        f"\nreadForm(file, '{url}/invocations').then((row) => console.log(JSON.stringify(row)));"
    )
    done = subprocess.run(
        ["node", "-e", script], capture_output=True, text=True, check=True, timeout=60
    )
    row = json.loads(done.stdout)
    assert (row["doc_id"], row["error_code"]) == ("invoice-01.png", None)
