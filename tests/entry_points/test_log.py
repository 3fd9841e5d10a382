"""What is refused when an extractor is logged, rather than when it is loaded."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow.entities.model_registry import PromptVersion

from entry_points.log import log
from ocr_extractor.errors import ConfigError

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}


@pytest.mark.parametrize(
    ("engine", "schema"),
    [
        pytest.param("local", SCHEMA, id="without an LLM"),
        pytest.param("openai", None, id="without a schema"),
    ],
)
def test_doubtful_fields_need_a_schema_and_an_llm(engine: str, schema: dict[str, Any] | None):
    template = "Read. {{ fields }}" if schema else "Read."
    prompt = PromptVersion("p", 1, template, response_format=schema)  # type: ignore[abstract]  # it is not, at run time
    with pytest.raises(ConfigError, match="log with engine=openai and a prompt that has a schema"):
        log(
            engine=engine,
            prompt=prompt,
            model_name="extractor",
            settings={"escalate_below": {"total": 0.5}},
        )
