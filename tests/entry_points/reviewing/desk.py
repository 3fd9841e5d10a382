"""Predictions to review, and the server of the review page on loopback."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import requests
import uvicorn

from data.fields import FieldDocument, from_leaves, load_folder
from entry_points import ROOT
from entry_points.predictions.output import KEY
from entry_points.review import review
from entry_points.reviewing.app import TOKEN_HEADER, Access, build_app
from entry_points.reviewing.mlflow_queue import Queue
from entry_points.reviewing.review import Review
from entry_points.reviewing.summary import summarise
from tests.entry_points.scoring.field_rows import row
from tests.waiting import wait_for

RECEIPTS = ROOT / "data" / "samples-fields" / "receipts"
SCHEMA = RECEIPTS / "schema.json"
TOKEN = "token-of-the-tests"

# What was read wrong, by receipt: path, the text that was read, the text that is printed.
WRONG: dict[str, list[tuple[str, str, str | None]]] = {
    "receipt-01": [("total", "61.37", "61.31"), ("items[1].amount", "18.48", "13.48")],
    "receipt-02": [("date", "no date", None)],
    "receipt-03": [],
    "receipt-04": [("company", "Nobody", None)],
}


def predicted(document: FieldDocument) -> dict[str, Any]:
    """Return a row as predict would write it, with the mistakes of `WRONG`."""
    found = row(json.loads(json.dumps(document.values)))
    leaves = {leaf["path"]: leaf for leaf in found["fields"]}
    for path, place in document.places.items():
        leaves[path] |= {"box": list(place.box), "page": place.page}
    for path, text, _ in WRONG[document.form_id]:
        valid = path != "date"
        value = float(text) if path.endswith(("total", "amount")) else text
        status = "found" if valid else "invalid"
        wrong = {"raw": text, "value": json.dumps(value) if valid else None, "status": status}
        leaves[path] |= wrong | {"confidence": 0.4, "grounded": False}
    read = {path: json.loads(leaf["value"] or "null") for path, leaf in leaves.items()}
    tables = document.schema.tables
    cells = {path: value for path, value in read.items() if path not in tables}
    name = document.image_path.name
    return found | {
        "doc_id": name,
        KEY: f"{document.form_id:0<64}",
        "page_count": 1,
        "prompt_uri": "",
        "values": json.dumps(from_leaves(document.schema, cells)),
    }


def scans(folder: Path, documents: int | None = None) -> dict[str, dict[str, Any]]:
    """Put receipts into a folder; return their predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for document in load_folder(RECEIPTS)[:documents]:
        shutil.copy(document.image_path, folder)
        rows[document.image_path.name] = predicted(document)
    return rows


def write_predictions(file: Path, rows: dict[str, dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(each) + "\n" for each in rows.values()), encoding="utf-8")
    return file


def traced(rows: dict[str, dict[str, Any]], experiment: str) -> list[str]:
    """Trace the predictions as the extractor does; return the ids of the traces."""
    mlflow.set_experiment(experiment_id=experiment)
    ids = []
    for name, predicted_row in rows.items():
        with mlflow.start_span("extract") as span:
            span.set_inputs({"doc_id": name})
            span.set_outputs({"pairs": [], "values": predicted_row["values"]})
            mlflow.update_current_trace(request_preview=name)
        ids.append(span.trace_id)
    mlflow.flush_trace_async_logging()
    return ids


def opened(folder: Path, rows: dict[str, Any], schema: str = str(SCHEMA)) -> Review:
    """Open a review of documents in `folder/scans`; its output is `folder/labelled`.

    Their words are known, without OCR: those of the true values.
    """
    documents = {name: folder / "scans" / name for name in rows}
    begun = review(rows, documents, folder / "scans", folder / "labelled", schema)
    for document in load_folder(RECEIPTS):
        digest = hashlib.sha256(document.image_path.read_bytes()).hexdigest()
        begun.journal.keep_words(f"{digest}-1", words_of(document))
    return begun


def words_of(document: FieldDocument) -> list[list[Any]]:
    """Return the words of the true values, each with a part of the value's box."""
    words: list[list[Any]] = []
    for line, (path, place) in enumerate(document.places.items()):
        texts = str(_at(document.values, path)).split()
        x0, y0, x1, y1 = place.box
        step = (x1 - x0) // len(texts)
        for at, text in enumerate(texts):
            words.append([text, x0 + at * step, y0, x0 + (at + 1) * step - 1, y1, line])
    return words


def _at(values: Any, path: str) -> Any:
    for key in re.findall(r"[^.\[\]]+", path):
        values = values[int(key) if key.isdecimal() else key]
    return values


@dataclass
class Client:
    """A page of the review, without a browser.

    Attributes:
        address: The server's.
        page: The page's own name.
        who: The person's.
        token: The server's.
    """

    address: str
    page: str = "page-1"
    who: str = "ann"
    token: str = TOKEN

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {
            TOKEN_HEADER: self.token,
            "Origin": self.address,
            "X-Review-Page": self.page,
            "X-Reviewer": json.dumps(self.who),
        }
        headers |= options.pop("headers", {})
        sent = {name: value for name, value in headers.items() if value is not None}
        return requests.request(
            method, f"{self.address}{path}", headers=sent, timeout=120, **options
        )

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def document(self, number: int) -> dict[str, Any]:
        return dict(self.get(f"/api/documents/{number}"))

    def save(self, number: int, version: int, **change: Any) -> requests.Response:
        sent = {"doc_id": self.document(number)["id"], "version": version, **change}
        return self.ask("POST", f"/api/documents/{number}/save", json=sent)

    def take(self, number: int, **options: Any) -> requests.Response:
        sent = {"doc_id": self.document(number)["id"], **options}
        return self.ask("POST", f"/api/documents/{number}/take", json=sent)

    def change(self, number: int, path: str, **changed: Any) -> dict[str, Any]:
        """Change one leaf of the newest version."""
        document = self.document(number)
        leaf = document["leaves"][path] | changed
        answer = self.save(number, document["version"], leaves={path: leaf})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def accept(self, number: int) -> requests.Response:
        """Accept all leaves of a document, and the document."""
        document = self.document(number)
        leaves = {path: leaf | {"ok": True} for path, leaf in document["leaves"].items()}
        return self.save(number, document["version"], leaves=leaves, verdict={"status": "accepted"})


@contextmanager
def page_server(review: Review, queue: Queue | None = None, port: int = 0) -> Iterator[str]:
    """Serve a review from a thread of this process; yield its address."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        access = Access(TOKEN, "ann", True)
        app = build_app(review, access, lambda: summarise(review).to_dict(), queue)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
