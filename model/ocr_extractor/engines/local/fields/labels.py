"""Likeness of printed texts to what is known of a field's label, and to common business labels."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rapidfuzz import fuzz, process

from ocr_extractor.fields.normalisation import is_currency_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocr_extractor.engines.local.learned.columns import Floats, Values, Whole
    from ocr_extractor.fields.schema import Field

_WORD = re.compile(r"[^\W_]+")
_DESCRIBED = 0.75
"""What a word of the description is worth, against a label or the name."""

_TOLD, _NEARLY = 0.9, 0.6
"""What a concept is worth that the description names; the least share of the longest name's letters
that its name needs."""

_VAGUE = 0.6
"""What a label is worth, of 1, that says "number" but not which one."""

_WEAK = 0.01
"""What a letter of a weak name is worth, against one of another name."""

_SHORT, _MANY = 3, 99
"""Letters of words that say nothing in a description; more than any word has."""

_SAME_WORD = 80.0
"""Likeness of two words, [0, 100], from which one is taken for the other, misread; words of up to
three letters must be equal."""

_COMPOUND = 8
"""Letters of a word from which compounds that end in it are alike."""

_ALONE = 0.6
"""What a phrase is worth, of 1, that is a small part of the printed text."""


@dataclass(frozen=True)
class Concept:
    """A common business field.

    Attributes:
        name: Its name in `labels.toml`.
        type: "text", "number" or "date".
        named: The words of names of such fields.
        weak: Likewise; they count where no other concept is named.
        printed: What is printed beside it, folded.
    """

    name: str
    type: str
    named: tuple[tuple[str, ...], ...]
    weak: tuple[tuple[str, ...], ...]
    printed: tuple[str, ...]


@lru_cache(maxsize=1)
def concepts() -> tuple[Concept, ...]:
    """Return the common business fields."""
    text = (Path(__file__).parent / "labels.toml").read_text(encoding="utf-8")
    return tuple(
        Concept(
            name,
            given["type"],
            tuple(tuple(each.split()) for each in given["named"]),
            tuple(tuple(each.split()) for each in given.get("weak", ())),
            tuple(given["printed"]),
        )
        for name, given in tomllib.loads(text).items()
    )


@lru_cache(maxsize=20_000)
def fold(text: str) -> str:
    """Return a text's words in small letters, without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(_WORD.findall("".join(c for c in plain if not unicodedata.combining(c))))


@lru_cache(maxsize=1_000)
def concepts_of(field: Field) -> tuple[float, ...]:
    """Return how much a field is each of `concepts()`, [0, 1]: by its name, or its description."""
    kind = _kind(field)
    if is_currency_code(field):
        return tuple(float(each.name == "currency") for each in concepts())
    named, told = (
        fold(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)) for text in (field.name, field.description)
    )
    letters = _longest(named, kind, least=1)
    if not letters.any():
        letters = (
            np.array([named in each.printed and each.type == kind for each in concepts()]) * 1.0
        )
    found = (letters == letters.max()) * (letters > 0) * 1.0
    # A description may name several: "contract, order or invoice number". Single words of it tell
    # little where the name tells something.
    letters = _longest(told, kind, least=_SHORT + 1 if not found.any() else _MANY)
    share = letters / max(letters.max(), 1e-9)
    found = np.maximum(found, _TOLD * share * (share >= _NEARLY))
    numbers = np.array([each.name.endswith("number") for each in concepts()])
    if found[numbers].max() == 1:
        found[[each.name == "number" for each in concepts()]] = _VAGUE
    return tuple(found.tolist())


def _longest(text: str, kind: str, *, least: int) -> Values:
    """Return of each concept of a type the letters of its longest name that is in a text.

    Single words have `least` letters; names that are weak are worth next to nothing. Words stand
    side by side, "total amount, tax included" is no total tax; but "contract, order or invoice
    number" is each of them.
    """
    words, beside = frozenset(text.split()), f" {text} "

    def letters(names: Iterable[tuple[str, ...]]) -> int:
        there = (name for name in names if words.issuperset(name))
        fit = (
            name
            for name in there
            if (f" {' '.join(name)} " in beside or name[-1] in {"number", "no", "id"})
            and (len(name) > 1 or len(name[0]) >= least)
        )
        return max((sum(map(len, name)) for name in fit), default=0)

    return np.array(
        [
            max(letters(each.named), _WEAK * letters(each.weak)) * (each.type == kind)
            for each in concepts()
        ],
        np.float64,
    )


def likeness(field: Field, printed: str) -> float:
    """Return how like a printed text is to what is known of a field's label, [0, 100]."""
    matches = LabelMatches.of([field], [printed])
    best = np.maximum(matches.own, matches.concept)
    return float(max(best[0, 0], _DESCRIBED * matches.described[0, 0]) * 100)


@dataclass(frozen=True)
class LabelMatches:
    """Likeness of t printed texts to the labels of f fields, each (f, t) in [0, 1].

    Attributes:
        own: To the `x-labels` and the name.
        described: To the description.
        concept: To what is printed beside fields of its concept.
        rival: To what is printed beside fields of the same type but of other concepts.
        foreign: To what is printed beside fields of other types.
    """

    own: Floats
    described: Floats
    concept: Floats
    rival: Floats
    foreign: Floats

    @classmethod
    def of(cls, fields: Sequence[Field], printed: Sequence[str]) -> LabelMatches:
        """Compare texts with fields."""
        texts = [fold(text) for text in printed]
        common = concepts()
        by_concept = _grouped(texts, [each.printed for each in common])
        own = _grouped(
            texts, [[fold(each) for each in (*field.labels, field.name)] for field in fields]
        )
        described = _described(texts, [fold(field.description) for field in fields])
        worth = np.array([concepts_of(field) for field in fields]).reshape(-1, len(common))
        kinds = np.array([[_kind(field) == each.type for each in common] for field in fields])
        kinds = kinds.reshape(worth.shape)
        rest = worth == 0
        return cls(
            own,
            described,
            _best(by_concept, worth),
            _best(by_concept, rest & kinds),
            _best(by_concept, rest & ~kinds),
        )


def _kind(field: Field) -> str:
    return {"number": "number", "integer": "number", "date": "date"}.get(field.type, "text")


def _best(by_concept: Floats, worth: Any) -> Floats:
    """Return (f, t): the best of the (c, t) likenesses, weighted (f, c)."""
    weighted = worth[:, :, None].astype(np.float32) * by_concept[None]
    return np.asarray(weighted.max(axis=1, initial=0.0))


def _grouped(texts: Sequence[str], groups: Sequence[Sequence[str]]) -> Floats:
    """Return (groups, texts): the likeness of each text to the best phrase of each group."""
    phrases = tuple(phrase for group in groups for phrase in group)
    sizes = [len(group) for group in groups]
    if not texts or not phrases:
        return np.zeros((len(groups), len(texts)), np.float32)
    found = _likenesses(texts, phrases)
    starts = np.cumsum([0, *sizes[:-1]])
    return np.asarray(np.maximum.reduceat(found, starts, axis=1).T)


@dataclass(frozen=True)
class _Bags:
    """The different words of t texts.

    Attributes:
        words: All of them, w.
        letters: (w,) of each one.
        numbers: The words of text after text.
        starts: (t,) where each text begins in them.
    """

    words: list[str]
    letters: Floats
    numbers: Whole
    starts: Whole

    @classmethod
    def of(cls, texts: Sequence[str]) -> _Bags:
        bags = [list(dict.fromkeys(text.split())) or [""] for text in texts]
        known = {word: at for at, word in enumerate(dict.fromkeys(w for bag in bags for w in bag))}
        numbers = np.array([known[word] for bag in bags for word in bag], np.intp)
        starts = np.cumsum([0, *(len(bag) for bag in bags[:-1])])
        return cls([*known], np.array([len(word) for word in known], np.float32), numbers, starts)

    def joined(self, of_words: Floats, axis: int = 0, by: np.ufunc = np.add) -> Floats:
        """Return for each text the sum, or the most, of something that its words have."""
        taken = np.take(of_words, self.numbers, axis)
        return np.asarray(by.reduceat(taken, self.starts, axis))


@lru_cache(maxsize=64)
def _vocabulary(phrases: tuple[str, ...]) -> tuple[list[str], _Bags]:
    """Return phrases with their words in order, and their words."""
    return [" ".join(sorted(phrase.split())) for phrase in phrases], _Bags.of(phrases)


def _likenesses(texts: Sequence[str], phrases: tuple[str, ...]) -> Floats:
    """Return (texts, phrases): the likeness of whole texts, or of the words that both have."""
    ordered, known = _vocabulary(phrases)
    given = [" ".join(sorted(text.split())) for text in texts]
    whole = process.cdist(given, ordered, scorer=fuzz.ratio, dtype=np.float32) / 100
    own = _Bags.of(texts)
    alike = process.cdist(
        own.words, known.words, scorer=fuzz.ratio, dtype=np.float32, score_cutoff=_SAME_WORD
    )
    # A German word that ends in another one is a kind of it: "Handelsrechnung".
    long = [n for n, word in enumerate(own.words) if len(word) > _COMPOUND]
    for at, word in enumerate(known.words):
        if len(word) >= _COMPOUND:
            alike[[n for n in long if own.words[n].endswith(word)], at] = 100
    short = np.minimum.outer(own.letters, known.letters) <= _SHORT
    same = ((alike >= 100) | ((alike > 0) & ~short)).astype(np.float32)
    # Sums over the few words of each text: products of matrices would take several cores.
    common = known.joined(own.joined(same, by=np.maximum) * known.letters, 1)
    covered = common / np.maximum(known.joined(known.letters), 1)
    letters = own.joined(own.letters)[:, None]
    shared = own.joined(known.joined(same, 1, np.maximum) * own.letters[:, None])
    share = shared / np.maximum(letters, 1)
    there = letters > 0
    return np.asarray(
        np.where(there, np.maximum(whole, covered * (_ALONE + (1 - _ALONE) * share)), 0)
    )


def _described(texts: Sequence[str], descriptions: Iterable[str]) -> Floats:
    """Return (fields, texts): which part of each text's letters the description has."""
    own = _Bags.of(texts)
    rows = []
    for description in descriptions:
        told = set(description.split())
        known = np.array([len(word) > 2 and word in told for word in own.words], np.float32)
        rows.append(own.joined(known * own.letters) / np.maximum(own.joined(own.letters), 1))
    return np.asarray(np.stack(rows) if rows else np.zeros((0, len(texts)), np.float32))
