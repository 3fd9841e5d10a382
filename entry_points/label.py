"""Turns predictions that a person has reviewed into a dataset, to evaluate on next time."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow

from entry_points.command_line import cli
from entry_points.command_line.tracking import name_run, user_name
from entry_points.labelling.feedback import Traces, log_review
from entry_points.labelling.labelled_folder import LabelledFolder, add_predicted_flags
from entry_points.labelling.review_file import (
    ACCEPT,
    DELETE,
    OPEN,
    ReviewLine,
    by_document,
    confirmed_by,
    lines_of,
    read_lines,
    write_lines,
)
from entry_points.predictions.documents import find_documents
from entry_points.predictions.output import read_rows

REVIEW = "review.csv"


@dataclass
class LabelResult:
    """What became of the predicted documents.

    Attributes:
        labelled: Those with an annotation.
        changed: Those of them whose annotation is new or another one.
        unreviewed: Lines without a verdict, by document.
        traced: How many of `changed` have a trace that was told.
    """

    labelled: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unreviewed: dict[str, int] = field(default_factory=dict)
    traced: int = 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__)
    add_predicted_flags(parser)
    parser.add_argument(
        "--output",
        default="labelled",
        help=f"a folder: {REVIEW}, then images/ and annotations/, or fields/ and schema.json",
    )
    return parser


def label(
    rows: Mapping[str, Mapping[str, Any]],
    documents: Mapping[str, Path],
    output: Path,
    experiment_id: str,
    schema: str = "",
) -> LabelResult:
    """Write the lines to review, and the truth of the documents whose lines all have a verdict.

    Args:
        rows: The predictions by doc_id.
        documents: The files by doc_id.
        output: The folder to write; what a person has written into its review file stays.
        experiment_id: Where the predictions were traced.
        schema: The file of the fields' schema, "" where pairs were read.

    Raises:
        UsageError: A document is missing or cannot be copied, two would get one name, a line
            cannot be used, or the folder cannot be made.
    """
    folder = LabelledFolder(output, rows, documents, schema)
    review = output / REVIEW
    lines = read_lines(review, rows)
    listed = {line.doc_id for line in lines}
    new = [line for doc_id, row in rows.items() if doc_id not in listed for line in lines_of(row)]
    if new:
        write_lines(review, [*lines, *new])
    traces = Traces(experiment_id)
    outcome = LabelResult()
    for doc_id, of_document in by_document([*lines, *new]).items():
        if left := sum(line.verdict == OPEN for line in of_document):
            outcome.unreviewed[doc_id] = left
            continue
        outcome.labelled.append(doc_id)
        row = rows[doc_id]
        truth, pages = folder.truth(doc_id, confirmed_by(of_document, row)), row["page_count"] or 1
        if folder.has(doc_id, truth, pages):
            continue
        outcome.changed.append(doc_id)
        # Before it is saved: if the store fails, the next start finds it changed and tells again.
        if trace_id := traces.find(row):
            read = sum(bool(line.pair) for line in lines_of(row))
            log_review(trace_id, truth, _kept(of_document, row), read, user_name())
            outcome.traced += 1
        folder.save(doc_id, truth, pages)
    return outcome


def _kept(lines: Sequence[ReviewLine], row: Mapping[str, Any]) -> int:
    """Count the predicted pairs that were accepted as they were."""
    as_read = {line.pair: line for line in lines_of(row)}
    accepted = [line for line in lines if line.pair and line.verdict == ACCEPT]
    return sum(
        (line.question, line.answer) == (as_read[line.pair].question, as_read[line.pair].answer)
        for line in accepted
    )


def report(outcome: LabelResult, output: Path) -> None:
    """Print what is labelled, and what a person has still to do."""
    print(f"{len(outcome.labelled)} documents labelled, {len(outcome.changed)} of them now.")
    if outcome.changed:
        print(f"{outcome.traced} of these have a trace, which has the true pairs and a feedback.")
    if outcome.unreviewed:
        print(f"Not reviewed: {len(outcome.unreviewed)} documents, so they are left out.")
        cli.print_table(
            ((doc_id, str(left)) for doc_id, left in outcome.unreviewed.items()),
            header=("document", "lines without a verdict"),
        )
        print(
            f"Open {output / REVIEW}: correct the texts, add lines for what is missing, and write "
            f"{ACCEPT} or {DELETE} into each line's verdict. Then give the same command again."
        )
    if outcome.labelled:
        print(f"Next: {cli.RUN} -e evaluate -P dataset={shlex.quote(str(output))}")


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; lines without a verdict are reported and fail nothing."""
    args = build_parser().parse_args(argv)
    predictions, output = cli.in_project(args.predictions), cli.in_project(args.output)
    rows = {row["doc_id"]: row for row in read_rows(predictions)}
    if not rows:
        raise cli.UsageError(
            f"{predictions} holds no prediction: `{cli.RUN} -e predict` writes it."
        )
    with mlflow.start_run() as run:
        name_run(f"label {predictions.name}")
        documents = dict(find_documents(args.input))
        outcome = label(rows, documents, output, run.info.experiment_id, args.schema)
        mlflow.log_metrics(
            {"labelled": len(outcome.labelled), "unreviewed": len(outcome.unreviewed)}
        )
    report(outcome, output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
