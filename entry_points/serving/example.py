"""One request and its answer, as /docs shows them."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image, ImageDraw, ImageFont


def openapi() -> dict[str, Any]:
    """Return the parts of the OpenAPI page that the code of /invocations does not tell."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _request_schema(), "example": request()}},
        },
        "responses": {
            "200": {
                "description": "One row for each document; null columns are not shown here.",
                "content": {"application/json": {"example": response()}},
            },
            **{status: _failure(message) for status, message in _FAILURES.items()},
        },
    }


def request() -> dict[str, Any]:
    """Return a request with a form of one field; it can be sent as it is."""
    page = Image.new("1", (420, 80), 1)
    font = ImageFont.load_default(24)
    ImageDraw.Draw(page).text((20, 25), "Date:    November 5, 1998", fill=0, font=font)
    buffer = io.BytesIO()
    page.save(buffer, "PNG", optimize=True)
    image = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {
        "dataframe_records": [{"doc_id": "example", "image": image}],
        "params": {"additional_rules": "", "pages": ""},
    }


def response() -> dict[str, Any]:
    """Return what the local engine answers; FastAPI would drop the columns that are null."""
    pair = {
        "question": "Date:",
        "answer": "November 5, 1998",
        "page": 1,
        "question_box": [18, 26, 86, 52],
        "answer_box": [104, 26, 330, 52],
    }
    row = {
        "doc_id": "example",
        "pairs": [pair],
        "page_count": 1,
        "engine": "local",
        "prompt_uri": "prompts:/ocr-question-answer/1",
        "prompt_source": "registry",
        "attempts": 0,
        "cache_hits": 0,
    }
    return {"predictions": [row]}


_FAILURES = {
    "400": "The request is wrong as a whole: message says what to change.",
    "408": "The body was not received in time.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "503": "The server is busy or stopping: send the request again after Retry-After seconds.",
    "504": "The documents were not read in time.",
}


def _failure(description: str) -> dict[str, Any]:
    example = {"error_code": "invalid_request", "message": "The body is not JSON in UTF-8."}
    return {"description": description, "content": {"application/json": {"example": example}}}


def _request_schema() -> dict[str, Any]:
    document = {
        "type": "object",
        "properties": {
            "image": {"type": ["string", "null"], "format": "byte"},
            "doc_id": {"type": ["string", "integer", "null"]},
        },
    }
    documents = {"type": "array", "items": document}
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array"}},
        },
    }
    shapes = {
        "dataframe_records": documents,
        "dataframe_split": split,
        "inputs": documents,
        "instances": documents,
    }
    return {
        "type": "object",
        "properties": {**shapes, "params": {"type": "object"}},
        "oneOf": [{"required": [shape]} for shape in shapes],
    }
