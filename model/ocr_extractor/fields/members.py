"""The fields that a user names, their types, and the groups and tables that they stand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Type = Literal["string", "number", "integer", "boolean", "date"]
DateOrder = Literal["dmy", "mdy", "ymd"]


@dataclass(frozen=True)
class Field:
    """One value on a document.

    Attributes:
        name: Its key in the schema.
        type: What its value is; a date is an ISO text (YYYY-MM-DD).
        description: What it is, in the user's words.
        nullable: Whether null is a value: the document may not have it.
        enum: The only values that a text may have; empty for any.
        semantic_type: `x-type`: "money", "percent", "phone", "iban" ...; "" for none.
        labels: `x-labels`: what is printed beside it, in any language.
        date_order: `x-date-order`, else what the description names; None where neither does.
        decimal: `x-decimal`: what separates decimals, None where the schema does not say.
        critical: `x-critical`: whether the gate of `promote` judges it by itself.
    """

    name: str
    type: Type = "string"
    description: str = ""
    nullable: bool = False
    enum: tuple[str, ...] = ()
    semantic_type: str = ""
    labels: tuple[str, ...] = ()
    date_order: DateOrder | None = None
    decimal: Literal[".", ","] | None = None
    critical: bool = False


@dataclass(frozen=True)
class Group:
    """A nested object, one level deep; its fields' paths are `name.field`.

    Attributes:
        name: Its key in the schema.
        fields: What it holds.
        description: What it is, in the user's words.
    """

    name: str
    fields: tuple[Field, ...]
    description: str = ""


@dataclass(frozen=True)
class Table:
    """An array of flat objects, such as line items; its cells' paths are `name[0].column`.

    Attributes:
        name: Its key in the schema.
        columns: What a row holds.
        description: What it is, in the user's words.
        labels: `x-labels`: what is printed above it.
    """

    name: str
    columns: tuple[Field, ...]
    description: str = ""
    labels: tuple[str, ...] = ()


Member = Field | Group | Table


def leaves_of(members: tuple[Member, ...]) -> dict[str, Field]:
    """Return every field by the pattern of its path: `total`, `seller.name`, `items[].amount`."""
    leaves: dict[str, Field] = {}
    for member in members:
        match member:
            case Field(name=name):
                leaves[name] = member
            case Group(name=name, fields=fields):
                leaves |= {f"{name}.{field.name}": field for field in fields}
            case Table(name=name, columns=columns):
                leaves |= {f"{name}[].{field.name}": field for field in columns}
    return leaves
