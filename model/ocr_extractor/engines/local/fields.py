"""Fields without an LLM: the answers of those pairs whose questions are like the fields' labels.

A document's only date may stand there without a label: then it is the first one on the page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz import fuzz

from ocr_extractor.contract import Pair
from ocr_extractor.engines.base import Evidence
from ocr_extractor.fields.normalisation import Hints, normalise
from ocr_extractor.fields.raw_tree import scalars, to_raw_tree
from ocr_extractor.ocr.words import union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.fields.raw_tree import RawTree, Scalar
    from ocr_extractor.fields.schema import Field, Schema
    from ocr_extractor.ocr.words import Word

_LEAST, _LEAST_TEXT = 60.0, 80.0
"""Likeness of a question to a label, [0, 100], from which its answer is a candidate; that of a text
needs more, because every answer is a text."""

# What is printed beside common fields, by words of their names; the first that fits counts.
_PRINTED = (
    ({"tax"}, ("vat", "gst", "mwst", "umsatzsteuer", "ust", "steuerbetrag", "tva")),
    ({"number"}, ("invoice no", "rechnungsnummer", "rechnungs nr", "rechnung nr", "facture n")),
    (
        {"num"},
        (
            "number",
            "contract number",
            "order number",
            "invoice number",
            "order",
            "no",
            "contract revision",
            "order rev",
        ),
    ),
    ({"gross"}, ("gross total", "total gross", "order total", "gross", "total")),
    (
        {"from"},
        ("start date", "start", "flight dates", "contract dates", "schedule dates", "period"),
    ),
    ({"to"}, ("end date", "end", "flight dates", "contract dates", "schedule dates", "period")),
    ({"date"}, ("datum", "rechnungsdatum", "invoice date", "date de facture")),
    ({"currency"}, ("währung", "devise", "monnaie")),
    (
        {"total"},
        ("total amount", "gesamtbetrag", "rechnungsbetrag", "bruttobetrag", "summe", "total ttc"),
    ),
    ({"buyer"}, ("bill to", "customer", "kunde", "käufer", "client", "acheteur")),
    ({"seller"}, ("vendor", "supplier", "verkäufer", "lieferant", "vendeur")),
    ({"advertiser"}, ("client", "product advertiser")),
)

_DESCRIBED = 0.75
"""What a word of the description is worth, against a label or the name."""

_CODES = {"number", "num", "no", "nr", "id", "code", "reference", "phone", "fax"}
"""Words in the names of text fields that may be made of digits."""

_UNLABELLED = 0.3
"""The score of a date without a label."""

_RANGE = re.compile(r"([\d./]{6,})\s*[-–]\s*([\d./]{6,})")  # noqa: RUF001 - printed so
_BEGINS, _ENDS = {"from", "start", "begin"}, {"to", "end", "until"}
"""Words in the names of date fields that are one end of a range."""

_WORD = re.compile(r"[^\W_]+")


class _Candidate(NamedTuple):
    """An answer for a field, by how like its question is to the field's labels, [0, 100]."""

    likeness: float
    leaf: Scalar
    at: int


def find_lines(words: Sequence[Word], page: int) -> list[Pair]:
    """Return the OCR's text lines from top to bottom, as answers without a question."""
    lines: dict[int, list[Word]] = {}
    for word in words:
        lines.setdefault(word.line, []).append(word)
    found = [
        Pair(
            "",
            " ".join(word.text for word in line),
            page,
            answer_box=union(word.box for word in line),
        )
        for line in lines.values()
    ]
    return sorted(found, key=lambda line: line.answer_box[1] if line.answer_box else 0)


def to_fields(
    schema: Schema, pairs: Sequence[Pair], lines: Sequence[Pair] = ()
) -> tuple[RawTree, dict[str, Evidence]]:
    """Choose pairs for the fields of a page.

    The best match of all is taken first, and each pair once. Only answers that can be normalised
    to the field's type are candidates. Tables stay empty.

    Args:
        schema: The fields.
        pairs: What was read on the page.
        lines: Its text lines, see `find_lines`.

    Returns:
        The page's texts, and for each where its pair stands.
    """
    hints = Hints.of(schema, to_raw_tree(schema, {}, str))
    leaves = list(scalars(schema))
    candidates = [
        _Candidate(likeness, leaf, at)
        for leaf in leaves
        for at, pair in enumerate(pairs)
        if (likeness := _likeness(leaf.field, pair.question)) >= _least(leaf.field)
        and (not (text := _part(leaf.field, pair.answer)) or _fits(leaf.field, text, hints))
    ]
    tree, evidence = to_raw_tree(schema, {}, str), {}
    used: set[tuple[int, str]] = set()
    for candidate in sorted(candidates, key=lambda each: (-each.likeness, each.at)):
        leaf, pair = candidate.leaf, pairs[candidate.at]
        text = _part(leaf.field, pair.answer)
        if leaf.text(tree) is not None or (candidate.at, text) in used:
            continue
        used.add((candidate.at, text))
        leaf.put(tree, text)
        score = None if pair.confidence is None else pair.confidence * candidate.likeness / 100
        evidence[leaf.path] = Evidence(pair.answer_box, score, pair.grounded)
    dates = [leaf for leaf in leaves if leaf.field.type == "date"]
    if len(dates) == 1 and dates[0].text(tree) is None:
        for line in lines:
            if line.answer and normalise(dates[0].field, line.answer, hints).status == "found":
                dates[0].put(tree, line.answer)
                evidence[dates[0].path] = Evidence(line.answer_box, _UNLABELLED, line.grounded)
                break
    return tree, evidence


def _likeness(field: Field, question: str) -> float:
    """Return how like a question is to what is known of a field's label, [0, 100]."""
    asked = _words(question)
    if not asked:
        return 0.0
    labels = [_words(label) for label in (*field.labels, field.name)]
    names = set(labels[-1].split())
    labels += next((printed for words, printed in _PRINTED if words <= names), ())
    best = max(fuzz.token_sort_ratio(asked, label) for label in labels)
    described = fuzz.token_set_ratio(asked, _words(field.description)) if field.description else 0
    return max(best, _DESCRIBED * described)


def _part(field: Field, answer: str | None) -> str:
    """Return an answer, of a range of dates the end that a field asks for; "" for a blank."""
    names = set(_words(field.name).split())
    if answer and field.type == "date" and (both := _RANGE.fullmatch(answer.strip())):
        return both[1] if names & _BEGINS else both[2] if names & _ENDS else answer
    return answer or ""


def _least(field: Field) -> float:
    return _LEAST_TEXT if _is_any_text(field) else _LEAST


def _is_any_text(field: Field) -> bool:
    return field.type == "string" and not (field.enum or field.semantic_type)


def _fits(field: Field, answer: str, hints: Hints) -> bool:
    """Tell whether an answer can be the value of a field; a name is not made of digits."""
    if _is_any_text(field) and not _CODES & set(_words(field.name).split()):
        digits = sum(map(str.isdigit, answer))
        return digits <= sum(map(str.isalpha, answer))
    return normalise(field, answer, hints).status == "found"


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
