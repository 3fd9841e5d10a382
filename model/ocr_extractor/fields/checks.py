"""Checks between values, such as `sum(items.amount) + tax_total == grand_total`."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, DivisionByZero, InvalidOperation
from typing import Any

from ocr_extractor.fields.check_grammar import CheckParser, Node
from ocr_extractor.fields.members import Field

_COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_ARITHMETIC = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


class _UnknownError(Exception):
    """A value that is needed is null, or something is divided by zero."""


@dataclass(frozen=True)
class Check:
    """What holds between a document's values.

    `==` and `!=` have a tolerance for sums of rounded numbers: half a unit of the last decimal for
    each value that takes part. The last decimal is that of the value with the fewest decimals, the
    second one at least, as 1.50 is the number 1.5. Money has a tolerance of at least 0.01. Where
    all fields are integers it is 0.

    Attributes:
        text: The check as it was written.
        paths: The leaf patterns that it uses, a table's name where its rows are counted.
    """

    text: str
    paths: tuple[str, ...]
    _sign: str
    _sides: tuple[Node, Node]
    _table: str  # whose every row is checked; "" for none
    _exact: bool
    _money: bool

    @classmethod
    def parse(cls, text: str, leaves: Mapping[str, Field]) -> Check:
        """Read a check.

        Args:
            text: The check.
            leaves: The schema's fields by the pattern of their path.

        Raises:
            SchemaError: It is not in the grammar, or a field that it names is not in the schema;
                the message names the position.
        """
        parser = CheckParser(text, leaves)
        sign, sides = parser.check()
        used = [leaves[path] for path in parser.paths if path in leaves]
        return cls(
            text=text,
            paths=tuple(dict.fromkeys(parser.paths)),
            _sign=sign,
            _sides=sides,
            _table=parser.table,
            _exact=all(field.type == "integer" for field in used),
            _money=any(field.semantic_type == "money" for field in used),
        )

    def __str__(self) -> str:
        return self.text

    def holds(self, values: Mapping[str, Any]) -> bool | None:
        """Tell whether the check holds.

        A check of a table's columns outside `sum` holds if it holds in each row; rows in which a
        value is null are left out.

        Args:
            values: The typed object of the schema's shape.

        Returns:
            None if a value that is needed is null, if there is no row, or for a division by 0.
        """
        found = [self._holds(values, row) for row in self._rows(values)]
        held = [each for each in found if each is not None]
        return all(held) if held else None

    def failures(self, values: Mapping[str, Any]) -> list[tuple[int | None, str]]:
        """Return where the check fails, with its numbers: "61.31 == 61.37".

        Args:
            values: As for `holds`.

        Returns:
            (row of the table from 0, numbers) of each failure; the row is None for a check that is
            not of a table's rows.
        """
        failed = []
        for number, row in enumerate(self._rows(values)):
            if self._holds(values, row) is False:
                left, right = (_shown(_value(side, values, row, [])) for side in self._sides)
                failed.append((number if self._table else None, f"{left} {self._sign} {right}"))
        return failed

    def _rows(self, values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the rows in each of which the check must hold; one without values for no table."""
        return (values.get(self._table) or []) if self._table else [{}]

    def _holds(self, values: Mapping[str, Any], row: Mapping[str, Any]) -> bool | None:
        used: list[Decimal] = []
        try:
            left, right = (_value(side, values, row, used) for side in self._sides)
        except (_UnknownError, DivisionByZero, InvalidOperation):
            return None
        if isinstance(left, Decimal) and self._sign in {"==", "!="}:
            return (abs(left - right) <= self._tolerance(used)) is (self._sign == "==")
        return bool(_COMPARE[self._sign](left, right))

    def _tolerance(self, used: list[Decimal]) -> Decimal:
        if self._exact:
            return Decimal(0)
        decimals = min(max(2, -int(each.normalize().as_tuple().exponent)) for each in used)
        tolerance = Decimal(5).scaleb(-decimals - 1) * len(used)
        return max(tolerance, Decimal("0.01")) if self._money else tolerance


def _value(
    node: Node, values: Mapping[str, Any], row: Mapping[str, Any], used: list[Decimal]
) -> Any:
    """Return an expression's value: a Decimal, or a text, which an ISO date is as well."""
    match node:
        case ("number" | "text", constant):
            return constant
        case ("path", str(path)):
            table, _, column = path.partition("[].")
            return _leaf(row.get(column) if column else _at(values, table), used)
        case ("count", str(table)):
            if values.get(table) is None:
                raise _UnknownError
            return Decimal(len(values[table]))
        case ("sum", inner, str(table)):
            rows = values.get(table) or []
            if not rows:
                raise _UnknownError
            return sum((_value(inner, values, each, used) for each in rows), Decimal(0))
        case (sign, left, right):
            return _ARITHMETIC[sign](
                _value(left, values, row, used), _value(right, values, row, used)
            )
    raise AssertionError(node)


def _shown(value: Any) -> str:
    if not isinstance(value, Decimal):
        return str(value)
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _at(values: Mapping[str, Any], path: str) -> Any:
    for name in path.split("."):
        values = (values or {}).get(name)  # type: ignore[assignment]
    return values


def _leaf(value: Any, used: list[Decimal]) -> Decimal | str:
    if isinstance(value, str):
        return value
    if value is None:
        raise _UnknownError
    number = Decimal(repr(value))
    used.append(number)
    return number
