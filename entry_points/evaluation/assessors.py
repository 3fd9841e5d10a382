"""Assessments that are not part of the scores: an LLM judge, and scorers that a user has written.

`-P scorers=package.module:function` names scorers. A scorer is a function `(outputs: dict,
expectations: dict) -> float | bool | Feedback`. `outputs` is a document's row of the output, its
`values` as an object; `expectations` holds the true `values` or `pairs`. It is called for documents
that were read; one that failed scores 0.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mlflow.entities import AssessmentSource, AssessmentSourceType, Feedback
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import Scorer, scorer

from entry_points.command_line.cli import UsageError
from entry_points.scoring.mlflow_scorer import NOT_BEGUN

_Function = Callable[[dict[str, Any], dict[str, Any]], float | bool | Feedback]

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


@dataclass
class OwnScorer:
    """A function that a user has written.

    Attributes:
        name: The name of the function and of its metric.
        function: Scores one document.
        values: Its scores by doc_id; 0 for a document that failed.
        faults: The errors that it raised, by doc_id.
    """

    name: str
    function: _Function
    values: dict[str, float] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def to_mlflow(self, expectations: Mapping[str, Mapping[str, Any]]) -> Scorer:
        """Return the scorer that MLflow runs; `expectations` are by doc_id."""

        @scorer(name=self.name)
        def own(inputs: dict[str, Any], outputs: dict[str, Any] | None) -> list[Feedback]:
            if outputs is not None and outputs.get("error_code") == NOT_BEGUN:
                return []
            return [self._judge(inputs["doc_id"], outputs, expectations[inputs["doc_id"]])]

        return own

    def mean(self) -> float | None:
        """Return the mean over the documents; None where the scorer gives texts.

        Raises:
            UsageError: The scorer raised an error for some of them.
        """
        if self.faults:
            doc_id, fault = next(iter(self.faults.items()))
            raise UsageError(
                f"the scorer {self.name} raised for {len(self.faults)} documents, the first is "
                f"{doc_id[:80]} ({fault[:80]}): correct it and evaluate again."
            )
        return sum(self.values.values()) / len(self.values) if self.values else None

    def _judge(
        self, doc_id: str, outputs: dict[str, Any] | None, expectations: Mapping[str, Any]
    ) -> Feedback:
        source = AssessmentSource(AssessmentSourceType.CODE, self.name)
        if outputs is None or outputs["error_code"] is not None:
            self.values[doc_id] = 0.0
            return Feedback(name=self.name, value=0.0, source=source)
        read = dict(outputs)
        if read.get("values") is not None:
            read["values"] = json.loads(read["values"])
        try:
            found = self.function(read, dict(expectations))
        except Exception as error:  # the user's code may raise anything
            self.faults[doc_id] = f"{type(error).__name__}: {error}"
            raise
        if found is None:
            self.faults[doc_id] = "it returned None: return a number, a boolean or a Feedback"
            raise ValueError(self.faults[doc_id])
        feedback = found if isinstance(found, Feedback) else Feedback(value=found, source=source)
        feedback.name = self.name
        value = feedback.value
        if isinstance(value, np.generic):
            value = feedback.value = value.item()
        if isinstance(value, int | float):
            self.values[doc_id] = float(value)
        return feedback


def load_scorers(names: Sequence[str]) -> list[OwnScorer]:
    """Import scorers by `package.module:function`, from the project or from PYTHONPATH.

    Raises:
        UsageError: One cannot be imported or is not a function, or two have the same name.
    """
    loaded = [_load(name) for name in names]
    taken = [each.name for each in loaded]
    for name in taken:
        if taken.count(name) > 1:
            raise UsageError(f"two scorers are called {name[:80]}: rename one.")
    return loaded


def _load(name: str) -> OwnScorer:
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever the user's own module raises
        fault = f"{type(error).__name__}: {str(error)[:80]}"
        raise UsageError(
            f"the scorer {name[:80]!r} cannot be imported ({fault}): give "
            "package.module:function, and put its folder into PYTHONPATH."
        ) from error
    if not callable(function):
        raise UsageError(f"the scorer {name[:80]!r} is not a function: name one.")
    return OwnScorer(attribute, function)


def correct_format(llm: str, *, content: bool) -> Scorer:
    """Build the judge that says whether a form's output has the right format; it quotes the forms.

    `llm` is `openai:/<model>`; MLflow takes key and server from OPENAI_API_KEY and OPENAI_BASE_URL.

    Raises:
        UsageError: The LLM's name has another form, there is no key, or texts may not be kept.
    """
    if not re.fullmatch("openai:/.+", llm):
        raise UsageError(f"judge is {llm[:80]!r}: give openai:/<model>, or none.")
    if not os.environ.get("OPENAI_API_KEY"):
        raise UsageError("the judge needs a key: set OPENAI_API_KEY, or give no judge.")
    if not content:
        raise UsageError("a judge quotes the forms, which trace_content=metadata forbids.")
    judge: Scorer = make_judge(
        name=JUDGE_NAME, instructions=_INSTRUCTIONS, model=llm, feedback_value_type=bool
    )
    return judge
