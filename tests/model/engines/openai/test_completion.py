"""Which texts of a completion the LLM was unsure of, from the probabilities of its tokens."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_extractor.engines.openai.completion import probabilities_of, read_tokens


def tokens(*given: tuple[str, float]) -> Any:
    return read_tokens([{"token": text, "logprob": math.log(p)} for text, p in given])


def test_a_text_has_the_probability_of_its_least_probable_token():
    said = tokens(
        ('{"a', 0.1), ('": "', 0.2), ("12", 0.9), ("3,", 0.5), ('4", "b', 0.7), ('": "x"}', 1)
    )
    text = '{"a": "123,4", "b": "x"}'
    found = probabilities_of(text, said, {"a": (7, 12), "b": (21, 22)})
    assert found == pytest.approx({"a": 0.5, "b": 1.0})


def test_a_character_may_be_cut_into_several_tokens():
    text = '{"a": "é€", "b": "ü"}'
    pieces = [text.encode()[at : at + 1] for at in range(len(text.encode()))]
    given = [
        {"token": "?", "bytes": list(each), "logprob": -1.0 if each == b"\x82" else 0.0}
        for each in pieces
    ]
    found = probabilities_of(text, read_tokens(given), {"a": (7, 9), "b": (18, 19)})
    assert found == pytest.approx({"a": math.exp(-1), "b": 1.0})


def test_tokens_around_the_completion_do_not_matter():
    said = tokens(("\n", 0.1), ("a", 0.2), ("b", 0.3), ("<end>", 0.4))
    assert probabilities_of("ab", said, {"b": (1, 2)}) == pytest.approx({"b": 0.3})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="none"),
        pytest.param([], id="empty"),
        pytest.param("ab", id="text"),
        pytest.param([{"token": "ab"}], id="no logprob"),
        pytest.param([{"token": "ab", "logprob": float("nan")}], id="no number"),
        pytest.param([{"token": "ab", "logprob": None}], id="null"),
        pytest.param([{"token": "ab", "bytes": [300], "logprob": 0}], id="no bytes"),
        pytest.param([{"token": 7, "logprob": 0}], id="no text"),
        pytest.param([{"token": "ba", "logprob": 0}], id="another text"),
        pytest.param(7, id="a number"),
    ],
)
def test_what_is_no_list_of_the_completions_tokens_tells_nothing(content: Any):
    assert probabilities_of("ab", read_tokens(content), {"a": (0, 1)}) == {}


@given(st.lists(st.tuples(st.text(min_size=1, max_size=4), st.floats(0.01, 1)), min_size=1))
def test_probabilities_are_between_0_and_1_and_that_of_all_is_the_least(given: Any):
    text = "".join(each for each, _ in given)
    found = probabilities_of(
        text, tokens(*given), {str(at): (at, at + 1) for at in range(len(text))}
    )
    assert min(found.values()) == pytest.approx(min(p for _, p in given))
    assert all(0 <= each <= 1 for each in found.values())
