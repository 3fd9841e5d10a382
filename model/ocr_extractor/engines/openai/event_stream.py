"""Joins a streamed completion to one body, and cuts it off if the LLM repeats itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpx2
from pydantic import BaseModel, Field

from ocr_extractor.engines.openai.completion import MOST_CHOICES, UsageReport
from ocr_extractor.engines.openai.parsing import repeats_itself

MEDIA_TYPE = "text/event-stream"
"""The content type of a streamed answer."""

# The text is checked for loops each time that it has grown by this many characters.
_LOOK_EVERY = 4096
# Servers send one event a token, and waiting for each costs 0.1 ms of CPU. So events are collected:
# for this part of the time since the first one, and for at most this long, s.
_GATHERING = 1 / 32
_LONGEST_GATHERING_S = 0.5
# An event that takes longer than this to arrive was waited for, s.
_WAITED_S = 0.001


class _Delta(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    finish_reason: str | None = None
    delta: _Delta
    logprobs: Any = None


class _Chunk(BaseModel):
    model: str = ""
    choices: list[_Choice] = Field(max_length=MOST_CHOICES)
    usage: UsageReport | None = None


class StreamedCompletion(httpx2.SyncByteStream):
    """The body that the server would have sent without streaming."""

    def __init__(self, events: httpx2.SyncByteStream) -> None:
        self._events = events

    def __iter__(self) -> Iterator[bytes]:
        growing, rest = _Growing(), [b""]
        for piece in _gathered(self._events):
            rest.append(piece)
            if b"\n" not in piece:
                continue
            *lines, last = b"".join(rest).split(b"\n")
            rest = [last]
            for line in lines:
                data = line.removeprefix(b"data:").strip()
                if not line.startswith(b"data:") or data == b"[DONE]":
                    continue
                try:
                    growing.add(_Chunk.model_validate(json.loads(data)))
                except (ValueError, RecursionError):
                    yield data  # an error object, or unknown data: `Answer` reads it
                    return
            if growing.repeats_itself():
                break
        yield growing.body()

    def close(self) -> None:
        """Close the connection, which can be used again if the server has finished."""
        self._events.close()


class _Growing:
    """An incomplete completion."""

    def __init__(self) -> None:
        self._last: _Chunk | None = None
        self._usage: UsageReport | None = None
        self._finish_reason: str | None = None
        self._content: list[str] = []
        self._refusal: list[str] = []
        self._tokens: list[Any] = []
        self._unseen = 0

    def add(self, chunk: _Chunk) -> None:
        """Add the contents of an event."""
        self._last = chunk
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            self._finish_reason = choice.finish_reason or self._finish_reason
            if choice.delta.content:
                self._content.append(choice.delta.content)
                self._unseen += len(choice.delta.content)
            if choice.delta.refusal:
                self._refusal.append(choice.delta.refusal)
            tokens = choice.logprobs.get("content") if isinstance(choice.logprobs, dict) else None
            if isinstance(tokens, list):
                self._tokens += tokens

    def repeats_itself(self) -> bool:
        """Check the text for a loop if much of it is new; a loop ends the completion."""
        if self._unseen < _LOOK_EVERY:
            return False
        self._unseen = 0
        self._content = ["".join(self._content)]
        if repeats_itself(self._content[0]):
            self._finish_reason = "length"
            return True
        return False

    def body(self) -> bytes:
        """Return the completion as JSON; empty if the stream broke off before its end."""
        if self._last is None or self._finish_reason is None:
            return b""
        message = {
            "role": "assistant",
            "content": "".join(self._content) or None,
            "refusal": "".join(self._refusal) or None,
        }
        choice = {"index": 0, "finish_reason": self._finish_reason, "message": message}
        if self._tokens:
            choice["logprobs"] = {"content": self._tokens}
        return json.dumps(
            {
                "model": self._last.model,
                "choices": [choice],
                "usage": self._usage and self._usage.model_dump(),
            }
        ).encode()


def _gathered(events: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a stream; those of a slow server are collected."""
    began = asked = time.monotonic()
    for piece in events:
        came = time.monotonic()
        yield piece
        if came - asked > _WAITED_S:
            time.sleep(min((came - began) * _GATHERING, _LONGEST_GATHERING_S))
        asked = time.monotonic()
