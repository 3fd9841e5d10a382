"""Answers of an LLM that reads as well as its prompt is: each rule that it states adds pairs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from PIL import Image

from data.forms import Form
from tests.llm_servers.checking import picture
from tests.llm_servers.completions import completion

RULES = (
    "Copy each label with its punctuation.",
    "Join the lines of an answer with single spaces.",
    "Return every occurrence of a label.",
)


class PromptedLlm:
    """For `CheckingLlm.answer`: reads pages by a known law, and proposes prompts when asked to.

    Of a form's n pairs it gives the first ceil(n (1 + r) / (1 + R)), r being how many of the R
    rules its instructions state: three rules of three give them all, none gives a quarter.
    """

    def __init__(self, forms: Iterable[Form], rules: Sequence[str] = RULES) -> None:
        """Learn the pages by their pixels; forms of one page, in formats that Pillow opens."""
        self._rules = rules
        self._forms = {_fingerprint(Image.open(form.image_path)): form for form in forms}

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        page = picture(body)
        if page is None:
            return completion(self._propose(body["messages"][-1]["content"]))
        stated = sum(rule in body["messages"][0]["content"] for rule in self._rules)
        pairs = self._forms[_fingerprint(page)].pairs()
        given = pairs[: math.ceil(len(pairs) * (1 + stated) / (1 + len(self._rules)))]
        answer = {"pairs": [{"question": pair.question, "answer": pair.answer} for pair in given]}
        return completion(json.dumps(answer))

    def _propose(self, question: str) -> str:
        """Add the first rule that the prompt in the question lacks, where pairs were missed."""
        prompt = question.split("```")[1].strip()
        missing = [rule for rule in self._rules if rule not in prompt]
        if missing and " missed" in question:
            prompt = f"{prompt}\n{missing[0]}"
        return f"Pairs are missing, so:\n```\n{prompt}\n```"


def _fingerprint(page: Image.Image) -> bytes:
    return hashlib.sha256(page.convert("L").tobytes()).digest()
