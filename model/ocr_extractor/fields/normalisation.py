"""From a text as it is printed to a typed value, or to none: nothing is guessed silently."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidfuzz.distance import Levenshtein

from ocr_extractor.fields.date_text import only, order_of, parse_date
from ocr_extractor.fields.locale_names import currencies, fold, language_of, letters
from ocr_extractor.fields.members import DateOrder, Field, Group, Table
from ocr_extractor.fields.number_text import DecimalSign, Kind, decimal_of, parse_number

if TYPE_CHECKING:
    from ocr_extractor.fields.schema import Schema

JsonScalar = str | float | int | bool

# Words, not letters that look alike.
_YES = (
    "yes y true t 1 on x ja j oui o si s sim sì sí da tak ano áno evet igen kyllä jah taip jā "
    "ναι да так はい 是 예 نعم כן हाँ ✓ ✔ ☑ ☒ ✅ [x] (x) [✓]"  # noqa: RUF001
)
_NO = (
    "no n false f 0 off nein non não nao nee nej nei nie ne hayır nem ei ära όχι нет ні не "  # noqa: RUF001
    "いいえ 否 아니요 لا לא नहीं ☐ □ ▢ [] ()"
)
# A letter in five may be misread, and the next member must differ by two more.
_LETTERS_AN_EDIT = 5
_MARGIN = 2
# The longest name of a currency has 50 characters; an amount may stand beside it.
_MAX_CURRENCY = 100


@dataclass(frozen=True)
class Hints:
    """What the texts of one document tell about the notation of all of them.

    Attributes:
        date_order: The order of its dates in figures; None if they do not tell, or differ.
        decimal: What separates its decimals; None if its numbers do not tell, or differ.
        language: The language that its letters tell; None if they do not.
    """

    date_order: DateOrder | None = None
    decimal: DecimalSign | None = None
    language: str | None = None

    @classmethod
    def of(cls, schema: Schema, raws: Mapping[str, Any]) -> Hints:
        """Collect what a document's texts tell, and what the schema says of their fields.

        Args:
            schema: The schema.
            raws: The texts as they are printed, in the schema's shape.
        """
        orders: set[DateOrder] = set()
        decimals: set[DecimalSign] = set()
        printed = list(_printed(schema, raws))
        for field, raw in printed:
            if field.type == "date" and (order := field.date_order or order_of(raw)):
                orders.add(order)
            if field.type in {"number", "integer"} and (
                decimal := field.decimal or decimal_of(raw)
            ):
                decimals.add(decimal)
        return cls(only(orders), only(decimals), language_of(raw for _, raw in printed))


def normalise(field: Field, raw: str, hints: Hints) -> JsonScalar | None:
    """Return the typed value of a text, None where the text is no such value.

    Args:
        field: What the text is to be.
        raw: The text as it is printed, not blank.
        hints: What the document's other texts tell; they decide what can be read in two ways.
    """
    raw = " ".join(raw.split())
    value: JsonScalar | None = raw or None
    if field.type in {"number", "integer"}:
        value = _number(field, raw, hints)
    elif field.type == "boolean":
        value = _boolean(raw)
    elif field.type == "date":
        found = parse_date(raw, field.date_order or hints.date_order, hints.language)
        value = found.isoformat() if found else None
    elif field.enum:
        value = _member(field.enum, raw)
    elif field.semantic_type == "iban":
        value = _iban(raw)
    elif is_currency_code(field):
        value = _currency(raw)
    return value


def is_currency_code(field: Field) -> bool:
    """Tell whether a field is the code of a currency: by its x-type, or by its description."""
    told = field.description.casefold()
    return field.semantic_type == "currency" or (
        field.type == "string" and ("iso 4217" in told or told.startswith("currency code"))
    )


def _number(field: Field, raw: str, hints: Hints) -> float | int | None:
    kind: Kind = "integer" if field.type == "integer" else "number"
    if field.semantic_type == "money":
        kind = "money"
    number = parse_number(raw, field.decimal or hints.decimal, kind)
    if number is None:
        return None
    if field.type == "number":
        return float(number)
    return int(number) if number == number.to_integral_value() else None


def _boolean(raw: str) -> bool | None:
    plain = fold(raw).replace(" ", "").rstrip(".!")
    for value, words in ((True, _YES), (False, _NO)):
        if plain in fold(words).split():
            return value
    return None


def _member(enum: tuple[str, ...], raw: str) -> str | None:
    if raw in enum:
        return raw
    folded = letters(raw)
    same = [each for each in enum if letters(each) == folded]
    if same:
        return only(same)
    near = sorted((Levenshtein.distance(folded, letters(each)), each) for each in enum)
    edits, member = near[0]
    same_end = folded.endswith(letters(member)) or letters(member).endswith(folded)
    clear = len(near) == 1 or near[1][0] >= edits + _MARGIN
    # Class 1 is not Class 2, and unemployed is not employed.
    digits = re.sub(r"\D", "", folded) == re.sub(r"\D", "", member)
    alike = clear and digits and not same_end and edits <= len(folded) // _LETTERS_AN_EDIT
    return member if alike else None


def _iban(raw: str) -> str | None:
    """Return an IBAN without spaces if its checksum (ISO 13616: 1 modulo 97) is right."""
    plain = re.sub(r"^IBAN|[^A-Z0-9]", "", re.sub(r"[\s.:-]", "", raw.upper()))
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", plain):
        return None
    turned = "".join(str(int(each, 36)) for each in plain[4:] + plain[:4])
    return plain if int(turned) % 97 == 1 else None


def _currency(raw: str) -> str | None:
    """Return the code of the one currency that a text names, alone or beside an amount."""
    if len(raw) > _MAX_CURRENCY:
        return None
    known = currencies()
    text = fold(re.sub(r"[\d.,'()+-]*\d[\d.,'() -]*", " ", raw))
    for each in (text, text.rstrip(".")):
        if each in known:
            return known[each]
    codes = (known.get(word.strip("()[],;:")) for word in text.split())
    return only(code for code in codes if code)


def _printed(schema: Schema, raws: Mapping[str, Any]) -> Iterator[tuple[Field, str]]:
    """Yield every text that is printed with its field."""
    for member in schema.members:
        found = raws.get(member.name)
        match member:
            case Field():
                rows, fields = [raws], (member,)
            case Group(fields=fields):
                rows = [found or {}]
            case Table(columns=fields):
                rows = found or []
        for row in rows:
            for field in fields:
                if raw := row.get(field.name):
                    yield field, raw
