"""MLflow's review queue holds the documents that need a person, and knows what was decided."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest
from mlflow.genai import label_schemas, review_queues

from entry_points.command_line.cli import UsageError
from entry_points.reviewing.mlflow_queue import LINK_TAG, fill_queue, tell_queue
from tests.entry_points.reviewing.desk import Client, opened, page_server, scans, traced

ADDRESS = "http://127.0.0.1:5002/"


def test_the_queue_and_the_page_lead_to_each_other(tmp_path: Path, experiment: str):
    rows = scans(tmp_path / "scans", 3)
    ids = traced(rows, experiment)
    review = opened(tmp_path, rows)
    with page_server(review) as address:
        assert Client(address).accept(2).status_code == 200
    queue = fill_queue(review, "doubtful", experiment, ADDRESS)
    assert {each.item_id for each in review_queues.list_review_queue_items(queue.id)} == set(
        ids[:2]
    )
    assert [mlflow.get_trace(each).info.tags[LINK_TAG] for each in ids] == [
        f"{ADDRESS}#/{number}" for number in range(3)
    ]
    with page_server(review, queue) as address:
        link = Client(address).document(1)["trace"]
    assert link.endswith(f"/review-queue?selectedQueueId={queue.id}&selectedItemId={ids[1]}")


def test_what_was_decided_is_decided_in_the_queue(tmp_path: Path, experiment: str):
    rows = scans(tmp_path / "scans")
    ids = traced(rows, experiment)
    review = opened(tmp_path, rows)
    queue = fill_queue(review, "doubtful", experiment, ADDRESS)
    with page_server(review, queue) as address:
        client = Client(address, who="bea")
        assert client.accept(0).status_code == 200
        assert client.accept(2).status_code == 200
        verdict = {"status": "rejected", "reason": "blurred"}
        assert client.save(1, 0, verdict=verdict).status_code == 200
        tell_queue(review, queue)
        told = {each.item_id: each for each in review_queues.list_review_queue_items(queue.id)}
        assert [told[each].status for each in ids] == [
            "complete",
            "declined",
            "complete",
            "pending",
        ]
        assert told[ids[0]].completed_by == "bea"
        client.change(2, "total", raw="1.00", ok=True)
        version = client.document(2)["version"]
        assert client.save(2, version, verdict={"status": "open"}).status_code == 200
    tell_queue(review, queue)
    told = {each.item_id: each for each in review_queues.list_review_queue_items(queue.id)}
    assert told[ids[2]].status == "pending"


def test_a_second_start_takes_the_same_queue_and_question(tmp_path: Path, experiment: str):
    rows = scans(tmp_path / "scans", 1)
    traced(rows, experiment)
    review = opened(tmp_path, rows)
    first = fill_queue(review, "doubtful", experiment, ADDRESS)
    second = fill_queue(review, "doubtful", experiment, "http://127.0.0.1:5003/")
    assert second.id == first.id
    [question] = [
        each for each in label_schemas.list_label_schemas(experiment) if not each.is_default
    ]
    assert str(question.instruction).endswith("http://127.0.0.1:5003/")
    assert review_queues.get_review_queue(first.id).schema_ids == [question.schema_id]


def test_documents_without_a_trace_are_counted(tmp_path: Path, experiment: str):
    rows = scans(tmp_path / "scans", 2)
    traced(dict(list(rows.items())[:1]), experiment)
    queue = fill_queue(opened(tmp_path, rows), "doubtful", experiment, ADDRESS)
    assert (queue.added, len(queue.traces)) == (1, 1)
    assert queue.link("receipt-02.jpg") == ""


def test_a_name_that_mlflow_refuses_is_told(tmp_path: Path, experiment: str):
    review = opened(tmp_path, scans(tmp_path / "scans", 1))
    with pytest.raises(UsageError, match="-P queue=default: MLflow refuses it"):
        fill_queue(review, "default", experiment, ADDRESS)


def test_the_view_fits_into_a_tag_and_is_whole(tmp_path: Path, experiment: str):
    rows = scans(tmp_path / "scans", 1)
    traced(rows, experiment)
    fill_queue(opened(tmp_path, rows), "doubtful", experiment, ADDRESS)
    tag = mlflow.get_experiment(experiment).tags["mlflow.customView.view.v1.ocr-form"]
    assert len(tag) < 20_000
    [template] = json.loads(tag)["template"]
    parts = {each["id"]: each for each in template["updateComponents"]["components"]}
    assert parts["read"]["value"]["path"] == ["values"]
    assert parts["page"]["uri"]["path"] == ["document"]
    named = {id for each in parts.values() for id in [*each.get("children", ()), each.get("child")]}
    assert named - {None, "$source"} == parts.keys() - {"root"}
