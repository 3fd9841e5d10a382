"""Child of the overhead suite: CPU time from a document's bytes to the body of its request."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path

from mlflow.entities.model_registry import PromptVersion

from entry_points import ROOT
from entry_points.benchmarks.baselines import plain_request
from entry_points.benchmarks.stage import documents
from entry_points.benchmarks.usage import cpu_s
from entry_points.register_prompt import TEMPLATE
from ocr_extractor.config import ExtractorConfig
from ocr_extractor.encoding import encode_for_llm
from ocr_extractor.engines.openai_dialect import Dialect
from ocr_extractor.page import open_document
from ocr_extractor.prompt import Prompt


def request_of_ours() -> Callable[[bytes], bytes]:
    """Return what makes the request's body of a document, as the openai engine does."""
    template = (ROOT / TEMPLATE).read_text(encoding="utf-8")
    prompt = Prompt(
        "prompts:/p/1",
        PromptVersion("p", 1, template),  # type: ignore[abstract]  # it is not, at run time
        "snapshot",
    )
    config = ExtractorConfig(engine="openai", prompt_uri=prompt.uri)
    dialect = Dialect(config, compatible=True)

    def request(document: bytes) -> bytes:
        page = open_document(document, config.limits).page(1)
        image, _ = encode_for_llm(page, config.max_size, config.image_format, config.quality)
        url = f"data:image/{config.image_format};base64,{base64.b64encode(image).decode()}"
        part = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
        messages = [
            {"role": "system", "content": prompt.render()},
            {"role": "user", "content": [part]},
        ]
        body = {"model": config.llm, "messages": messages, **dialect.parameters()}
        return json.dumps(body).encode()

    return request


def main() -> None:
    """Print CPU ms a page, ours and plain; arguments: dataset, pages."""
    pages = documents(Path(sys.argv[1]), int(sys.argv[2]))
    figures = {}
    for name, request in {"ours": request_of_ours(), "plain": plain_request}.items():
        request(pages[0])
        started = cpu_s()
        for page in pages:
            request(page)
        figures[name] = 1000 * (cpu_s() - started) / len(pages)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
