"""Reads FUNSD-layout folders: `annotations/<form id>.json` beside `images/<form id>.<suffix>`.

An annotation's `form` is a list of entities (https://arxiv.org/abs/1905.13538); a list of pages
that are such lists is met in the wild.
"""

from __future__ import annotations

import difflib
import hashlib
import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Tag, ValidationError

from data.errors import DatasetError
from data.folder import Selection, count, select
from data.forms import Box, Document, Entity, Form, Label, Link, Word
from data.splits import Split

_Document = TypeVar("_Document", bound=Document)

ANNOTATIONS = "annotations"
"""The folder of the truth files."""


def _upright(box: Box) -> Box:
    """Put the corners of a box in order; some were drawn from right to left."""
    x0, y0, x1, y1 = box
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _layout(form: object) -> str:
    """Tell a list of pages from a flat list of entities."""
    return "pages" if isinstance(form, list) and form and isinstance(form[0], list) else "page"


class _Raw(BaseModel):
    """What stands in a file: exact types, other keys ignored."""

    model_config = ConfigDict(strict=True, frozen=True)

    text: str
    box: Annotated[Box, AfterValidator(_upright)]


class _RawEntity(_Raw):
    id: int
    label: Label
    words: tuple[_Raw, ...]
    linking: tuple[tuple[int, int], ...]


_RawPage = tuple[_RawEntity, ...]


class _RawAnnotation(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    form: Annotated[
        Annotated[_RawPage, Tag("page")] | Annotated[tuple[_RawPage, ...], Tag("pages")],
        Discriminator(_layout),
    ]


def load_folder(
    folder: Path,
    *,
    split: Split | None = None,
    limit: int | None = None,
    seed: int | None = None,
    without: Collection[str] = (),
) -> list[Form]:
    """Read the forms of a FUNSD-layout folder, sorted by form id.

    Args:
        folder: Holds `annotations/` and `images/`.
        split: Read the forms of this split; None reads all.
        limit: Read at most this many forms, from 1; None reads all.
        seed: Draws the `limit` forms at random; None takes the first ones.
        without: Ids of forms to leave out, before any are drawn.

    Raises:
        DatasetError: The folder, an annotation or an image is missing or malformed, or no form is
            left to read.
    """
    found = select(folder, ANNOTATIONS, Selection(split, limit, seed, without))
    return [read_form(annotation, image) for annotation, image in found]


def has_annotations(folder: Path) -> bool:
    """Tell whether a dataset folder holds annotated forms."""
    return (folder / ANNOTATIONS).is_dir()


def count_forms(folder: Path) -> int:
    """Return how many annotated forms a FUNSD-layout folder holds."""
    return count(folder, ANNOTATIONS)


def read_form(annotation_path: Path, image_path: Path) -> Form:
    """Read one annotation; the image is not opened.

    Raises:
        DatasetError: The annotation is not JSON in FUNSD layout.
    """
    try:
        raw = _RawAnnotation.model_validate_json(annotation_path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{annotation_path} is not UTF-8: save it as UTF-8.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        value = repr(first["input"])[:80]
        raise DatasetError(
            f"{annotation_path}: {place}: {first['msg']}; it is {value}. "
            "Correct the file, or take it and its image away."
        ) from error
    entities: dict[tuple[int, int], Entity] = {}
    for page, raw_entity in _numbered(raw):
        key = page, raw_entity.id
        if key in entities:
            raise DatasetError(
                f"{annotation_path}: two entities of page {page} have the id {raw_entity.id}: "
                "number them anew."
            )
        entities[key] = _entity(raw_entity, page)
    return Form(
        form_id=annotation_path.stem,
        image_path=image_path,
        annotation_path=annotation_path,
        entities=tuple(entities.values()),
        links=_resolve(raw, entities),
    )


def _numbered(raw: _RawAnnotation) -> Iterator[tuple[int, _RawEntity]]:
    """Yield (page from 1, entity)."""
    parts: Sequence[_RawEntity | _RawPage] = raw.form
    for number, part in enumerate(parts, start=1):
        if isinstance(part, tuple):
            yield from ((number, raw_entity) for raw_entity in part)
        else:
            yield 1, part


def _entity(raw: _RawEntity, page: int) -> Entity:
    words = tuple(Word(word.text, word.box) for word in raw.words)
    return Entity(raw.id, raw.label, raw.text, raw.box, words, page)


def _resolve(raw: _RawAnnotation, entities: dict[tuple[int, int], Entity]) -> tuple[Link, ...]:
    """Turn the listed pairs of ids into links, each once.

    FUNSD lists every link on both of its entities, and some from an entity to itself. An id means
    the entity on the same page, else the first that bears it: some annotators count on from page
    to page, others begin anew.
    """
    anywhere: dict[int, Entity] = {}
    for entity in entities.values():
        anywhere.setdefault(entity.id, entity)
    links: dict[Link, None] = {}
    for page, raw_entity in _numbered(raw):
        for ids in raw_entity.linking:
            source, target = (entities.get((page, id_), anywhere.get(id_)) for id_ in ids)
            if source and target and source is not target:
                links[source, target] = None
    return tuple(links)


def dataset_digest(forms: Sequence[Document]) -> str:
    """Return 16 hex digits that change with the forms, their images or their truth.

    They do not depend on the order of the forms nor on where the folder lies: two evaluations with
    the same digest used the same data.
    """
    digests = []
    for form in forms:
        digest = hashlib.sha256(form.form_id.encode())
        for path in (form.image_path, *form.truth_paths):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        digests.append(digest.digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()[:16]


def image_hash(form: Document) -> str:
    """Return 16 hex digits that name a document's file by its content, whatever its truth is."""
    return hashlib.sha256(form.image_path.read_bytes()).hexdigest()[:16]


def pick_form(forms: Sequence[_Document], form_id: str | None, seed: int) -> _Document:
    """Return the form named `form_id`, or for None one drawn with `seed`.

    Raises:
        DatasetError: There is no such form, or no form at all.
    """
    if not forms:
        raise DatasetError("there is no form to pick from: give a folder that holds some.")
    if form_id is None:
        return random.Random(seed).choice(forms)  # noqa: S311
    named = [form for form in forms if form.form_id == form_id]
    if not named:
        ids = [form.form_id for form in forms]
        near = ", ".join(difflib.get_close_matches(form_id, ids, n=3, cutoff=0) or ids[:3])
        raise DatasetError(f"no form is named {form_id[:80]!r}: give one of {near}, ...")
    return named[0]


@dataclass(frozen=True)
class Summary:
    """What a set of forms holds, as counts.

    Attributes:
        labels: Entities by label.
        links: Links by the labels of their (from, to).
        several_answers: Questions with more than one answer.
        repeated_questions: Pairs that share their question, whatever its case, with another pair
            of the same form.
        no_colon: Pairs whose question does not end in a colon.
    """

    forms: int
    forms_without_pairs: int
    entities: int
    empty_entities: int
    words: int
    labels: Counter[Label]
    links: Counter[tuple[Label, Label]]
    answered_questions: int
    several_answers: int
    pairs: int
    repeated_questions: int
    no_colon: int


def summarise(forms: Sequence[Form]) -> Summary:
    """Count what the forms hold."""
    entities = [entity for form in forms for entity in form.entities]
    answers = [answers for form in forms for answers in form.answers().values()]
    pairs = [[pair.question for pair in form.pairs()] for form in forms]
    repeats = (Counter(map(str.casefold, questions)).values() for questions in pairs)
    questions = [question for of_form in pairs for question in of_form]
    return Summary(
        forms=len(forms),
        forms_without_pairs=sum(not of_form for of_form in pairs),
        entities=len(entities),
        empty_entities=sum(not entity.text.strip() for entity in entities),
        words=sum(len(entity.words) for entity in entities),
        labels=Counter(entity.label for entity in entities),
        links=Counter((a.label, b.label) for form in forms for a, b in form.links),
        answered_questions=len(answers),
        several_answers=sum(len(linked) > 1 for linked in answers),
        pairs=len(questions),
        repeated_questions=sum(n for counts in repeats for n in counts if n > 1),
        no_colon=sum(not question.endswith(":") for question in questions),
    )
