"""The results of a review: what was corrected, what is written to MLflow, the next commands."""

from __future__ import annotations

import shlex
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow

from data.field_schema import pattern
from entry_points.command_line import cli
from entry_points.evaluation.accepting import ARTIFACT, report_acceptance
from entry_points.labelling.feedback import Traces, log_review
from entry_points.reviewing.leaves import Leaf
from entry_points.reviewing.review import ACCEPTED, Document, Review
from entry_points.scoring.acceptance import find_acceptance
from entry_points.scoring.fields import FieldTruth

_KINDS = ("right", "corrected", "added", "removed")
_EXAMPLES = 3
# train's folds.
_TO_TRAIN = 5


@dataclass(frozen=True)
class Summary:
    """Figures of all reviewed documents.

    Attributes:
        statuses: How many documents have which verdict.
        fields: How many values of accepted documents were what, by the field's path.
        seconds: Median time that a person took for a value, s, by the field's path.
        corrected: The accepted documents, those with the most corrections first.
    """

    statuses: Mapping[str, int]
    fields: Mapping[str, Mapping[str, int]]
    seconds: Mapping[str, float]
    corrected: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, for the page."""
        return {
            "statuses": dict(self.statuses),
            "fields": {path: dict(counts) for path, counts in self.fields.items()},
            "seconds": dict(self.seconds),
        }


def summarise(review: Review) -> Summary:
    """Count what was reviewed so far."""
    statuses, corrections = Counter[str](), Counter[str]()
    fields = {path: Counter[str]() for path in review.task.shape.leaves}
    for doc_id in review.ids:
        document = review.document(doc_id)
        statuses[document.verdict.status] += 1
        if document.verdict.status == ACCEPTED:
            corrections[doc_id] = 0
            for path, kind in _kinds(document, review.task.read(review.rows[doc_id])):
                fields[path][kind] += 1
                corrections[doc_id] += kind != "right"
    spent: dict[str, list[float]] = {}
    for path, ms in review.journal.spent():
        spent.setdefault(pattern(path), []).append(ms / 1000)
    seconds = {path: statistics.median(taken) for path, taken in spent.items() if path in fields}
    return Summary(statuses, fields, seconds, tuple(each for each, _ in corrections.most_common()))


def _kinds(document: Document, read: Mapping[str, Leaf]) -> Iterator[tuple[str, str]]:
    """Yield (path in the schema, kind of change) of each value; the kinds are `_KINDS`."""
    kept = set()
    for path, leaf in document.leaves.items():
        first = read.get(leaf.origin)
        kept.add(leaf.origin)
        if first is None:
            yield pattern(path), "added" if leaf.value is not None else "right"
        else:
            yield pattern(path), "right" if first.value == leaf.value else "corrected"
    for path in read.keys() - kept:
        if read[path].origin:
            yield pattern(path), "removed"


def tell_traces(review: Review, experiment_id: str) -> int:
    """Write the true values, and how many were read right, to the predictions' traces.

    Args:
        review: Each version of an accepted document is written once.
        experiment_id: Where the predictions were traced.

    Returns:
        How many traces were written now.
    """
    todo = [
        (doc_id, document)
        for doc_id in review.ids
        if (document := review.document(doc_id)).verdict.status == ACCEPTED
        and document.reviewed.told != document.reviewed.version
    ]
    traces = Traces(experiment_id) if todo else None
    told = 0
    for doc_id, document in todo:
        if traces and (trace_id := traces.find(review.rows[doc_id])):
            kept = review.task.kept(document.leaves, review.task.read(review.rows[doc_id]))
            truth = review.truth(doc_id, document)
            log_review(trace_id, truth, *kept, who=document.reviewed.who)
            told += 1
        review.journal.note(doc_id, told=document.reviewed.version)
    return told


def compute_thresholds(review: Review, precision: float | None) -> None:
    """Find, print and log the confidences from which values need no review.

    Nobody has seen the values that the model itself accepted. Counting them as right would be
    circular, so nothing is computed from such predictions.
    """
    if precision is None or review.task.is_pairs:
        return
    accepted = {
        doc_id: FieldTruth(review.task.shape, review.task.values(document.leaves))
        for doc_id in review.ids
        if (document := review.document(doc_id)).verdict.status == ACCEPTED
    }
    outputs = {doc_id: review.rows[doc_id] for doc_id in accepted}
    leaves = (leaf for row in outputs.values() for leaf in row["fields"] or ())
    if unseen := sum(leaf["accepted"] is True for leaf in leaves):
        print(
            f"{unseen} values were accepted by the model's accept_at and not by a person, so no "
            "new confidences are computed. For that, log with -P settings='{\"accept_at\": {}}'."
        )
    elif accepted:
        found = find_acceptance(accepted, outputs, precision)
        mlflow.log_dict(found.to_dict(), ARTIFACT)
        report_acceptance(found)


def report(review: Review, summary: Summary, told: int, output: Path, model_uri: str) -> None:
    """Print the summary, and the next commands; `model_uri` is "" where it is not known."""
    counts = ", ".join(f"{count} {status}" for status, count in summary.statuses.items())
    print(f"{len(review.ids)} documents: {counts}.")
    accepted = summary.statuses.get(ACCEPTED, 0)
    if not accepted:
        print("The same command continues the review.")
        return
    rows = [
        (
            path,
            *(str(counts.get(kind, 0) or "") for kind in _KINDS),
            _time(summary.seconds.get(path)),
        )
        for path, counts in summary.fields.items()
        if counts
    ]
    cli.print_table(rows, ("field", *_KINDS, "s a value"))
    print(f"The true values were written to {told} traces. Next:")
    dataset = f"-P dataset={shlex.quote(str(output))}"
    ids = ",".join(map(review.folder.form_id, summary.corrected[:_EXAMPLES]))
    read_by = f"-P model_uri={shlex.quote(model_uri)} " if model_uri else ""
    print(f"  {cli.RUN} -e evaluate {read_by}{dataset}")
    if ids and review.task.is_pairs:  # an example shows pairs
        shown = f"-P template=my-prompt.md -P examples={shlex.quote(ids)}"
        print(f"  {cli.RUN} -e register_prompt {dataset} {shown}")
    if accepted >= _TO_TRAIN:
        print(f"  {cli.RUN} -e train {dataset}")
    else:
        print(f"With {_TO_TRAIN} accepted documents or more, train teaches the local engine.")


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"
