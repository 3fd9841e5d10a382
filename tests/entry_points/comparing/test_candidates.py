"""The syntax of --candidates."""

from __future__ import annotations

import json

import pytest

from entry_points.cli import UsageError
from entry_points.comparing.candidates import Candidate, read_candidates

BASE = {"engine": "auto", "llm": "", "prompt": "", "settings": '{"max_size": 900, "seed": 1}'}


def logged(**changes: object) -> dict[str, object]:
    """Return the flags of `log` with its settings as an object."""
    return BASE | {"settings": json.loads(BASE["settings"])} | changes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("prompts:/n/2", logged(prompt="prompts:/n/2"), id="prompt"),
        pytest.param("local", logged(engine="local"), id="engine"),
        pytest.param("llm=gpt-x", logged(llm="gpt-x"), id="llm"),
        pytest.param(
            "openai; page_input=text;max_size=1500",
            logged(engine="openai", settings={"max_size": 1500, "seed": 1, "page_input": "text"}),
            id="settings-over-those-of-all",
        ),
        pytest.param("seed=null", logged(settings={"max_size": 900, "seed": None}), id="json"),
    ],
)
def test_what_is_not_logged_names_what_to_log(text: str, expected: dict[str, object]):
    candidate, _ = read_candidates(f"{text}, models:/m/1", BASE)
    settings = json.loads(candidate.log_flags["settings"])
    assert (candidate.name, candidate.model_uri) == (text, "")
    assert {**candidate.log_flags, "settings": settings} == expected


def test_a_model_is_taken_as_it_is():
    uris = ["models:/m@champion", "runs:/0a/extractor", "models:/m-0a"]
    assert read_candidates(",".join(uris), BASE) == [Candidate(uri, model_uri=uri) for uri in uris]


@pytest.mark.parametrize("text", ["", "local", "local,", "local, local"])
def test_fewer_than_two_different_ones_are_refused(text: str):
    with pytest.raises(UsageError, match="two or more different ones"):
        read_candidates(text, BASE)


@pytest.mark.parametrize("part", ["prompt/ocr/2", "=1", "loca"])
def test_what_cannot_be_read_is_named(part: str):
    with pytest.raises(UsageError, match="write a setting as key=value"):
        read_candidates(f"local,{part}", BASE)
