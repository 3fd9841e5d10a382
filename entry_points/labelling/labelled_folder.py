"""The dataset that reviewed documents become: a truth file and the document itself for each."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

import mlflow

from data.annotations import LabelledPair, to_annotation
from data.errors import DatasetError
from data.field_schema import parse_schema, pattern
from data.fields import FIELDS, SCHEMA, from_leaves, parse_value
from data.funsd import ANNOTATIONS
from entry_points.command_line import cli
from entry_points.labelling.feedback import Truth
from entry_points.labelling.review_file import has_values
from entry_points.predictions.documents import Unread, open_document
from entry_points.predictions.output import replacing

IMAGES = "images"

# Bytes of a file name without suffix: file systems take 255, with `.json.new` and its like.
_MOST_BYTES = 240

_PATH = re.compile(r"[^\[\]]+(\[\d{1,6}\]\.[^\[\]]+)?")


def add_predicted_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name the predictions, their documents and their schema."""
    parser.add_argument("--predictions", default="predictions.jsonl", help="what predict wrote")
    parser.add_argument(
        "--input", default="data/samples/images", help="the documents, as predict was given them"
    )
    parser.add_argument(
        "--schema",
        **cli.ValueOr("none").as_default,
        help="where fields were read, the .json or .yaml file of their schema; none: the prompt "
        "version has it",
    )


class LabelledFolder:
    """A dataset folder in the layout of pairs, or of fields if fields were read."""

    def __init__(
        self,
        output: Path,
        rows: Mapping[str, Mapping[str, Any]],
        documents: Mapping[str, Path],
        schema: str = "",
    ) -> None:
        """Make the folder.

        Args:
            output: Where.
            rows: The predictions by doc_id.
            documents: The files by doc_id.
            schema: The file of the fields' schema, "" to ask the prompt registry.

        Raises:
            UsageError: A document is missing, two would get one name, there is no schema, or the
                folder cannot be made.
        """
        if missing := sorted(rows.keys() - documents.keys()):
            raise cli.UsageError(
                f"{len(missing)} predicted documents are not among the --input, the first is "
                f"{missing[0][:80]!r}: give what predict was given."
            )
        self._documents = documents
        self._names = _form_ids(rows)
        self._images = output / IMAGES
        document, source = schema_of(rows, schema)
        self._schema = None if document is None else parse_schema(document, source)
        self._truths = output / (ANNOTATIONS if document is None else FIELDS)
        with cli.writing(output):
            for folder in (self._images, self._truths):
                folder.mkdir(parents=True, exist_ok=True)
            if document is not None:
                _replace(output / SCHEMA, json.dumps(document, ensure_ascii=False, indent=1))

    def form_id(self, doc_id: str) -> str:
        """Return the name of a document in the dataset."""
        return self._names[doc_id]

    def truth(self, doc_id: str, confirmed: Sequence[LabelledPair]) -> Truth:
        """Return what is true of a document.

        Args:
            doc_id: The document.
            confirmed: Its pairs; or for each field its path and its value as a person writes it. A
                row of a table is there if one of its cells is.

        Raises:
            UsageError: One of them cannot be used.
        """
        if self._schema is None:
            return list(confirmed)
        leaves = self._schema.leaves
        values: dict[str, Any] = {}
        for path, text in ((each.question, each.answer or "") for each in confirmed):
            if not is_path(path, leaves):
                raise _fault(doc_id, f"the schema has no field {path[:80]!r}: name one it has.")
            if path in values:
                raise _fault(doc_id, f"{path[:80]} is accepted twice: delete one of the lines.")
            try:
                values[path] = parse_value(leaves[pattern(path)], text)
            except DatasetError as error:
                raise _fault(doc_id, str(error)) from error
        return from_leaves(self._schema, values)

    def has(self, doc_id: str, truth: Truth, page_count: int) -> bool:
        """Tell whether a document is there with this truth; the parameters are those of `save`.

        Raises:
            UsageError: Its truth file cannot be read.
        """
        file, image = self._files(doc_id)
        with cli.writing(file):
            return (
                image.exists()
                and file.exists()
                and file.read_text(encoding="utf-8") == _text_of(truth, page_count)
            )

    def save(self, doc_id: str, truth: Truth, page_count: int) -> None:
        """Write a document with its truth, unless they are there.

        A truth file is replaced in one step, after its image is there.

        Args:
            doc_id: The document.
            truth: What `truth` returned.
            page_count: Its pages.

        Raises:
            UsageError: It cannot be written.
        """
        if self.has(doc_id, truth, page_count):
            return
        file, image = self._files(doc_id)
        with cli.writing(file):
            with (
                _opened(self._documents[doc_id]) as document,
                replacing(image) as new,
                new.open("wb") as copy,
            ):
                shutil.copyfileobj(document, copy)
            _replace(file, _text_of(truth, page_count))

    def remove(self, doc_id: str) -> None:
        """Remove a document that is no longer accepted."""
        for file in self._files(doc_id):
            with cli.writing(file):
                file.unlink(missing_ok=True)

    def _files(self, doc_id: str) -> tuple[Path, Path]:
        name, suffix = self._names[doc_id], self._documents[doc_id].suffix.lower()
        return self._truths / f"{name}.json", self._images / f"{name}{suffix}"


def schema_of(rows: Mapping[str, Mapping[str, Any]], schema: str) -> tuple[Any, str]:
    """Return the schema of the fields that were read, and where it is from; None without fields.

    A prompt version in the registry has its schema with it.

    Args:
        rows: The predictions by doc_id.
        schema: The schema's file, "" to ask the registry.

    Raises:
        UsageError: There is none, or it cannot be read.
    """
    with_values = [row for row in rows.values() if has_values(row)]
    if schema and (with_values or not any(row["pairs"] for row in rows.values())):
        return cli.read_file(schema, "--schema"), schema
    if not with_values:
        return None, ""
    uri = with_values[0].get("prompt_uri")
    if uri:
        version = mlflow.genai.load_prompt(uri, allow_missing=True, link_to_model=False)
        if version is not None and version.response_format is not None:
            return version.response_format, uri
    raise cli.UsageError("fields were read: give --schema, the file of their schema.")


def is_path(path: str, leaves: Container[str]) -> bool:
    """Tell whether a path, `items[3].amount`, is one of a document with these leaves."""
    return bool(_PATH.fullmatch(path)) and pattern(path) in leaves


def _text_of(truth: Truth, page_count: int) -> str:
    """Return what the truth file of a document holds."""
    if isinstance(truth, Mapping):
        return json.dumps(truth, ensure_ascii=False, indent=1) + "\n"
    return json.dumps(to_annotation(truth, page_count), ensure_ascii=False)


def _fault(doc_id: str, reason: str) -> cli.UsageError:
    return cli.UsageError(f"the review of {doc_id[:80]}: {reason}")


def _replace(file: Path, text: str) -> None:
    with replacing(file) as new:
        new.write_text(text, encoding="utf-8")


def _opened(document: Path) -> IO[bytes]:
    """Open a document for copying; the file may have changed since predict read it."""
    file = open_document(document)
    if isinstance(file, Unread):
        raise cli.UsageError(f"a labelled document cannot be copied: {file.reason}")
    return os.fdopen(file, "rb")


def _form_ids(doc_ids: Iterable[str]) -> dict[str, str]:
    """Return a file name without suffix for each document, one folder deep."""
    names = {
        doc_id: _short(PurePosixPath(doc_id).with_suffix("").as_posix().replace("/", "_"))
        for doc_id in doc_ids
    }
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise cli.UsageError(f"several documents would be named {twice[0][:80]!r}: rename them.")
    return names


def _short(name: str) -> str:
    """Return a name that files can have; its hash tells a cut one from others."""
    content = os.fsencode(name)
    if len(content) <= _MOST_BYTES:
        return name
    digest = hashlib.sha256(content).hexdigest()[:8]
    return content[: _MOST_BYTES - len(digest)].decode(errors="ignore") + digest
