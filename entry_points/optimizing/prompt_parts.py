"""Splits the forms into three parts: scored by the search, shown as examples, and validation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from data.forms import Document
from data.splits import in_split
from entry_points.command_line.cli import UsageError
from entry_points.optimizing.budget import MINIBATCH

# With fewer forms the confidence interval is meaningless.
LEAST_VALIDATION = 5


@dataclass(frozen=True)
class PromptParts:
    """A dataset's forms, none of them in two parts.

    Attributes:
        development: The search scores prompts on them.
        shown: The search takes its examples from them, so that no form is its own example.
        validation: The best prompt must win on them.
    """

    development: Sequence[Document]
    shown: Sequence[Document]
    validation: Sequence[Document]


def divide(forms: Sequence[Document], examples: int, seed: int) -> PromptParts:
    """Divide forms by their split; keep twice the number of shown examples as candidates.

    Raises:
        UsageError: There are too few.
    """
    development, validation = (in_split(forms, each) for each in ("development", "validation"))
    shown = 2 * examples
    if len(development) < shown + MINIBATCH or len(validation) < LEAST_VALIDATION:
        raise UsageError(
            f"{len(development)} development and {len(validation)} validation forms are too few: "
            f"at least {shown + MINIBATCH} and {LEAST_VALIDATION} are needed. A form's id decides "
            "its part."
        )
    random.Random(seed).shuffle(development)  # noqa: S311 - no secret
    return PromptParts(development[shown:], development[:shown], validation)
