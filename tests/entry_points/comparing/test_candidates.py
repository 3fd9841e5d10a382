"""The syntax of --candidates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from entry_points.command_line.cli import UsageError
from entry_points.comparing.candidates import Candidate, read_candidates
from ocr_extractor.config import ExtractorConfig
from tests.documentation import block

BASE = {
    "engine": "auto",
    "llm": "auto",
    "prompt": "auto",
    "settings": '{"max_size": 900, "seed": 1}',
}


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


FILE = """
- models:/m@champion
- name: champion, fixed
  model_uri: models:/m/3
- {name: small pages, engine: openai, llm: gpt-x, max_size: 700}
- local;max_size=800
"""


def test_a_file_has_a_list_of_names_with_settings(tmp_path: Path):
    file = tmp_path / "candidates.yaml"
    file.write_text(FILE, encoding="utf-8")
    champion, fixed, small, local = read_candidates(str(file), BASE)
    assert champion == Candidate("models:/m@champion", model_uri="models:/m@champion")
    assert fixed == Candidate("champion, fixed", model_uri="models:/m/3")
    assert small.name == "small pages"
    settings = json.dumps({"max_size": 700, "seed": 1})
    assert small.log_flags == {**BASE, "engine": "openai", "llm": "gpt-x", "settings": settings}
    assert local == read_candidates("local;max_size=800,local", BASE)[0]


def test_the_documented_file_is_read(tmp_path: Path):
    file = tmp_path / "candidates.yml"
    file.write_text(block("yaml", "model_uri:"), encoding="utf-8")
    champion, smaller = read_candidates(str(file), BASE)
    assert champion == Candidate("champion", model_uri="models:/ocr-extractor@champion")
    assert smaller.log_flags["prompt"] == "prompts:/ocr-question-answer/2"
    known = {"engine": "openai", "prompt_uri": "prompts:/p/1"}
    settings = known | json.loads(smaller.log_flags["settings"])
    assert ExtractorConfig.from_model_config(settings).max_size == 1000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("- local\n- name: [", "c.yaml, line 2 is not YAML", id="syntax"),
        pytest.param("local: {}", "c.yaml is not a list: write each candidate as", id="no-list"),
        pytest.param("- local", "two or more different ones, in its list", id="one"),
        pytest.param(
            "- {name: a, engine: local}\n- {name: a, engine: openai}", "name of its own", id="twice"
        ),
        pytest.param("- local\n- engine: local", "entry 2: name is 'None'", id="no-name"),
        pytest.param("- local\n- {name: a, llm: 3}", "entry 2: llm is '3': give", id="number"),
        pytest.param("- local\n- {name: a, model_uri: }", "entry 2: model_uri is", id="no-uri"),
        pytest.param("- local\n- [a]", r"entry 2: .*\['a'\].* is not a candidate", id="list"),
        pytest.param("- local\n- loca", "entry 2: .*write a setting as key=value", id="item"),
        pytest.param(
            "- local\n- {name: a, model_uri: 'models:/m/1', max_size: 9}",
            "entry 2: it has model_uri and max_size: .* one or the other",
            id="both",
        ),
    ],
)
def test_a_file_that_is_no_list_of_candidates_is_refused(tmp_path: Path, text: str, said: str):
    file = tmp_path / "c.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_candidates(str(file), BASE)
