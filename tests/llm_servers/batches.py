"""OpenAI's files and batches: they do what a script says, right or wrong."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from werkzeug import Request, Response

from tests.llm_servers.checking import CheckingLlm
from tests.llm_servers.completions import as_json

Line = dict[str, Any]
# What becomes of a batch, given a line for each request: its status, its lines, its errors.
Ended = tuple[str, list[Line | bytes], list[dict[str, Any]]]
Ending = Callable[[list[Line]], Ended]


def complete(lines: list[Line]) -> Ended:
    return "completed", [*lines], []


def expire(answered: int) -> Ending:
    """Answer some requests and report the others as expired."""

    def end(lines: list[Line]) -> Ended:
        error = {"code": "batch_expired", "message": "This request could not be executed in time."}
        late = [line | {"response": None, "error": error} for line in lines[answered:]]
        return "expired", [*lines[:answered], *late], []

    return end


def lose(count: int) -> Ending:
    """Complete without a word about some requests."""
    return lambda lines: complete(lines[count:])


def disorder(lines: list[Line]) -> Ended:
    """Answer backwards, twice and differently, with lines that nobody can read between them."""
    wrong = {"status_code": 200, "body": {"choices": []}}
    again = [line | {"response": wrong} for line in lines]
    stray: list[Line | bytes] = [
        b"\n",
        b"{\n",
        b"[1]\n",
        b'{"custom_id": "x"}\n',
        {**lines[0], "custom_id": "nobody"},
    ]
    return "completed", [*reversed(lines), *stray, *again], []


def cut(request: Request) -> Response:
    """Close the connection of a request that is still being sent."""
    request.environ["connection"].shutdown(socket.SHUT_RDWR)
    return Response()


def fail(code: str, message: str) -> Ending:
    """Refuse the whole file."""
    return lambda _: ("failed", [], [{"code": code, "message": message}])


@dataclass
class BatchApi:
    """Files and batches of an LLM.

    Attributes:
        llm: What answers the requests.
        endings: What becomes of the next batches, one each; all others complete.
        looks: How often a batch is looked at before it ends; -1 for never.
        revoked: Whether the key has lost the right to look at batches.
        uploads: What answers the next uploads before their bytes are read, one each.
        on_begin: Called with a batch's id before the server answers that it was begun.
        begins: What the next batches get instead of being begun, one each.
        downloads: What the next downloads get instead of a file, one each.
        files: The files by id.
        begun: The files of the batches that were begun, in their order.
        batches: The batches by id, newest first.
        paid: The custom ids of all requests that the LLM has read.
    """

    llm: CheckingLlm
    endings: list[Ending] = field(default_factory=list)
    looks: int = 1
    revoked: bool = False
    uploads: list[Callable[[Request], Response]] = field(default_factory=list)
    on_begin: Callable[[str], None] = lambda _: None
    begins: list[Response] = field(default_factory=list)
    downloads: list[Response] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    begun: list[bytes] = field(default_factory=list)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    paid: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def reset(self) -> None:
        """Forget all files, batches and scripts."""
        vars(self).update(vars(BatchApi(self.llm)))

    def upload(self, request: Request) -> Response:
        if self.uploads:
            return self.uploads.pop(0)(request)
        name, content = request.files["file"].filename, request.files["file"].read()
        assert request.form["purpose"] == "batch"
        file_id = self._keep(content)
        file = {"id": file_id, "object": "file", "bytes": len(content), "filename": name}
        return as_json(file | {"created_at": 1, "purpose": "batch", "status": "processed"})

    def begin(self, request: Request) -> Response:
        if self.begins:
            return self.begins.pop(0)
        asked = request.get_json()
        assert asked["endpoint"] == "/v1/chat/completions"
        assert asked["completion_window"] == "24h"
        assert asked["input_file_id"] in self.files
        batch = asked | {"id": f"batch_{len(self.batches)}", "object": "batch", "created_at": 1}
        batch |= {"status": "in_progress", "looks": self.looks}
        self.batches = {batch["id"]: batch} | self.batches
        self.begun.append(self.files[asked["input_file_id"]])
        self.on_begin(batch["id"])
        return as_json(batch)

    def list(self, request: Request) -> Response:
        """Give one batch a page, the newest first."""
        ids = list(self.batches)
        after = request.args.get("after")
        rest = ids[ids.index(after) + 1 :] if after else ids
        page = [self.batches[each] for each in rest[:1]]
        return as_json({"object": "list", "data": page, "has_more": len(rest) > 1})

    def look(self, request: Request) -> Response:
        batch = self.batches[request.path.rpartition("/")[2]]
        if self.revoked:
            return as_json({"error": {"message": "No."}}, 401)
        if batch["status"] == "cancelling":
            self._end(batch, expire(1))
            batch["status"] = "cancelled"
        elif batch["status"] == "in_progress":
            if batch["looks"] == 0:
                self._end(batch, self.endings.pop(0) if self.endings else complete)
            batch["looks"] -= 1
        return as_json(batch)

    def cancel(self, request: Request) -> Response:
        batch = self.batches[request.path.split("/")[-2]]
        if batch["status"] != "in_progress":
            return as_json({"error": {"message": "It has ended."}}, 409)
        batch["status"] = "cancelling"
        return as_json(batch)

    def download(self, request: Request) -> Response:
        if self.downloads:
            return self.downloads.pop(0)
        return Response(self.files[request.path.split("/")[-2]])

    def delete(self, request: Request) -> Response:
        file_id = request.path.rpartition("/")[2]
        del self.files[file_id]
        return as_json({"id": file_id, "object": "file", "deleted": True})

    def _keep(self, content: bytes) -> str:
        file_id = f"file-{next(self._numbers)}"
        self.files[file_id] = content
        return file_id

    def _end(self, batch: dict[str, Any], ending: Ending) -> None:
        requests = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        assert len({each["custom_id"] for each in requests}) == len(requests)
        lines = [self._answer(each) for each in requests]
        batch["status"], results, errors = ending(lines)
        batch["errors"] = {"object": "list", "data": errors}
        good = [each for each in results if isinstance(each, bytes) or each["response"]]
        for kind, part in (("output", good), ("error", [e for e in results if e not in good])):
            if part:
                data = [e if isinstance(e, bytes) else json.dumps(e).encode() + b"\n" for e in part]
                batch[f"{kind}_file_id"] = self._keep(b"".join(data))
        answered = {each["custom_id"] for each in good if isinstance(each, dict)}
        self.paid += [each["custom_id"] for each in requests if each["custom_id"] in answered]

    def _answer(self, request: dict[str, Any]) -> Line:
        assert (request["method"], request["url"]) == ("POST", "/v1/chat/completions")
        answer = self.llm.read(request["body"])
        response = {"status_code": answer.status_code, "body": json.loads(answer.get_data())}
        return {"id": "x", "custom_id": request["custom_id"], "response": response, "error": None}


def attach(llm: CheckingLlm) -> BatchApi:
    """Put fresh files and batches beside an LLM's completions."""
    batches = BatchApi(llm)
    for method, path, respond in (
        ("POST", "files", batches.upload),
        ("GET", "files/[^/]+/content", batches.download),
        ("DELETE", "files/[^/]+", batches.delete),
        ("POST", "batches", batches.begin),
        ("GET", "batches", batches.list),
        ("GET", "batches/[^/]+", batches.look),
        ("POST", "batches/[^/]+/cancel", batches.cancel),
    ):
        llm.route(method, path, respond)
    return batches
