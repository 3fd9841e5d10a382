"""An OpenAI-compatible server that checks each request before it answers."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

from PIL import Image
from werkzeug import Request, Response

from tests.llm_servers.completions import FORM, as_json, completion, refusal_of
from tests.llm_servers.server import LlmServer, Reply

Answer = Response | dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]] | None


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


class CheckingLlm(LlmServer):
    """The server, what it was asked, and what it answers.

    Attributes:
        answer: What every request gets, or what makes it from the request's body; None for
            `PAIRS` as a completion.
        first: What the first requests get instead, one each.
        unsupported: Parameters that the LLM refuses, as OpenAI's reasoning models do.
        images: The images that were sent, decoded; questions in words have none.
        keys: The Authorization headers, of Azure's requests the api-key headers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget what was asked, the answers and the routes."""
        self._routes = {}
        self.requests, self.times = [], []
        self.answer: Answer = None
        self.first: list[Response] = []
        self.unsupported: tuple[str, ...] = ()
        self.images: list[Image.Image] = []
        self.keys: list[str] = []

    def complete(self, request: Request, body: dict[str, Any]) -> Response | Reply:
        image = picture(body)
        if image is not None:
            self.images.append(image)
        self.keys.append(request.headers.get("Authorization") or request.headers["api-key"])
        if self.first:
            return self.first.pop(0)
        return lambda handler: handler.send(self.read(body))

    def read(self, body: dict[str, Any]) -> Response:
        """Answer a request for a completion."""
        for parameter in self.unsupported:
            if parameter in body:
                return refusal_of(parameter)
        if isinstance(self.answer, Response):
            return self.answer
        answer = self.answer(body) if callable(self.answer) else self.answer
        return as_json(answer or completion(FORM))
