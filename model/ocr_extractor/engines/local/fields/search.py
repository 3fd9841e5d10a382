"""Finds the fields of a page among its words and pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocr_extractor.engines.base import Evidence
from ocr_extractor.engines.local.fields.candidates import Candidates
from ocr_extractor.engines.local.fields.choice import choose, options_of
from ocr_extractor.engines.local.fields.features import PageQuestions
from ocr_extractor.engines.local.fields.labels import likeness
from ocr_extractor.engines.local.fields.layout import Layout
from ocr_extractor.engines.local.fields.own import spelling_of
from ocr_extractor.engines.local.fields.ranker import curve_of
from ocr_extractor.engines.local.fields.tables import fill_tables
from ocr_extractor.fields.raw_tree import scalars, to_raw_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import Pair
    from ocr_extractor.engines.local.fields.ranker import Ranker
    from ocr_extractor.fields.raw_tree import RawTree, Scalar
    from ocr_extractor.fields.schema import Schema
    from ocr_extractor.ocr.words import Word

_BLANK = 90.0
"""Likeness of a question without an answer to a field's label from which the field is blank."""


def find_fields(
    schema: Schema,
    words: Sequence[Word],
    pairs: Sequence[Pair],
    page: int,
    ranker: Ranker,
) -> tuple[RawTree, dict[str, Evidence]]:
    """Find the fields of a page.

    Args:
        schema: The fields.
        words: What the OCR read on the upright page.
        pairs: Its pairs, px of the upright page: one without an answer tells that a field is blank.
        page: Its number, from 1.
        ranker: What scores candidates.

    Returns:
        The page's texts, and for each where it stands, px of the upright page, and how sure it is;
        of an absent one how sure it is that the page does not have it.
    """
    tree: RawTree = to_raw_tree(schema, {}, str)
    evidence = fill_tables(schema, words, tree, ranker.calibration)
    leaves = list(scalars(schema))
    layout = Layout.of(words)
    if layout is None or not leaves:
        return tree, evidence
    questions = PageQuestions(Candidates(layout), leaves, page)
    asked = questions.ask()
    odds = ranker.probabilities(asked)
    options = [options_of(*both) for both in zip(asked, odds, strict=True)]
    for leaf, chosen in zip(leaves, choose(leaves, options, schema.checks), strict=True):
        kind = curve_of(leaf.field)
        score = ranker.calibration.confidence(leaf.path, kind, chosen.probability)
        if chosen.candidate is not None:
            examples = ranker.examples.get(leaf.path, ())
            leaf.put(tree, spelling_of(leaf.field, chosen.candidate.text, examples))
            evidence[leaf.path] = Evidence(chosen.candidate.box, score)
        elif (blank := _blank(leaf, pairs)) is not None:
            leaf.put(tree, "")
            evidence[leaf.path] = Evidence(blank.question_box, score)
        else:
            evidence[leaf.path] = Evidence(score=score)
    return tree, evidence


def _blank(leaf: Scalar, pairs: Sequence[Pair]) -> Pair | None:
    """Return the pair without an answer that asks for a field, if there is one."""
    return next(
        (
            pair
            for pair in pairs
            if not pair.answer and likeness(leaf.field, pair.question) >= _BLANK
        ),
        None,
    )
