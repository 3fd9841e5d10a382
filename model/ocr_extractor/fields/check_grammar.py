"""The grammar of checks between values, read by recursive descent; nothing is evaluated.

check      = expression ("==" | "!=" | "<=" | ">=" | "<" | ">") expression
expression = term {("+" | "-") term}
term       = factor {("*" | "/") factor}
factor     = "-" factor | "(" expression ")" | "sum(" expression ")" | "count(" table ")"
           | number | "'" text "'" | path
path       = name ["." name], a name with spaces or hyphens in backticks
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

from ocr_extractor.errors import SchemaError, shorten
from ocr_extractor.fields.members import Field

_MAX_CHARACTERS = 500
_MAX_DEPTH = 20
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
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
Node = tuple[Any, ...]


class CheckParser:
    """Reads one check by recursive descent; every node comes with its kind.

    Attributes:
        paths: The leaf patterns and counted tables that were met.
        table: The table whose columns stand outside `sum`, "" for none.
    """

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

    def check(self) -> tuple[str, tuple[Node, Node]]:
        """Return the comparison and its two sides.

        Raises:
            SchemaError: See `Check.parse`.
        """
        left, kind = self._expression()
        sign = self._next()
        if sign not in _COMPARISONS:
            self._fail(f"there is {_shown(sign)} instead of a comparison")
        right, other = self._expression()
        if rest := self._next():
            self._fail(f"there is {_shown(rest)} after the end of the check")
        if not self.paths:
            self._fail("no field is used")
        self._compatible((left, kind), (right, other), sign)
        return sign, (left, right)

    def _compatible(self, left: tuple[Node, str], right: tuple[Node, str], sign: str) -> None:
        for (node, kind), (_, other) in ((left, right), (right, left)):
            if kind == "literal" and other == "date" and not _is_date(node[1]):
                self._fail(f"'{shorten(node[1])}' is no date, write YYYY-MM-DD")
        kinds = {kind for _, kind in (left, right)} - {"literal"}
        if len(kinds) > 1:
            self._fail(f"a {left[1]} is compared with a {right[1]}")
        if kinds == {"text"} and sign not in {"==", "!="}:
            self._fail("texts are compared by == or !=")

    def _expression(self) -> tuple[Node, str]:
        with self._deeper():
            return self._chain(("+", "-"), lambda: self._chain(("*", "/"), self._factor))

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail(f"it is nested more than {_MAX_DEPTH} levels deep")
        yield
        self._depth -= 1

    def _chain(self, signs: tuple[str, str], operand: Any) -> tuple[Node, str]:
        node, kind = operand()
        while self._peek() in signs:
            sign = self._next()
            right, other = operand()
            if (kind, other) != ("number", "number"):
                self._fail(f"{sign!r} needs numbers, and a {kind} and a {other} are given")
            node = (sign, node, right)
        return node, kind

    def _factor(self) -> tuple[Node, str]:
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

    def _name(self, word: str) -> tuple[Node, str]:
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

    def _sum_of(self) -> Node:
        if self._sum is not None:
            self._fail("a sum is within a sum")
        self._sum = ""
        node, kind = self._expression()
        table, self._sum = self._sum, None
        if kind != "number" or not table:
            self._fail("sum needs a number column of a table, such as sum(items.amount)")
        return ("sum", node, table)

    def _count_of(self) -> Node:
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
