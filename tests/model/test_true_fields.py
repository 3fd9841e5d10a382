"""Real documents and an LLM whose errors are known: status, proof, checks and rows tell them.

FIELDS_DIR names a folder with the sets below.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import PromptVersion
from PIL import Image

from data.fields import FieldDocument, load_folder
from entry_points.scoring.fields import FieldTruth
from ocr_extractor.config import ExtractorConfig
from ocr_extractor.documents.input_frame import InputDocument
from ocr_extractor.documents.opener import open_document
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from ocr_extractor.ocr.recognition import OcrPage, WordReader
from ocr_extractor.prompts.prompt import Prompt
from ocr_extractor.reader import DocumentReader
from tests.llm_servers.checking import CheckingLlm
from tests.truth_llm import ERRORS, TruthLlm, value_f1, wrong_leaves

SETS = {"receipts": "dmy", "adbuys": "mdy", "invoices": "dmy"}
DOCUMENTS = 3

pytestmark = [
    pytest.mark.skipif("FIELDS_DIR" not in os.environ, reason="FIELDS_DIR is not set"),
    pytest.mark.usefixtures("no_traces"),
]


class OnceReader(WordReader):
    """Reads each page once, however often it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[bytes, OcrPage] = {}

    def read_upright(self, image: Image.Image) -> OcrPage:
        pixels = image.tobytes()
        if pixels not in self._read:
            self._read[pixels] = super().read_upright(image.copy())  # the page's is closed
        return self._read[pixels]


@pytest.fixture(scope="module")
def word_reader() -> WordReader:
    return OnceReader()


def documents(folder: Path) -> list[FieldDocument]:
    """Return the first documents of one page."""
    one_page = (
        each
        for each in load_folder(folder)
        if open_document(each.image_path.read_bytes()).page_count == 1
    )
    return [each for each, _ in zip(one_page, range(DOCUMENTS), strict=False)]


def reader(folder: Path, word_reader: WordReader) -> DocumentReader:
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    version = PromptVersion(  # type: ignore[abstract]  # it is not, at run time
        "p", 1, "Copy. {{ fields }} {{ ocr_text }}", response_format=schema
    )
    uri = "prompts:/p/1"
    config = ExtractorConfig(
        engine="openai", prompt_uri=uri, page_input="text", grounding=True, max_concurrency=1
    )
    prompt = Prompt(uri, version, "snapshot")
    return DocumentReader(config, prompt, OpenAIChatEngine(config), word_reader=word_reader)


def tell(row: dict[str, Any], llm: TruthLlm, table: Counter[str]) -> None:
    """Count what became of a document's leaves, and which errors are told."""
    table["leaves"] += len(row["fields"])
    wrong = wrong_leaves(llm.document, row)
    table["right"] += len(row["fields"]) - len(wrong)
    for leaf in row["fields"]:
        table["invalid"] += leaf["status"] == "invalid"
        table["check failed"] += any(not each.startswith("rows") for each in leaf["checks"])
        table["not grounded"] += leaf["grounded"] is False
        table["rows flagged"] += any(each.startswith("rows") for each in leaf["checks"])
    leaves = {leaf["path"]: leaf for leaf in row["fields"]}
    for path in llm.spoiled:
        leaf = leaves[path]
        told = leaf["status"] == "invalid" or leaf["grounded"] is False or leaf["checks"]
        table[f"{llm.error}: made"] += 1
        table[f"{llm.error}: told"] += bool(told) or leaf["confidence"] < 0.75
    table["wrong, not told"] += sum(
        leaf["status"] == "found"
        and leaf["grounded"] is not False
        and not leaf["checks"]
        and path not in llm.spoiled
        for path, leaf in wrong.items()
    )


@pytest.mark.parametrize("name", SETS)
def test_known_errors_on_real_documents_are_told(
    name: str, llm: CheckingLlm, word_reader: WordReader
) -> None:
    folder = Path(os.environ["FIELDS_DIR"]) / name
    read = reader(folder, word_reader)
    table: Counter[str] = Counter()
    for document in documents(folder):
        source = InputDocument(document.form_id, document.image_path.read_bytes())
        for error in ERRORS:
            truth = TruthLlm(document, SETS[name], error)
            llm.answer = truth
            [extraction] = read.read_all([source], "")
            row = extraction.to_row()
            assert row["error_code"] is None, row["error"]
            score = FieldTruth.of(document).score(row).metrics()["value_f1"]
            assert score == pytest.approx(value_f1(document, json.loads(row["values"])), abs=1e-6)
            tell(row, truth, table)
    assert table["wrong format: made"] == table["wrong format: told"] == DOCUMENTS, table
    assert table["invented value: made"] == table["invented value: told"] == DOCUMENTS, table
    assert table["missing rows: told"] == table["missing rows: made"], table
    assert table["wrong, not told"] == 0, table
