"""What an estimate says before anything is paid for."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.documents.opener import Opener
from ocr_extractor.engines.openai.estimate import Estimate, estimate


def tiff(*sizes: tuple[int, int]) -> bytes:
    first, *others = [Image.new("L", size, 255) for size in sizes]
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=others)
    return buffer.getvalue()


def told(documents: list[bytes], **settings: Any) -> Estimate:
    config = {"engine": "openai", "prompt_uri": "prompts:/p/1", "llm": "gpt-4o"} | settings
    validated = ExtractorConfig.from_model_config(config)
    return estimate(validated, Opener(validated.limits), "x" * 400, documents, 50.0)


def test_pages_images_prompt_and_output_count():
    # gpt-4o: 85 + 170 for each 512-px tile; the prompt of 400 characters is 100 tokens a page.
    documents = [tiff((512, 512), (512, 1024)), tiff((500, 500)), b"no document"]
    found = told(documents, input_price=1.0, output_price=10.0)
    tokens = (85 + 170) + (85 + 2 * 170) + (85 + 170) + 3 * 100
    assert (found.pages, found.input_tokens) == (3, tokens)
    assert found.cost == pytest.approx((tokens + 10 * 150) / 1e6)


def test_pages_are_estimated_as_they_are_sent():
    assert told([tiff((1024, 1024))], max_size=512) == told([tiff((512, 512))])


def test_the_prices_are_the_installed_ones(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_MODEL_CATALOG_URI", httpserver.url_for("/newer"))
    found = told([tiff((512, 512))])
    assert found.cost is not None
    assert found.cost > 0
    assert not httpserver.log  # without a network, each start waited 7 s for a newer list


@pytest.mark.parametrize("settings", [{"llm": "my-own"}, {"page_input": "text"}], ids=str)
def test_what_is_not_known_is_not_guessed(settings: dict[str, str]):
    assert told([tiff((512, 512))], **settings) == Estimate(1, None, None)
