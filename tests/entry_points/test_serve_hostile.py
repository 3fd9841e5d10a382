"""A served model reads good documents, and answers pings, while it is sent hostile ones."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
import requests

from data.hostile import HOSTILE_DOCUMENTS
from tests.entry_points.conftest import Done, Project
from tests.entry_points.servers import Process, served, served_by_mlflow
from tests.model.sample_documents import pdf

Server = Callable[..., AbstractContextManager[tuple[str, Process]]]

REFUSED = {"document_timeout", "document_too_complex", "too_many_pixels"}
SETTINGS = {"pdf_page_s": 3.0, "pdf_memory_bytes": 400_000_000}


def ours(project: Project, main_run: Done, **environment: str):
    return served(project, **environment)


def mlflows(project: Project, main_run: Done, **environment: str):
    uri = "models:/ocr-extractor@champion"
    return served_by_mlflow(project, uri, **environment)


@pytest.fixture(params=[ours, mlflows], ids=["serve", "mlflow models serve"])
def url(request: pytest.FixtureRequest, project: Project, main_run: Done) -> Iterator[str]:
    settings = json.dumps(SETTINGS)
    with request.param(project, main_run, SERVING_MODEL_CONFIG=settings) as (address, _):
        yield address


def test_good_documents_are_read_and_pings_answered_among_hostile_ones(url: str) -> None:
    ended = threading.Event()
    pings: list[float] = []

    def ping() -> None:
        while not ended.wait(0.05):
            started = time.monotonic()
            assert requests.get(f"{url}/ping", timeout=60).ok
            pings.append(time.monotonic() - started)

    def read(data: bytes) -> str | None:
        rows = [{"image": base64.b64encode(data).decode()}]
        got = requests.post(f"{url}/invocations", json={"dataframe_records": rows}, timeout=300)
        [row] = got.json()["predictions"]
        assert row["pairs"] or row["error_code"]
        return None if row["error_code"] is None else str(row["error_code"])

    hostile = [make() for make in HOSTILE_DOCUMENTS.values()]
    with ThreadPoolExecutor(9) as clients:
        pinging = clients.submit(ping)
        refused = [clients.submit(read, data) for data in hostile]
        good = [clients.submit(read, pdf(f"0 g {n} 9 9 9 re f")) for n in range(20)]
        assert [each.result() for each in good] == [None] * 20
        codes = {each.result() for each in refused}
        ended.set()
        pinging.result()
    assert REFUSED <= codes <= REFUSED | {None}
    print(f"longest of {len(pings)} pings: {max(pings):.3f} s")
