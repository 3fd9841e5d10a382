"""A raw tree: the texts that one page has for a schema's fields, in the schema's shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocr_extractor.fields.schema import Field, Group, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ocr_extractor.fields.schema import Schema

RawTree = dict[str, Any]
"""`{"company": "X", "items": [{"amount": "1,00"}]}`: every key of the schema. A leaf is a text;
"" where its place is blank, None where the page does not have it."""


class WrongShapeError(ValueError):
    """An object has not the schema's shape; the message names the place."""


def to_raw_tree(schema: Schema, given: Any, clean: Callable[[str], str]) -> RawTree:
    """Return an object, as an LLM gave it, in the schema's shape.

    Keys that the schema does not have are left out, missing ones are None. A number or a boolean
    counts as its text.

    Args:
        schema: What was asked for.
        given: Plain JSON.
        clean: Is given every text.

    Raises:
        WrongShapeError: Something else stands where the schema has an object, a list or a leaf.
    """
    if not isinstance(given, dict):
        raise WrongShapeError("it is not an object")
    tree: RawTree = {}
    for member in schema.members:
        of = given.get(member.name)
        match member:
            case Field():
                tree[member.name] = _text(member, of, clean)
            case Group(fields=fields):
                tree[member.name] = _texts(member.name, fields, of, clean)
            case Table(columns=columns):
                if not isinstance(of, list | None):
                    raise WrongShapeError(f"{member.name} is not a list")
                tree[member.name] = [_texts(member.name, columns, row, clean) for row in of or ()]
    return tree


def _texts(
    name: str, fields: Sequence[Field], of: Any, clean: Callable[[str], str]
) -> dict[str, str | None]:
    if not isinstance(of, dict | None):
        raise WrongShapeError(f"{name} holds no objects")
    return {field.name: _text(field, (of or {}).get(field.name), clean) for field in fields}


def _text(field: Field, of: Any, clean: Callable[[str], str]) -> str | None:
    match of:
        case None:
            return None
        case str():
            return clean(of)
        case bool():
            return "true" if of else "false"
        case int() | float():
            return str(of)
    raise WrongShapeError(f"{field.name} is not a text")


def merged(first: RawTree, second: RawTree) -> RawTree:
    """Return the first tree, with the second's texts and tables where it has none."""
    return {
        name: merged(of, second[name]) if isinstance(of, dict) else _either(of, second[name])
        for name, of in first.items()
    }


def _either(first: Any, second: Any) -> Any:
    return second if first is None or first == [] else first


@dataclass(frozen=True)
class Scalar:
    """A leaf that is not in a table.

    Attributes:
        path: Its path, `seller.name`.
        keys: Its keys in a tree, from the top.
        field: What it is.
    """

    path: str
    keys: tuple[str, ...]
    field: Field

    def text(self, tree: RawTree) -> str | None:
        """Return its text in a tree."""
        found: Any = tree
        for key in self.keys:
            found = found[key]
        return found  # type: ignore[no-any-return]  # a leaf has a text or None

    def put(self, tree: RawTree, text: str) -> None:
        """Put its text into a tree."""
        of = tree
        for key in self.keys[:-1]:
            of = of[key]
        of[self.keys[-1]] = text


def scalars(schema: Schema) -> Iterator[Scalar]:
    """Yield every leaf that is not in a table."""
    for member in schema.members:
        match member:
            case Field(name=name):
                yield Scalar(name, (name,), member)
            case Group(name=name, fields=fields):
                for field in fields:
                    yield Scalar(f"{name}.{field.name}", (name, field.name), field)


def tables(schema: Schema) -> Iterator[Table]:
    """Yield the tables."""
    yield from (member for member in schema.members if isinstance(member, Table))


def cell_path(table: Table, row: int, column: Field) -> str:
    """Return the path of a cell; rows count from 0."""
    return f"{table.name}[{row}].{column.name}"
