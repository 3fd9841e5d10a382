"""The dataset that reviewed documents become: a truth file and the document itself for each."""

from __future__ import annotations

import argparse
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from data.annotations import LabelledPair
from entry_points.command_line import cli
from entry_points.labelling.feedback import Truth
from entry_points.labelling.truth_files import truths_of
from entry_points.predictions.documents import Unread, open_document
from entry_points.predictions.output import replacing

IMAGES = "images"


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
    """A dataset folder in the layout of pairs, or of fields."""

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
        self._rows, self._documents = rows, documents
        self._names = _form_ids(rows)
        self._images = output / IMAGES
        self._truths = truths_of(rows, schema, output)
        with cli.writing(output):
            self._images.mkdir(parents=True, exist_ok=True)
            self._truths.prepare()

    def form_id(self, doc_id: str) -> str:
        """Return the name of a document in the dataset."""
        return self._names[doc_id]

    def truth(self, doc_id: str, confirmed: Sequence[LabelledPair]) -> Truth:
        """Return what is true of a document, see `TruthFiles.truth`."""
        return self._truths.truth(doc_id, confirmed)

    def save(self, doc_id: str, truth: Truth, page_count: int) -> bool:
        """Write a document with its truth, unless they are there; tell whether something changed.

        A truth file is replaced in one step, after its image is there.

        Args:
            doc_id: The document.
            truth: What `truth` returned.
            page_count: Its pages.

        Raises:
            UsageError: It cannot be written.
        """
        file, image = self._files(doc_id)
        text = self._truths.text(truth, page_count)
        with cli.writing(file):
            if image.exists() and file.exists() and file.read_text(encoding="utf-8") == text:
                return False
            with (
                _opened(self._documents[doc_id]) as document,
                replacing(image) as new,
                new.open("wb") as copy,
            ):
                shutil.copyfileobj(document, copy)
            with replacing(file) as new:
                new.write_text(text, encoding="utf-8")
        return True

    def remove(self, doc_id: str) -> None:
        """Remove a document that is no longer accepted."""
        for file in self._files(doc_id):
            with cli.writing(file):
                file.unlink(missing_ok=True)

    def _files(self, doc_id: str) -> tuple[Path, Path]:
        name, suffix = self._names[doc_id], self._documents[doc_id].suffix.lower()
        return self._truths.folder / f"{name}.json", self._images / f"{name}{suffix}"


def _opened(document: Path) -> IO[bytes]:
    """Open a document of which predict may have taken another file of the same name."""
    file = open_document(document)
    if isinstance(file, Unread):
        raise cli.UsageError(f"a labelled document cannot be copied: {file.reason}")
    return os.fdopen(file, "rb")


def _form_ids(doc_ids: Iterable[str]) -> dict[str, str]:
    """Return a file name without suffix for each document, one folder deep."""
    names = {
        doc_id: PurePosixPath(doc_id).with_suffix("").as_posix().replace("/", "_")
        for doc_id in doc_ids
    }
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise cli.UsageError(f"several documents would be named {twice[0][:80]!r}: rename them.")
    return names
