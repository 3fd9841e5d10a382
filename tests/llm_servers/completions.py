"""What the LLM servers say: completions, refusals, and the key that opens them."""

from __future__ import annotations

import json
import math
from typing import Any

from werkzeug import Response

KEY = "loopback-key-0123456789abcdef"
PAIRS: list[dict[str, Any]] = [
    {"question": "Date:", "answer": "November 5, 1998"},
    {"question": "Phone", "answer": None},
]
FORM = json.dumps({"pairs": PAIRS})


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


def logprobs(content: str, doubted: str, probability: float) -> dict[str, Any]:
    """Build a choice's `logprobs`: every token is certain but those of one text."""
    first = content.index(doubted)
    among = range(first - 1, first + len(doubted))
    tokens = [
        {
            "token": content[at : at + 2],
            "logprob": math.log(probability) if at in among else -0.001,
            "bytes": list(content[at : at + 2].encode()),
        }
        for at in range(0, len(content), 2)
    ]
    return {"content": tokens, "refusal": None}


def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None, **more: Any) -> str:
    """Build the data of a streamed completion's event; without a delta it has no choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return json.dumps({**head, "choices": [] if delta is None else [choice], **more})


def as_json(value: Any, status: int = 200) -> Response:
    """Build a JSON response."""
    return Response(json.dumps(value), status, content_type="application/json")


def refusal_of(parameter: str) -> Response:
    """Build the answer of an LLM that does not know a parameter."""
    error = {
        "message": f"Unsupported parameter: '{parameter}' is not supported with this model.",
        "type": "invalid_request_error",
        "param": parameter,
        "code": "unsupported_parameter",
    }
    return as_json({"error": error}, 400)
