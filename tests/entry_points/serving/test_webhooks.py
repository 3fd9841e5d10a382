"""Deliveries of MLflow's webhooks: taken as MLflow signs them, once, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests
import uvicorn
from fastapi import FastAPI
from mlflow.entities.webhook import Webhook, WebhookEvent
from mlflow.webhooks.delivery import test_webhook as deliver_example

from entry_points.serving.webhooks import (
    EVENTS,
    MODEL_ALIAS,
    PROMPT_ALIAS,
    REMEMBERED,
    ROUTE,
    AliasEvent,
    Webhooks,
    add_route,
)

SECRET = "sesame-of-the-tests"


@dataclass
class Receiver:
    """A server on loopback that takes deliveries.

    Attributes:
        url: Its route.
        webhooks: What checks them.
        events: What it has passed on.
    """

    url: str
    webhooks: Webhooks
    events: list[AliasEvent] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    events = list[AliasEvent]()
    webhooks = Webhooks(SECRET, events.append, seen=["of another process"])
    app = FastAPI()
    add_route(app, webhooks)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        port = listener.getsockname()[1]
        yield Receiver(f"http://127.0.0.1:{port}{ROUTE}", webhooks, events)
        server.should_exit = True
        thread.join()


def body_of(entity: str, action: str = "created", **data: str) -> bytes:
    return json.dumps({"entity": entity, "action": action, "data": data}).encode()


MOVED = body_of(PROMPT_ALIAS, name="p", alias="production", version="2")


def headers(
    body: bytes, delivery: str = "", moment: str = "", secret: str = SECRET
) -> dict[str, str]:
    delivery, moment = delivery or str(uuid.uuid4()), moment or str(int(time.time()))
    signed = f"{delivery}.{moment}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": moment,
        "X-MLflow-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def post(receiver: Receiver, body: bytes, **head: str) -> requests.Response:
    return requests.post(receiver.url, body, headers=headers(body) | head, timeout=60)


@pytest.mark.parametrize("event", EVENTS)
def test_what_mlflow_signs_is_taken(
    receiver: Receiver, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    sent = WebhookEvent.from_str(event)  # type: ignore[arg-type]
    result = deliver_example(Webhook("1", "w", receiver.url, [sent], 0, 0, secret=SECRET), sent)
    assert (result.success, result.response_status) == (True, 202)
    [got] = receiver.events
    kind = event.partition(".")[0]
    name = {PROMPT_ALIAS: "example_prompt", MODEL_ALIAS: "example_model"}[kind]
    assert (got.kind, got.name, got.alias) == (kind, name, "example_alias")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(headers(MOVED, secret="another"), id="another secret"),
        pytest.param(headers(MOVED, secret=""), id="no secret"),
        pytest.param(headers(MOVED + b" "), id="another body"),
        pytest.param(headers(MOVED) | {"X-MLflow-Delivery-Id": "other"}, id="another id"),
        pytest.param(headers(MOVED) | {"X-MLflow-Timestamp": "1"}, id="another time"),
        pytest.param(headers(MOVED) | {"X-MLflow-Signature": ""}, id="no signature"),
        pytest.param(headers(MOVED) | {"X-MLflow-Signature": "v1,\xe4"}, id="no ASCII"),
        pytest.param({}, id="no headers"),
        pytest.param(headers(MOVED, moment="-5"), id="no time"),
        pytest.param(headers(MOVED, moment=str(int(time.time()) - 400)), id="too old"),
        pytest.param(headers(MOVED, moment=str(int(time.time()) + 4000)), id="in the future"),
    ],
)
def test_what_is_not_signed_now_with_the_secret_is_refused(
    receiver: Receiver, head: dict[str, str]
) -> None:
    got = requests.post(receiver.url, MOVED, headers=head, timeout=60)
    assert (got.status_code, got.json()["error_code"]) == (401, "webhook_refused")
    assert SECRET not in got.text
    assert not receiver.events


def test_a_delivery_is_taken_once(receiver: Receiver) -> None:
    head = headers(MOVED)
    statuses = [requests.post(receiver.url, MOVED, headers=head, timeout=60) for _ in range(3)]
    assert [got.status_code for got in statuses] == [202, 409, 409]
    assert len(receiver.events) == 1


def test_a_delivery_that_another_process_took_is_refused(receiver: Receiver) -> None:
    receiver.webhooks.remember("of a third")
    for delivery in ("of another process", "of a third"):
        head = headers(MOVED, delivery=delivery)
        assert requests.post(receiver.url, MOVED, headers=head, timeout=60).status_code == 409


def test_the_memory_of_deliveries_is_bounded(receiver: Receiver) -> None:
    head = headers(MOVED, delivery="first")
    assert requests.post(receiver.url, MOVED, headers=head, timeout=60).status_code == 202
    for number in range(REMEMBERED):
        receiver.webhooks.remember(str(number))
    assert requests.post(receiver.url, MOVED, headers=head, timeout=60).status_code == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(body_of("registered_model", name="m"), 202, id="an event of something else"),
        pytest.param(body_of("star", "born"), 202, id="an event that MLflow does not have yet"),
        pytest.param(body_of(PROMPT_ALIAS, name="p"), 400, id="without an alias"),
        pytest.param(b"{", 400, id="no JSON"),
        pytest.param(b"[" * 50_000, 400, id="deep JSON"),
        pytest.param(b'"text"', 400, id="no object"),
        pytest.param(b"\xff", 400, id="no UTF-8"),
        pytest.param(b" " * 64_001, 413, id="too large"),
    ],
)
def test_signed_bodies_that_move_no_alias(receiver: Receiver, body: bytes, status: int) -> None:
    got = post(receiver, body)
    assert got.status_code == status
    assert not receiver.events


def test_a_refused_delivery_may_come_again(receiver: Receiver) -> None:
    head = headers(MOVED, delivery="again")
    wrong = head | {"X-MLflow-Signature": "v1,"}
    statuses = [requests.post(receiver.url, MOVED, headers=h, timeout=60) for h in (wrong, head)]
    assert [got.status_code for got in statuses] == [401, 202]
