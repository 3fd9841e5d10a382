"""Few-shot examples: texts and pairs of forms, written into a template when it is registered."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data.forms import Form

NOT_WITH_A_SCHEMA = (
    "examples show question-answer pairs, and the prompt's schema asks for fields: leave out "
    "-P examples=."
)

_PLACEHOLDER = re.compile(r"\{\{\s*examples\s*\}\}")
_BLOCK = re.compile(r"<examples>.*</examples>", re.DOTALL)
EXAMPLES = "examples"
"""The component of GEPA's candidates that lists the examples' form ids; the other is the prompt."""


def has_place(template: str) -> bool:
    """Tell whether a template has the placeholder `{{ examples }}`."""
    return _PLACEHOLDER.search(template) is not None


def write_example(form: Form, text: str) -> str:
    """Write an example: the text that an OCR engine reads on a form, and the right answer."""
    pairs = [{"question": pair.question, "answer": pair.answer} for pair in form.pairs()]
    blanks = [{"question": each.text.strip(), "answer": None} for each in form.blank_questions()]
    answer = json.dumps({"pairs": [*pairs, *blanks]}, ensure_ascii=False)
    # The text of a form must not be read as template syntax.
    return re.sub(r"\{(?=[{%#])", "{ ", f"Text on the form:\n{text}\nIts fields:\n{answer}")


def fill(template: str, examples: Sequence[str]) -> str:
    """Replace `{{ examples }}` with the examples."""
    block = "\n\n".join(["<examples>", *examples, "</examples>"])
    return _PLACEHOLDER.sub(lambda _: block, template)


def fold_examples(template: str) -> tuple[str, str]:
    """Return a template with `{{ examples }}` for its examples, and their text; "" for none."""
    found = _BLOCK.search(template)
    if found is None:
        return template, ""
    return template.replace(found[0], "{{ examples }}"), found[0]


@dataclass(frozen=True)
class FewShotExamples:
    """The forms that can be shown as examples.

    Attributes:
        count: How many are shown; with 0 a prompt keeps its own examples.
        written: The examples by form id, at least `count`; the search scores no form of these.
        seed: Draws them.
    """

    count: int = 0
    written: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def first_candidate(self, name: str, template: str) -> dict[str, str]:
        """Return the first candidate: the instructions, and the examples apart from them."""
        folded, _ = fold_examples(template)
        if not self.count:
            return {name: folded}
        if not has_place(folded):
            folded = f"{folded.rstrip()}\n\n{{{{ examples }}}}\n"
        return {name: folded, EXAMPLES: ",".join(sorted(self.written)[: self.count])}

    def assemble(self, candidate: Mapping[str, str], name: str, template: str) -> str:
        """Return a candidate's template; unless examples are drawn, it keeps the first prompt's."""
        if self.count:
            ids = candidate[EXAMPLES].split(",")
            return fill(candidate[name], [self.written[each] for each in ids])
        _, block = fold_examples(template)
        return candidate[name].replace("{{ examples }}", block) if block else candidate[name]

    def others(self, ids: str) -> str:
        """Draw examples that differ from `ids` (separated by commas), always the same ones."""
        draw = random.Random(f"{self.seed} {ids}")  # noqa: S311 - no secret
        drawn = ids
        while drawn == ids:
            drawn = ",".join(sorted(draw.sample(sorted(self.written), self.count)))
        return drawn
