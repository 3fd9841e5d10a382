"""What is printed above the columns of tables, and what such a column holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rapidfuzz import fuzz

from ocr_extractor.fields.locale_names import letters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocr_extractor.fields.schema import Field

_HEADS: Mapping[str, str] = {
    "position": "pos|position|nr|no|lfd nr|#|line|line no|ligne|n°|item no|zeile|riga|linea",
    "article": "article number|article no|item number|item code|part number|part no|sku|code|ref|"
    "reference|product code|artikelnummer|artikelnr|art nr|artnr|material|materialnummer|"
    "bestellnummer|ean|gtin|référence|réf|code article|referencia|código|codice|artikel nr",
    "description": "description|desc|bez|item|items|item description|product|product name|"
    "article|service|details|particulars|name|text|beschreibung|bezeichnung|artikel|artikelbezeichnung|"
    "artikelbeschreibung|leistung|produkt|produktbezeichnung|ware|gegenstand|leistungsbeschreibung|"
    "désignation|libellé|produit|prestation|article désignation|descripción|concepto|producto|"
    "artículo|descrizione|prodotto|omschrijving|descrição",
    "quantity": "quantity|qty|qty ordered|units|hours|hrs|pieces|pcs|count|menge|anzahl|stück|"
    "stk|stunden|std|liefermenge|quantité|qté|qte|nombre|nb|cantidad|cant|unidades|quantità|"
    "q tà|aantal|quantidade|qtd",
    "unit": "unit|uom|unit of measure|einheit|me|mengeneinheit|eh|unité|unidad|ud|unità|eenheid",
    "unit_price": "unit price|price|price each|each|rate|unit cost|cost|price per unit|einzelpreis|"
    "preis|e preis|ep|einzel|stückpreis|preis je einheit|preis einheit|nettopreis|einzelbetrag|"
    "einheitspreis|stundensatz|prix unitaire|prix|pu|p u|pu ht|prix unitaire ht|prix unit|"
    "precio unitario|precio|precio ud|prezzo unitario|prezzo|prijs|preço unitário",
    "discount": "discount|disc|rebate|rabatt|nachlass|rab|remise|descuento|dto|sconto|korting",
    "tax rate": "tax rate|vat rate|vat|tax|gst|vat percent|mwst|mwst satz|ust|ust satz|steuersatz|"
    "steuer|umsatzsteuer|tva|taux|taux tva|taux de tva|iva|btw",
    "tax amount": "tax amount|vat amount|steuerbetrag|mwst betrag|ust betrag|montant tva|cuota iva|"
    "importe iva",
    "amount": "amount|total|line total|net amount|total price|extended|extended price|ext price|"
    "subtotal|sum|value|betrag|gesamt|gesamtpreis|gesamtbetrag|summe|wert|netto|nettobetrag|"
    "betrag netto|gesamt netto|g preis|gp|positionsbetrag|warenwert|montant|montant ht|total ht|"
    "prix total|entgelt|importe|total neto|importo|totale|bedrag|totaal|valor",
    "gross": "gross|gross amount|amount incl vat|total incl vat|brutto|bruttobetrag|gesamt brutto|"
    "ttc|montant ttc|total ttc|importe con iva",
    "date": "date|datum|leistungsdatum|lieferdatum|delivery date|fecha|data",
}
"""What is printed above a column that line items often have, by what it holds."""

_NUMERIC = {"quantity", "unit_price", "discount", "tax rate", "tax amount", "amount", "gross"}

_NOISE = re.compile(r"\(.*?\)|\b(?:in\s+)?(?:eur|euro|usd|gbp|chf)\b|[€$£%]|\bin\b", re.IGNORECASE)
"""What a column's title says of its currency and unit."""

ALIKE = 75.0
"""Likeness, [0, 100], from which a printed title is that of a column."""

_OWN_WORDS = 0.97
"""What a common title is worth against one that the schema has."""

_TITLE_WORDS = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column may hold: a member of the schema, or something else that tables have.

    Attributes:
        role: Its key in the common titles, "" for none of them.
        titles: What is printed above it, folded.
        field: The member, None for something else.
    """

    role: str
    titles: tuple[tuple[str, float], ...]
    field: Field | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether its cells are numbers."""
        if self.field is None:
            return self.role in _NUMERIC
        return self.field.type in {"number", "integer"}

    @property
    def is_money(self) -> bool:
        """Whether its cells have no percent sign."""
        return self.role in {"quantity", "unit_price", "amount", "gross", "tax amount"}

    def likeness(self, title: str) -> float:
        """Return how like a printed title is to those of this kind, [0, 100]."""
        return _best(title, self.titles)


@lru_cache(maxsize=64)
def kinds_of(fields: tuple[Field, ...]) -> tuple[Kind, ...]:
    """Return the kinds of columns to tell apart: the members, then what else tables have."""
    kinds = [_kind_of(field) for field in fields]
    taken = {kind.role for kind in kinds}
    others = [Kind(role, _titles(role, 1.0)) for role in _HEADS if role not in taken]
    return (*kinds, *others)


def _kind_of(field: Field) -> Kind:
    names = [field.name.replace("_", " "), *field.labels]
    own = [(fold_title(name), 1.0) for name in names]
    scored = []
    for role in _HEADS:
        alike = [
            max(_alike(fold_title(name), title) for title, _ in _titles(role, 1.0))
            for name in names
        ]
        scored.append((alike[0] + 0.2 * max(alike), role))
    best, role = max(scored)
    if best < 1.2 * ALIKE + 5 or (role in _NUMERIC) != (field.type in {"number", "integer"}):
        role = ""
    told = [(fold_title(field.description), 0.75)] if field.description and not role else []
    return Kind(role, (*own, *_titles(role, _OWN_WORDS), *told), field)


@lru_cache(maxsize=64)
def _titles(role: str, worth: float) -> tuple[tuple[str, float], ...]:
    return tuple((fold_title(title), worth) for title in _HEADS.get(role, "").split("|") if title)


@lru_cache(maxsize=4096)
def fold_title(text: str) -> str:
    """Return the words of a title without case, accents and currency."""
    plain = _NOISE.sub(" ", text) if len(text) > 3 else text
    parts = re.split(r"[\s./:_\-|]+", plain)
    folded = " ".join(word for part in parts if (word := letters(part)))
    return folded or letters(text) or text.strip()


@lru_cache(maxsize=65536)
def _best(title: str, own: tuple[tuple[str, float], ...]) -> float:
    return max((worth * _alike(title, each) for each, worth in own), default=0.0)


def _alike(printed: str, title: str) -> float:
    """Return how like two folded titles are, [0, 100]; one may be abbreviated or longer."""
    if not printed or not title:
        return 0.0
    squeezed, other = printed.replace(" ", ""), title.replace(" ", "")
    if squeezed == other:
        return 100.0
    best = 0.0
    if 3 < min(len(squeezed), len(other)) > 0.5 * max(len(squeezed), len(other)):
        best = max(fuzz.ratio(squeezed, other), fuzz.token_sort_ratio(printed, title))
    if len(squeezed) >= 4 and other.startswith(squeezed):
        best = max(best, 82.0)
    words, own = printed.split(), set(title.split())
    if own < set(words) and len(words) <= _TITLE_WORDS:
        best = max(best, 98.0 - 7 * (len(words) - len(own)))
    return best
