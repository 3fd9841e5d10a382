"""The parser of fields: any text in, the schema's texts or a CompletionError out."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_extractor.contract import Pair
from ocr_extractor.engines.openai.answer_form import fields_of
from ocr_extractor.errors import CompletionError
from ocr_extractor.fields.schema import Schema

SCHEMA = Schema.parse(
    {
        "type": "object",
        "properties": {
            "company": {"type": "string"},
            "seller": {"type": "object", "properties": {"name": {"type": ["string", "null"]}}},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"article": {"type": "string"}, "amount": {"type": "number"}},
                },
            },
        },
    }
)
TREE = {
    "company": "Ann & Sons",
    "seller": {"name": None},
    "items": [{"article": "nut", "amount": "1,50"}, {"article": "bolt", "amount": ""}],
}
TEXT = json.dumps(TREE)
FORM = fields_of(SCHEMA, with_pairs=False)
PARSE = FORM.parse


def many(count: int) -> dict[str, Any]:
    return TREE | {"items": [{"article": f"part {n}", "amount": str(n)} for n in range(count)]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT, id="strict"),
        pytest.param(f"```json\n{TEXT}\n```", id="code fence"),
        pytest.param(f"{{So}} here {{it is}}:\n{TEXT}\nAnything else?", id="prose"),
        pytest.param('{"company": ...}\n' + TEXT, id="sketch before"),
        pytest.param('{"company": "draft"} ' + TEXT, id="draft before"),
        pytest.param(TEXT + ' It follows {"company": ...}.', id="sketch after"),
        pytest.param(TEXT.replace(": ", "\n:\t"), id="spaced out"),
        pytest.param(TEXT.replace('{"company"', '{"why": {"a": [1]}, "company"'), id="more keys"),
        pytest.param(TEXT.replace('"seller": {"name": null}', '"seller": null'), id="null group"),
    ],
)
def test_finds_the_fields(text: str):
    parsed = PARSE(text, 1)
    assert (parsed.raw_fields, parsed.fault, parsed.pairs) == (TREE, None, ())


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [("12.50", "12.50"), ("7", "7"), ("true", "true"), ('"a\nb"', "a b"), ('" \\u0000x "', "x")],
    ids=["number", "integer", "boolean", "line break", "control character"],
)
def test_what_is_no_string_counts_as_its_text(given_text: str, expected: str):
    parsed = PARSE(f'{{"company": {given_text}}}', 1)
    assert parsed.raw_fields == {"company": expected, "seller": {"name": None}, "items": []}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"pairs": []}', id="another form"),
        pytest.param('{"company": ["Ann"]}', id="list for a leaf"),
        pytest.param('{"company": {"name": "Ann"}}', id="object for a leaf"),
        pytest.param('{"items": {"article": "nut"}}', id="object for a list"),
        pytest.param('{"items": ["nut"]}', id="row of texts"),
        pytest.param('{"company": "Ann" "items": []} and so on', id="malformed"),
        pytest.param('{"a":' * 100_000 + '"end"', id="deep"),
    ],
)
def test_another_shape_is_an_invalid_completion(text: str):
    with pytest.raises(CompletionError) as caught:
        PARSE(text, 1)
    assert caught.value.code == "invalid_completion"


def test_an_empty_answer_says_so():
    with pytest.raises(CompletionError) as caught:
        PARSE(" \n", 1)
    assert caught.value.code == "empty_completion"


def test_a_cut_keeps_the_complete_rows_before_it():
    whole, text = many(30), json.dumps(many(30))
    for length in range(text.index("items"), len(text) - 1):
        parsed = PARSE(text[:length], 1)
        assert parsed.fault is not None
        assert parsed.fault.code == "completion_cut_off"
        tree = parsed.raw_fields or {}
        assert tree["company"] == "Ann & Sons"
        assert tree["items"] == whole["items"][: len(tree["items"])]
        assert len(tree["items"]) >= text[:length].count("}, {") - 1


def test_a_number_that_may_be_cut_is_no_value():
    tree = TREE | {
        "items": [{"article": "nut", "amount": 1.5}, {"article": "bolt", "amount": 27.5}]
    }
    text = json.dumps(tree)
    for length in range(text.index("27.5"), text.index("27.5") + 5):
        assert (PARSE(text[:length], 1).raw_fields or {})["items"] == [
            {"article": "nut", "amount": "1.5"}
        ]


def test_rows_without_end_are_degenerate_and_those_before_are_kept():
    text = json.dumps(many(5)).removesuffix("]}") + ', {"article": "nut", "amount": "1"}' * 300
    parsed = PARSE(text, 1)
    assert parsed.degenerate
    assert (parsed.raw_fields or {})["items"][:5] == many(5)["items"]
    assert len((parsed.raw_fields or {})["items"]) < 20


def test_pairs_are_beside_the_fields():
    text = json.dumps({"fields": TREE, "pairs": [{"question": "Fax", "answer": ""}]})
    form = fields_of(SCHEMA, with_pairs=True)
    assert form.parse(text, 3).raw_fields == TREE
    assert form.parse(text, 3).pairs == (Pair("Fax", None, 3),)
    assert set(form.json_schema["properties"]) == {"fields", "pairs"}


@pytest.mark.parametrize("with_pairs", [False, True])
def test_every_text_is_known_to_stand_where_it_does(with_pairs: bool):
    blank = {"article": " ", "amount": None}
    given = TREE | {"no key": [{"article": "no"}], "items": [blank, *TREE["items"], blank]}
    text = 'Well, "this": {"x": 1}.\n' + json.dumps(
        {"fields": given, "pairs": []} if with_pairs else given, ensure_ascii=False, indent=1
    )
    parsed = fields_of(SCHEMA, with_pairs=with_pairs).parse(text, 1)
    assert {path: text[start:end] for path, (start, end) in parsed.spans.items()} == {
        "company": "Ann & Sons",
        "items[0].article": "nut",
        "items[0].amount": "1,50",
        "items[1].article": "bolt",
    }
    assert parsed.raw_fields == TREE


@pytest.mark.parametrize("pairs", [True, 7, "all", {"question": "To"}, [True, [], {"answer": 1}]])
def test_pairs_that_are_none_leave_the_fields(pairs: object):
    text = json.dumps({"fields": TREE, "pairs": pairs})
    parsed = fields_of(SCHEMA, with_pairs=True).parse(text, 1)
    assert (parsed.raw_fields, parsed.pairs, parsed.fault) == (TREE, (), None)


def test_the_form_in_words_is_an_example_of_the_schema():
    example = json.loads(FORM.in_words.partition("form:\n")[2])
    assert PARSE(json.dumps(example), 1).raw_fields == example


def test_time_is_linear_in_the_text():
    started = time.process_time()
    PARSE(json.dumps(many(20_000)), 1)
    once = time.process_time() - started
    for text in (
        '{"company":"' + '\\"' * 200_000,
        '{"company' * 200_000,
        '{"company":"x"' * 100_000,
        '{"a":{"' * 200_000,
    ):
        started = time.process_time()
        with contextlib.suppress(CompletionError):
            PARSE(text, 1)
        assert time.process_time() - started < 50 * once + 1


@given(st.text(alphabet='{}[]",:\\ \ncompanyitems01', max_size=60))
def test_any_text_gives_fields_of_the_schema_or_an_error(text: str):
    with contextlib.suppress(CompletionError):
        tree = PARSE(text, 1).raw_fields
        assert tree is None or tree.keys() == TREE.keys()
