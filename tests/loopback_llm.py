"""An OpenAI-compatible server on loopback that checks each request before it answers."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

KEY = "loopback-key-0123456789abcdef"
PAIRS: list[dict[str, Any]] = [
    {"question": "Date:", "answer": "November 5, 1998"},
    {"question": "Phone", "answer": None},
]


def completion(content: str | None, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """Build the body of a chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "loopback",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 1300, "completion_tokens": 42, "total_tokens": 1342},
    }


def refusal_of(parameter: str) -> Response:
    """Build the answer of an LLM that does not know a parameter."""
    error = {
        "message": f"Unsupported parameter: '{parameter}' is not supported with this model.",
        "type": "invalid_request_error",
        "param": parameter,
        "code": "unsupported_parameter",
    }
    return Response(json.dumps({"error": error}), 400, content_type="application/json")


def picture(body: dict[str, Any]) -> Image.Image | None:
    """Decode the page of a request, None for a question in words."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return None
    head, _, encoded = content[0]["image_url"]["url"].partition(",")
    assert head in {"data:image/png;base64", "data:image/jpeg;base64", "data:image/webp;base64"}
    image = Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)))
    image.load()
    return image


@dataclass
class LoopbackLlm:
    """The server, what it was asked, and what it answers.

    Attributes:
        server: The HTTP server.
        answer: What every request gets, or what makes it from the request's body; None for
            `PAIRS` as a completion.
        first: What the first requests get instead, one each.
        unsupported: Parameters that the LLM refuses, as OpenAI's reasoning models do.
        requests: The JSON bodies of all requests.
        images: The images that were sent, decoded; questions in words have none.
        keys: The Authorization headers, of Azure's requests the api-key headers.
    """

    server: HTTPServer
    answer: Response | dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]] | None = None
    first: list[Response] = field(default_factory=list)
    unsupported: tuple[str, ...] = ()
    requests: list[dict[str, Any]] = field(default_factory=list)
    images: list[Image.Image] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base_url(self) -> str:
        return self.server.url_for("/v1")

    def respond(self, request: Request) -> Response:
        body = request.get_json()
        image = picture(body)
        with self._lock:
            self.requests.append(body)
            if image is not None:
                self.images.append(image)
            self.keys.append(request.headers.get("Authorization") or request.headers["api-key"])
            early = self.first.pop(0) if self.first else None
        return early or self.read(body)

    def read(self, body: dict[str, Any]) -> Response:
        """Answer a request for a completion."""
        for parameter in self.unsupported:
            if parameter in body:
                return refusal_of(parameter)
        if isinstance(self.answer, Response):
            return self.answer
        answer = self.answer(body) if callable(self.answer) else self.answer
        answer = answer or completion(json.dumps({"pairs": PAIRS}))
        return Response(json.dumps(answer), content_type="application/json")


def serve() -> Generator[LoopbackLlm, None, None]:
    """Run the server for as long as a fixture needs it."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield attach(server)


def attach(server: HTTPServer) -> LoopbackLlm:
    """Put a fresh LLM behind a running server, at the paths of OpenAI's and of Azure's API."""
    server.clear()
    llm = LoopbackLlm(server)
    path = re.compile(r"^/(v1|openai/deployments/[^/]+)/chat/completions$")
    server.expect_request(path, method="POST").respond_with_handler(llm.respond)
    return llm
