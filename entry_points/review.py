"""Serves a page on which a person corrects predictions; they become a dataset."""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import uvicorn

from entry_points import ROOT
from entry_points.command_line import cli
from entry_points.command_line.tracking import name_run
from entry_points.labelling.labelled_folder import LabelledFolder, add_predicted_flags
from entry_points.labelling.truth_files import schema_of
from entry_points.predictions.documents import find_documents
from entry_points.predictions.output import read_rows
from entry_points.reviewing.journal import Journal
from entry_points.reviewing.leaves import Task
from entry_points.reviewing.pages import Pages
from entry_points.reviewing.review import Review
from entry_points.reviewing.server import Access, build_app
from entry_points.reviewing.summary import compute_thresholds, report, summarise, tell_traces
from ocr_extractor.errors import SchemaError

# predict's exit codes: all documents were read, or some of them.
_READ = (0, 3)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__, "precision")
    parser.set_defaults(precision="0.95")
    add_predicted_flags(parser)
    parser.add_argument(
        "--model-uri",
        default="none",
        type=cli.ValueOr("none", "", cli.model_uri, "a model's URI"),
        help="read the documents with this extractor first, into --predictions, or none",
    )
    parser.add_argument(
        "--output",
        default="labelled",
        help="a folder: the journal review.sqlite, and the accepted documents as a dataset",
    )
    parser.add_argument(
        "--schema",
        default="none",
        type=cli.ValueOr("none"),
        help="where fields were read, the .json or .yaml file of their schema; none: the prompt "
        "version has it",
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


def kept_token(output: Path) -> str:
    """Return the token of this folder: a page that is open goes on when the server starts again.

    Only the user who has made it can read its file; another one gets a token for this start.
    """
    file = output / "review.token"
    try:
        if not file.exists():
            file.touch(0o600, exist_ok=False)
            file.write_text(secrets.token_urlsafe(24), encoding="ascii")
        kept = file.read_text(encoding="ascii")
    except OSError:
        kept = ""
    return kept or secrets.token_urlsafe(24)


def serve(
    opened: Review, token: str, host: str, port: int, announce: Callable[[str], None]
) -> None:
    """Serve the page until it is finished there, or Ctrl-C is pressed.

    Args:
        opened: What is reviewed.
        token: What requests need.
        host: The address to listen on.
        port: The port, 0 for a free one.
        announce: Is told the page's address once the port is open.

    Raises:
        UsageError: The port is in use, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise cli.UsageError(
                f"{host}:{port} cannot be listened on ({error.strerror}): give another --port."
            ) from error
        is_loopback = host in {"127.0.0.1", "localhost", "::1"}
        access = Access(token, getpass.getuser(), is_loopback)

        def finish() -> dict[str, Any]:
            server.should_exit = True
            return summarise(opened).to_dict()

        app = build_app(opened, access, finish)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
        )
        opened.lines("")  # the first list opens as fast as the others
        named = f"[{host}]" if ":" in host else host
        listener.listen()  # who opens the address at once waits until the server answers
        announce(f"http://{named}:{listener.getsockname()[1]}/#{token}")
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            print()


def read_first(model_uri: str, source: str, predictions: Path) -> None:
    """Read the documents in a process of its own: this one has the working tree's code.

    Raises:
        UsageError: They were not read.
    """
    flags = {"model-uri": model_uri, "input": source, "output": predictions}
    command = [sys.executable, "-m", "entry_points.predict"]
    command += [f"--{name}={value}" for name, value in flags.items()]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, check=False)  # noqa: S603
    if done.returncode not in _READ:
        raise cli.UsageError("the documents were not read: see above.")


def _announce(opened: Review, output: Path, address: str) -> None:
    print(f"{len(opened.ids)} documents to review; what you decide is saved in {output}.")
    print(f"Open this address, and keep it to yourself:\n  {address}")
    print('"Finish" on the page, or Ctrl-C here, ends the review.', flush=True)


@cli.reports(SchemaError)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    predictions, output = cli.in_project(args.predictions), cli.in_project(args.output)
    if predictions.suffix != ".jsonl":
        raise cli.UsageError(f"--predictions is {predictions}: give predict's .jsonl file.")
    if args.model_uri:
        read_first(args.model_uri, args.input, predictions)
    rows = {row["doc_id"]: row for row in read_rows(predictions)}
    if not rows:
        raise cli.UsageError(
            f"{predictions} holds no prediction: give -P model_uri=<extractor> to read "
            f"{shlex.quote(args.input)} first."
        )
    found = find_documents(args.input)
    with mlflow.start_run() as run:
        name_run(f"review {predictions.name}")
        opened = review(rows, dict(found), found.folder, output, args.schema)
        token = kept_token(output)
        serve(opened, token, args.host, args.port, partial(_announce, opened, output))
        summary = summarise(opened)
        told = tell_traces(opened, run.info.experiment_id)
        mlflow.log_metrics({f"documents_{name}": n for name, n in summary.statuses.items()})
        mlflow.log_dict(summary.to_dict(), "review.json")
        compute_thresholds(opened, args.precision)
    report(opened, summary, told, output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
