"""The names of the features of a field's candidate, in the order of the matrix's columns."""

from __future__ import annotations

import re

from ocr_extractor.engines.local.fields.candidates import SOURCES
from ocr_extractor.engines.local.fields.labels import concepts
from ocr_extractor.engines.local.fields.traits import PATTERNS

SLOTS = (
    "before",
    "left",
    "left of that",
    "first of row",
    "above",
    "above that",
    "header",
    "section",
    "below",
)
"""Where a label may stand: within the segment, beside it, above it, or above the labels of a part
of the page. What stands below is never a value's own label, but tells where a block ends."""

KINDS = ("string", "number", "integer", "boolean", "date")
MEANINGS = ("money", "percent", "phone", "iban", "currency", "name", "address", "email")

SAYS = {
    "invoice": re.compile(r"invoice|rechnung|facture\b|factura\b|credit note|gutschrift", re.I),
    "receipt": re.compile(r"receipt|quittung|kassenbon|\bre[cç]u\b|\brecibo|cash bill", re.I),
    "order": re.compile(r"\border\b|bestellung|auftrag|commande|pedido", re.I),
    "contract": re.compile(r"contract|vertrag|contrat\b|contrato", re.I),
}

LIKENESSES = ("own", "described", "concept", "rival", "foreign")


def _names() -> tuple[str, ...]:
    """Return the names of all features, in the order of the matrix."""
    own = (
        "left top right bottom middle row,row from below,in its row,height,characters,words,lines,"
        "digits,letters,capitals,has before,label before,label left,gap left,"
        "gap right,gap above,gap below,order,order from below,behind a dash,before a dash,"
        "behind a date,before a date"
    )
    first, *rest = own.split(",")
    names = [*first.split(), *rest, *(f"from {source}" for source in SOURCES)]
    names += [f"{name} words" for name in PATTERNS]
    of_line = (*PATTERNS, "digits", "comma", "text", "height", "capitals")
    names += [f"{side}: {name}" for side in ("above", "first", "last", "below") for name in of_line]
    names += ["pitch"]
    names += ["ends in a colon", "begins with a digit", "has a colon", "ends in a comma"]
    names += ["logarithm", "has two decimals", "is larger", "part of the largest", "percent"]
    names += ["negative", "has a currency", "is a sum", "is most of a sum", "is added"]
    names += ["below it", "sums a column"]
    names += ["earlier dates", "later dates", "dates", "first of two", "second of two"]
    names += ["days", "part of the longest range", "dates within", "in its column"]
    names += [f"{slot}: {name}" for name in LIKENESSES for slot in SLOTS]
    names += ["best: own", "best: concept", "best: rival", "larger ones labelled"]
    names += ["best of all: own", "best of all: concept"]
    names += ["best rival of the value", "labelled places of the value"]
    names += [f"itself: {name}" for name in LIKENESSES if name != "described"]
    names += ["best label", "lead of the label", "label of the page", "repeats"]
    names += ["best label of the value", "absent", "candidates", "page", "height of the text"]
    names += ["segments", "labels given", "nullable", "fields of this kind"]
    names += [f"says {name}" for name in SAYS]
    names += [f"type: {kind}" for kind in KINDS] + [f"x-type: {kind}" for kind in MEANINGS]
    return (*names, *(f"is: {each.name}" for each in concepts()))


NAMES = _names()
COLUMN_OF = {name: number for number, name in enumerate(NAMES)}
"""The column of each feature."""
