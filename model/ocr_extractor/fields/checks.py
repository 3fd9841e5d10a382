"""Checks between values, such as `sum(items.amount) + tax_total == grand_total`: a small grammar.

check      = expression ("==" | "!=" | "<=" | ">=" | "<" | ">") expression
expression = term {("+" | "-") term}
term       = factor {("*" | "/") factor}
factor     = "-" factor | "(" expression ")" | "sum(" expression ")" | "count(" table ")"
           | number | "'" text "'" | path
path       = name ["." name], a name with spaces or hyphens in backticks
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, DivisionByZero, InvalidOperation
from typing import Any, NoReturn

from ocr_extractor.errors import SchemaError, shorten
from ocr_extractor.fields.members import Field

_MAX_CHARACTERS = 500
_MAX_DEPTH = 20
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
# Every character is in one group, so that nothing is left out.
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[^\W\d]\w*|`[^`]+`)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<sign>[=!<>]=|\[\]|[-+*/().<>])|(?P<other>\S))"
)
_ALLOWED = (
    "write two expressions of fields, numbers, + - * / ( ), sum(table.column), count(table) with "
    "one of == != <= >= < > between them"
)

# The first member says what it is: number, text, path, sum, count or an arithmetic sign.
_Node = tuple[Any, ...]


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
    _sides: tuple[_Node, _Node]
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
        parser = _Parser(text, leaves)
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
        """Say whether the check holds.

        A check of a table's columns outside `sum` holds if it holds in each row; rows in which a
        value is null are left out.

        Args:
            values: The typed object of the schema's shape.

        Returns:
            None if a value that is needed is null, if there is no row, or for a division by 0.
        """
        rows: list[Mapping[str, Any]] = [{}]
        if self._table:
            rows = values.get(self._table) or []
        held = [found for row in rows if (found := self._holds(values, row)) is not None]
        return all(held) if held else None

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
    node: _Node, values: Mapping[str, Any], row: Mapping[str, Any], used: list[Decimal]
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


class _Parser:
    """Reads one check by recursive descent; every node comes with its kind."""

    def __init__(self, text: str, leaves: Mapping[str, Field]) -> None:
        self.paths: list[str] = []
        self.table = ""
        self._text = text
        self._leaves = leaves
        self._tables = {path.partition("[]")[0] for path in leaves if "[]" in path}
        self._sum: str | None = None  # the table within a sum, "" until it is known
        self._depth = 0
        self._at = 0
        if len(text) > _MAX_CHARACTERS:
            raise SchemaError(
                f"The check '{shorten(text)}' has {len(text):,} characters, and may have "
                f"{_MAX_CHARACTERS}: split it."
            )
        self._tokens = list(self._tokenised())

    def check(self) -> tuple[str, tuple[_Node, _Node]]:
        left, kind = self._expression()
        sign = self._next()
        if sign not in _COMPARE:
            self._fail(f"there is {_shown(sign)} instead of a comparison")
        right, other = self._expression()
        if rest := self._next():
            self._fail(f"there is {_shown(rest)} after the end of the check")
        if not self.paths:
            self._fail("no field is used")
        self._compatible((left, kind), (right, other), sign)
        return sign, (left, right)

    def _compatible(self, left: tuple[_Node, str], right: tuple[_Node, str], sign: str) -> None:
        for (node, kind), (_, other) in ((left, right), (right, left)):
            if kind == "literal" and other == "date" and not _is_date(node[1]):
                self._fail(f"'{shorten(node[1])}' is no date, write YYYY-MM-DD")
        kinds = {kind for _, kind in (left, right)} - {"literal"}
        if len(kinds) > 1:
            self._fail(f"a {left[1]} is compared with a {right[1]}")
        if kinds == {"text"} and sign not in {"==", "!="}:
            self._fail("texts are compared by == or !=")

    def _expression(self) -> tuple[_Node, str]:
        with self._deeper():
            return self._chain(("+", "-"), lambda: self._chain(("*", "/"), self._factor))

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail(f"it is nested more than {_MAX_DEPTH} levels deep")
        yield
        self._depth -= 1

    def _chain(self, signs: tuple[str, str], operand: Any) -> tuple[_Node, str]:
        node, kind = operand()
        while self._peek() in signs:
            sign = self._next()
            right, other = operand()
            if (kind, other) != ("number", "number"):
                self._fail(f"{sign!r} needs numbers, and a {kind} and a {other} are given")
            node = (sign, node, right)
        return node, kind

    def _factor(self) -> tuple[_Node, str]:
        group, word, _ = self._tokens[0]
        self._next()
        if word == "-":
            with self._deeper():
                node, kind = self._factor()
            if kind != "number":
                self._fail(f"'-' needs a number, and a {kind} is given")
            return ("-", ("number", Decimal(0)), node), kind
        if word == "(":
            found = self._expression()
            self._expect(")")
            return found
        if group == "number":
            return ("number", Decimal(word)), "number"
        if group == "text":
            return ("text", word[1:-1]), "literal"
        if group == "name":
            return self._name(word)
        self._fail(f"there is {_shown(word)} instead of a field or a number")

    def _name(self, word: str) -> tuple[_Node, str]:
        if word in {"sum", "count"} and self._peek() == "(":
            self._next()
            found = self._sum_of() if word == "sum" else self._count_of()
            self._expect(")")
            return found, "number"
        path = self._path(word)
        field = self._leaves[path]
        kind = {"string": "text", "date": "date", "boolean": "yes or no"}.get(field.type, "number")
        if kind == "yes or no":
            self._fail(f"{shorten(path)} is a boolean; numbers, dates and texts are compared")
        return ("path", path), kind

    def _sum_of(self) -> _Node:
        if self._sum is not None:
            self._fail("a sum is within a sum")
        self._sum = ""
        node, kind = self._expression()
        table, self._sum = self._sum, None
        if kind != "number" or not table:
            self._fail("sum needs a number column of a table, such as sum(items.amount)")
        return ("sum", node, table)

    def _count_of(self) -> _Node:
        name = self._next().strip("`")
        if name not in self._tables:
            self._fail(f"count needs a table, and '{shorten(name)}' is none of {self._known()}")
        self.paths.append(name)
        return ("count", name)

    def _path(self, token: str) -> str:
        name = token.strip("`")
        if self._peek() == "[]":
            self._next()
        if self._peek() == ".":
            self._next()
            name += ("[]." if name in self._tables else ".") + self._next().strip("`")
        if name not in self._leaves:
            self._fail(f"'{shorten(name)}' is none of the schema's fields ({self._known()})")
        table = name.partition("[].")[0] if "[]." in name else ""
        if table and self._sum is not None:
            if self._sum not in {"", table}:
                self._fail("a sum uses two tables")
            self._sum = table
        elif table:
            if self.table not in {"", table}:
                self._fail("rows of two tables are compared; use sum")
            self.table = table
        self.paths.append(name)
        return name

    def _known(self) -> str:
        return shorten(", ".join(each.replace("[]", "") for each in self._leaves))

    def _tokenised(self) -> Iterator[tuple[str, str, int]]:
        for found in _TOKEN.finditer(self._text):
            group = str(found.lastgroup)
            yield group, found[group], found.start(group)
        yield "end", "", len(self._text)

    def _peek(self) -> str:
        return self._tokens[0][1]

    def _next(self) -> str:
        # The end stays, so that there is always a next token.
        self._at = self._tokens[0][2]
        return self._tokens.pop(0)[1] if len(self._tokens) > 1 else self._tokens[0][1]

    def _expect(self, token: str) -> None:
        if (found := self._next()) != token:
            self._fail(f"there is {_shown(found)} instead of {token!r}")

    def _fail(self, what: str) -> NoReturn:
        position = self._at + 1
        raise SchemaError(
            f"The check '{shorten(self._text)}' is wrong at character {position}: {what}; "
            f"{_ALLOWED}."
        )


def _shown(word: str) -> str:
    return f"'{shorten(word)}'" if word else "the end"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
