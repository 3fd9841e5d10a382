"""MLflow's own review queue: the documents that need a person, linked with the review page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.genai import label_schemas, review_queues

from entry_points.command_line.cli import UsageError
from entry_points.command_line.tracking import all_pages, experiment_page
from entry_points.labelling.feedback import Traces
from entry_points.reviewing.review import ACCEPTED, REJECTED, Review

LINK_TAG = "review_page"
"""The tag of a trace with the address of its document on the review page."""

_QUESTION = "Right as read"
_OPTIONS = label_schemas.InputCategorical(options=["right", "wrong"])
_VIEW = Path(__file__).parent / "trace_view.json"
_VIEW_TAG = "mlflow.customView.view.v1."
_STATUS = {ACCEPTED: "complete", REJECTED: "declined"}


@dataclass(frozen=True)
class Queue:
    """A queue that holds documents of a review.

    Attributes:
        id: Its id in MLflow.
        page: Its address in MLflow's UI.
        traces: The trace of each of the review's documents that has one, by doc_id.
        added: How many documents of the review need a person, and have a trace.
    """

    id: str
    page: str
    traces: Mapping[str, str]
    added: int

    def link(self, doc_id: str) -> str:
        """Return where MLflow shows a document of the queue, "" if it has no trace."""
        trace = self.traces.get(doc_id)
        return f"{self.page}&selectedItemId={trace}" if trace else ""


def fill_queue(review: Review, name: str, experiment_id: str, address: str) -> Queue:
    """Put the documents into a queue that were not read, or have a value that needs a person.

    Args:
        review: The documents; their traces get the tag `LINK_TAG`.
        name: The queue's name; it is made if the experiment has none of that name.
        experiment_id: Where the predictions were traced.
        address: The review page's address, without the token.

    Raises:
        UsageError: MLflow refuses the queue.
    """
    found = Traces(experiment_id)
    traces = {id: trace for id, row in review.rows.items() if (trace := found.find(row))}
    try:
        queue_id = _queue_of(name, experiment_id, _question(experiment_id, address))
        needy = [
            traces[line["id"]]
            for line in review.lines("")
            if (line["left"] or line["error"])
            and line["status"] not in _STATUS
            and line["id"] in traces
        ]
        if needy:
            review_queues.add_items_to_review_queue(queue_id, item_ids=needy)
        for number, doc_id in enumerate(review.ids):
            if doc_id in traces:
                mlflow.set_trace_tag(traces[doc_id], LINK_TAG, f"{address}#/{number}")
        read = "pairs" if review.task.is_pairs else "values"
        view = json.loads(_VIEW.read_text(encoding="utf-8").replace("%read%", read))
        tag = json.dumps(view, separators=(",", ":"))
        mlflow.MlflowClient().set_experiment_tag(experiment_id, _VIEW_TAG + view["id"], tag)
    except MlflowException as error:
        raise UsageError(f"-P queue={name[:80]}: MLflow refuses it: {error.message}") from error
    page = f"{experiment_page(experiment_id)}/review-queue?selectedQueueId={queue_id}"
    return Queue(queue_id, page, traces, len(needy))


def _question(experiment_id: str, address: str) -> str:
    """Return the id of the question that MLflow asks of each document."""
    told = f"Correct what is wrong on the review page: {address}"
    for each in label_schemas.list_label_schemas(experiment_id):
        if each.name == _QUESTION:
            schema_id = str(each.schema_id)
            label_schemas.update_label_schema(schema_id, instruction=told)
            return schema_id
    made = label_schemas.create_label_schema(
        _QUESTION,
        type="feedback",
        input=_OPTIONS,
        instruction=told,
        enable_comment=True,
        experiment_id=experiment_id,
    )
    return str(made.schema_id)


def _queue_of(name: str, experiment_id: str, question: str) -> str:
    try:
        queue = review_queues.get_review_queue(name=name, experiment_id=experiment_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        queue = review_queues.create_review_queue(
            name, queue_type="custom", schema_ids=[question], experiment_id=experiment_id
        )
    return str(queue.queue_id)


def tell_queue(review: Review, queue: Queue) -> None:
    """Mark the queue's documents as complete, declined or pending, as the review has decided."""
    items = all_pages(
        lambda token: review_queues.list_review_queue_items(queue.id, page_token=token)
    )
    known = {each.item_id: str(each.status) for each in items}
    for doc_id, trace in queue.traces.items():
        document = review.document(doc_id)
        status = _STATUS.get(document.verdict.status, "pending")
        if known.get(trace, status) != status:
            who = None if status == "pending" else document.reviewed.who
            review_queues.set_review_queue_item_status(
                queue.id, item_id=trace, status=status, completed_by=who
            )
