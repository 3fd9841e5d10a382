"""Fills the examples of a template in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data.funsd import load_folder, pick_form
from entry_points.command_line import cli
from entry_points.optimizing.examples import NOT_WITH_A_SCHEMA, fill, has_place, write_example
from ocr_extractor.fields.schema import Schema
from ocr_extractor.ocr.page_text import document_text


def put_examples(
    template: str, form_ids: Sequence[str], dataset: Path, schema: Schema | None
) -> str:
    """Fill `{{ examples }}` with forms of a FUNSD folder: what OCR reads on them, and their pairs.

    Raises:
        UsageError: There are forms and no place for them, or a place and no forms; or there is a
            schema.
        DatasetError: There is no such form.
        DocumentError: A form cannot be read.
    """
    if has_place(template) != bool(form_ids):
        raise cli.UsageError(
            "a template with {{ examples }} needs -P examples=<form id>,<form id>, and no other "
            "template has a place for them."
        )
    if not form_ids:
        return template
    if schema is not None:
        raise cli.UsageError(NOT_WITH_A_SCHEMA)
    forms = load_folder(dataset)
    chosen = [pick_form(forms, form_id, seed=0) for form_id in form_ids]
    return fill(
        template,
        [write_example(each, document_text(each.image_path.read_bytes())) for each in chosen],
    )


def example_tags(form_ids: Sequence[str]) -> dict[str, str]:
    """Return the tags that say which forms stand in a prompt as examples."""
    return {"examples": ",".join(form_ids)} if form_ids else {}
