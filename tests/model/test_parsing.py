"""Whatever text an LLM writes becomes pairs that can be stored and shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib._pydantic import to_strict_json_schema

from ocr_extractor.contract import Pair
from ocr_extractor.parsing import CompletedForm, CompletedPair, to_pairs

ANY_TEXT = st.text(st.characters(codec=None))


def completed(*pairs: tuple[str, str | None]) -> list[CompletedPair]:
    return [CompletedPair(question=question, answer=answer) for question, answer in pairs]


def test_order_and_duplicates_are_kept() -> None:
    read = to_pairs(completed(("Date:", "1"), ("Name", "Ann"), ("Date:", "1")), page=3)
    assert read == (Pair("Date:", "1", 3), Pair("Name", "Ann", 3), Pair("Date:", "1", 3))


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("  Date:\n", " May 5\t", ("Date:", "May 5")),
        ("Phone", None, ("Phone", None)),
        ("Phone", "", ("Phone", None)),
        ("Phone", " \n", ("Phone", None)),
        ("Phone", "\x00", ("Phone", None)),
        ("Na\x00me", "An\x1bn\ud800", ("Name", "Ann")),
        ("Address", "12 High Street\nSpringfield", ("Address", "12 High Street\nSpringfield")),
        ("電話", "東京 ☑ é", ("電話", "東京 ☑ é")),
    ],
)
def test_text_is_trimmed_and_blank_answers_are_none(
    question: str, answer: str | None, expected: tuple[str, str | None]
) -> None:
    [pair] = to_pairs(completed((question, answer)), page=1)
    assert (pair.question, pair.answer) == expected


@pytest.mark.parametrize("question", ["", "  ", "\x00"])
def test_an_answer_without_a_question_is_dropped(question: str) -> None:
    assert to_pairs(completed((question, "May 5")), page=1) == ()


@given(st.lists(st.tuples(ANY_TEXT, st.none() | ANY_TEXT)))
def test_any_completion_can_be_stored_as_utf_8_json(pairs: list[tuple[str, str | None]]) -> None:
    read = to_pairs(completed(*pairs), page=1)
    assert len(read) <= len(pairs)
    for pair in read:
        text = json.dumps(pair.to_dict(), ensure_ascii=False)
        assert "\x00" not in json.loads(text.encode("utf-8"))["question"]
        assert pair.question == pair.question.strip() != ""
        assert pair.answer is None or pair.answer == pair.answer.strip() != ""


def test_the_schema_is_strict() -> None:
    schema = to_strict_json_schema(CompletedForm)
    pair = schema["$defs"]["CompletedPair"]
    assert schema["required"] == ["pairs"]
    assert pair["required"] == ["question", "answer"]
    assert pair["properties"]["answer"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert schema["additionalProperties"] is pair["additionalProperties"] is False
