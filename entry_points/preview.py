"""Shows one annotated form: its page with entities and links drawn on it, and its true pairs."""

from __future__ import annotations

import itertools
import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow

from data.drawing import draw_form
from data.funsd import load_folder, pick_form
from entry_points.command_line import cli
from entry_points.command_line.tracking import name_run
from ocr_extractor.documents.opener import open_document
from ocr_extractor.errors import DocumentError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from data.forms import Form

_QUESTION_WIDTH = 40  # characters before a text continues on the next line
_ANSWER_WIDTH = 60


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this entry point's flags."""
    parser = cli.parser(__doc__, "dataset", "seed")
    parser.add_argument(
        "--form",
        default="auto",
        type=cli.ValueOr("auto"),
        help="form id; auto: one is drawn with the seed",
    )
    parser.add_argument(
        "--output",
        default="auto",
        type=cli.ValueOr("auto"),
        help="PNG to write; auto: preview-<form id>.png",
    )
    return parser


def preview(form: Form, output: Path) -> None:
    """Draw the form to the PNG `output`, log it to the run, and print the form's pairs.

    Raises:
        DatasetError: The annotation and its document do not match.
        DocumentError: The document cannot be opened.
        UsageError: The PNG cannot be written.
    """
    document = open_document(form.image_path.read_bytes())
    pages = [document.page(number).image for number in range(1, document.page_count + 1)]
    with cli.writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        draw_form(form, pages).save(output, "PNG")
    with mlflow.start_run() as run:
        name_run(f"preview {form.form_id}")
        mlflow.set_tag("form_id", form.form_id)
        mlflow.log_artifact(str(output))
    pairs, blanks = form.pairs(), form.blank_questions()
    print(cli.printable(f"form {form.form_id}: {form.image_path}"))
    print(
        f"pages: {len(pages)}, entities: {len(form.entities)}, links: {len(form.links)}, "
        f"pairs: {len(pairs)}, blank questions: {len(blanks)}\n"
    )
    rows = [(pair.question, pair.answer) for pair in pairs]
    rows += [(question.text.strip(), "(blank)") for question in blanks]
    print("\n".join(_table(rows)))
    print(f"\npage with entities and links: {output.resolve()}")
    print(f"the same as an artifact: runs:/{run.info.run_id}/{output.name}")
    dataset = shlex.quote(str(form.annotation_path.parent.parent))
    print(f"\nnext: {cli.RUN} -P dataset={dataset}")


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of two columns under a header; a long text continues on the next line."""
    cells = [
        (_wrap(question, _QUESTION_WIDTH), _wrap(answer, _ANSWER_WIDTH))
        for question, answer in [("question", "answer"), ("--------", "------"), *rows]
    ]
    width = max(len(line) for question, _ in cells for line in question)
    for question, answer in cells:
        for left, right in itertools.zip_longest(question, answer, fillvalue=""):
            yield f"{left:{width}}  {right}".rstrip()


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(cli.printable(" ".join(text.split())), width)


@cli.reports(DocumentError)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; return the process's exit code."""
    flags = build_parser().parse_args(argv)
    form = pick_form(load_folder(cli.in_project(flags.dataset)), flags.form or None, flags.seed)
    preview(form, Path(flags.output or f"preview-{form.form_id}.png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
