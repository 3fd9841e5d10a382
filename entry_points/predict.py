"""Reads documents with a logged extractor and writes each row as soon as it is known."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlflow.pyfunc import PyFuncModel

from data.progress import Progress
from entry_points.batching.plan import BATCH_SETTINGS, BatchPlan, add_flags, plan_of
from entry_points.batching.rounds import read_in_batches
from entry_points.command_line import cli, flags
from entry_points.command_line.ending import end_with
from entry_points.command_line.tracking import name_run
from entry_points.logged_models.calls import (
    CostCeiling,
    followed_prompt,
    max_document_bytes,
    predict_rows,
    print_estimate,
    sample_of,
    write_traces,
)
from entry_points.logged_models.loading import load_extractor, version_of
from entry_points.predictions.documents import (
    InputDocuments,
    Unread,
    doc_id_of,
    find_documents,
    read_document,
)
from entry_points.predictions.output import KEY, OutputFile, configuration_of, document_key, locked
from entry_points.predictions.table import SUFFIXES, write_table
from entry_points.predictions.tally import PredictResult, Tally, report

Row = dict[str, Any]

SOME_FAILED = 3


@dataclass(frozen=True)
class PredictTask:
    """What to do with every document.

    Attributes:
        model: The loaded extractor.
        params: The signature's params: `additional_rules`, `pages`.
        max_concurrency: Most documents read at once.
        max_cost: No document is started that could exceed this cost, USD; None for no limit.
        retry_errors: Whether documents that failed at an earlier start are read again.
        batches: How they are read through batches; None reads them at once.
    """

    model: PyFuncModel
    params: Mapping[str, str]
    max_concurrency: int
    max_cost: float | None
    retry_errors: bool
    batches: BatchPlan | None = None

    def configuration(self, prompt_uri: str | None) -> str:
        """Return everything except the document that decides what is read from it.

        Args:
            prompt_uri: The version of a followed prompt; None for a pinned prompt.
        """
        return configuration_of(self.model.metadata.model_uuid, self.params, prompt_uri)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, "model-uri", "max-concurrency", "cache", "max-cost")
    parser.add_argument(
        "--input", default="data/samples/images", help="a file, a folder or a quoted glob"
    )
    parser.add_argument(
        "--output", default="predictions.jsonl", help="a .jsonl, .parquet or .csv file"
    )
    parser.add_argument(
        "--additional-rules",
        **cli.ValueOr("none").as_default,
        help="rules for these forms, or none",
    )
    parser.add_argument(
        "--pages",
        **cli.ValueOr("all").as_default,
        help="pages of every document to read, 1-3,7, or all",
    )
    parser.add_argument(
        "--retry-errors", **cli.SWITCH, help="read documents again that failed at an earlier start"
    )
    add_flags(parser)
    parser.add_argument(
        "--spark-master",
        **cli.ValueOr("none").as_default,
        help="let Spark read them, local[2] or spark://host:7077; none: this process reads them",
    )
    return parser


def predict(task: PredictTask, documents: InputDocuments, output: Path) -> PredictResult:
    """Read documents and write each one's row as soon as it is known.

    Args:
        task: How to read them.
        documents: The documents.
        output: The file to write; documents that it holds already are skipped.

    Raises:
        UsageError: The file is not from predict or cannot be written, `max_cost` is given for
            an LLM whose price is not known, the alias of a followed prompt cannot be looked up, or
            the batches to cancel are of another task.
    """
    prompt_uri = followed_prompt(task.model, output)
    file = OutputFile(output)
    reader = _Reader(task, prompt_uri)
    cancel = task.batches is not None and task.batches.cancel
    finished, skipped = file.finished(
        documents, reader.key, retry_errors=task.retry_errors and not cancel, drop=not cancel
    )
    todo = documents.without(finished)
    if todo:
        sample = [todo.folder / name for name in sample_of(todo.names)]
        print_estimate(task.model, sample, len(todo), skipped.output_tokens_per_page)
    done = (documents.folder / name for name in documents.names if doc_id_of(name) in finished)
    read = Tally()
    with file, Progress(total=len(todo), unit="documents") as bar:
        for row in reader.read_all(todo, done):
            file.write(row)
            read.add(row)
            bar.set_postfix(read.progress(), refresh=False)
            bar.update()
    return PredictResult(read, skipped, len(todo) - read.documents)


class _Reader:
    """Reads documents and yields rows in the order of completion; keeps few in memory."""

    def __init__(self, task: PredictTask, prompt_uri: str | None) -> None:
        self._task = task
        self._prompt_uri = prompt_uri
        self._max_bytes = max_document_bytes(task.model)

    def key(self, path: Path) -> str:
        """Return the key that a document has now."""
        document = read_document(path, self._max_bytes)
        content = document if isinstance(document, bytes) else None
        return document_key(content, self._task.configuration(self._prompt_uri))

    def read_all(self, todo: InputDocuments, finished: Iterable[Path]) -> Iterator[Row]:
        """Yield the rows of documents, each with its key."""
        if self._task.batches is None:
            return self._read_now(todo)
        # One by one: the first batch goes out before the last document is opened.
        keyed = ((self.key(todo.folder / name), name) for name in todo.names)
        return read_in_batches(
            self._task.model,
            self._task.batches,
            keyed,
            lambda name: self._read(*todo.get(name)),
            finished=map(self.key, finished),
        )

    def _read_now(self, todo: InputDocuments) -> Iterator[Row]:
        """Read documents in parallel; start none that could exceed the cost limit."""
        ceiling = CostCeiling(self._task.max_cost)
        pool = ThreadPoolExecutor(self._task.max_concurrency)
        # As many documents wait in the queue, so that no thread has to.
        most = 2 * self._task.max_concurrency
        running: set[Future[Row | None]] = set()
        try:
            for doc_id, path in todo:
                running.add(pool.submit(ceiling.read, partial(self._read, doc_id, path)))
                if len(running) >= most:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from _rows(done)
            yield from _rows(as_completed(running))
        finally:
            # After Ctrl-C, requests in flight are not awaited.
            pool.shutdown(wait=False, cancel_futures=True)
        ceiling.check()

    def _read(self, doc_id: str, path: Path) -> Row:
        document = read_document(path, self._max_bytes)
        content = document if isinstance(document, bytes) else None
        [row] = predict_rows(self._task.model, [(doc_id, content)], self._task.params)
        if isinstance(document, Unread):
            row |= {"error_code": document.code, "error": document.reason}
        # The alias of a followed prompt may have moved meanwhile.
        prompt_uri = self._prompt_uri and row["prompt_uri"]
        return row | {KEY: document_key(content, self._task.configuration(prompt_uri))}


def _rows(done: Iterable[Future[Row | None]]) -> Iterator[Row]:
    return (row for future in done if (row := future.result()) is not None)


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in name)


def _on_spark(args: argparse.Namespace) -> int:
    from entry_points.spark.documents import is_url
    from entry_points.spark.run import predict_on_spark

    # Spark's doc_id is the file name. Without this list, a file whose name is not UTF-8 has no row.
    names = [] if is_url(args.input) else find_documents(args.input).names
    found = [name if _is_utf8(name) else doc_id_of(name) for name in names]
    try:
        outcome = predict_on_spark(args, found)
    except KeyboardInterrupt:
        print(f"\nStopped. What is finished is in {args.output}; the same command continues.")
        return cli.STOPPED
    return SOME_FAILED if outcome.failed else 0


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; exit code 3 when some documents failed."""
    args = build_parser().parse_args(argv)
    if args.spark_master:
        return _on_spark(args)
    # Links are followed: the new file is written beside the one that it replaces.
    output = cli.in_project(args.output).resolve()
    suffix = Path(args.output).suffix
    if suffix not in {".jsonl", *SUFFIXES}:
        raise cli.UsageError(
            f"--output is {args.output}: give it the suffix .jsonl, {' or '.join(SUFFIXES)}."
        )
    if output.exists() and not output.is_file():
        raise cli.UsageError(f"--output is {output}, which is not a file: name another.")
    # Lines can be written one by one and continued; a table is made from them at the end.
    lines = output if suffix == ".jsonl" else output.with_name(f"{output.name}.jsonl")
    try:
        with locked(lines):
            return _predict(args, output, lines)
    except KeyboardInterrupt:
        print(
            f"\nStopped. What is finished is in {cli.printable(lines)}; the same command continues."
        )
        sys.stdout.flush()
        os._exit(cli.STOPPED)  # requests in flight would keep the process alive for minutes


def _predict(args: argparse.Namespace, output: Path, lines: Path) -> int:
    documents = find_documents(args.input)
    batches = plan_of(args, lines)
    settings = flags.reading_settings(args) | (BATCH_SETTINGS if batches else {})
    task = PredictTask(
        model=load_extractor(args.model_uri, **settings),
        params={"additional_rules": args.additional_rules, "pages": args.pages},
        max_concurrency=args.max_concurrency,
        max_cost=args.max_cost,
        retry_errors=cli.BOOLEANS[args.retry_errors],
        batches=batches,
    )
    name_run(f"predict {version_of(args.model_uri)} on {Path(args.input).name}")
    outcome = predict(task, documents, lines)
    if lines != output:
        suffix = Path(args.output).suffix  # a link's target may have another, or none
        write_table(lines, output, suffix, task.model.metadata.signature.outputs)
    report(outcome, output, cancelled=batches is not None and batches.cancel)
    write_traces(task.model)
    return SOME_FAILED if outcome.failed else 0


if __name__ == "__main__":
    end_with(main)
