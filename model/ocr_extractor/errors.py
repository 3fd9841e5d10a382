"""The errors that the extractor raises; those of documents have the error code of the row.

ExtractorError
├── ConfigError              model_config is wrong: the model does not load
│   ├── MissingKeyError      no API key where one is needed
│   └── SchemaError          the schema of the fields cannot be used
├── RequestError             the frame or a param is wrong: the whole call fails
├── PromptError              the prompt cannot be loaded or rendered
└── DocumentError            one document fails, its neighbours do not
    ├── InputError           the bytes are missing or not a document
    ├── LimitError           the document is larger than the configured limits
    └── EngineError          the engine could not read a page
        └── CompletionError  an LLM answered, but not with pairs
"""

from __future__ import annotations

import re

_LOGIN = re.compile(r"//[^@\s]*@")


def shorten(value: object, limit: int = 80) -> str:
    """Return the text of `value` for an error message or a log.

    It is cut to at most `limit` characters. Then unprintable characters, such as control
    characters, line breaks and direction marks, are escaped.
    """
    text = str(value)
    return printable(text if len(text) <= limit else text[: limit - 1] + "…")


def printable(text: str) -> str:
    """Return a text whose unprintable characters, such as ESC, are written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def in_one_line(error: Exception) -> str:
    """Return the text of an error for a log, on one line and without the login in a URL.

    Errors of databases have several lines; errors of MLflow's client name the server's URL.
    """
    return shorten(_LOGIN.sub("//***@", " ".join(str(error).split())))


class ExtractorError(Exception):
    """The base class of all errors that this package raises on purpose."""


class ConfigError(ExtractorError):
    """A setting is unknown, of the wrong type or out of range."""


class MissingKeyError(ConfigError):
    """The LLM engine was asked for and no API key can be found."""


class SchemaError(ConfigError):
    """A schema of fields is wrong; its message names the place and what to write instead."""


class RequestError(ExtractorError):
    """A call is wrong as a whole; its message says what to change and quotes no document."""


class PromptError(ExtractorError):
    """The prompt cannot be loaded or rendered."""


class DocumentError(ExtractorError):
    """One document cannot be read.

    Attributes:
        code: The stable, machine-readable `error_code` of the row.
        retryable: Whether the same document may succeed when sent again unchanged.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class InputError(DocumentError):
    """The bytes are missing, damaged or not a document."""


class LimitError(DocumentError):
    """The document is larger than the configured limits allow."""


class EngineError(DocumentError):
    """The engine could not read a page."""


class CompletionError(EngineError):
    """An LLM answered, but its completion holds no usable pairs."""
