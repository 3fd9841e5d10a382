"""Shows one annotated form: its page with the annotations drawn on it, and its pairs or fields."""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import mlflow

from data.dataset import load_documents
from data.drawing import draw_form
from data.fields import SCHEMA, FieldDocument, to_leaves
from data.forms import Document, Form
from data.funsd import pick_form
from entry_points.command_line import cli, flags
from entry_points.command_line.tracking import name_run
from ocr_extractor.documents.opener import open_document
from ocr_extractor.errors import DocumentError

_QUESTION_WIDTH = 40  # characters before a text continues on the next line
_ANSWER_WIDTH = 60


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this entry point's flags."""
    parser = flags.parser(__doc__, "dataset", "seed")
    parser.add_argument(
        "--form", **cli.ValueOr("auto").as_default, help="form id; auto: one is drawn with the seed"
    )
    parser.add_argument(
        "--output",
        **cli.ValueOr("auto").as_default,
        help="PNG to write; auto: preview-<form id>.png",
    )
    return parser


def preview(form: Document, output: Path) -> None:
    """Draw the form to the PNG `output`, log it to the run, and print its pairs or its fields.

    Raises:
        DatasetError: The annotation and its document do not match.
        DocumentError: The document cannot be opened.
        UsageError: The PNG cannot be written.
    """
    annotated = form.to_form() if isinstance(form, FieldDocument) else cast("Form", form)
    document = open_document(form.image_path.read_bytes())
    pages = [document.page(number).image for number in range(1, document.page_count + 1)]
    with cli.writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        draw_form(annotated, pages).save(output, "PNG")
    with mlflow.start_run() as run:
        name_run(f"preview {form.form_id}")
        mlflow.set_tag("form_id", form.form_id)
        mlflow.log_artifact(str(output))
    print(cli.printable(f"form {form.form_id}: {form.image_path}"))
    if isinstance(form, FieldDocument):
        _print_fields(form, len(pages))
    else:
        _print_pairs(annotated, len(pages))
    print(f"\npage with entities and links: {output.resolve()}")
    print(f"the same as an artifact: runs:/{run.info.run_id}/{output.name}")
    dataset = form.truth_paths[0].parent.parent
    parameters = {"dataset": str(dataset)}
    if isinstance(form, FieldDocument):
        parameters |= {"schema": str(dataset / SCHEMA), "prompt_name": dataset.name}
    given = " ".join(f"-P {name}={shlex.quote(value)}" for name, value in parameters.items())
    print(f"\nnext: {cli.RUN} {given}")


def _print_pairs(form: Form, pages: int) -> None:
    pairs, blanks = form.pairs(), form.blank_questions()
    print(
        f"pages: {pages}, entities: {len(form.entities)}, links: {len(form.links)}, "
        f"pairs: {len(pairs)}, blank questions: {len(blanks)}\n"
    )
    texts = [(pair.question, pair.answer) for pair in pairs]
    texts += [(question.text.strip(), "(blank)") for question in blanks]
    cli.print_table(_lines(texts), ("question", "answer"))


def _print_fields(document: FieldDocument, pages: int) -> None:
    leaves = list(to_leaves(document.schema, document.values))
    values = [value for _, value in leaves if value is not None]
    print(
        f"pages: {pages}, values: {len(values)}, nulls: {len(leaves) - len(values)}, "
        f"places known: {len(document.places)}\n"
    )
    texts = [(path, "(null)" if value is None else str(value)) for path, value in leaves]
    cli.print_table(_lines(texts), ("field", "value"))


def _lines(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the lines of two columns; a long text continues on the next line."""
    for left, right in texts:
        parts = _wrap(left, _QUESTION_WIDTH), _wrap(right, _ANSWER_WIDTH)
        yield from itertools.zip_longest(*parts, fillvalue="")


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(cli.printable(" ".join(text.split())), width)


@cli.reports(DocumentError)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; return the process's exit code."""
    args = build_parser().parse_args(argv)
    form = pick_form(load_documents(cli.in_project(args.dataset)), args.form or None, args.seed)
    preview(form, Path(args.output or f"preview-{form.form_id}.png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
