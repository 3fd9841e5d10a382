"""Draws the questions and answers of a form from the word lists in `domains/`."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

_DOMAINS = Path(__file__).parent / "domains"
_WORDS = Path(__file__).parent / "words.toml"
_NAME = re.compile(r"\{(\w+)\}")

T = TypeVar("T")


@dataclass(frozen=True)
class Field:
    """A question with the grammars of its label and of its answer ("" : never filled in)."""

    label: str
    value: str


@dataclass(frozen=True)
class Section:
    """Two or more questions that belong together, under a header or ("") under none."""

    header: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Choice:
    """A question answered by marking one of its options."""

    question: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Prose:
    """A question answered with one or several sentences."""

    label: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table with a question over each column.

    Attributes:
        over: Grammar of a header over all columns but the first; "" for none.
        columns: From left to right.
        product: Numbers (from 0) of two columns and of the one that is their product; or empty.
        rows: What the first column says, line by line; empty when it is filled in like the others.
        totals: Questions under the table; "=sum" adds up the last column, "=total" the totals
            before it as well.
    """

    over: str
    columns: tuple[Field, ...]
    product: tuple[int, ...]
    rows: tuple[str, ...]
    totals: tuple[Field, ...]


@dataclass(frozen=True)
class Letter:
    """The texts of a page that is more a letter than a form."""

    titles: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """One kind of office form: all its questions, of which a form uses a part."""

    name: str
    titles: tuple[str, ...]
    sections: tuple[Section, ...]
    choices: tuple[Choice, ...]
    tables: tuple[Table, ...]
    prose: tuple[Prose, ...]
    letter: Letter | None
    notes: tuple[str, ...]
    distribution: tuple[str, ...]


def domain_names() -> tuple[str, ...]:
    """Return the names of the domains, in alphabetical order."""
    return tuple(sorted(path.stem for path in _DOMAINS.glob("*.toml")))


@cache
def domain(name: str) -> Domain:
    """Read a domain of `domain_names()`."""
    raw = _read(_DOMAINS / f"{name}.toml")
    return Domain(
        name=name,
        titles=tuple(raw["titles"]),
        sections=tuple(Section(s["header"], _fields(s["fields"])) for s in raw["sections"]),
        choices=tuple(Choice(c["question"], tuple(c["options"])) for c in raw["choices"]),
        tables=tuple(
            Table(
                over=t.get("over", ""),
                columns=_fields(t["columns"]),
                product=tuple(t.get("product", ())),
                rows=tuple(t.get("rows", ())),
                totals=_fields(t["totals"]),
            )
            for t in raw.get("tables", ())
        ),
        prose=tuple(Prose(p["label"], tuple(p["sentences"])) for p in raw["prose"]),
        letter=_letter(raw["letter"]) if "letter" in raw else None,
        notes=tuple(raw["notes"]),
        distribution=tuple(raw["distribution"]),
    )


def _letter(raw: dict[str, list[str]]) -> Letter:
    return Letter(tuple(raw["titles"]), tuple(raw["sentences"]))


def _fields(rows: Sequence[Sequence[str]]) -> tuple[Field, ...]:
    return tuple(Field(label, value) for label, value in rows)


@cache
def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of the options, each as likely as the others."""
    return options[int(rng.integers(len(options)))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return True with this probability, [0, 1]."""
    return bool(rng.random() < probability)


def sample(rng: np.random.Generator, options: Sequence[T], count: int) -> list[T]:
    """Return at most `count` different options in their own order."""
    chosen = rng.permutation(len(options))[:count]
    return [options[i] for i in sorted(chosen)]


def choose(rng: np.random.Generator, grammar: str) -> str:
    """Return one of the alternatives that `|` separates."""
    return pick(rng, grammar.split("|"))


def word_list(name: str) -> list[str]:
    """Return a list of `words.toml`."""
    return list(_read(_WORDS)[name])


def invented(rng: np.random.Generator) -> Section:
    """Return a section of questions that no domain asks, put together from `words.toml`."""
    things, done = word_list("thing"), word_list("done")
    fields = []
    for kind in sample(rng, word_list("kind"), int(rng.integers(3, 8))):
        label, _, value = kind.partition("|")
        fields.append(Field(f"{pick(rng, things)} {label}", value))
    for how in sample(rng, word_list("how"), int(rng.integers(0, 3))):
        label, _, value = how.partition("|")
        fields.append(Field(f"{pick(rng, done)} {label}", value))
    header = f"{pick(rng, things)} {pick(rng, word_list('about'))}|"
    return Section(header, tuple(fields[i] for i in rng.permutation(len(fields))))


def expand(rng: np.random.Generator, grammar: str, year: str) -> str:
    """Fill in a value grammar.

    `|` separates alternatives, {name} draws from a list of `words.toml` and {yy} is the `year`,
    two digits, `#` is a digit, `@` a digit but 0, `^` a capital letter.

    Raises:
        KeyError: A {name} is not in `words.toml`.
    """
    words = _read(_WORDS)
    text = choose(rng, grammar)
    while name := _NAME.search(text):
        word = year if name[1] == "yy" else pick(rng, words[name[1]])
        text = text[: name.start()] + word + text[name.end() :]
    return "".join(_character(rng, character) for character in text)


def _character(rng: np.random.Generator, pattern: str) -> str:
    alphabets = {"#": string.digits, "@": string.digits[1:], "^": string.ascii_uppercase}
    return pick(rng, alphabets[pattern]) if pattern in alphabets else pattern
