"""The completion parser: any text in, pairs or a CompletionError out."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib._pydantic import to_strict_json_schema

from ocr_extractor.contract import Pair
from ocr_extractor.engines.openai.parsing import CompletedForm, parse_completion
from ocr_extractor.errors import CompletionError

FORM = (
    '{"pairs": [{"question": "Date:", "answer": "5/11/98"}, {"question": "Fax", "answer": null}]}'
)
PAIRS = (Pair("Date:", "5/11/98"), Pair("Fax", None))


def form_of(count: int) -> str:
    pairs = [{"question": f"Line {i}", "answer": f"{i}"} for i in range(count)]
    return json.dumps({"pairs": pairs})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(FORM, id="strict"),
        pytest.param(f"```json\n{FORM}\n```", id="code fence"),
        pytest.param(f"Here is the form:\n{FORM}\nIs there anything else?", id="prose"),
        pytest.param(f'A form looks like {{"pairs": [...]}}.\n{FORM}', id="sketch before"),
        pytest.param(f'{{"pairs": []}} was a draft. {FORM}', id="draft before"),
        pytest.param(f'{FORM} It follows {{"pairs": [...]}}.', id="sketch after"),
        pytest.param(FORM.replace("{", " { ").replace(":", "\n:\t"), id="spaced out"),
        pytest.param(FORM.removesuffix("}"), id="only the last brace missing"),
    ],
)
def test_finds_the_form(text: str):
    parsed = parse_completion(text, 1)
    assert parsed.fault is None
    assert [pair.answer for pair in parsed.pairs] == [pair.answer for pair in PAIRS]


def test_numbers_the_page_and_drops_what_has_no_question():
    text = '{"pairs": [{"question": " ", "answer": "x"}, {"question": "No.", "answer": "  "}]}'
    assert parse_completion(text, 7).pairs == (Pair("No.", None, 7),)


def test_lone_surrogates_and_control_characters_are_dropped():
    text = '{"pairs": [{"question": "Na\\ud800me\\u0000", "answer": "\\udfffAnn \\ud83d\\ude00"}]}'
    assert parse_completion(text, 1).pairs == (Pair("Name", "Ann 😀"),)


def test_a_line_break_inside_a_text_is_kept():
    text = '{"pairs": [{"question": "Address", "answer": "1 Main St\nSpringfield"}]}'
    assert parse_completion(text, 1).pairs == (Pair("Address", "1 Main St\nSpringfield"),)


def test_braces_and_quotes_inside_a_text_are_text():
    answer = 'see {"pairs": [{"question": "x"}]} and "["'
    text = json.dumps({"pairs": [{"question": "Note", "answer": answer}]})
    assert parse_completion(text, 1).pairs == (Pair("Note", answer),)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("I cannot see a form.", id="prose alone"),
        pytest.param('{"fields": []}', id="other key"),
        pytest.param('[{"question": "a", "answer": "b"}]', id="bare list"),
        pytest.param('{"pairs": [{"question": "a"}]}', id="answer missing"),
        pytest.param('{"pairs": [{"question": "a", "answer": 12}]}', id="number"),
        pytest.param('{"pairs": [{"question": "a", "answer": NaN}]}', id="NaN"),
        pytest.param('{"pairs": [{"question": "a", "answer": ["b"]}]}', id="list"),
        pytest.param('{"pairs": [{"question": "a", "answer": "b", "box": 1}]}', id="extra key"),
        pytest.param(
            '{"pairs": [{"question": "a", "question": "b", "answer": ""}]}', id="key twice"
        ),
        pytest.param('{"pairs": [], "pairs": []}', id="pairs twice"),
        pytest.param('{"pairs": [{"question": "a", "answer": "say "hi""}]}', id="bare quotes"),
        pytest.param('{"pairs": ["a", "b"]}', id="texts"),
        pytest.param('{"pairs": [' + "[" * 100_000, id="deep"),
        pytest.param('{"pairs": [{"question": "a", "answer": ' + "9" * 5000 + "}]}", id="huge"),
    ],
)
def test_refuses_what_does_not_follow_the_schema(text: str):
    with pytest.raises(CompletionError) as caught:
        parse_completion(text, 1)
    assert caught.value.code == "invalid_completion"
    assert caught.value.retryable


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_completion_has_a_code_of_its_own(text: str):
    with pytest.raises(CompletionError) as caught:
        parse_completion(text, 1)
    assert caught.value.code == "empty_completion"


def test_a_hundred_thousand_different_pairs_are_read():
    parsed = parse_completion(form_of(100_000), 1)
    assert parsed.fault is None
    assert len(parsed.pairs) == 100_000


def test_a_cut_anywhere_keeps_the_complete_pairs():
    whole = form_of(3)
    ends = [index + 1 for index, letter in enumerate(whole) if letter == "}"][:3]
    for length in range(len('{"pairs": ['), len(whole) - 2):
        parsed = parse_completion(whole[:length], 1)
        assert len(parsed.pairs) == sum(end <= length for end in ends), whole[:length]
        assert parsed.fault is not None
        assert parsed.fault.code == "completion_cut_off"


LOOPS = {
    "dots in an answer": '{"question": "Name", "answer": "' + "." * 3000,
    "leader in an answer": '{"question": "Name", "answer": "' + ". _ " * 900,
    "white space": '{"question": "Name",' + "\n\t" * 900,
    "the same pair": '{"question": "Name", "answer": "Ann"}, ' * 40,
    "two pairs in turn": '{"question": "a", "answer": "b"}, {"question": "c", "answer": null}, '
    * 30,
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_a_loop_that_was_cut_off_is_told_from_a_long_form(loop: str):
    before = FORM.removesuffix("]}") + ", "
    parsed = parse_completion(before + loop, 1)
    assert parsed.fault is not None
    assert parsed.fault.code == "degenerate_completion"
    assert parsed.degenerate
    assert parsed.pairs[:2] == PAIRS
    assert len(parsed.pairs) <= 4, "the loop's rounds after the first are dropped"


def test_a_loop_without_a_form_is_degenerate_too():
    assert parse_completion("the the " * 500, 1).degenerate


def test_a_finished_form_may_repeat_itself_but_not_without_end():
    def repeated(times: int) -> str:
        return json.dumps({"pairs": [{"question": "Qty", "answer": None}] * times})

    assert parse_completion(repeated(60), 1).fault is None
    endless = parse_completion(repeated(100_000), 1)
    assert endless.degenerate


def test_the_schema_is_one_that_openai_takes_as_strict():
    assert CompletedForm.model_json_schema() == to_strict_json_schema(CompletedForm)


def test_the_schema_that_is_sent_is_the_schema_that_is_read():
    assert CompletedForm.model_validate_json(FORM).model_dump() == json.loads(FORM)


PIECES = (
    *('{"pairs": [', '{"question": "', '"', '", "answer": "', '"}', "},", "]}", '{"pairs"', ":"),
    *("\\", ",", "null", "NaN", "\\ud800", "\ud800", "```", " ", "[", "{", "....", "\x00"),
)
pieces = st.sampled_from(PIECES)
texts = st.one_of(
    st.text(),
    st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=60).map("".join),
    st.tuples(pieces, st.integers(0, 2000)).map(lambda each: FORM[:-2] + each[0] * each[1]),
)


@given(texts)
def test_any_text_gives_pairs_or_a_completion_error(text: str):
    try:
        parsed = parse_completion(text, 1)
    except CompletionError:
        return
    for pair in parsed.pairs:
        assert pair.question.strip()
        json.dumps([pair.question, pair.answer], ensure_ascii=False).encode()


json_texts = st.text().filter(lambda text: text.strip())


@given(st.lists(st.tuples(json_texts, st.none() | json_texts), max_size=20), st.booleans())
def test_what_json_writes_is_read_back(items: list[tuple[str, str | None]], ascii_only: bool):
    body: dict[str, Any] = {"pairs": [{"question": q, "answer": a} for q, a in items]}
    text = json.dumps(body, ensure_ascii=ascii_only)
    parsed = parse_completion(text, 1)
    assert parsed == parse_completion(f"```\n{text}\n```", 1)
    assert len(parsed.pairs) <= len(items)


HARD = ('{"pairs":[', '{"pairs": [{},', '{"', "\\", " ", 'a"{"pairs":[{"q":"', '{"a":"b",')


@pytest.mark.parametrize("unit", HARD)
def test_time_is_linear_in_the_text(unit: str):
    start = '{"pairs": [{"question": "a", "answer": "b"}, '

    def seconds(length: int) -> float:
        text = (start + unit * (length // len(unit) + 1))[:length]
        started = time.process_time()
        with contextlib.suppress(CompletionError):
            parse_completion(text, 1)
        return time.process_time() - started

    small = max(seconds(500_000), 0.01)
    assert seconds(10_000_000) < 20 * small * 5, "20 times the text, at most 100 times the time"
