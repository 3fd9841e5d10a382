"""Reads documents with a logged extractor and writes one JSON line a document."""

from __future__ import annotations

import argparse
import glob
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.pyfunc import PyFuncModel
from tqdm import tqdm

from data.funsd import IMAGE_SUFFIXES
from entry_points import cli
from entry_points.loading import load_extractor, predict_rows

SOME_FAILED = 3

# Batches keep the pool of requests full while their documents stay a small part of memory.
_BATCH_PER_WORKER = 4


@dataclass(frozen=True)
class Outcome:
    """What became of the documents.

    Attributes:
        documents: How many were read, failed ones included.
        failed: (doc_id, error) of those that failed.
    """

    documents: int
    failed: Sequence[tuple[str, str]]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__, "model-uri", "max-concurrency")
    parser.add_argument(
        "--input", default="data/samples/images", help="a file, a folder or a quoted glob"
    )
    parser.add_argument("--output", default="predictions.jsonl", help="a .jsonl file")
    parser.add_argument("--additional-rules", default="", help="rules for these forms")
    return parser


def predict(
    model: PyFuncModel,
    documents: Sequence[tuple[str, Path]],
    output: Path,
    *,
    additional_rules: str,
    batch: int,
) -> Outcome:
    """Read documents and write their rows, each as soon as its batch is done.

    Args:
        model: The loaded extractor.
        documents: (doc_id, path) of each.
        output: The file to write; it takes its name only when it is complete.
        additional_rules: Rules for these forms, put into the prompt.
        batch: How many documents are handed over at once.
    """
    failed: list[tuple[str, str]] = []
    part = output.with_name(output.name + ".part")
    with part.open("w", encoding="utf-8") as lines, tqdm(total=len(documents), unit="doc") as bar:
        for start in range(0, len(documents), batch):
            chunk = documents[start : start + batch]
            read = [(doc_id, _read(path)) for doc_id, path in chunk]
            for row, (_, path) in zip(
                predict_rows(model, read, additional_rules), chunk, strict=True
            ):
                if row["error_code"] == "missing_image":
                    row |= {"error_code": "unreadable_file", "error": _why_unreadable(path)}
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
                if row["error_code"]:
                    failed.append((row["doc_id"], f"{row['error_code']}: {row['error']}"))
            lines.flush()
            bar.update(len(chunk))
            bar.set_postfix(failed=len(failed))
    part.replace(output)
    return Outcome(len(documents), failed)


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


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None  # the extractor answers with an error row, which then says why


def _why_unreadable(path: Path) -> str:
    return f"{path.name} cannot be read: check that it exists and may be read."


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; exit code 3 when some documents failed."""
    args = build_parser().parse_args(argv)
    output = cli.in_project(args.output)
    if output.suffix != ".jsonl":
        raise cli.UsageError(f"--output is {output.name}: give it the suffix .jsonl.")
    documents = find_documents(args.input)
    model = load_extractor(args.model_uri, max_concurrency=args.max_concurrency)
    outcome = predict(
        model,
        documents,
        output,
        additional_rules=args.additional_rules,
        batch=args.max_concurrency * _BATCH_PER_WORKER,
    )
    mlflow.flush_trace_async_logging()
    print(f"{outcome.documents - len(outcome.failed)} of {outcome.documents} documents read.")
    print(f"Written: {output}")
    for doc_id, error in outcome.failed:
        print(f"  failed: {doc_id}: {error}")
    return SOME_FAILED if outcome.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
