"""Reads annotated forms into pages for training; caches their words by content."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from data.forms import Document, Form
from entry_points.training.field_lessons import FieldPage
from entry_points.training.truth import PageTruth
from ocr_extractor.documents.limits import PageLimits
from ocr_extractor.documents.opener import open_document
from ocr_extractor.engines.base import Page
from ocr_extractor.engines.local.learned.ink import Ink, find_ink
from ocr_extractor.errors import DocumentError
from ocr_extractor.ocr import recognition as ocr
from ocr_extractor.ocr.checkboxes import mark_checkboxes
from ocr_extractor.ocr.ruled_lines import mark_ruled
from ocr_extractor.ocr.words import Word

if TYPE_CHECKING:
    from PIL import Image

    from data.fields import FieldDocument

_D = TypeVar("_D", bound=Document)
_R = TypeVar("_R")


@dataclass(frozen=True)
class TrainingPage:
    """A page with words.

    Attributes:
        form: The form it belongs to.
        words: The words as the local engine reads them.
        ink: Features of the pixels.
        truth: The annotation of the page.
    """

    form: Form
    words: tuple[Word, ...]
    ink: Ink
    truth: PageTruth


class PageReader:
    """Reads forms with the local engine's OCR and stores the words of each document."""

    def __init__(self, cache: Path) -> None:
        """Open the folder of stored words, or create it."""
        cache.mkdir(parents=True, exist_ok=True)
        self._cache = cache
        self._reader = ocr.WordReader()
        # Another version of the OCR, or of the code around it, reads other words.
        self._version = importlib.metadata.version("rapidocr").encode()
        code = sorted(Path(ocr.__file__).parent.glob("*.py"))
        self._version += b"".join(path.read_bytes() for path in code)

    def read_all(self, forms: Sequence[Form], finished: Callable[[], object]) -> list[TrainingPage]:
        """Return the pages of all forms that hold words, in order, read on all cores.

        Args:
            forms: The forms.
            finished: Called after each form.

        Raises:
            DocumentError: As for `read`, and so does EngineError.
        """
        found = _side_by_side(lambda form: list(self.read(form)), forms, finished)
        return [page for pages in found for page in pages]

    def read_fields(
        self, documents: Sequence[FieldDocument], finished: Callable[[], object]
    ) -> list[list[FieldPage]]:
        """Return the pages that hold words of each document with fields, as the engine reads them.

        Args:
            documents: The documents.
            finished: Called after each one.

        Raises:
            DocumentError: As for `read`, and so does EngineError.
        """
        return _side_by_side(self._read_fields, documents, finished)

    def read(self, form: Form) -> Iterator[TrainingPage]:
        """Yield the pages of a form that hold words.

        Raises:
            DocumentError: The document cannot be opened.
            EngineError: A page of it cannot be read.
        """
        for page, words in self._kept(form.form_id, form.image_path, self._reader.read, ""):
            if words:
                yield _training_page(form, page, words)

    def _read_fields(self, document: FieldDocument) -> list[FieldPage]:
        def read(image: Image.Image) -> Sequence[Word]:
            upright = self._reader.read_upright(image)
            return mark_ruled(mark_checkboxes(upright.words, upright.image), upright.image)

        found = self._kept(document.form_id, document.image_path, read, "fields")
        name = document.form_id
        return [FieldPage(name, page.number, tuple(words)) for page, words in found if words]

    def _kept(
        self,
        name: str,
        path: Path,
        read: Callable[[Image.Image], Sequence[Word]],
        purpose: str,
    ) -> Iterator[tuple[Page, list[Word]]]:
        """Yield the pages of a document with the words that are stored of them, or are now."""
        data = path.read_bytes()
        document = open_document(data, PageLimits())
        pages = [document.page(number) for number in range(1, document.page_count + 1)]
        key = hashlib.sha256(self._version + purpose.encode() + data).hexdigest()
        kept = self._cache / f"{key}.json"
        if not kept.exists():
            found = [[asdict(word) for word in read(page.image)] for page in pages]
            # Another thread, or another command, may have the same document.
            part = self._cache / f"{key}.{name}.{os.getpid()}.part"
            part.write_text(json.dumps(found), encoding="utf-8")
            part.replace(kept)
        for page, rows in zip(pages, json.loads(kept.read_text(encoding="utf-8")), strict=True):
            yield page, [Word(**row | {"box": tuple(row["box"])}) for row in rows]


def _side_by_side(
    read: Callable[[_D], _R], documents: Sequence[_D], finished: Callable[[], object]
) -> list[_R]:
    """Read documents on all cores; the first error names its document and stops the others."""

    def one(document: _D) -> _R:
        try:
            found = read(document)
        except DocumentError as error:
            reason = f"{document.image_path}: {error} Or take it out of the dataset."
            raise DocumentError(error.code, reason) from error
        finished()
        return found

    with ThreadPoolExecutor(ocr.usable_cores()) as threads:
        return list(threads.map(one, documents))  # an error ends those that have not begun


def _training_page(form: Form, page: Page, words: Sequence[Word]) -> TrainingPage:
    ruled = mark_ruled(mark_checkboxes(words, page.image), page.image)
    ink = find_ink(ruled, page.image)
    return TrainingPage(form, tuple(ruled), ink, PageTruth(form, page.number))
