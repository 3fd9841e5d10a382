"""The measured models, and the code that a user would write without this project."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
from PIL import Image

from entry_points.benchmarks.environment import Environment, encoded

INSTRUCTIONS = "Return the form's question-answer pairs as JSON."

# What makes the data URL of a document's page.
ToUrl = Callable[[bytes], str]


def log_models(env: Environment) -> dict[str, str]:
    """Log the extractor with both engines, and two baselines with its input signature.

    Returns:
        The URIs of "openai" and "local", of "empty", which does nothing, and of "bare", which only
        asks the LLM.
    """
    uris = {}
    for engine in ("openai", "local"):
        name = f"ocr-extractor-{engine}"
        words = [sys.executable, "-m", "entry_points.log", "--engine", engine, "--llm", "loopback"]
        env.run([*words, "--model-name", name])
        uris[engine] = f"models:/{name}/1"
    return uris | env.child(log_baselines)


def log_baselines() -> dict[str, str]:
    """Log the two baselines and return their URIs (a child of `log_models`)."""
    import mlflow
    from mlflow.models import ModelSignature

    from ocr_extractor.contract import signature

    return {
        name: mlflow.pyfunc.log_model(
            name=name,
            python_model=str(Path(__file__).with_name("baseline_model.py")),
            model_config={"asks_llm": asks_llm},
            signature=ModelSignature(inputs=signature().inputs),
            pip_requirements=["mlflow"],
        ).model_uri
        for name, asks_llm in (("empty", False), ("bare", True))
    }


def file_url(document: bytes) -> str:
    """Return a PNG file as a data URL: base64, nothing else."""
    return "data:image/png;base64," + base64.b64encode(document).decode()


def redrawn_url(document: bytes) -> str:
    """Return a page as a data URL: decoded and encoded by Pillow, and base64."""
    return file_url(encoded(Image.open(io.BytesIO(document)), "PNG"))


def plain_messages(url: str) -> list[Any]:
    """Return the messages that show a page to an LLM."""
    image = {"type": "image_url", "image_url": {"url": url}}
    return [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": [image]},
    ]


def plain_request(document: bytes) -> bytes:
    """Return the body of a request with a page that Pillow has encoded."""
    body = {"model": "loopback", "messages": plain_messages(redrawn_url(document))}
    return json.dumps(body).encode()


class BareClient:
    """The openai client and nothing else; safe to share between threads."""

    def __init__(self, base_url: str, to_url: ToUrl = file_url) -> None:
        """Build a client of the server at `base_url`; `to_url` makes the data URL of a page."""
        self._client = openai.OpenAI(base_url=base_url, max_retries=0)
        self._to_url = to_url

    def read(self, document: bytes) -> list[Any]:
        """Ask for the pairs of a page."""
        completion = self._client.chat.completions.create(
            model="loopback",
            messages=plain_messages(self._to_url(document)),
            response_format={"type": "json_object"},
        )
        pairs: list[Any] = json.loads(completion.choices[0].message.content or "{}")["pairs"]
        return pairs
