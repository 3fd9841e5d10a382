"""The command: it reads first if asked, says where the page is, and sums up at the end."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from data.fields import load_folder
from data.funsd import load_folder as load_forms
from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.labelling.labelled_folder import schema_of
from entry_points.reviewing.summary import compute_thresholds, summarise, tell_traces
from tests.entry_points.conftest import Done, Project
from tests.entry_points.reviewing.browser import chromium, reviewing
from tests.entry_points.reviewing.desk import (
    SCHEMA,
    Client,
    opened,
    page_server,
    scans,
    traced,
    write_predictions,
)
from tests.entry_points.servers import free_port
from tests.llm_servers.faulty import FaultyLlm, slow
from tests.waiting import wait_for


@dataclass
class Desk:
    """A folder with scans and predictions, and the command that reviews them.

    Attributes:
        folder: Where.
        port: The page's.
        environment: What the command sees beside the tests' environment.
    """

    folder: Path
    port: int
    environment: dict[str, str]

    @contextmanager
    def running(
        self, *flags: str, stderr: int | None = None
    ) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """Run the command; yield its process and the page's address with the token."""
        process = subprocess.Popen(**self.command(*flags), stdout=subprocess.PIPE, stderr=stderr)
        assert process.stdout is not None
        try:
            address = next(filter(None, map(_address, process.stdout)))
            yield process, address
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()

    def fails(self, *flags: str) -> str:
        """Run the command, which must refuse; return what it says."""
        done = subprocess.run(**self.command(*flags), stderr=subprocess.PIPE, check=False)
        assert done.returncode == 2, done.stderr
        return str(done.stderr)

    def command(self, *flags: str) -> dict[str, Any]:
        named = {"predictions": "predictions.jsonl", "input": "scans", "output": "labelled"}
        words = [f"--{name}={self.folder / file}" for name, file in named.items()]
        words += [f"--schema={SCHEMA}", f"--port={self.port}", *flags]
        return {
            "args": [sys.executable, "-m", "entry_points.review", *words],
            "cwd": self.folder,
            "env": os.environ | {"PYTHONPATH": str(ROOT)} | self.environment,
            "text": True,
        }

    def runs(self) -> list[Run]:
        return list(MlflowClient(self.environment["MLFLOW_TRACKING_URI"]).search_runs(["0"]))


def _address(line: str) -> str | None:
    found = re.search(r"http://\S+#\S+", line)
    return found and found[0]


@pytest.fixture
def desk(tmp_path: Path, empty_store: Path) -> Desk:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    write_predictions(tmp_path / "predictions.jsonl", scans(tmp_path / "scans"))
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return Desk(tmp_path, free_port(), {"MLFLOW_TRACKING_URI": store})


def test_a_killed_server_loses_nothing_and_the_page_goes_on(desk: Desk):
    with chromium() as browser, desk.running() as (process, address):
        origin, token = address.split("/#")
        with reviewing(browser, origin, token) as person:
            person.open(0)
            person.choose("company")
            person.type("Before")
            person.press("Enter")
            person.page.wait_for_function(
                "() => document.getElementById('saved').textContent === 'Saved'"
            )
            process.send_signal(signal.SIGKILL)
            process.wait()
            person.choose("address")
            person.type("While it was down")
            person.page.wait_for_function(
                "() => document.getElementById('saved').textContent.startsWith('Not saved')"
            )
            with desk.running() as (_, again):
                assert again == address  # the page that is open has the token
                person.page.wait_for_function(
                    "() => document.getElementById('saved').textContent === 'Saved'"
                )
                person.page.reload()
                person.on(0)
                assert person.value("company").input_value() == "Before"
                assert person.value("address").input_value() == "While it was down"


def test_ctrl_c_sums_up_and_names_the_next_command(desk: Desk):
    with desk.running("--precision=0.5") as (process, address):
        origin, token = address.split("/#")
        client = Client(origin, token=token)
        assert client.accept(2).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait() == 0
    assert "4 documents: 3 open, 1 accepted." in said
    assert f"-e evaluate -P dataset={desk.folder / 'labelled'}" in said
    assert "register_prompt" not in said  # an example shows pairs
    assert "Values that need no person" in said
    assert [each.form_id for each in load_folder(desk.folder / "labelled")] == ["receipt-03"]


def test_the_end_writes_truth_files_that_could_not_be_written_before(desk: Desk):
    with desk.running() as (process, address):
        origin, token = address.split("/#")
        in_the_way = desk.folder / "labelled" / "fields" / "receipt-03.json"
        in_the_way.mkdir()
        assert Client(origin, token=token).accept(2).status_code == 200
        in_the_way.rmdir()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert [each.form_id for each in load_folder(desk.folder / "labelled")] == ["receipt-03"]


def test_mlflow_run_ends_it_by_a_second_signal_and_the_summary_still_comes(desk: Desk):
    with desk.running() as (process, _):
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait() == 0
    assert "The same command continues the review." in said
    [run] = desk.runs()
    assert (run.info.status, run.data.metrics["documents_open"]) == ("FINISHED", 4.0)


@pytest.mark.parametrize("by_signal", [True, False], ids=["Ctrl-C", "Finish"])
def test_the_end_does_not_wait_for_a_page_that_is_read(desk: Desk, by_signal: bool):
    with desk.running(stderr=subprocess.STDOUT) as (process, address):
        origin, token = address.split("/#")
        client = Client(origin, token=token)
        asked = partial(client.ask, "GET", "/api/documents/0/pages/1/words")
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(asked)
            client.get("/api/documents")  # the words are being read since
            if by_signal:
                process.send_signal(signal.SIGINT)
            else:
                assert client.ask("POST", "/api/finish", json={}).status_code == 200
            assert answer.result().json() == {"message": "The review has ended."}
        assert process.stdout is not None
        assert "Traceback" not in process.stdout.read()
        assert process.wait() == 0


def test_a_port_in_use_is_told_before_anything_is_read(desk: Desk):
    with socket.socket() as other:
        other.bind(("127.0.0.1", desk.port))
        other.listen()
        done = desk.fails("--model-uri=models:/nobody-needs-it/1")
    assert f"127.0.0.1:{desk.port} cannot be listened on" in done
    assert "nobody-needs-it" not in done


def test_documents_are_read_first_and_only_they_are_shown(
    desk: Desk, project: Project, main_run: Done
):
    # The file has predictions of receipts, which are not among these documents.
    forms, predictions = desk.folder / "forms", desk.folder / "predictions.jsonl"
    forms.mkdir()
    shutil.copy(project.dataset / "images" / "fax-01.png", forms)
    read = project.command("predict", input=forms, output=predictions)
    assert read.returncode == 0, read.stdout
    whole = (project.dataset / "images" / "invoice-01.png").read_bytes()
    (forms / "damaged.png").write_bytes(whole[:3000])
    desk.environment = project.environment | {"MLFLOW_TRACKING_URI": project.tracking_uri}
    champion = "models:/ocr-extractor@champion"
    flags = (f"--model-uri={champion}", f"--input={forms}", "--schema=none")
    with desk.running(*flags) as (process, address):
        origin, token = address.split("/#")
        client = Client(origin, token=token)
        listed = [(each["id"], each["error"]) for each in client.get("/api/documents")["documents"]]
        assert [name for name, _ in listed] == ["damaged.png", "fax-01.png"]
        assert [error is None for _, error in listed] == [False, True]
        assert client.accept(1).status_code == 200
        assert client.ask("POST", "/api/finish", json={}).status_code == 200
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait() == 0
    assert "2 documents: 1 open, 1 accepted." in said
    assert f"-e evaluate -P model_uri={champion} -P dataset={desk.folder / 'labelled'}" in said
    assert [form.form_id for form in load_forms(desk.folder / "labelled")] == ["fax-01"]


def test_sigterm_while_documents_are_read_leaves_no_reading_behind(
    desk: Desk, project: Project, main_run: Done
):
    with FaultyLlm() as llm:
        llm.always = slow(600, pieces=0)
        desk.environment = project.environment | {
            "MLFLOW_TRACKING_URI": project.tracking_uri,
            "OPENAI_BASE_URL": llm.base_url,
        }
        forms = project.dataset / "images"
        command = desk.command("--model-uri=models:/ocr-extractor@champion", f"--input={forms}")
        with subprocess.Popen(**command, start_new_session=True) as process:
            wait_for(lambda: llm.requests or process.poll() is not None)
            assert process.poll() is None
            process.terminate()
            assert process.wait(300) == 128 + signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def test_predictions_of_another_folder_are_told(desk: Desk):
    (desk.folder / "scans" / "receipt-01.jpg").rename(desk.folder / "scans" / "other.jpg")
    said = desk.fails()
    assert "1 predicted documents are not among the --input" in said
    assert "receipt-01.jpg" in said


def test_only_the_user_can_read_the_token(desk: Desk):
    with desk.running():
        file = desk.folder / "labelled" / "review.token"
        assert file.stat().st_mode & 0o077 == 0


def test_the_trace_of_a_prediction_is_told_once_what_is_true(tmp_path: Path, experiment: str):
    rows = scans(tmp_path / "scans", 1)
    [trace_id] = traced(rows, experiment)
    review = opened(tmp_path, rows)
    with page_server(review) as address:
        client = Client(address)
        client.change(0, "total", raw="61.31", status="found", ok=True)
        assert client.accept(0).status_code == 200
    told = tell_traces(review, experiment)
    assert told == 1
    known = {each.name: each for each in mlflow.get_trace(trace_id).info.assessments}
    assert known["values"].value["total"] == 61.31
    assert known["values_accepted"].value == pytest.approx(29 / 30)
    assert {each.source.source_id for each in known.values()} == {"ann"}
    assert tell_traces(review, experiment) == 0


def test_thresholds_are_found_from_what_was_reviewed(
    tmp_path: Path, experiment: str, capsys: pytest.CaptureFixture[str]
):
    review = opened(tmp_path, scans(tmp_path / "scans"))
    with page_server(review) as address:
        assert Client(address).accept(2).status_code == 200
    with mlflow.start_run(experiment_id=experiment) as run:
        compute_thresholds(review, 0.04)
        compute_thresholds(review, None)
    found = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/accept_at.json")
    assert found["accept_at"]["total"] == 0.9
    assert "judged by" in capsys.readouterr().out
    assert summarise(review).corrected == ("receipt-03.jpg",)


def test_what_the_model_has_accepted_itself_proves_no_threshold(
    tmp_path: Path, experiment: str, capsys: pytest.CaptureFixture[str]
):
    rows = scans(tmp_path / "scans")
    [total] = [leaf for leaf in rows["receipt-03.jpg"]["fields"] if leaf["path"] == "total"]
    total["accepted"] = True
    review = opened(tmp_path, rows)
    with page_server(review) as address:
        assert Client(address).accept(2).status_code == 200
    with mlflow.start_run(experiment_id=experiment) as run:
        compute_thresholds(review, 0.04)
    assert "1 values were accepted by the model's accept_at" in capsys.readouterr().out
    assert not mlflow.artifacts.list_artifacts(run.info.artifact_uri)


def test_the_schema_comes_from_the_prompt_that_has_read(tmp_path: Path, experiment: str):
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    version = mlflow.genai.register_prompt("receipts", "{{ fields }}", response_format=document)
    rows = scans(tmp_path / "scans", 1)
    [row] = rows.values()
    row["prompt_uri"] = version.uri
    assert schema_of(rows, "")[0] == document
    row["prompt_uri"] = "prompts:/none/1"
    with pytest.raises(UsageError, match="give --schema"):
        schema_of(rows, "")
