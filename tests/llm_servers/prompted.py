"""Answers of an LLM that reads as well as its prompt is: each rule that it states adds pairs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from PIL import Image

from data.fields import FieldDocument
from data.forms import Document, Form
from tests.llm_servers.checking import picture
from tests.llm_servers.completions import completion

RULES = (
    "Copy each label with its punctuation.",
    "Join the lines of an answer with single spaces.",
    "Return every occurrence of a label.",
)


class PromptedLlm:
    """For `CheckingLlm.answer`: reads pages by a known law, and proposes prompts when asked to.

    Of a form's n pairs, or of a document's n fields, it gives the first ceil(n (1 + r) / (1 + R)),
    r being how many of the R rules its instructions state: three rules of three give them all, none
    gives a quarter.
    """

    def __init__(self, forms: Iterable[Document], rules: Sequence[str] = RULES) -> None:
        """Learn the pages by their pixels; forms of one page, in formats that Pillow opens."""
        self._rules = rules
        self._forms = {_fingerprint(Image.open(form.image_path)): form for form in forms}

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        page = picture(body)
        if page is None:
            return completion(self._propose(body["messages"][-1]["content"]))
        stated = sum(rule in body["messages"][0]["content"] for rule in self._rules)
        share = (1 + stated) / (1 + len(self._rules))
        return completion(json.dumps(_answer(self._forms[_fingerprint(page)], share)))

    def _propose(self, question: str) -> str:
        """Add the first rule that the prompt in the question lacks, where pairs were missed."""
        prompt = question.split("```")[1].strip()
        missing = [rule for rule in self._rules if rule not in prompt]
        if missing and " missed" in question:
            prompt = f"{prompt}\n{missing[0]}"
        return f"Pairs are missing, so:\n```\n{prompt}\n```"


def _answer(form: Document, share: float) -> dict[str, Any]:
    """Return the first pairs or fields, so large a share of all."""
    if isinstance(form, FieldDocument):
        most = math.ceil(len(form.values) * share)
        texts = [printed(value) for value in form.values.values()]
        return dict(zip(form.values, texts[:most] + [None] * len(texts), strict=False))
    assert isinstance(form, Form)
    pairs = form.pairs()
    given = pairs[: math.ceil(len(pairs) * share)]
    return {"pairs": [{"question": pair.question, "answer": pair.answer} for pair in given]}


def printed(value: Any) -> Any:
    """Return true values with every scalar as a text."""
    if isinstance(value, dict):
        return {name: printed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [printed(inner) for inner in value]
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _fingerprint(page: Image.Image) -> bytes:
    return hashlib.sha256(page.convert("L").tobytes()).digest()
