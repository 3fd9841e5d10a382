"""What a search varies: the instructions, and the forms that are shown as examples."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from entry_points.optimizing.examples import fill, fold_examples, has_place

EXAMPLES = "examples"
"""The component of GEPA's candidates that lists the examples' form ids; the other is the prompt."""


@dataclass(frozen=True)
class FewShotExamples:
    """The forms that can be shown as examples.

    Attributes:
        count: How many are shown; 0 leaves a prompt the examples that it has.
        written: The examples by form id, at least `count`; no other form of the search is here.
        seed: Draws them.
    """

    count: int = 0
    written: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def first_candidate(self, name: str, template: str) -> dict[str, str]:
        """Return what the search begins with: instructions, and the examples apart from them."""
        folded, _ = fold_examples(template)
        if not self.count:
            return {name: folded}
        if not has_place(folded):
            folded = f"{folded.rstrip()}\n\n{{{{ examples }}}}\n"
        return {name: folded, EXAMPLES: ",".join(sorted(self.written)[: self.count])}

    def assemble(self, candidate: Mapping[str, str], name: str, template: str) -> str:
        """Return the template that a candidate stands for.

        Args:
            candidate: As in `first_candidate`.
            name: The prompt's name.
            template: The prompt that the search began with: its examples stay where none are drawn.
        """
        if self.count:
            ids = candidate[EXAMPLES].split(",")
            return fill(candidate[name], [self.written[each] for each in ids])
        _, block = fold_examples(template)
        return candidate[name].replace("{{ examples }}", block) if block else candidate[name]

    def others(self, ids: str) -> str:
        """Draw other examples than `ids` (separated by commas), the same ones each time."""
        draw = random.Random(f"{self.seed} {ids}")  # noqa: S311 - no secret
        drawn = ids
        while drawn == ids:
            drawn = ",".join(sorted(draw.sample(sorted(self.written), self.count)))
        return drawn
