"""Few-shot examples: forms' text and pairs, put into a template for good when it is registered."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from data.forms import Form

NOT_WITH_A_SCHEMA = (
    "examples show question-answer pairs, and the prompt's schema asks for fields: leave out "
    "-P examples=."
)

_PLACEHOLDER = re.compile(r"\{\{\s*examples\s*\}\}")
_BLOCK = re.compile(r"<examples>.*</examples>", re.DOTALL)


def has_place(template: str) -> bool:
    """Tell whether a template has `{{ examples }}` to be filled in."""
    return _PLACEHOLDER.search(template) is not None


def write_example(form: Form, text: str) -> str:
    """Write down what the LLM is given of a form, and what it should answer.

    Args:
        form: The annotated form.
        text: What an OCR engine reads on it.
    """
    pairs = [{"question": pair.question, "answer": pair.answer} for pair in form.pairs()]
    blanks = [{"question": each.text.strip(), "answer": None} for each in form.blank_questions()]
    answer = json.dumps({"pairs": [*pairs, *blanks]}, ensure_ascii=False)
    # What a form says must not become part of the template's own language.
    return re.sub(r"\{(?=[{%#])", "{ ", f"Text on the form:\n{text}\nIts fields:\n{answer}")


def fill(template: str, examples: Sequence[str]) -> str:
    """Put examples in the place of `{{ examples }}`."""
    block = "\n\n".join(["<examples>", *examples, "</examples>"])
    return _PLACEHOLDER.sub(lambda _: block, template)


def fold_examples(template: str) -> tuple[str, str]:
    """Take the examples out again.

    Returns:
        The template with `{{ examples }}` in their place, and what stood there; "" for none.
    """
    found = _BLOCK.search(template)
    if found is None:
        return template, ""
    return template.replace(found[0], "{{ examples }}"), found[0]
