"""A server that follows the champion among tiny versions, and what promotes and asks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from entry_points.serving.webhooks import MODEL_ALIAS, ROUTE
from tests.entry_points.conftest import Project, project_in
from tests.entry_points.servers import Process, served
from tests.entry_points.serving.log_tiny import NAME
from tests.llm_servers.checking import CheckingLlm
from tests.waiting import wait_for

SECRET = "sesame-of-the-tests"


@contextmanager
def tiny_versions(folder: Path, empty_store: Path) -> Iterator[Project]:
    """Log versions of the tiny extractor in a store of their own."""
    shutil.copy(empty_store, folder / "mlflow.db")
    with CheckingLlm() as llm:
        project = project_in(folder, llm)
        store = {"MLFLOW_TRACKING_URI": project.tracking_uri}
        done = project.run("-m", "tests.entry_points.serving.log_tiny", **store)
        assert done.returncode == 0, done.stdout
        yield project


@contextmanager
def following(project: Project, *flags: str) -> Iterator[tuple[str, Process]]:
    """Serve the champion, wherever it goes, with webhooks; begin with the first version."""
    move(project, 1)
    flags = (f"--model-uri=models:/{NAME}@champion", "--follow-champion=true", *flags)
    with served(project, *flags, "--webhook-secret=HOOK", HOOK=SECRET) as (url, process):
        yield url, process


def move(project: Project, version: int) -> None:
    """Name another version champion."""
    project.client.set_registered_model_alias(NAME, "champion", str(version))


def promote(project: Project, url: str, version: int) -> None:
    """Name another version champion, and say so as MLflow's webhooks do."""
    move(project, version)
    data = {"name": NAME, "alias": "champion", "version": str(version)}
    tell(url, {"entity": MODEL_ALIAS, "action": "created", "data": data})


def tell(url: str, event: Mapping[str, Any]) -> None:
    """Send an event of MLflow's webhooks."""
    body, delivery, moment = json.dumps(event), str(uuid.uuid4()), str(int(time.time()))
    signed = f"{delivery}.{moment}.{body}".encode()
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    headers = {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": moment,
        "X-MLflow-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    got = requests.post(url + ROUTE, body, headers=headers, timeout=60)
    assert got.status_code == 202, got.text


def request_of(image: str) -> dict[str, Any]:
    """Return the body of a request for a page in base64; the tiny extractor reads any."""
    return {"inputs": [{"doc_id": "page", "image": image}]}


def answer_of(response: requests.Response) -> str:
    """Return the answer of the one page, which names the version that read it."""
    assert response.status_code == 200, response.text
    [row] = response.json()["predictions"]
    return str(row["pairs"][0]["answer"])


def ask(url: str, image: str = "QQ==") -> str:
    return answer_of(requests.post(f"{url}/invocations", json=request_of(image), timeout=300))


def workers(url: str) -> dict[str, int]:
    """Return how many processes take requests, by their model."""
    text = requests.get(f"{url}/metrics", timeout=60).text
    found = re.findall(r'^ocr_extractor_workers{model="(.+)"} (\S+)$', text, re.M)
    return {model: int(float(count)) for model, count in found if float(count)}


def counted(url: str, metric: str) -> float:
    """Return the sum of a metric over its labels."""
    text = requests.get(f"{url}/metrics", timeout=60).text
    return sum(map(float, re.findall(rf"^ocr_extractor_{metric}(?:{{.*}})? (\S+)$", text, re.M)))


def wait_for_only(url: str, version: int, count: int = 1) -> None:
    """Wait until all processes that take requests have a version."""
    wait_for(lambda: workers(url) == {f"{NAME}/{version}": count})
