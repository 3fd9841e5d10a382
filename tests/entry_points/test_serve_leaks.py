"""Whatever goes wrong, no answer and no log line shows a key, the prompt, a page's text or a path.

The server's log is that of a user who wants to see INFO of everything.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace as copy_of
from typing import Any

import pytest
import requests

from entry_points import ROOT
from tests.entry_points.conftest import Done, Project
from tests.entry_points.servers import log_of, served
from tests.llm_servers.completions import KEY
from tests.llm_servers.faulty import FaultyLlm, answer, error, raw
from tests.llm_servers.server import Reply

RULE = "canary-of-the-prompt 4711"
TEXT = "canary-of-the-page 0815"
# The first words of the registered template.
TEMPLATE = "You read scanned business forms"
LOG_EVERYTHING = "import logging\nlogging.basicConfig(level=logging.INFO)\n"


@dataclass(frozen=True)
class Watched:
    """A served model whose LLM can be told to fail, and the pages it is sent."""

    url: str
    llm: FaultyLlm
    page: str


@pytest.fixture(scope="module")
def watched(
    project: Project, main_run: Done, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(LOG_EVERYTHING)
    path = {"PYTHONPATH": f"{folder}:{ROOT}"}
    chatty = copy_of(project, environment=project.environment | path)
    page = base64.b64encode((project.dataset / "images" / "fax-01.png").read_bytes()).decode()
    settings = '{"max_retries": 1, "retry_delay_s": 0.01}'
    with FaultyLlm() as llm:
        environment = {"OPENAI_BASE_URL": llm.base_url, "SERVING_MODEL_CONFIG": settings}
        with served(chatty, **environment) as (url, _):
            yield Watched(url, llm, page)
        log = log_of(project, url)
    assert "HTTP Request: POST" in log  # INFO is on
    for secret in (KEY, RULE, TEXT, TEMPLATE, page[:40]):
        assert secret not in log


SHAPES = {
    "dataframe_records": lambda row: {"dataframe_records": [row]},
    "dataframe_split": lambda row: {
        "dataframe_split": {"columns": list(row), "data": [list(row.values())]}
    },
    "inputs": lambda row: {"inputs": [row]},
    "instances": lambda row: {"instances": [row]},
}


def quoting(status: int) -> Reply:
    """Answer as a server that tells all that it was sent."""

    def reply(handler: Any) -> None:
        sent = handler.server.llm.requests[-1]["messages"][0]["content"]
        key = handler.headers["Authorization"]
        error(status, f"{sent[-40:]} | {sent[:40]} | {key} | {TEXT}"[-300:])(handler)

    return reply


REPLIES: dict[str, Reply] = {
    "prose": answer(f"The page says {TEXT}."),
    "other JSON": answer(json.dumps({TEXT: 1})),
    "cut off": answer(f'{{"pairs": [], "{TEXT}', "length"),
    "a refusal": answer(None, refusal=f"I cannot read {TEXT}"),
    "HTML": raw(f"<html>{TEXT}</html>"),
    "an error object": raw(json.dumps({"error": {"message": TEXT}})),
    "400 that quotes the prompt": quoting(400),
    "401 that quotes the prompt": quoting(401),
    "500 that quotes the prompt": quoting(500),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_document_that_fails_shows_nothing_of_it(watched: Watched, shape: Any):
    text = base64.b64encode(TEXT.encode()).decode()
    images = [TEXT, f"/etc/{TEXT}", text, watched.page[:4000], f"{watched.page}{TEXT}"]
    for image in images:
        check(watched, shape({"image": image}))
    for name, reply in REPLIES.items():
        watched.llm.always = reply
        row = check(watched, shape({"image": watched.page}))["predictions"][0]
        assert row["error_code"], name


@pytest.mark.parametrize(
    "body",
    [
        f'{{"inputs": [{{"image": "{TEXT}"',
        json.dumps({TEXT: [TEXT]}),
        json.dumps({"inputs": [{TEXT: TEXT}]}),
        json.dumps({"inputs": [{"image": [TEXT]}]}),
        json.dumps({"inputs": [{"image": "", "doc_id": {TEXT: 1}}]}),
        json.dumps({"inputs": [{"image": ""}], "params": {TEXT: RULE}}),
        json.dumps({"dataframe_split": {"columns": [TEXT], "data": [[TEXT, TEXT]]}}),
    ],
    ids=["cut", "key", "column", "type", "id", "param", "split"],
)
def test_a_request_that_is_wrong_shows_nothing_of_it(watched: Watched, body: str):
    got = requests.post(
        f"{watched.url}/invocations",
        body,
        headers={"Content-Type": "application/json"},
        timeout=300,
    )
    assert got.status_code == 400
    assert_nothing_shows(got.text)


def check(watched: Watched, body: dict[str, Any]) -> dict[str, Any]:
    """Send a request with rules of its own; return the answer, which shows nothing."""
    body |= {"params": {"additional_rules": RULE}}
    got = requests.post(f"{watched.url}/invocations", json=body, timeout=300)
    assert got.status_code == 200, got.text
    assert_nothing_shows(got.text)
    answered: dict[str, Any] = got.json()
    return answered


def assert_nothing_shows(text: str) -> None:
    for secret in (KEY, RULE, TEXT, TEMPLATE, "Traceback", ".py", "site-packages"):
        assert secret not in text
