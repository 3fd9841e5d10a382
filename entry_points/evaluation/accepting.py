"""Finds, prints and logs the confidences from which values need no review by a person."""

from __future__ import annotations

import json
from collections.abc import Sequence

import mlflow

from data.fields import FieldDocument
from data.forms import Document
from entry_points.command_line import cli
from entry_points.evaluation.results import Evaluation
from entry_points.logged_models.loading import ACCEPT_AT
from entry_points.scoring.acceptance import Acceptance, find_acceptance, least_examples
from entry_points.scoring.fields import FieldTruth

ARTIFACT = "accept_at.json"


def accept(evaluation: Evaluation, documents: Sequence[Document], precision: float) -> Acceptance:
    """Find which values an extractor may accept so that `precision`, in (0, 1), holds.

    It is printed, and logged to the active run and the model. Documents without a reading do not
    count.
    """
    outputs = {doc_id: each.outputs for doc_id, each in evaluation.readings.items()}
    truths = {
        document.form_id: FieldTruth.of(document)
        for document in documents
        if isinstance(document, FieldDocument) and document.form_id in outputs
    }
    found = find_acceptance(truths, outputs, precision)
    mlflow.log_dict(found.to_dict(), ARTIFACT)
    shares = {"accepted_share": found.share, "accepted_share_documents": found.document_share}
    mlflow.log_metrics(shares, model_id=evaluation.model_id)
    if evaluation.model_id is not None:
        tag = json.dumps(dict(found.fields), ensure_ascii=False)
        mlflow.set_logged_model_tags(evaluation.model_id, {ACCEPT_AT: tag})
    report_acceptance(found)
    return found


def report_acceptance(found: Acceptance) -> None:
    """Print what needs no person."""
    asked = f"{found.precision:g}"
    print(f"Values that need no person, at a precision of {asked} (95 % sure, each by itself):")
    rows = [
        (path, _at(found.fields.get(path)), f"{100 * share:.0f}", str(found.examples[path]))
        for path, share in found.shares.items()
    ]
    rows.append(("whole documents", _at(found.document), f"{100 * found.document_share:.0f}", ""))
    cli.print_table(rows, ("field", "accept from", "accepted, %", "judged by"))
    print(
        f"No person needs to look at {100 * found.share:.0f} % of the values, mean of the fields, "
        f"and at {100 * found.document_share:.0f} % of the documents."
    )
    least = least_examples(found.precision)
    if not found.fields and max(found.examples.values(), default=0) < least:
        print(f"  {asked} can be shown by {least} documents or more, all of them right.")


def _at(confidence: float | None) -> str:
    return "never" if confidence is None else f"{confidence:.3f}"
