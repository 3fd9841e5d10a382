"""What a server and its LLM understand of a request, learned from what they refuse."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openai

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.openai.answer_form import AnswerForm

# What takes the place of a parameter that is refused; None: the request goes without it.
_SUBSTITUTES = {
    "max_completion_tokens": "max_tokens",
    "max_tokens": "max_completion_tokens",
    "temperature": None,
    "seed": None,
    "logprobs": None,
}
_REFUSING_STATUS = {400, 422}
# A refusal of log probabilities has no code, and with some of OpenAI's LLMs status 403.
_REFUSING_LOGPROBS = {*_REFUSING_STATUS, 403}
_UNSUPPORTED_CODES = {"unsupported_parameter", "unsupported_value", "unknown_parameter"}
_UNSUPPORTED_WORDS = ("unsupported", "not support", "unrecognized", "unknown parameter")
_FORMAT_WORDS = re.compile(r"response[_ ]format|json[_ ]schema|json[_ ]object|structured output")

# A streamed answer of 200 tokens takes 21 ms of CPU a page instead of 9: 64 at once were read at
# 0.70 of the ideal throughput instead of 0.86.
_MOST_STREAMS = 16
# Not as the SDK's own parameter: it is given the whole completion (event_stream.py).
_STREAM: dict[str, Any] = {
    "extra_body": {"stream": True, "stream_options": {"include_usage": True}},
    "extra_headers": {"Accept-Encoding": "identity"},
}
# What the server is asked to keep the answer to, most to least strict; None asks for plain text.
_FORMATS = ("json_schema", "json_object", None)


class Capabilities:
    """The parameters of a request; what was refused once is never sent again. Thread-safe."""

    def __init__(self, config: ExtractorConfig, *, compatible: bool) -> None:
        """Begin with all that OpenAI's API knows; other servers know the limit's old name."""
        limit = "max_tokens" if compatible else "max_completion_tokens"
        self._parameters: dict[str, Any] = {
            "temperature": config.temperature,
            limit: config.max_tokens,
            "logprobs": True,
        }
        if config.seed is not None:
            self._parameters["seed"] = config.seed
        few = config.max_concurrency <= _MOST_STREAMS
        self._streams = few if config.stream is None else config.stream
        self._format = 0
        self._refused: set[str] = set()
        self._lock = threading.Lock()

    def parameters(self, form: AnswerForm, times_longer: int = 1) -> dict[str, Any]:
        """Return the parameters to send, the limit of the completion multiplied."""
        with self._lock:
            sent = dict(self._parameters)
            kind = _FORMATS[self._format]
        for limit in ("max_tokens", "max_completion_tokens"):
            if limit in sent:
                sent[limit] *= times_longer
        if not form.logprobs:
            sent.pop("logprobs", None)
        if kind is not None:
            strict = kind == "json_schema"
            sent["response_format"] = form.response_format if strict else {"type": kind}
        return sent

    def streaming(self) -> dict[str, Any]:
        """Return what asks the server to stream and count the tokens; empty where it must not."""
        return _STREAM if self._streams else {}

    def stop_streaming(self) -> None:
        """Ask for whole answers from now on."""
        self._streams = False

    @staticmethod
    def instructions_for(sent: dict[str, Any], form: AnswerForm) -> str:
        """Return what must be added to the prompt where the server is not sent the schema."""
        return "" if _kind(sent) == "json_schema" else form.in_words

    def adapt(self, error: openai.APIStatusError, sent: dict[str, Any]) -> bool:
        """Learn from the refusal of `sent`; tell whether to send the new `parameters()`."""
        text = error.message.lower()
        # A server that does not say what it refuses may refuse what few servers know.
        says_nothing = text == f"error code: {error.status_code}"
        if "logprobs" in sent and ("logprobs" in text or says_nothing):
            return error.status_code in _REFUSING_LOGPROBS and self._replace("logprobs")
        if error.status_code not in _REFUSING_STATUS:
            return False
        if "extra_body" in sent and "stream" in f"{error.param} {text}":
            self.stop_streaming()
            return True
        if "response_format" in sent and (
            str(error.param).startswith("response_format") or _FORMAT_WORDS.search(text)
        ):
            with self._lock:
                if _kind(sent) == _FORMATS[self._format]:
                    self._format += 1
            return True
        refused = _refused_parameter(error, text, sent)
        return refused is not None and self._replace(refused)

    def _replace(self, refused: str) -> bool:
        """Rename or drop the refused parameter for good; False where that is not possible."""
        with self._lock:
            self._refused.add(refused)
            if refused not in self._parameters:  # another thread was faster
                return True
            substitute = _SUBSTITUTES[refused]
            if substitute in self._refused:
                return False
            kept = {name: value for name, value in self._parameters.items() if name != refused}
            if substitute is not None:
                kept[substitute] = self._parameters[refused]
            self._parameters = kept
        return True


def _kind(sent: dict[str, Any]) -> str | None:
    kind: str | None = sent.get("response_format", {}).get("type")
    return kind


def _refused_parameter(error: openai.APIStatusError, text: str, sent: dict[str, Any]) -> str | None:
    """Return the parameter that the LLM does not take at all, None if the error is another."""
    if error.code not in _UNSUPPORTED_CODES and not any(
        word in text for word in _UNSUPPORTED_WORDS
    ):
        return None
    if (named := str(error.param)) in _SUBSTITUTES and named in sent:
        return named
    return next((name for name in _SUBSTITUTES if name in sent and f"'{name}'" in text), None)
