"""The metric of MLflow's OCR blog post, kept so that figures can be compared with the post's.

Source: https://mlflow.org/blog/mlflow-prompt-evaluate (2025). It is strict and lossy: both
sides are dicts keyed by question, so of repeated questions, and of a question's several answers,
only the last counts; the answer must be the same to the character; pairs that were made up cost
nothing. Use `pair_f1` to judge a model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NOT_KEY = re.compile(r"[^\w\s-]")


def key_value_accuracy(
    links: Iterable[tuple[str, str]], predicted: Iterable[tuple[str, str]]
) -> float:
    """Return the share of true keys whose value was predicted to the character.

    Args:
        links: (question, answer) texts of each annotated question -> answer link, in the order
            of the annotation file: an answer in three parts is three links.
        predicted: (question, answer) as the model gave them, "" for a blank answer.

    Returns:
        A score in [0, 1]; 0 for a form without a link, as in the post.
    """
    true_values = _by_key(links)
    if not true_values:
        return 0.0
    values = _by_key(predicted)
    return sum(values.get(key) == value for key, value in true_values.items()) / len(true_values)


def _by_key(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    # Two dicts as in the post: where several raw questions share a cleaned key, the question
    # that was first seen last wins, which is not always the last pair.
    return {_NOT_KEY.sub("", question).upper(): answer for question, answer in dict(pairs).items()}
