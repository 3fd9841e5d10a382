"""What a user's own documents teach of each field: what stands beside it, where it stands."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz import fuzz, process

from ocr_extractor.engines.local.fields.feature_names import NAMES, SLOTS
from ocr_extractor.engines.local.fields.features import pool_of
from ocr_extractor.engines.local.fields.labels import fold
from ocr_extractor.engines.local.fields.own_words import ZONES, OwnWords, shape_of
from ocr_extractor.fields.normalisation import is_currency_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ocr_extractor.engines.local.fields.features import Asked
    from ocr_extractor.engines.local.learned.columns import Floats
    from ocr_extractor.fields.schema import Field

EXAMPLES = "fields_own.json"

_ALIKE, _SAME = 85.0, 90.0
"""Likeness of two texts, [0, 100], from which they are the same label, or the same value."""

_CONFUSED = str.maketrans("0c1ij|!58z9qmv", "oelllllsb2ggnu")
"""Characters that OCR takes for each other, in lower case, become one."""

_NEAR = 0.04
"""How far values of one layout stray, of the page's text."""

_PLACES = ("left", "top", "bottom", "row", "row from below")

OWN_NAMES = (
    "own place",
    "own place from below",
    "own row",
    "own row from below",
    "own value",
    "own best example",
    "own lead",
    *(f"own words {zone}" for zone in ZONES),
    "own words",
    "own words lead",
    "own words of a text",
    "own words lead of a text",
)
_OF_ZONES = OWN_NAMES.index(f"own words {ZONES[0]}")


@dataclass(frozen=True)
class Example:
    """Where a true value stands on a document.

    Attributes:
        slots: The texts in its slots, folded.
        place: Its left, top and bottom, shares of the page's text; its row from above and below.
        shape: Its characters by kind.
        value: Its text or number.
        source: How it was cut out of the page.
        lines: How many it has.
        written: The true text, as the user wrote it; "" where the value is no text.
    """

    slots: tuple[str, ...]
    place: tuple[float, ...]
    shape: str
    value: str
    source: str
    lines: int
    written: str = ""


def example_of(asked: Asked, number: int, true: object) -> Example:
    """Describe a candidate as an example of a true value."""
    candidate, row = asked.candidates[number], asked.rows[number]
    return Example(
        asked.slots[number],
        tuple(round(float(row[NAMES.index(name)]), 4) for name in _PLACES),
        shape_of(candidate.text),
        str(asked.values[number]),
        candidate.source,
        candidate.lines,
        true if isinstance(true, str) and _is_text(asked.field) else "",
    )


def _is_text(field: Field) -> bool:
    return field.type == "string" and not field.enum and not is_currency_code(field)


def spelling_of(field: Field, text: str, examples: Sequence[Example]) -> str:
    """Return how a user wrote a text on another document, where the OCR has misread it here.

    Args:
        field: Whose value it is.
        text: As it was read.
        examples: Of the field.

    Returns:
        What the user wrote where the same was read on the other document, or where the two differ
        only in characters that OCR takes for each other, and in no digit; otherwise the text.
        Case, spaces and punctuation stay as they are printed.
    """
    if not examples or not _is_text(field):
        return text
    read, written = fold(text), Counter[str]()
    for example in filter(lambda each: each.written, examples):
        true = fold(example.written)
        if true.replace(" ", "") == read.replace(" ", ""):
            return text
        same_digits = _digits(example.written) == _digits(text)
        if read == example.value or (_outline(true) == _outline(read) and same_digits):
            written[example.written] += 1
    return max(written, key=lambda each: (written[each], fuzz.ratio(text, each)), default=text)


def _outline(text: str) -> str:
    """Return a folded text without spaces, with one character for all that OCR confuses."""
    return text.replace(" ", "").replace("rn", "m").replace("vv", "w").translate(_CONFUSED)


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def own_rows(asked: Asked, examples: Sequence[Example], words: OwnWords | None) -> Floats:
    """Return (n + 1, own features) of a field's candidates; zeros for "absent".

    Args:
        asked: The candidates.
        examples: Where the field stands on other documents; none gives zeros.
        words: The words at its values there; None gives zeros.
    """
    count = len(asked.candidates)
    rows = np.zeros((count + 1, len(OWN_NAMES)), np.float32)
    if not count:
        return rows
    if examples:
        alike = _likenesses(asked, examples)
        rows[:count, : alike.shape[1]] = alike
    if words:
        zones = words.evidence(asked)
        total = zones.sum(axis=1)
        rows[:count, _OF_ZONES : _OF_ZONES + len(ZONES)] = zones
        # Texts have other zones than numbers and dates: their sums do not compare.
        of_text = " of a text" if pool_of(asked.field) == "texts" else ""
        rows[:count, OWN_NAMES.index(f"own words{of_text}")] = total
        rows[:count, OWN_NAMES.index(f"own words lead{of_text}")] = total - total.max()
    return rows


def _likenesses(asked: Asked, examples: Sequence[Example]) -> Floats:
    """Return (n, likenesses) of candidates to the examples."""
    slots = [_slot_alike(asked, examples, slot) for slot in range(len(SLOTS))]
    places = asked.rows[:-1][:, [NAMES.index(name) for name in _PLACES]]
    known = np.array([each.place for each in examples], np.float32)
    apart = places[:, None, :] - known[None]
    left, top, bottom = (np.exp(-((apart[:, :, n] / _NEAR) ** 2) / 2) for n in range(3))
    near = [
        left * top,
        left * bottom,
        np.abs(apart[:, :, 3]) < 1,
        np.abs(apart[:, :, 4]) < 1,
    ]
    texts = [each.text for each in asked.candidates]
    value = _same_values(asked, examples)
    same = [
        _equal([shape_of(text) for text in texts], [each.shape for each in examples]),
        value,
        _equal([c.source for c in asked.candidates], [each.source for each in examples]),
        _equal([c.lines for c in asked.candidates], [each.lines for each in examples]),
    ]
    likeness = sum(slots) / 2 + near[0] + near[1] / 2 + sum(same) / 2
    best = likeness.max(axis=1)
    means = [each.mean(axis=1) for each in (*near, value)]
    return np.stack([*means, best, best - best.max()], axis=1)


def _slot_alike(asked: Asked, examples: Sequence[Example], slot: int) -> Floats:
    """Return (n, examples): whether the same label stands in a slot."""
    mine = [each[slot] for each in asked.slots]
    known = [each.slots[slot] for each in examples]
    alike = process.cdist(mine, known, scorer=fuzz.ratio, dtype=np.float32, score_cutoff=_ALIKE)
    there = np.outer([bool(each) for each in mine], [bool(each) for each in known])
    return np.asarray((alike > 0) & there, np.float32)


def _same_values(asked: Asked, examples: Sequence[Example]) -> Floats:
    """Return (n, examples): whether the values are the same, texts nearly so."""
    mine, known = [str(value) for value in asked.values], [each.value for each in examples]
    if not _is_text(asked.field):
        return _equal(mine, known)
    alike = process.cdist(mine, known, scorer=fuzz.ratio, dtype=np.float32, score_cutoff=_SAME)
    return np.asarray(alike > 0, np.float32)


def _equal(mine: Sequence[object], known: Sequence[object]) -> Floats:
    return np.array([[one == other for other in known] for one in mine], np.float32)


def save_own(
    folder: Path, examples: Mapping[str, Sequence[Example]], words: Mapping[str, OwnWords]
) -> None:
    """Write the examples of each field, and its words, by its path, into a folder of weights."""
    stored = {
        "examples": {path: [asdict(each) for each in of] for path, of in examples.items()},
        "words": {path: of.stored() for path, of in words.items()},
    }
    text = json.dumps(stored, indent=0, ensure_ascii=False, sort_keys=True) + "\n"
    (folder / EXAMPLES).write_text(text, encoding="utf-8")


def load_own(folder: Path) -> tuple[dict[str, list[Example]], dict[str, OwnWords]]:
    """Read them; none where the weights are not of a user's own documents."""
    file = folder / EXAMPLES
    if not file.is_file():
        return {}, {}
    stored = json.loads(file.read_text(encoding="utf-8"))
    examples = {
        path: [
            Example(**each | {"slots": tuple(each["slots"]), "place": tuple(each["place"])})
            for each in of
        ]
        for path, of in stored["examples"].items()
    }
    return examples, {path: OwnWords.read(of) for path, of in stored["words"].items()}
