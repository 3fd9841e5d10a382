"""MLflow's webhooks: deliveries are checked, and passed on as the alias that was moved."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from mlflow.webhooks.constants import (
    WEBHOOK_DELIVERY_ID_HEADER,
    WEBHOOK_SIGNATURE_HEADER,
    WEBHOOK_SIGNATURE_VERSION,
    WEBHOOK_TIMESTAMP_HEADER,
)
from starlette.requests import ClientDisconnect

from entry_points.serving.answering import refusal
from entry_points.serving.body import HttpError

ROUTE = "/webhooks/mlflow"

PROMPT_ALIAS = "prompt_alias"
MODEL_ALIAS = "model_version_alias"
EVENTS = (
    f"{PROMPT_ALIAS}.created",
    f"{PROMPT_ALIAS}.deleted",
    f"{MODEL_ALIAS}.created",
    f"{MODEL_ALIAS}.deleted",
)
"""The events that say that an alias was moved or deleted, as MLflow names them."""

# An event of an alias has about 300 bytes.
_MAX_BYTES = 64_000
_RECEIVE_S = 10.0
# How old a delivery may be, s: MLflow repeats one that failed for some minutes at most.
_WINDOW_S = 300.0
REMEMBERED = 1000
"""How many accepted deliveries are remembered."""


@dataclass(frozen=True)
class AliasEvent:
    """An alias of a prompt or a registered model was moved or deleted.

    Attributes:
        kind: `PROMPT_ALIAS` or `MODEL_ALIAS`.
        name: The prompt or the registered model.
        alias: The alias, without the version that it names now: the registry is asked for that.
        delivery: The id of the delivery that said so.
    """

    kind: str
    name: str
    alias: str
    delivery: str


class Webhooks:
    """Checks deliveries as MLflow signs them, once each; for one event loop."""

    def __init__(
        self, secret: str, forward: Callable[[AliasEvent], None], seen: Iterable[str] = ()
    ) -> None:
        """Begin with the ids of deliveries that were accepted by others.

        Args:
            secret: What the deliveries are signed with.
            forward: Receives each event of an alias; returns at once.
            seen: Ids of deliveries to refuse.
        """
        self._secret = secret.encode()
        self._forward = forward
        self._seen = deque(seen, maxlen=REMEMBERED)

    def remember(self, delivery: str) -> None:
        """Refuse a delivery from now on; another process has accepted it."""
        self._seen.append(delivery)

    async def receive(self, request: Request) -> None:
        """Take a delivery; events that are not of an alias are ignored.

        Raises:
            HttpError: 401 if it is not signed with the secret, or too old; 409 if it was accepted
                before; 400, 408 or 413 if its body is not what MLflow sends.
        """
        body = await _receive(request)
        delivery = self._check(request.headers, body)
        event = _read(body, delivery)
        self._seen.append(delivery)
        if event is not None:
            self._forward(event)

    def _check(self, headers: Mapping[str, str], body: bytes) -> str:
        """Return the id of a delivery that was signed with the secret, within the window, once."""
        delivery = headers.get(WEBHOOK_DELIVERY_ID_HEADER, "")
        moment = headers.get(WEBHOOK_TIMESTAMP_HEADER, "")
        signed = f"{delivery}.{moment}.".encode() + body
        digest = base64.b64encode(hmac.digest(self._secret, signed, hashlib.sha256)).decode()
        expected = f"{WEBHOOK_SIGNATURE_VERSION},{digest}"
        given = headers.get(WEBHOOK_SIGNATURE_HEADER, "")
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise HttpError(
                "The signature is missing or wrong: register the webhook with the server's secret.",
                401,
                "webhook_refused",
            )
        if not moment.isdecimal() or abs(time.time() - int(moment)) > _WINDOW_S:
            raise HttpError(
                f"The delivery is not of the last {_WINDOW_S:g} s: compare the clocks of both "
                "machines.",
                401,
                "webhook_refused",
            )
        if delivery in self._seen:
            raise HttpError("This delivery was accepted before.", 409, "webhook_refused")
        return delivery


def add_route(app: FastAPI, webhooks: Webhooks) -> None:
    """Let an app take deliveries."""

    @app.post(ROUTE, status_code=202)
    async def take_delivery(request: Request) -> Response:
        """Take a delivery of an MLflow webhook: an alias was moved."""
        try:
            await webhooks.receive(request)
        except HttpError as error:
            return refusal(error)
        except ClientDisconnect:
            pass  # nobody receives the answer
        return Response(status_code=202)


async def _receive(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_RECEIVE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise HttpError(
                        f"The body is larger than {_MAX_BYTES:,} bytes.", 413, "request_too_large"
                    )
    except TimeoutError:
        raise HttpError(
            f"The body did not arrive within {_RECEIVE_S:g} s.", 408, "request_timeout"
        ) from None
    return bytes(body)


def _read(body: bytes, delivery: str) -> AliasEvent | None:
    """Return the alias that an event is about; None for another event."""
    try:
        event: Any = json.loads(body)
        kind, action = event["entity"], event["action"]
        if f"{kind}.{action}" not in EVENTS:
            return None
        data = event["data"]
        return AliasEvent(kind, str(data["name"]), str(data["alias"]), delivery)
    except (ValueError, RecursionError, TypeError, LookupError):
        raise HttpError("The body is not an event of MLflow's.") from None
