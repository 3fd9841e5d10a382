"""The card of an extractor says what it is: derived from its settings, schema and weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import PromptVersion

from data.fields import load_folder
from entry_points import ROOT
from entry_points.log import travelling
from entry_points.logged_models.card import LONGEST, sections_of
from entry_points.logged_models.card_text import write_card
from entry_points.training.origin import Kind, note_origin, origin
from ocr_extractor.config import ExtractorConfig
from ocr_extractor.fields.schema import Schema

RECEIPTS = ROOT / "data" / "samples-fields" / "receipts"
SCHEMA = Schema.parse(
    {
        "title": "receipt",
        "type": "object",
        "properties": {
            "total": {"type": "number"},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"day": {"format": "date", "type": "string"}},
                },
            },
        },
    }
)


def card(
    schema: Schema | None = None, weights: Path | None = None, name: str = "p", **settings: Any
) -> str:
    prompt = PromptVersion(name, 3, "Read.")  # type: ignore[abstract]  # it is not, at run time
    config = ExtractorConfig.from_model_config(
        {"engine": "local", "prompt_uri": "prompts:/p/3"} | settings
    )
    return write_card(config, prompt, schema, travelling(), weights)


def section(text: str, title: str) -> str:
    return "\n".join(dict(sections_of(text))[title])


@pytest.mark.parametrize(
    ("settings", "schema", "title", "says", "does_not_say"),
    [
        pytest.param({}, None, "Reads", ["pairs", "PNG", "200 pages"], ["Fields"], id="pairs"),
        pytest.param(
            {},
            SCHEMA,
            "Reads",
            ["Fields of `receipt`, 2: `total` (number), `items[].day` (date)."],
            ["pairs"],
            id="fields",
        ),
        pytest.param({"with_pairs": True}, SCHEMA, "Reads", ["pairs", "Fields"], [], id="both"),
        pytest.param({"max_pages": 7}, None, "Reads", ["7 pages"], [], id="its own limits"),
        pytest.param({}, None, "Made of", ["`local`", "`prompts:/p/3`"], ["LLM `"], id="local"),
        pytest.param(
            {"engine": "openai", "llm": "vision-1", "page_input": "both"},
            None,
            "Made of",
            ["the LLM `vision-1`", "sent to its server (`page_input=both`)"],
            ["alias"],
            id="LLM",
        ),
        pytest.param(
            {"engine": "openai", "follow_alias": True, "trace_content": "metadata"},
            None,
            "Made of",
            ["alias `production`", "no text"],
            [],
            id="alias and traces",
        ),
        pytest.param(
            {"engine": "openai", "base_url": "http://inner.host/v1", "cache": "/home/ann/c.sqlite"},
            None,
            "Made of",
            [],
            ["inner", "ann"],
            id="no hosts and no paths",
        ),
        pytest.param({}, None, "Trained on", ["Pairs (bundled weights)"], ["Fields ("], id="1"),
        pytest.param({}, SCHEMA, "Trained on", ["Fields (bundled weights)"], ["Pairs ("], id="2"),
        pytest.param(
            {"engine": "openai", "llm": "m"},
            SCHEMA,
            "Trained on",
            ["`m`: its provider says."],
            ["weights", "RapidOCR"],
            id="an LLM's training",
        ),
        pytest.param(
            {"engine": "openai", "escalate_below": {"*": 0.5}, "grounding": True},
            SCHEMA,
            "Trained on",
            ["Fields (bundled weights)", "`gpt-", "RapidOCR"],
            [],
            id="both engines",
        ),
        pytest.param({}, None, "Limits", ["bundled", "left blank"], ["LLM"], id="local limits"),
        pytest.param(
            {"engine": "openai"}, None, "Limits", ["has a box"], ["bundled"], id="LLM limits"
        ),
    ],
)
def test_each_section_follows_from_the_settings(
    settings: dict[str, Any],
    schema: Schema | None,
    title: str,
    says: list[str],
    does_not_say: list[str],
):
    text = section(card(schema, **settings), title)
    assert [each for each in says if each not in text] == []
    assert [each for each in does_not_say if each in text] == []


def test_own_weights_say_what_they_have_learned_from(tmp_path: Path):
    documents = load_folder(RECEIPTS)
    (tmp_path / "fields.json").touch()
    note_origin(tmp_path, "fields", "receipts-2026", documents)
    text = card(SCHEMA, tmp_path, with_pairs=True)
    trained = section(text, "Trained on")
    assert "Fields (own weights): 4 documents of receipts-2026, content hash c60bf8b3" in trained
    assert "9,600 documents that this project draws" in trained
    assert "Pairs (bundled weights): 230 forms" in trained
    assert "Own weights: the terms of the documents" in section(text, "Licences")


@pytest.mark.parametrize("kind", ["pairs", "fields"])
def test_what_the_card_says_of_bundled_weights_stands_in_their_documentation(kind: Kind):
    weights = ROOT / "model" / "ocr_extractor" / "engines" / "local" / "weights"
    documentation = (weights / "WEIGHTS.md").read_text(encoding="utf-8")
    [number] = re.findall(r"^[\d,]+", origin(kind))
    assert f"{number} forms that" in documentation or f"{number} documents that" in documentation


def test_own_weights_of_an_earlier_release_say_nothing(tmp_path: Path):
    (tmp_path / "fields.json").touch()
    assert "(own weights): not noted" in section(card(SCHEMA, tmp_path), "Trained on")


def test_every_package_that_travels_has_a_licence():
    licences = section(card(), "Licences")
    assert all(package in licences for package in travelling())
    assert "not stated" not in licences


def test_a_text_of_the_user_stays_in_its_place():
    text = card(engine="openai", llm="x`\n## Scores\n\n| <script> ` \u202e")
    assert text.count("\n## Scores") == 1
    assert "\u202e" not in text


def test_the_largest_card_fits_into_a_description():
    properties = {f"{'f' * 60}{number:03}": {"type": "string"} for number in range(499)}
    schema = Schema.parse({"title": "t" * 300, "type": "object", "properties": properties})
    settings: dict[str, Any] = {
        "engine": "openai",
        "llm": "l" * 500,
        "escalate_below": {f"{'f' * 60}{number:03}": 0.5 for number in range(499)},
        "grounding": True,
        "with_pairs": True,
    }
    text = card(schema, name="p" * 250, **settings)
    assert len(text) < LONGEST - 1200  # which the scores may take
    assert "and 4" in section(text, "Reads")
