"""Reads documents with a logged extractor and writes a row a document, as it goes."""

from __future__ import annotations

import argparse
import functools
import glob
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc import PyFuncModel
from tqdm import tqdm

from data.funsd import IMAGE_SUFFIXES
from entry_points import cli
from entry_points.batching.plan import BATCH_SETTINGS, Plan, add_flags, plan_of
from entry_points.batching.rounds import read_in_batches
from entry_points.ceiling import CostCeiling
from entry_points.loading import (
    followed_prompt,
    load_extractor,
    predict_rows,
    print_estimate,
    read_document,
)
from entry_points.output import OutputFile, configuration_of, document_key
from entry_points.table import SUFFIXES, write_table

SOME_FAILED = 3
STOPPED = 130


@dataclass(frozen=True)
class Task:
    """What to do with every document.

    Attributes:
        model: The loaded extractor.
        params: The signature's params: `additional_rules`, `pages`.
        max_concurrency: Most documents read at once.
        max_cost: No document is begun that could make them cost more, USD; None for no ceiling.
        retry_errors: Whether documents that failed at an earlier start are read again.
        batches: How they are read through batches; None reads them at once.
    """

    model: PyFuncModel
    params: Mapping[str, str]
    max_concurrency: int
    max_cost: float | None
    retry_errors: bool
    batches: Plan | None = None

    def configuration(self, prompt_uri: str | None) -> str:
        """Return what, beside a document, decides what is read from it.

        Args:
            prompt_uri: The version of a followed prompt; None where it belongs to the model.
        """
        return configuration_of(self.model.metadata.model_uuid, self.params, prompt_uri)


@dataclass
class Outcome:
    """What became of the documents.

    Attributes:
        rows: The rows of those that were read by this start, failed ones included.
        skipped: The rows that an earlier start had written.
        left: How many were not begun because of `max_cost`, or taken back from their batch.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    left: int = 0

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The rows with an error, of this start and earlier ones."""
        return [row for row in (*self.skipped, *self.rows) if row["error_code"]]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__, "model-uri", "max-concurrency", "cache", "max-cost")
    parser.add_argument(
        "--input", default="data/samples/images", help="a file, a folder or a quoted glob"
    )
    parser.add_argument(
        "--output", default="predictions.jsonl", help="a .jsonl, .parquet or .csv file"
    )
    parser.add_argument("--additional-rules", default="", help="rules for these forms")
    parser.add_argument("--pages", default="", help="pages of every document to read, 1-3,7; all")
    parser.add_argument(
        "--retry-errors",
        default="false",
        choices=sorted(cli.BOOLEANS),
        help="read documents again that failed at an earlier start",
    )
    add_flags(parser)
    parser.add_argument(
        "--spark-master",
        default="",
        help="let Spark read them, local[2] or spark://host:7077; this process alone",
    )
    return parser


def predict(task: Task, documents: Sequence[tuple[str, Path]], output: Path) -> Outcome:
    """Read documents and write each one's row as soon as it is known.

    Args:
        task: How to read them.
        documents: (doc_id, path) of each.
        output: The file to write; documents that it holds already are skipped.

    Raises:
        UsageError: The file is not one of predict's or cannot be written, `max_cost` is given for
            an LLM whose price is not known, or the alias of a followed prompt cannot be looked up.
    """
    prompt_uri = followed_prompt(task.model, output)
    file = OutputFile(output)
    configuration = task.configuration(prompt_uri)
    keys = {doc_id: document_key(read_document(path), configuration) for doc_id, path in documents}
    finished = file.finished(keys, retry_errors=task.retry_errors)
    paths = dict(documents)
    todo = [(doc_id, path) for doc_id, path in documents if doc_id not in finished]
    outcome = Outcome(skipped=list(finished.values()))
    if todo:
        print_estimate(task.model, [path for _, path in todo], outcome.skipped)
    seen: dict[str, float] = dict.fromkeys(("failed", "pages", "tokens", "usd"), 0)
    with file, tqdm(total=len(todo), unit="doc") as bar:
        for row in _read_all(task, todo, keys):
            key = keys[row["doc_id"]]
            if prompt_uri not in {None, row["prompt_uri"]}:  # its alias has moved meanwhile
                content = read_document(paths[row["doc_id"]])
                key = document_key(content, task.configuration(row["prompt_uri"]))
            file.write(row, key)
            outcome.rows.append(row)
            bar.update()
            seen["failed"] += row["error_code"] is not None
            seen["pages"] += row["page_count"] or 0
            seen["tokens"] += (row["input_tokens"] or 0) + (row["output_tokens"] or 0)
            seen["usd"] += row["cost"] or 0
            bar.set_postfix(seen)
    outcome.left = len(todo) - len(outcome.rows)
    return outcome


def _read_all(
    task: Task, documents: Sequence[tuple[str, Path]], keys: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield rows as they are finished."""
    if task.batches is None:
        return _read_now(task, documents)
    names, copies = {}, Counter[str]()
    for doc_id, key in keys.items():  # each copy of a document has requests of its own
        names[doc_id] = f"{key}.{copies[key]}"
        copies[key] += 1
    reads = {
        names[doc_id]: functools.partial(_read_one, task, doc_id, path)
        for doc_id, path in documents
    }
    return read_in_batches(task.model, task.batches, reads)


def _read_now(task: Task, documents: Sequence[tuple[str, Path]]) -> Iterator[dict[str, Any]]:
    """Read side by side; begin no document that could cross the ceiling."""
    ceiling = CostCeiling(task.max_cost)
    pool = ThreadPoolExecutor(task.max_concurrency)
    try:
        for future in as_completed(
            [
                pool.submit(ceiling.read, functools.partial(_read_one, task, doc_id, path))
                for doc_id, path in documents
            ]
        ):
            if (row := future.result()) is not None:
                yield row
    finally:
        # After Ctrl-C, what is in flight is not waited for.
        pool.shutdown(wait=False, cancel_futures=True)
    ceiling.check()


def _read_one(task: Task, doc_id: str, path: Path) -> dict[str, Any]:
    [row] = predict_rows(task.model, [(doc_id, read_document(path))], task.params)
    if row["error_code"] == "missing_image":
        row |= {"error_code": "unreadable_file", "error": _why_unreadable(path)}
    return row


def find_documents(source: str) -> list[tuple[str, Path]]:
    """Find the documents of a file, a folder (with the folders in it) or a glob.

    Args:
        source: Relative paths are taken from the project.

    Returns:
        (doc_id, path) of each, sorted; the doc_id is the path within the folder that holds all.

    Raises:
        UsageError: Nothing is there that could be a document.
    """
    path = cli.in_project(source)
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.suffix.lower() in IMAGE_SUFFIXES)
        found = [(each.relative_to(path).as_posix(), each) for each in files]
    elif path.is_file():
        found = [(path.name, path)]
    else:
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - the pattern is absolute
        files = sorted(each for each in map(Path, matches) if each.is_file())
        folder = os.path.commonpath([each.parent for each in files]) if files else ""
        found = [(each.relative_to(folder).as_posix(), each) for each in files]
    if not found:
        raise cli.UsageError(
            f"{path} names no document: give a file, a folder or a glob of files with the "
            f"suffixes {' '.join(IMAGE_SUFFIXES)}."
        )
    return found


def _why_unreadable(path: Path) -> str:
    return f"{path.name} cannot be read: check that it exists and may be read."


def report(outcome: Outcome, output: Path, *, cancelled: bool) -> None:
    """Print what was read, what it cost, and what failed."""
    failed = outcome.failed
    documents = len(outcome.rows) + len(outcome.skipped)
    print(f"{documents - len(failed)} of {documents + outcome.left} documents read.")
    if outcome.skipped:
        print(f"{len(outcome.skipped)} of them were there already.")
    if outcome.left:
        print(
            f"{outcome.left} left: "
            + (
                "with mode=batch, the same command asks for them."
                if cancelled
                else "--max-cost would be crossed. The same command goes on."
            )
        )
    hits = sum(row["cache_hits"] for row in outcome.rows)
    attempts = sum(row["attempts"] for row in outcome.rows)
    if attempts or hits:
        costs = [row["cost"] for row in outcome.rows if row["attempts"]]
        known = None not in costs
        print(
            f"{attempts} requests, {hits} pages from the cache, cost "
            + (f"{sum(costs):.4f} USD." if known else "unknown.")
        )
    print(f"Written: {output}")
    for row in failed:
        print(f"  failed: {row['doc_id']}: {row['error_code']}: {row['error']}")


def _on_spark(args: argparse.Namespace) -> int:
    from entry_points.spark.documents import is_url
    from entry_points.spark.run import predict_on_spark

    found = [] if is_url(args.input) else [doc_id for doc_id, _ in find_documents(args.input)]
    try:
        outcome = predict_on_spark(args, found)
    except KeyboardInterrupt:
        print(f"\nStopped. What is finished is in {args.output}; the same command goes on.")
        return STOPPED
    return SOME_FAILED if outcome.failures else 0


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; exit code 3 when some documents failed."""
    args = build_parser().parse_args(argv)
    if args.spark_master:
        return _on_spark(args)
    output = cli.in_project(args.output)
    if output.suffix not in {".jsonl", *SUFFIXES}:
        raise cli.UsageError(
            f"--output is {output.name}: give it the suffix .jsonl, {' or '.join(SUFFIXES)}."
        )
    if output.is_dir():
        raise cli.UsageError(f"--output is {output}, a folder: name a file.")
    # Lines can be written one by one and gone on with; a table is made of them at the end.
    lines = output if output.suffix == ".jsonl" else output.with_name(f"{output.name}.jsonl")
    documents = find_documents(args.input)
    batches = plan_of(args, lines)
    settings = cli.reading_settings(args) | (BATCH_SETTINGS if batches else {})
    task = Task(
        model=load_extractor(args.model_uri, **settings),
        params={"additional_rules": args.additional_rules, "pages": args.pages},
        max_concurrency=args.max_concurrency,
        max_cost=args.max_cost,
        retry_errors=cli.BOOLEANS[args.retry_errors],
        batches=batches,
    )
    try:
        outcome = predict(task, documents, lines)
    except KeyboardInterrupt:
        print(f"\nStopped. What is finished is in {lines}; the same command goes on.", flush=True)
        os._exit(STOPPED)  # requests in flight would keep the interpreter for minutes
    if lines != output:
        write_table(lines, output, task.model.metadata.signature.outputs)
    report(outcome, output, cancelled=batches is not None and batches.cancel)
    print("Writing the traces that wait ...", flush=True)
    mlflow.flush_trace_async_logging()
    return SOME_FAILED if outcome.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
