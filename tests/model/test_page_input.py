"""What an LLM is given of a page: its image, its text as OCR reads it, or both."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities.model_registry import PromptVersion
from PIL import Image, ImageDraw, ImageFont

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.documents.input_frame import InputDocument
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from ocr_extractor.errors import PromptError
from ocr_extractor.ocr.page_text import document_text, lay_out
from ocr_extractor.ocr.recognition import WordReader
from ocr_extractor.ocr.words import Word
from ocr_extractor.prompts.prompt import Prompt
from ocr_extractor.reader import DocumentReader
from tests.llm_servers.faulty import FaultyLlm, answer
from tests.model.sample_documents import text_pdf

TEMPLATE = "Read.{% if ocr_text %} Text: {{ ocr_text }}{% endif %}"


def word(text: str, x: int, y: int, line: int) -> Word:
    return Word(text, (x, y, x + 10 * len(text), y + 20), line)


class TestLayOut:
    def test_lines_side_by_side_are_one_row_with_a_gap(self):
        words = [word("Ann", 300, 103, 1), word("Name:", 0, 100, 0), word("Date:", 0, 140, 2)]
        assert lay_out(words) == "Name:" + " " * 12 + "Ann\nDate:"

    def test_columns_keep_their_order(self):
        words = [word("b", 100, 50, 0), word("a", 0, 52, 1), word("c", 120, 51, 2)]
        assert lay_out(words) == "a         b c"

    def test_touching_words_are_parted(self):
        assert lay_out([word("Total", 0, 0, 0), word("5", 50, 0, 0)]) == "Total 5"

    def test_a_blank_page_is_empty(self):
        assert lay_out([]) == ""


@pytest.fixture(scope="module")
def page() -> bytes:
    image = Image.new("L", (600, 120), 255)
    font = ImageFont.load_default(28)
    ImageDraw.Draw(image).text((20, 40), "Name: Ann", fill=0, font=font)
    ImageDraw.Draw(image).text((350, 40), "Fax: 555", fill=0, font=font)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@cache  # its networks take seconds to load
def word_reader() -> WordReader:
    return WordReader()


def build(page_input: str, template: str = TEMPLATE, **settings: Any) -> DocumentReader:
    config = ExtractorConfig.from_model_config(
        {"engine": "openai", "prompt_uri": "prompts:/p/1", "page_input": page_input, **settings}
    )
    version: Any = PromptVersion
    prompt = Prompt("prompts:/p/1", version("p", 1, template), "snapshot")
    words = word_reader() if page_input != "image" or config.grounding else None
    return DocumentReader(config, prompt, OpenAIChatEngine(config), word_reader=words)


@pytest.mark.parametrize("page_input", ["image", "text", "both"])
def test_the_llm_is_given_what_the_setting_says(
    page_input: str, page: bytes, store: Path, monkeypatch: pytest.MonkeyPatch
):
    with FaultyLlm() as llm:
        monkeypatch.setenv("OPENAI_BASE_URL", llm.base_url)
        [row] = build(page_input).read_all([InputDocument("a", page)], "")
    assert row.error is None
    [request] = llm.requests
    instructions, content = (message["content"] for message in request["messages"])
    assert ("Name: Ann" in instructions and "Fax: 555" in instructions) is (page_input != "image")
    assert isinstance(content, str) is (page_input == "text")


def test_a_prompt_without_a_place_for_the_text_is_refused(
    store: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with pytest.raises(PromptError, match="does not use: register a template"):
        build("text", "Read the form.")


@pytest.mark.parametrize("page_input", ["image", "both"])
def test_grounded_pairs_have_boxes_from_one_reading_of_the_page(
    page_input: str, page: bytes, store: Path, monkeypatch: pytest.MonkeyPatch
):
    pairs = [{"question": "Name:", "answer": "Ann"}, {"question": "Fax:", "answer": "Jersey City"}]
    with FaultyLlm() as llm:
        llm.always = answer(json.dumps({"pairs": pairs}))
        monkeypatch.setenv("OPENAI_BASE_URL", llm.base_url)
        [row] = build(page_input, grounding=True).read_all([InputDocument("a", page)], "")
    [trace] = mlflow.search_traces(return_type="list")
    assert [span.name for span in trace.data.spans].count("ocr") == 1
    assert [pair.grounded for pair in row.pairs] == [True, False]
    assert [pair.question_box is not None for pair in row.pairs] == [True, True]


def test_a_pdf_with_a_text_layer_needs_no_ocr(store: Path, monkeypatch: pytest.MonkeyPatch):
    form = text_pdf("BT /F 12 Tf 20 70 Td (Name: Ann) Tj ET")
    pairs = [{"question": "Name:", "answer": "Ann"}]
    with FaultyLlm() as llm:
        llm.always = answer(json.dumps({"pairs": pairs}))
        monkeypatch.setenv("OPENAI_BASE_URL", llm.base_url)
        reader = build("text", grounding=True)
        [row] = reader.read_all([InputDocument("a", form)], "")
    [trace] = mlflow.search_traces(return_type="list")
    assert "ocr" not in [span.name for span in trace.data.spans]
    assert "Text: Name: Ann" in llm.requests[0]["messages"][0]["content"]
    [pair] = row.pairs
    assert pair.grounded
    assert pair.answer_box is not None


def test_the_text_of_a_document_is_what_the_llm_is_given():
    tiny = "BT /F 2 Tf 20 70 Td (Name: Ann) Tj 0 -40 Td (Fax: 555) Tj ET"  # no OCR reads 2 points
    assert document_text(text_pdf(tiny)) == "Name: Ann\nFax: 555"
