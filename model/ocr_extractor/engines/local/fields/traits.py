"""What candidates are by themselves: where they stand, and what they look like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ocr_extractor.engines.local.fields.candidates import SOURCES
from ocr_extractor.engines.local.learned.columns import taken
from ocr_extractor.fields.date_text import parse_date
from ocr_extractor.fields.number_text import parse_number
from ocr_extractor.ocr.text_shapes import announces_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocr_extractor.engines.local.fields.candidates import Candidate
    from ocr_extractor.engines.local.fields.layout import Layout
    from ocr_extractor.engines.local.learned.columns import Columns, Values
    from ocr_extractor.fields.normalisation import Hints

PATTERNS = {
    "company": re.compile(
        r"\b(?:gmbh|ag|kg|ohg|e\.?k|ug|ltd|limited|llc|llp|inc|corp|corporation|company|co|plc|group|"
        r"s\.?a|s\.?a\.?r\.?l|sas|s\.?l|b\.?v|n\.?v|ab|oy|a/s|aps|sdn|bhd|pte|pty|s\.?p\.?a|s\.?r\.?l|"
        r"shop|store|market|restaurant|cafe|hotel|services|industries|trading|enterprise)\b",
        re.IGNORECASE,
    ),
    "address": re.compile(
        r"\b(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|blvd|boulevard|suite|floor|"
        r"p\.?o\.? box|highway|hwy|park|square|\w*stra(?:ss|ß)e|\w*str|\w*weg|\w*platz|\w*allee|"
        r"\w*gasse|rue|quai|place|chemin|impasse|calle|avenida|av|plaza|paseo|camino|no|lot|unit|level|"
        r"via|viale|piazza|corso|rua|travessa|\w*straat|\w*laan|\w*plein|\w*gatan|\w*vej|\w*gade|"
        r"ulica|ul|aleja|cad|sok|mah|jalan|jln|jl|lorong|taman|bandar|kampung|kg)\b\.?",
        re.IGNORECASE,
    ),
    "postcode": re.compile(r"\b(?:[A-Z]{1,2}-)?\d{4,6}\b|\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b"),
    "contact": re.compile(r"@|www\.|https?:|\b(?:tel|fax|phone|e-?mail|telefon)\b", re.IGNORECASE),
    "title": re.compile(
        r"\b(?:tax )?(?:invoice|receipt|order|contract|bill|estimate|statement|quotation|"
        r"credit note|\w*rechnung|quittung|bestellung|auftrag|gutschrift|lieferschein|vertrag|"
        r"facture|re[cç]u|commande|avoir|contrat|devis|factura|recibo|pedido|contrato)\b",
        re.IGNORECASE,
    ),
}

_DASHED = re.compile(r"(?:[-\u2013~/]|\b(?:to|thru|bis|au|al|hasta|until))\s*$", re.IGNORECASE)
_DASHES = re.compile(r"\s*(?:[-\u2013~/]|(?:to|thru|bis|au|al|hasta|until)\b)", re.IGNORECASE)
_DATED = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{2}|\d{1,2}\.? [A-Za-z]{3,}\.? \d{4}")

_ALIGNED = 1.0
"""How far the ends of a column's numbers are out of line, text heights."""

_SUMMED = 40
"""The largest amounts among which sums are looked for."""


def own_columns(found: Sequence[Candidate], layout: Layout) -> Columns:
    """Describe where candidates stand."""
    box = np.array([each.box for each in found], np.float64).reshape(-1, 4)
    segment = np.array([each.segment for each in found], np.intp)
    last_of = np.array([each.last for each in found], np.intp)
    geometry, outer = layout.geometry, layout.outer
    size = np.maximum(outer[2:] - outer[:2], 1)
    place = (box - np.tile(outer[:2], 2)) / np.tile(size, 2)
    rows = layout.rows[segment]
    last = layout.rows.max(initial=0)
    fellows = np.bincount(layout.rows)[rows] if len(found) else np.zeros(0)
    return {
        "left": place[:, 0],
        "top": place[:, 1],
        "right": place[:, 2],
        "bottom": place[:, 3],
        "middle": np.abs(place[:, [0, 2]].mean(axis=1) - 0.5),
        "row": np.minimum(rows, 40),
        "row from below": np.minimum(last - rows, 40),
        "in its row": fellows,
        "height": geometry.heights[segment] / max(geometry.height, 1),
        "characters": np.array([len(each.text) for each in found], np.float64),
        "words": np.array([each.text.count(" ") + 1 for each in found], np.float64),
        "lines": np.array([each.lines for each in found], np.float64),
        "digits": _share(found, str.isdigit),
        "letters": _share(found, str.isalpha),
        "capitals": _share(found, str.isupper),
        "has before": np.array([bool(each.before) for each in found], np.float64),
        "label before": np.array([announces_value(each.before) for each in found], np.float64),
        "label left": np.array(
            [
                (n := geometry.nearest["left"][each.segment]) >= 0
                and announces_value(layout.segments[n].text)
                for each in found
            ],
            np.float64,
        ),
        **{f"gap {side}": geometry.gaps[side][segment] for side in ("left", "above")},
        **{f"gap {side}": geometry.gaps[side][last_of] for side in ("right", "below")},
        "behind a dash": np.array([bool(_DASHED.search(each.before)) for each in found], float),
        "before a dash": np.array([bool(_DASHES.match(each.after)) for each in found], float),
        "behind a date": _beside(found, layout, "left", "segment"),
        "before a date": _beside(found, layout, "right", "last"),
        **{
            f"from {source}": np.array([each.source == source for each in found], np.float64)
            for source in SOURCES
        },
        "order": np.argsort(np.argsort(box[:, 1], kind="stable")) + 0.0,
        "order from below": np.argsort(np.argsort(-box[:, 1], kind="stable")) + 0.0,
    }


def _beside(found: Sequence[Candidate], layout: Layout, side: str, end: str) -> Values:
    """Tell whether a date stands beside candidates: they may be one end of a range."""
    dated = np.array([bool(_DATED.search(each.text)) for each in layout.segments])
    at = np.array([layout.geometry.nearest[side][getattr(each, end)] for each in found], np.intp)
    return np.where(at >= 0, dated[at], False) + 0.0


def _share(found: Sequence[Candidate], test: Callable[[str], bool]) -> Values:
    return np.array([sum(map(test, each.text)) / len(each.text) for each in found], np.float64)


def counts(pattern: re.Pattern[str], texts: Sequence[str]) -> Values:
    """Count the matches of a pattern in each text."""
    return np.array([len(pattern.findall(text)) for text in texts], np.float64)


def text_columns(found: Sequence[Candidate]) -> Columns:
    """Describe the words and the punctuation of texts."""
    columns = {
        f"{name} words": counts(pattern, [each.text for each in found])
        for name, pattern in PATTERNS.items()
    }
    ends = np.array([each.text.rstrip().endswith((":", ";")) for each in found], np.float64)
    begins = np.array([each.text[0].isdigit() for each in found], np.float64)
    colon = np.array([":" in each.text[:-1] for each in found], np.float64)
    comma = np.array([each.text.rstrip().endswith(",") for each in found], np.float64)
    joined = {"ends in a colon": ends, "begins with a digit": begins, "has a colon": colon}
    return columns | joined | {"ends in a comma": comma}


def number_columns(found: Sequence[Candidate], layout: Layout, told: Hints) -> Columns:
    """Describe amounts: how large they are, and which sums they take part in."""
    values = np.array(
        [abs(float(parse_number(each.text, told.decimal, "money") or 0)) for each in found],
        np.float64,
    )
    money = np.array([bool(re.search(r"[.,]\d{2}\W*$", each.text)) for each in found], bool)
    amounts = np.unique(values[money & (values > 0)])[::-1]
    place = np.array([np.searchsorted(-amounts, -value) for value in values], np.float64)
    sums = _sums(amounts[:_SUMMED])
    signs = re.compile(r"[$€£¥]|\b[A-Z]{3}\b|\bRM")
    return {
        "logarithm": np.log10(np.maximum(values, 0.01)),
        "has two decimals": money + 0.0,
        "is larger": np.minimum(place, 20),
        "part of the largest": values / max(amounts[0] if len(amounts) else 1.0, 0.01),
        "percent": np.array(["%" in each.text for each in found], np.float64),
        "negative": np.array([bool(re.search(r"^[-(]|-$", each.text)) for each in found], float),
        "has a currency": np.array(
            [bool(signs.search(layout.segments[each.segment].text)) for each in found], np.float64
        ),
        **{
            name: np.array([round(value, 2) in those for value in values], np.float64)
            for name, those in sums.items()
        },
        **_in_column(found, values, layout.geometry.height),
    }


def _in_column(found: Sequence[Candidate], values: Values, height: float) -> Columns:
    """Tell how many numbers of its column stand below each one, and whether it is their sum."""
    right = np.array([each.box[2] for each in found], np.float64)
    middle = np.array([(each.box[1] + each.box[3]) / 2 for each in found], np.float64)
    same = np.abs(right[:, None] - right) <= _ALIGNED * height
    lower = middle[:, None] > middle + height / 2  # of rows below those of columns
    summed = np.zeros(len(found))
    for at in np.flatnonzero(values > 0):
        above = np.flatnonzero(same[at] & lower[at])
        nearest = above[np.argsort(-middle[above], kind="stable")][:_SUMMED]
        sums = np.cumsum(values[nearest])
        summed[at] = bool((np.abs(sums[1:] - values[at]) < 0.005).any())
    return {"below it": np.minimum((same & lower).sum(axis=0), 10.0), "sums a column": summed}


def _sums(amounts: Values) -> dict[str, set[float]]:
    """Return the amounts that are a sum of two others, its larger part, and its smaller one."""
    known = {round(each, 2) for each in amounts.tolist()}
    roles: dict[str, set[float]] = {"is a sum": set(), "is most of a sum": set(), "is added": set()}
    ordered = sorted(known)
    for at, small in enumerate(ordered):
        for large in ordered[at + 1 :]:
            total = round(small + large, 2)
            if total in known:
                roles["is a sum"].add(total)
                roles["is most of a sum"].add(large)
                roles["is added"].add(small)
    return roles


def date_columns(found: Sequence[Candidate], layout: Layout, told: Hints) -> Columns:
    """Describe dates: how they are ordered in time, and the ranges that they are an end of."""
    days = [parse_date(each.text, told.date_order) for each in found]
    known = sorted({day for day in days if day})
    place = {day: number for number, day in enumerate(known)}
    earlier = np.array([place[day] if day else 0 for day in days], np.float64)
    return {
        "earlier dates": np.minimum(earlier, 10),
        "later dates": np.minimum(len(known) - 1 - earlier, 10),
        "dates": np.full(len(found), len(known), np.float64),
        "first of two": np.array([each.end == 1 for each in found], np.float64),
        "second of two": np.array([each.end == 2 for each in found], np.float64),
        **_range_columns(found, [day.toordinal() if day else 0 for day in days]),
        "in its column": _in_line(found, layout.geometry.height),
    }


def _range_columns(found: Sequence[Candidate], days: Sequence[int]) -> Columns:
    """Tell how many days ranges have, and how many of the page's dates lie in them."""
    ends: dict[int, list[int]] = {}
    for each, day in zip(found, days, strict=True):
        if each.range >= 0 and day:
            ends.setdefault(each.range, []).append(day)
    spans = {of: (min(both), max(both)) for of, both in ends.items() if len(both) == 2}
    longest = max([last - first for first, last in spans.values()], default=0)
    known = np.array([day for day in days if day])
    long, share, within = (np.zeros(len(found)) for _ in range(3))
    for at, each in enumerate(found):
        if each.range in spans:
            first, last = spans[each.range]
            long[at] = last - first
            share[at] = long[at] / max(longest, 1)
            within[at] = ((known >= first) & (known <= last)).mean()
    return {"days": np.log1p(long), "part of the longest range": share, "dates within": within}


def _in_line(found: Sequence[Candidate], height: float) -> Values:
    """Count the candidates that begin below each other."""
    left = np.array([each.box[0] for each in found], np.float64)
    same = np.abs(left[:, None] - left) <= _ALIGNED * height
    return np.asarray(np.minimum(same.sum(axis=1), 10.0))


def block_columns(found: Sequence[Candidate], layout: Layout) -> Columns:
    """Describe the first and the last line of candidates, and the lines right above and below."""
    texts = [segment.text for segment in layout.segments]
    kinds = {name: counts(pattern, texts) for name, pattern in PATTERNS.items()}
    kinds["digits"] = np.array([sum(map(str.isdigit, text)) / len(text) for text in texts])
    kinds["capitals"] = np.array([sum(map(str.isupper, text)) / len(text) for text in texts])
    kinds["height"] = layout.geometry.heights / max(layout.geometry.height, 1)
    kinds["comma"] = np.array([text.rstrip().endswith(",") for text in texts], np.float64)
    kinds["text"] = np.ones(len(texts))
    first, last = (
        np.array([getattr(each, end) for each in found], np.intp) for end in ("segment", "last")
    )
    nearest = layout.geometry.nearest
    lines = {"above": nearest["above"][first], "first": first}
    lines |= {"last": last, "below": nearest["below"][last]}
    tall = np.array([(each.box[3] - each.box[1]) / each.lines for each in found], np.float64)
    columns: Columns = {"pitch": tall / np.maximum(layout.geometry.heights[first], 1)}
    for side, at in lines.items():
        columns |= {f"{side}: {name}": each for name, each in taken(kinds, at).items()}
    return columns
