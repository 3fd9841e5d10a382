"""What an LLM is asked to answer with: pairs, or the fields of a schema, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from ocr_extractor.engines.openai.fields_parsing import parse_fields
from ocr_extractor.engines.openai.parsing import CompletedForm, ParsedCompletion, parse_completion
from ocr_extractor.fields.schema import Field, Group, Member, Schema, Table


@dataclass(frozen=True)
class AnswerForm:
    """The form of an answer.

    Attributes:
        name: The name of the schema, for the server.
        json_schema: The strict JSON Schema that the answer must follow.
        example: An answer in this form, JSON, for servers that take no schema.
        task: The user's message where the page stands in the prompt.
        parse: Reads a completion, given the page's number.
        logprobs: Whether the probabilities of the answer's tokens are used.
    """

    name: str
    json_schema: dict[str, Any]
    example: str
    task: str
    parse: Callable[[str, int], ParsedCompletion]
    logprobs: bool = False

    @property
    def response_format(self) -> dict[str, Any]:
        """The parameter of a request that asks for it."""
        schema = {"name": self.name, "strict": True, "schema": self.json_schema}
        return {"type": "json_schema", "json_schema": schema}

    @property
    def in_words(self) -> str:
        """What is added to the prompt where the server is not sent the schema."""
        return f"\n\nAnswer with one JSON object and nothing else, in this form:\n{self.example}"


_PAIRS = '"pairs": [{"question": "the label", "answer": "what was filled in, or null"}]'

PAIRS = AnswerForm(
    name=CompletedForm.__name__,
    json_schema=CompletedForm.model_json_schema(),
    example=f"{{{_PAIRS}}}",
    task="List the fields of this page.",
    parse=parse_completion,
)


@lru_cache(maxsize=8)
def fields_of(schema: Schema, *, with_pairs: bool) -> AnswerForm:
    """Return the form of an answer with the fields of a schema.

    Args:
        schema: The fields.
        with_pairs: Whether the pairs are asked for, too; the fields are then under a key of their
            own, `fields`, so that no name of the schema's is taken.
    """
    json_schema = schema.response_format()
    example = json.dumps(_example(schema.members), ensure_ascii=False)
    task = "Copy the texts of the named fields from this page."
    if with_pairs:
        pairs = CompletedForm.model_json_schema()
        json_schema = pairs | {
            "properties": {"fields": json_schema} | pairs["properties"],
            "required": ["fields", *pairs["required"]],
        }
        example = f'{{"fields": {example}, {_PAIRS}}}'
        task += " Then list all its labels with what was filled in."
    parse = partial(parse_fields, schema=schema, with_pairs=with_pairs)
    return AnswerForm("fields", json_schema, example, task, parse, logprobs=True)


def _example(members: Sequence[Member]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for member in members:
        match member:
            case Field():
                shown[member.name] = "the text as printed, or null"
            case Group(fields=fields):
                shown[member.name] = _example(fields)
            case Table(columns=columns):
                shown[member.name] = [_example(columns)]
    return shown
