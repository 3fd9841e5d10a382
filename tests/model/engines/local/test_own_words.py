"""Which words stand at a field's true values on a user's own documents."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ocr_extractor.engines.local.fields.candidates import Candidate
from ocr_extractor.engines.local.fields.feature_names import NAMES, SLOTS
from ocr_extractor.engines.local.fields.features import Asked
from ocr_extractor.engines.local.fields.own import OWN_NAMES, own_rows
from ocr_extractor.engines.local.fields.own_words import ZONES, OwnWords
from ocr_extractor.fields.schema import Field

AMOUNT = Field("amount", type="number")
PLACE = Field("place")


def asked(field: Field, *candidates: tuple[str, str]) -> Asked:
    """Return candidates, each a label at its left and a text."""
    slots = [tuple(label if slot == "left" else "" for slot in SLOTS) for label, _ in candidates]
    texts = [text for _, text in candidates]
    found = [Candidate(text, (0, 0, 9, 9), 0, "segment") for text in texts]
    rows = np.zeros((len(texts) + 1, len(NAMES)), np.float32)
    return Asked(field.name, field, found, list(texts), rows, slots, list(texts))


def learned(field: Field, *candidates: tuple[str, str], true: int) -> OwnWords:
    return OwnWords.sum(OwnWords.of(asked(field, *candidates), true) for _ in range(5))


def test_the_words_of_a_label_count_one_by_one():
    words = learned(AMOUNT, ("amount payable", "7.50"), ("cash", "9.00"), ("qty", "1"), true=0)
    new = asked(AMOUNT, ("payable after rounding", "3.10"), ("cash given", "5.00"))
    payable, cash = words.evidence(new)[:, ZONES.index("in its row")]
    assert payable > 0 > cash


def test_a_text_is_known_by_its_words_and_its_digits_count_alike():
    words = learned(PLACE, ("", "12345 northwick"), ("", "call 555"), ("", "thanks"), true=0)
    new = asked(PLACE, ("", "98765 southwick"), ("", "call 777"))
    place, call = words.evidence(new)[:, ZONES.index("within")]
    assert place > 0 > call


@pytest.mark.parametrize("true", [0, None], ids=["on the page", "absent"])
def test_a_document_is_not_learned_from_for_itself(true: int | None):
    kept = learned(AMOUNT, ("amount payable", "7.50"), ("cash", "9.00"), true=0)
    own = OwnWords.of(asked(AMOUNT, ("total", "1.00"), ("cash", "2.00")), true)
    assert OwnWords.sum([kept, own]).without(own) == kept


@pytest.mark.parametrize(
    ("field", "column"), [(AMOUNT, "own words"), (PLACE, "own words of a text")]
)
def test_texts_and_figures_have_columns_of_their_own(field: Field, column: str):
    """Texts have other zones than figures, so that their sums do not compare."""
    words = learned(field, ("amount payable", "7.50"), ("cash", "9.00"), true=0)
    rows = own_rows(asked(field, ("payable", "1.00"), ("cash", "2.00")), (), words)
    sums = {name: rows[0, OWN_NAMES.index(name)] for name in ("own words", "own words of a text")}
    assert [name for name, value in sums.items() if value] == [column]


def test_words_are_stored_without_changing_their_evidence():
    page = asked(AMOUNT, ("amount payable", "7.50"), ("cash", "9.00"), ("unknown", "1.00"))
    words = learned(AMOUNT, ("amount payable", "7.50"), ("cash", "9.00"), true=0)
    again = OwnWords.read(json.loads(json.dumps(words.stored())))
    np.testing.assert_allclose(again.evidence(page), words.evidence(page))
