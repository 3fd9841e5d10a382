"""From an LLM's completion to the texts of a schema's fields, whole or up to where it is cut."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import from_json

from ocr_extractor.contract import Pair
from ocr_extractor.engines.openai.parsing import (
    LOOP_REPEATS_CUT,
    LOOP_REPEATS_FINISHED,
    CompletedPair,
    ParsedCompletion,
    clean,
    cut_off,
    degenerate,
    empty,
    invalid,
    loop_start,
)
from ocr_extractor.fields.raw_tree import WrongShapeError, cell_path, scalars, tables, to_raw_tree

if TYPE_CHECKING:
    from ocr_extractor.fields.schema import Schema

_OBJECT = re.compile(r'\{\s*+(?="|\})')
# What JSON does not allow in a string, and LLMs without a schema write there as it is. Between
# values it is white space, or nothing that belongs there.
_CONTROL = dict.fromkeys(range(0x20), " ")
# What a text that ends too early may end with, beside a string that is open.
_CUT = re.compile(r"\s*(?:-|\.|[eE][-+]?|[tfn][a-z]{0,4}|\\u?[0-9a-fA-F]{0,4})?\Z")
# A key with its colon, a text, a sign, or another value; white space is passed over.
_CHARACTERS = r'(?:[^"\\]++|\\.?)*+'
_JSON = re.compile(
    rf'(?P<key>"{_CHARACTERS}")\s*+:|"(?P<text>{_CHARACTERS})(?:"|\Z)'
    r'|(?P<sign>[{}\[\],])|(?P<other>[^\s{}\[\],":]++)'
)
_OPEN_STRING = "Unterminated string"
# 1234 may be the beginning of 1234.56.
_OPEN_NUMBER = re.compile(r"(?<![\w.])-?\d[-+\d.eE]*\Z")
# Prose has a few objects that are none. Every failure counts the lines of the text before it.
_MOST_SKETCHES = 100
# Numbers stay as they were written: 12.50 is not 12.5.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def parse_fields(text: str, page: int, *, schema: Schema, with_pairs: bool) -> ParsedCompletion:
    """Read the fields in a completion; prose and code fences around it are passed over.

    Of several objects with keys of the schema the last one counts. Time and memory are linear in
    the text.

    Args:
        text: The completion.
        page: The page's number, from 1.
        schema: What was asked for.
        with_pairs: Whether the fields are under the key `fields`, beside the key `pairs`.

    Returns:
        The fields, and the pairs if asked for. Where the text is cut off or ends in a loop, what
        stands before that, without a table's last row if that is not complete, and the fault.

    Raises:
        CompletionError: There is no such object, or it has another shape.
    """
    plain = text.translate(_CONTROL)
    known = {"fields", "pairs"} if with_pairs else {member.name for member in schema.members}
    found = _last_object(plain, known)
    if found is None:
        if loop_start(text, LOOP_REPEATS_CUT) is not None:
            return ParsedCompletion((), degenerate())
        raise invalid("it holds no object with the fields' names") if text.strip() else empty()
    fault = cut_off() if found.cut else None
    given = found.content
    repeats = LOOP_REPEATS_CUT if found.cut else LOOP_REPEATS_FINISHED
    if (loop := loop_start(plain[found.start : found.end], repeats)) is not None:
        fault = degenerate()
        given = _partial(plain[found.start : found.start + loop])
    of_page = given.get("fields") or {} if with_pairs else given
    if fault is not None and isinstance(of_page, dict):
        _drop_cut_row(schema, of_page)
    try:
        tree = to_raw_tree(schema, of_page, clean)
    except WrongShapeError as error:
        raise invalid(str(error)) from None
    spans = _leaf_spans(plain, found.start, found.end)
    prefix = ("fields",) if with_pairs else ()
    places = {leaf.path: spans.get((*prefix, *leaf.keys)) for leaf in scalars(schema)}
    for table in tables(schema):
        filled = [(at, row) for at, row in enumerate(tree[table.name]) if any(row.values())]
        tree[table.name] = [row for _, row in filled]
        places |= {
            cell_path(table, new, column): spans.get((*prefix, table.name, old, column.name))
            for new, (old, _) in enumerate(filled)
            for column in table.columns
        }
    pairs = _to_pairs(given, page) if with_pairs else ()
    return ParsedCompletion(pairs, fault, tree, {k: span for k, span in places.items() if span})


def _leaf_spans(text: str, start: int, end: int) -> dict[tuple[str | int, ...], tuple[int, int]]:
    """Return where the texts and numbers of an object stand, by their keys and list indices."""
    spans = {}
    keys: list[str | int] = []
    for found in _JSON.finditer(text, start, end):
        match found.lastgroup, found[found.lastgroup or 0]:
            case "sign", ("{" | "[") as opening:
                keys.append("" if opening == "{" else 0)
            case "sign", "}" | "]":
                del keys[-1:]
            case "sign", ",":
                if keys and isinstance(last := keys[-1], int):
                    keys[-1] = last + 1
            case "key", key:
                keys[-1:] = [_DECODER.decode(key)]
            case str(kind), value if value not in {"", "null"}:
                spans[tuple(keys)] = found.span(kind)
    return spans


@dataclass(frozen=True)
class _Found:
    """An object in a text, characters [start, end), and whether the text ends within it."""

    start: int
    end: int
    content: dict[str, Any]
    cut: bool = False


def _last_object(text: str, known: set[str]) -> _Found | None:
    """Return the last object with a known key."""
    last = None
    position = sketches = 0
    while sketches < _MOST_SKETCHES and (opening := _OBJECT.search(text, position)):
        start = opening.start()
        try:
            given, position = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            position = max(error.pos, start + 1)
            sketches += 1
            if not (error.msg.startswith(_OPEN_STRING) or _CUT.match(text, error.pos)):
                continue
            given = _partial(text[start:])
            if known & given.keys():
                return _Found(start, len(text), given, cut=True)
        except RecursionError:
            break
        else:
            if known & given.keys():
                last = _Found(start, position, given)
    return last


def _partial(text: str) -> dict[str, Any]:
    """Return the object that a text begins with, without an open text or number at its end."""
    try:
        given = from_json(_OPEN_NUMBER.sub("", text).encode("utf-8", "replace"), allow_partial=True)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _drop_cut_row(schema: Schema, given: dict[str, Any]) -> None:
    """Drop the row in which a text was cut: the last one of the table that was given last."""
    last = next(reversed(given), None)
    for table in tables(schema):
        rows = given.get(table.name)
        if table.name != last or not (isinstance(rows, list) and rows):
            continue
        columns = {column.name for column in table.columns}
        if isinstance(rows[-1], dict) and columns - rows[-1].keys():
            rows.pop()


def _to_pairs(given: dict[str, Any], page: int) -> tuple[Pair, ...]:
    listed = given.get("pairs")
    pairs = []
    for each in listed if isinstance(listed, list) else ():
        try:
            item = CompletedPair.model_validate(each)
        except ValidationError:
            continue
        if question := clean(item.question):
            pairs.append(Pair(question, clean(item.answer or "") or None, page))
    return tuple(pairs)
