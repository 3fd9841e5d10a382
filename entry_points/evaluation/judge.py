"""An LLM judges the format of the output: an assessment that is not part of the scores."""

from __future__ import annotations

import os
import re

from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import Scorer

from entry_points.command_line.cli import UsageError

JUDGE_NAME = "correct_format"

_INSTRUCTIONS = """\
A program has read a scanned form. Its output:

{{ outputs }}

Judge only the form of `pairs`; you do not see the page, so do not judge whether they are true.
The format is correct when
- every question is a label as it would be printed on a form, not a sentence about the form;
- every answer is what somebody filled in, or null, and does not repeat its question;
- no text is an explanation, an apology, markup, or a placeholder such as "N/A (not visible)".
An empty list of pairs, or an error, is not correct. Name the first pair that breaks a rule."""


def correct_format(llm: str, *, content: bool) -> Scorer:
    """Build the judge that says whether a form's output has the right format; it quotes the forms.

    `llm` is `openai:/<model>`; MLflow takes key and server from OPENAI_API_KEY and OPENAI_BASE_URL.

    Raises:
        UsageError: That is not how an LLM is named, there is no key, or no text may be kept.
    """
    if not re.fullmatch("openai:/.+", llm):
        raise UsageError(f"judge is {llm[:80]!r}: give openai:/<model>, or none.")
    if not os.environ.get("OPENAI_API_KEY"):
        raise UsageError("the judge finds no key: set OPENAI_API_KEY, or give no judge.")
    if not content:
        raise UsageError("a judge quotes the forms, which trace_content=metadata forbids.")
    judge: Scorer = make_judge(
        name=JUDGE_NAME, instructions=_INSTRUCTIONS, model=llm, feedback_value_type=bool
    )
    return judge
