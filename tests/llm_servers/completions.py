"""What the LLM servers say: completions, refusals, and the key that opens them."""

from __future__ import annotations

import json
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
