"""OpenAI's Batch API: uploads files of requests, starts and watches batches, downloads answers."""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

import httpx2
import openai
from openai.types import Batch
from pydantic import BaseModel, Field

from ocr_extractor.engines.openai import batched_requests
from ocr_extractor.engines.openai.sdk_errors import SDK_ERRORS, not_a_completion, to_engine_error
from ocr_extractor.engines.openai.transport import MAX_ANSWER_BYTES
from ocr_extractor.errors import ConfigError, EngineError, shorten

_logger = logging.getLogger(__name__)

_ENDPOINT: Final = "/v1/chat/completions"
# The metadata key of a batch for our own name of it.
_NAME = "ocr_extractor_shard"
_ENDED = {"completed", "failed", "expired", "cancelled"}
# The answer that stands for a missing one; `sdk_errors` recognises it.
_GATEWAY_TIMEOUT = 504
_UNANSWERED = "batch_unanswered"


@dataclass(frozen=True)
class BatchProgress:
    """The state of a batch at the server.

    Attributes:
        status: Its status in the server's words.
        ended: Whether nothing more will come.
        waits_for_others: Whether it was refused because others fill the queue: nothing was done,
            and it can be started again when one of them has ended.
        reason: Why it failed, "" when it did not.
        files: The ids of the files with its answers and errors.
    """

    status: str
    ended: bool
    waits_for_others: bool
    reason: str
    files: tuple[str, ...]


class BatchServer:
    """The files and batches of the server; call its methods within `faults`."""

    def __init__(self, client: openai.OpenAI) -> None:
        """Use the engine's client.

        Raises:
            ConfigError: It is Azure's client: Azure has other paths and deployments for batches.
        """
        if isinstance(client, openai.AzureOpenAI):
            raise ConfigError("Batches are sent to OpenAI and servers like it, not to Azure.")
        self._client = client
        # All requests except the start of a batch may be repeated.
        self._patient = client.with_options(max_retries=4)

    deferred = staticmethod(batched_requests.deferred)

    @staticmethod
    @contextlib.contextmanager
    def faults() -> Iterator[None]:
        """Turn temporary errors, such as a lost connection, into a warning.

        Raises:
            EngineError: The server refuses for good; the message says what to do.
        """
        try:
            yield
        except httpx2.HTTPError as error:  # in the middle of a download
            _logger.warning("A batch's file was cut off: %s", shorten(error))
        except (*SDK_ERRORS, EngineError) as error:
            fault = error if isinstance(error, EngineError) else to_engine_error(error)
            if not fault.retryable:
                raise fault from None
            _logger.warning("The batches' server: %s", fault)

    @staticmethod
    def line(custom_id: str, body: bytes) -> bytes:
        """Return a request as a line of a batch's file."""
        request = {"custom_id": custom_id, "method": "POST", "url": _ENDPOINT}
        head = json.dumps(request).removesuffix("}").encode()
        return head + b', "body": ' + body + b"}\n"

    def upload(self, name: str, lines: IO[bytes]) -> str:
        """Upload a file of lines; return its id."""
        return self._patient.files.create(file=(f"{name}.jsonl", lines), purpose="batch").id

    def find(self, name: str) -> str | None:
        """Return the id of the batch with this name; None if none was started or it failed."""
        for batch in self._patient.batches.list(limit=100):
            if (batch.metadata or {}).get(_NAME) == name and batch.status != "failed":
                return batch.id
        return None

    def begin(self, name: str, file_id: str) -> str:
        """Begin the batch of a file and return its id.

        It costs money from now on. After an error, only `find` tells whether it was started.
        """
        return self._client.batches.create(
            input_file_id=file_id,
            endpoint=_ENDPOINT,
            completion_window="24h",
            metadata={_NAME: name},
        ).id

    def cancel(self, batch_id: str) -> None:
        """Cancel a batch; its answers so far still cost money."""
        # The server answers "conflict" if the batch has ended in the meantime.
        with contextlib.suppress(openai.ConflictError, openai.BadRequestError):
            self._client.batches.cancel(batch_id)

    def progress(self, batch_id: str) -> BatchProgress:
        """Return the state of a batch."""
        batch = self._patient.batches.retrieve(batch_id)
        if not isinstance(batch, Batch):  # the SDK returns whatever comes with status 200
            raise not_a_completion(reports_error=True)
        errors = (batch.errors.data if batch.errors else None) or []
        return BatchProgress(
            status=shorten(batch.status),
            ended=batch.status in _ENDED,
            waits_for_others=any(error.code == "token_limit_exceeded" for error in errors),
            reason=shorten("; ".join(f"{error.message}" for error in errors), 400),
            files=tuple(filter(None, (batch.output_file_id, batch.error_file_id))),
        )

    def answers(self, files: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Download the answers of a batch.

        Yields:
            Custom id and answer, JSON of [HTTP status, body]; lines that hold none, such as those
            of requests that expired, are left out.
        """
        for file_id in files:
            # On disk: a batch may have gigabytes, and a cut connection must not leave half a line.
            with tempfile.TemporaryFile() as kept:
                content = self._patient.files.with_streaming_response.content(file_id)
                with content as response:
                    for piece in response.iter_bytes():
                        kept.write(piece)
                kept.seek(0)
                while line := kept.readline(MAX_ANSWER_BYTES):
                    if (found := _read_line(line)) is not None:
                        yield found

    def discard(self, files: Iterable[str]) -> None:
        """Delete files at the server, which deletes the others by itself after some days."""
        for file_id in files:
            with contextlib.suppress(openai.NotFoundError):
                self._patient.files.delete(file_id)

    @staticmethod
    def unanswered(reason: str) -> str:
        """Return the answer for a request that its batch has not answered."""
        error = {"code": _UNANSWERED, "message": reason}
        return json.dumps([_GATEWAY_TIMEOUT, {"error": error}])


class _Response(BaseModel):
    status_code: int = Field(ge=200, le=599)
    body: Any


class _Line(BaseModel):
    custom_id: str
    response: _Response


def _read_line(line: bytes) -> tuple[str, str] | None:
    """Read a line of a batch's output or error file; None where it holds no answer."""
    try:
        read = _Line.model_validate(json.loads(line))
        return read.custom_id, json.dumps([read.response.status_code, read.response.body])
    except (ValueError, RecursionError):
        return None
