"""Registers annotated forms as an MLflow evaluation dataset, and reports duplicate pages."""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
from collections.abc import Hashable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.genai.datasets import (
    EvaluationDataset,
    create_dataset,
    search_datasets,
    set_dataset_tags,
)

from data.dataset import load_documents
from data.forms import Document
from data.funsd import dataset_digest
from data.leakage import Fingerprint, Leak, find_leaks
from data.progress import Progress
from data.splits import SPLITS, split_of
from entry_points.command_line import cli, flags
from entry_points.command_line.tracking import name_run
from ocr_extractor.documents.opener import open_document
from ocr_extractor.errors import DocumentError

_EVER = "created_time > 0"  # without a filter MLflow returns only the last seven days
_PAGES = "pages"
_SHOWN = 20


@dataclass(frozen=True)
class Registered:
    """The registered dataset.

    Attributes:
        dataset_id: MLflow's id of the dataset.
        digest: Hash of the forms' content, the same as in evaluations of the folder.
        splits: The number of forms by split.
        removed: Removed records: their forms have changed or left the folder.
        leaks: Pages that are also in another split or in another registered dataset.
    """

    dataset_id: str
    digest: str
    splits: Mapping[str, int]
    removed: int
    leaks: Sequence[Leak]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, "dataset")
    parser.add_argument(
        "--name", **cli.ValueOr("auto").as_default, help="the dataset's name; auto: the folder's"
    )
    return parser


def register_dataset(name: str, forms: Sequence[Document], experiment_id: str) -> Registered:
    """Make a registered dataset equal to the documents of a folder.

    A record's inputs are the document's id and its file's SHA-256, its expectations the pairs or
    values; its split and the fingerprints of its pages are tags. The pages themselves are not
    copied. They are compared with the other datasets of the experiment.

    Raises:
        DocumentError: A document cannot be opened.
    """
    pages = {form.form_id: _fingerprints(form.image_path) for form in Progress(forms, unit="forms")}
    records = [_record(form, pages[form.form_id]) for form in forms]
    found = search_datasets(experiment_ids=experiment_id, filter_string=_EVER)
    known = {each.name: each for each in found}
    dataset = known.pop(name, None) or create_dataset(name, experiment_id)
    removed = _remove_others(dataset, [record["inputs"] for record in records])
    dataset.merge_records(records)
    digest = dataset_digest(forms)
    set_dataset_tags(dataset_id=dataset.dataset_id, tags={"dataset_digest": digest})
    splits: dict[str, dict[str, list[Fingerprint]]] = {
        split: {form_id: pages[form_id] for form_id in pages if split_of(form_id) == split}
        for split in SPLITS
    }
    leaks = find_leaks(splits)
    for other, theirs in known.items():
        leaks += find_leaks({f"dataset {name}": pages, f"dataset {other}": _pages_of(theirs)})
    counts = {split: len(members) for split, members in splits.items()}
    return Registered(dataset.dataset_id, digest, counts, removed, leaks)


def _fingerprints(path: Path) -> list[Fingerprint]:
    with closing(open_document(path.read_bytes())) as document:
        numbers = range(1, document.page_count + 1)
        return [Fingerprint.of(document.page(number).image) for number in numbers]


def _record(form: Document, pages: Sequence[Fingerprint]) -> dict[str, Any]:
    digest = hashlib.sha256(form.image_path.read_bytes()).hexdigest()
    return {
        "inputs": {"doc_id": form.form_id, "document_sha256": digest},
        "expectations": form.expectations(),
        "tags": {"split": split_of(form.form_id), _PAGES: json.dumps([*map(asdict, pages)])},
    }


def _remove_others(dataset: EvaluationDataset, inputs: Sequence[Mapping[str, Any]]) -> int:
    """Remove the records of other inputs; MLflow's merge only adds and replaces."""
    gone = [each["dataset_record_id"] for each in _rows(dataset) if each["inputs"] not in inputs]
    return dataset.delete_records(gone) if gone else 0


def _pages_of(dataset: EvaluationDataset) -> dict[str, list[Fingerprint]]:
    """Return the fingerprints by form id; records from elsewhere have none."""
    return {
        each["inputs"]["doc_id"]: [Fingerprint(**page) for page in json.loads(each["tags"][_PAGES])]
        for each in _rows(dataset)
        if _PAGES in (each["tags"] or {})
    }


def _rows(dataset: EvaluationDataset) -> list[dict[Hashable, Any]]:
    return dataset.to_df().to_dict("records")


def report(name: str, found: Registered) -> None:
    """Print what was registered, and the pages that are on both sides of a split."""
    counts = ", ".join(f"{count} {split}" for split, count in found.splits.items())
    print(f"Dataset {name}@{found.digest[:8]} ({found.dataset_id}): {counts}.")
    if found.removed:
        print(f"{found.removed} records were removed: their forms are gone or have changed.")
    if not found.leaks:
        print("No page is on both sides of a split, or in another dataset.")
        return
    print(f"{len(found.leaks)} pages are on both sides: scores on them are too high.")
    for leak in found.leaks[:_SHOWN]:
        print(cli.printable(f"  {leak}"))
    if len(found.leaks) > _SHOWN:
        print(f"  ... and {len(found.leaks) - _SHOWN} more: leaks.json of the run has them.")


@cli.reports(DocumentError, MlflowException)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; leaks are reported and change no exit code."""
    args = build_parser().parse_args(argv)
    folder = cli.in_project(args.dataset)
    name = args.name or folder.name
    with mlflow.start_run() as run:
        found = register_dataset(name, load_documents(folder), run.info.experiment_id)
        name_run(f"register {name}@{found.digest[:8]}")
        mlflow.set_tags({"dataset_id": found.dataset_id, "dataset_digest": found.digest})
        mlflow.log_dict({"leaks": [asdict(each) for each in found.leaks]}, "leaks.json")
    report(name, found)
    print(f"Next: {cli.RUN} -e evaluate -P dataset={shlex.quote(args.dataset)} -P split=validation")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
