"""Serves a page on which a person corrects predictions; they become a dataset."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import mlflow

from entry_points.command_line import cli, flags
from entry_points.command_line.ending import run_child
from entry_points.command_line.tracking import name_run
from entry_points.labelling.labelled_folder import LabelledFolder, add_predicted_flags, schema_of
from entry_points.predictions.documents import InputDocuments, find_documents
from entry_points.predictions.output import read_rows
from entry_points.reviewing.journal import Journal
from entry_points.reviewing.leaves import Task
from entry_points.reviewing.mlflow_queue import Queue, fill_queue, tell_queue
from entry_points.reviewing.pages import Pages
from entry_points.reviewing.review import Review
from entry_points.reviewing.server import address_of, kept_token, serve
from entry_points.reviewing.summary import compute_thresholds, report, summarise, tell_traces
from ocr_extractor.errors import SchemaError

# predict's exit codes: all documents were read, or some of them.
_READ = (0, 3)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, "precision")
    parser.set_defaults(precision="0.95")
    add_predicted_flags(parser)
    parser.add_argument(
        "--model-uri",
        **cli.ValueOr("none", "", flags.model_uri, "a model's URI").as_default,
        help="read the documents with this extractor first, into --predictions, or none",
    )
    parser.add_argument(
        "--output",
        default="labelled",
        help="a folder: the journal review.sqlite, and the accepted documents as a dataset",
    )
    parser.add_argument(
        "--queue",
        **cli.ValueOr("none").as_default,
        help="put the documents that need a person into MLflow's review queue of this name, or "
        "none",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=5002, help="the port; 0: one that is free")
    return parser


def review(
    rows: dict[str, Any], documents: dict[str, Path], folder: Path, output: Path, schema: str
) -> Review:
    """Open a review, or continue one.

    Args:
        rows: The predictions by doc_id.
        documents: The files by doc_id.
        folder: The folder that holds the files.
        output: Where the journal and the dataset are.
        schema: The file of the fields' schema, "" to ask the prompt registry.

    Raises:
        UsageError: A document is missing, there is no schema, or the output cannot be written.
        SchemaError: The schema cannot be used.
    """
    document, _ = schema_of(rows, schema)
    task = Task(document)
    labelled = LabelledFolder(output, rows, documents, schema)
    journal = Journal(output)
    return Review(rows, task, journal, labelled, Pages(documents, folder, journal))


def read_first(model_uri: str, source: str, predictions: Path) -> None:
    """Read the documents in a process of its own: this one has the working tree's code.

    Raises:
        UsageError: They were not read.
    """
    given = {"model-uri": model_uri, "input": source, "output": predictions}
    words = [f"--{name}={value}" for name, value in given.items()]
    if run_child([sys.executable, "-m", "entry_points.predict", *words]) not in _READ:
        raise cli.UsageError("the documents were not read: see above.")


def _to_review(args: argparse.Namespace, found: InputDocuments) -> dict[str, Any]:
    """Return the predictions by doc_id; after a reading, those of the documents that were read."""
    predictions = cli.in_project(args.predictions)
    if args.model_uri:
        read_first(args.model_uri, args.input, predictions)
    rows = {row["doc_id"]: row for row in read_rows(predictions)}
    if not rows:
        raise cli.UsageError(
            f"{predictions} holds no prediction: give -P model_uri=<extractor> to read "
            f"{shlex.quote(args.input)} first."
        )
    if not args.model_uri:
        return rows
    if unnamed := [doc_id for doc_id, _ in found if doc_id not in rows]:
        raise cli.UsageError(
            f"{predictions} has {len(unnamed)} documents under other names, the first is "
            f"{unnamed[0][:80]!r}: name another --predictions."
        )
    return {doc_id: rows[doc_id] for doc_id, _ in found}


def _announce(opened: Review, output: Path, queue: Queue | None, address: str) -> None:
    print(f"{len(opened.ids)} documents to review; what you decide is saved in {output}.")
    if queue:
        print(f"{queue.added} of them are in this queue, where MLflow's UI runs:\n  {queue.page}")
        if left := len(opened.ids) - len(queue.traces):
            print(f"{left} have no trace in this experiment, so that queue cannot hold them.")
    print(f"Open this address, and keep it to yourself:\n  {address}")
    print('"Finish" on the page, or Ctrl-C here, ends the review.', flush=True)


@cli.reports(SchemaError)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    output = cli.in_project(args.output)
    if Path(args.predictions).suffix != ".jsonl":
        raise cli.UsageError(f"--predictions is {args.predictions}: give predict's .jsonl file.")
    found = find_documents(args.input)
    with flags.listening(args.host, args.port) as listener:
        try:
            rows = _to_review(args, found)
        except KeyboardInterrupt:  # predict has said what is finished
            return cli.STOPPED
        with mlflow.start_run() as run:
            name_run(f"review {Path(args.predictions).name}")
            opened = review(rows, dict(found), found.folder, output, args.schema)
            experiment = run.info.experiment_id
            queue = None
            if args.queue:
                queue = fill_queue(opened, args.queue, experiment, address_of(listener))
            announce = partial(_announce, opened, output, queue)
            serve(opened, kept_token(output), listener, queue, announce)
            opened.write_truths()
            summary = summarise(opened)
            told = tell_traces(opened, experiment)
            if queue:
                tell_queue(opened, queue)
            mlflow.log_metrics({f"documents_{name}": n for name, n in summary.statuses.items()})
            mlflow.log_dict(summary.to_dict(), "review.json")
            compute_thresholds(opened, args.precision)
    report(opened, summary, told, output, args.model_uri)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
