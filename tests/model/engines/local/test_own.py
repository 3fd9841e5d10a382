"""What a user's corrected documents teach of the spelling of a field's texts."""

from __future__ import annotations

import pytest

from ocr_extractor.engines.local.fields.own import Example, spelling_of
from ocr_extractor.fields.schema import Field

NAME = Field("company")


def example(read: str, written: str) -> Example:
    return Example((), (), "", read.casefold(), "segment", 1, written)


KNOWN = [
    example("Nordw1nd Supplies Ltd", "Nordwind Supplies Ltd"),
    example("Alder Hardware", "Alder Hardware Inc."),
    example("Unit 14 27 Harbour Lane Northwick", "Unit 14, 27 Harbour Lane, Northwick"),
]


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        ("Nordw1nd Supplies Ltd", "Nordwind Supplies Ltd"),
        ("Nordwlnd Supplies Ltd", "Nordwind Supplies Ltd"),
        ("ALDER HARDWARE", "Alder Hardware Inc."),
        ("Unit 14,27 Harbour Lane,Northwick", "Unit 14,27 Harbour Lane,Northwick"),
        ("Unit 14,27 Harbour Lame,Northwick", "Unit 14, 27 Harbour Lane, Northwick"),
        ("Unit 12, 27 Harbour Lane, Northwick", "Unit 12, 27 Harbour Lane, Northwick"),
        ("Somebody Else Ltd", "Somebody Else Ltd"),
        ("Nordwint Supplies Ltd", "Nordwint Supplies Ltd"),
    ],
    ids=[
        "misread again",
        "misread otherwise",
        "corrected",
        "printed with other spaces",
        "misread, with other spaces",
        "another number is another text",
        "unknown",
        "a name with another letter",
    ],
)
def test_a_text_that_a_user_has_corrected_is_spelt_like_that_again(read: str, expected: str):
    assert spelling_of(NAME, read, KNOWN) == expected


def test_the_spelling_of_most_documents_counts():
    twice = [example("Ann Sons", "Ann & Sons Inc")] * 2
    known = [example("Ann Sons", "Anne Sons"), *twice]
    assert spelling_of(NAME, "Ann Sons", known) == "Ann & Sons Inc"


@pytest.mark.parametrize(
    "field",
    [
        Field("day", "date"),
        Field("kind", enum=("Ann Son", "Ann Sons")),
        Field("c", semantic_type="currency"),
    ],
    ids=["date", "enum", "currency"],
)
def test_only_free_texts_have_a_spelling(field: Field):
    assert spelling_of(field, "Ann Son", [example("Ann Son", "Ann Sons")]) == "Ann Son"
