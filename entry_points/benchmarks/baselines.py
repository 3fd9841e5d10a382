"""The baselines: the code that one would write without this project."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import openai
from PIL import Image
from pydantic import BaseModel

INSTRUCTIONS = "Return the form's question-answer pairs as JSON."


class _Pair(BaseModel):
    question: str
    answer: str | None


class _Form(BaseModel):
    pairs: list[_Pair]


def plain_url(document: bytes) -> str:
    """Return a page as a data URL: Pillow and base64, nothing else."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(document)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def plain_messages(document: bytes) -> list[Any]:
    """Return the messages that show the page to an LLM."""
    image = {"type": "image_url", "image_url": {"url": plain_url(document)}}
    return [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": [image]},
    ]


def plain_request(document: bytes) -> bytes:
    """Return the body of that request."""
    return json.dumps({"model": "loopback", "messages": plain_messages(document)}).encode()


class BareClient:
    """The openai client and nothing else; safe to share between threads."""

    def __init__(self, base_url: str) -> None:
        self._client = openai.OpenAI(base_url=base_url, max_retries=0)

    def read(self, document: bytes) -> list[_Pair]:
        """Ask for the pairs of a page."""
        completion = self._client.chat.completions.parse(
            model="loopback", messages=plain_messages(document), response_format=_Form
        )
        form = completion.choices[0].message.parsed
        return form.pairs if form else []
