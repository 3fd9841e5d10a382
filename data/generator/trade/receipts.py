"""Draws till receipts: narrow, the shop at the top without a label, the total among other sums."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from data.generator.trade.canvas import Look, width_of, wrap
from data.generator.trade.draft import Draft, cents
from data.generator.trade.items import draw_items
from data.generator.trade.labels import Labels
from data.generator.trade.receipt_strip import Strip
from data.generator.trade.receipt_sums import foot, items, sums

_TITLES = {
    "en": ("TAX INVOICE", "RECEIPT", "Receipt", "Tax Invoice", "CASH BILL", "Bill"),
    "de": ("Kassenbon", "Quittung", "RECHNUNG", "Bewirtungsbeleg", "Kundenbeleg"),
    "fr": ("TICKET DE CAISSE", "Facture", "REÇU", "Ticket client"),
    "es": ("FACTURA SIMPLIFICADA", "TICKET", "RECIBO", "Factura"),
}
_ADDED = {
    "en": ("Table", "Counter", "Terminal", "Pax", "Member", "Register", "Page", "Points earned"),
    "de": ("Tisch", "Kasse", "Filiale", "Bediener Nr.", "TSE-Nr."),
    "fr": ("Table", "Caisse", "Magasin", "Couverts"),
    "es": ("Mesa", "Caja", "Tienda", "Terminal"),
}


def draw_receipt(draft: Draft) -> None:
    """Set a receipt's facts and print those that it shows on one page."""
    labels = Labels(draft, "receipts")
    _decide(draft, labels)
    strip = Strip(draft, labels)
    _head(strip)
    _meta(strip)
    items(strip)
    sums(strip)
    foot(strip)
    strip.finish()


def _decide(draft: Draft, labels: Labels) -> None:
    draft.set("company", draft.company())
    draft.set("number", draft.number())
    draft.day("date", draft.a_day())
    draft.set("time", draft.time())
    draft.set("cashier", draft.cased(draft.pick((draft.person(), draft.person().split()[0]))))
    draft.set("phone", draft.filled(draft.pick(draft.country["phone"])))
    draft.set("tax_id", draft.filled(draft.pick(draft.country["tax_number"])))
    draft.rows = draft.pick((1, 1, 1, 2, 2, 3, 3, 4, 6, 9, 15))
    gross = draw_items(draft, labels, draft.rows, dear=draft.pick((0.1, 0.2, 0.5, 2)))
    # In most countries prices on a shelf have the tax in them.
    added = draft.chance(0.85 if draft.code == "US" else 0.3)
    off = cents(gross / 10) if draft.chance(0.15) else Decimal(0)
    gross -= off
    net = gross if added else cents(gross / (1 + labels.rate / 100))
    tax = cents(net * labels.rate / 100) if added else gross - net
    total = net + tax
    rounded = total
    if draft.code in {"MY", "SG", "CH", "AU"} and draft.chance(0.6):
        rounded = (total * 20).quantize(Decimal(1), ROUND_HALF_UP) / 20
    draft.money("discount", -off if draft.chance(0.7) else off)
    draft.money("net", net)
    draft.money("tax", tax)
    draft.money("rounding", cents(rounded - total))
    draft.money("total", cents(rounded))
    paid = rounded
    if draft.chance(0.6):
        step = draft.pick((1, 5, 10, 50))
        paid = Decimal(int(rounded) // step * step + step)
    draft.money("paid", cents(paid))
    draft.money("change", cents(paid - rounded))
    draft.values["currency"], draft.texts["currency"] = draft.country["currency"], draft.sign


def _head(strip: Strip) -> None:
    """Print who sold: name, address, numbers, in one of many orders."""
    draft = strip.draft
    big = Look(strip.bold.face, strip.look.size * draft.pick((1, 1, 1.2, 1.5, 1.8)))
    if draft.chance(0.15):
        _logo(strip)
    if draft.chance(0.12):
        strip.write(draft.pick(_TITLES[draft.language]), look=strip.bold)
        strip.down(0.5)
    if draft.chance(0.15):
        strip.write(draft.cased(draft.name()), look=big)
    named = draft.chance(0.95)
    if named:
        end = strip.write(draft.texts["company"], "company", look=big)
        number = draft.filled("({p6}-{T})")
        if draft.chance(0.1) and end + width_of(f" {number}", big) < strip.right + strip.left / 2:
            up = big.leading * big.size if big.size > strip.look.size else strip.pitch
            strip.page.text((end + 0.6 * big.size, strip.y - up), number, big)
    tax_line = draft.pick(("first", "last", "last", "no"))
    if tax_line == "first":
        _tax_line(strip)
    elif named and draft.chance(0.2):
        strip.write(f"({draft.filled('{p6}-{T}')})")
    if draft.chance(0.93):
        address = draft.address(4)
        draft.set("address", " ".join(address))
        strip.write([part for each in address for part in _fitting(strip, each)], "address")
    if draft.chance(0.6):
        strip.pair(strip.labels.asked("phone"), "phone")
    if tax_line == "last":
        _tax_line(strip)
    if draft.chance(0.15):
        strip.write(f"www.{draft.name().lower()}.com")
    strip.down(0.6)


def _fitting(strip: Strip, line: str) -> list[str]:
    return wrap(line, strip.look, strip.right - strip.left)


def _logo(strip: Strip) -> None:
    middle, size = (strip.left + strip.right) / 2, strip.draft.rng.uniform(2, 4) * strip.look.size
    shape = strip.page.disc if strip.draft.chance(0.5) else strip.page.fill
    shape((middle - size, strip.y, middle + size, strip.y + size), (30, 30, 30))
    strip.y += size + 1.4 * strip.look.size


def _tax_line(strip: Strip) -> None:
    label = strip.draft.pick(strip.draft.country["tax_id"])
    strip.pair(label + strip.draft.pick((":", " :", "")), "tax_id")


def _meta(strip: Strip) -> None:
    """Print the receipt's number, its date and time, and what else a till tells."""
    draft, labels = strip.draft, strip.labels
    if draft.chance(0.55):
        strip.write(draft.pick(_TITLES[draft.language]), look=strip.bold)
        strip.down(0.3)
    rows: list[tuple[str, str]] = []
    if draft.chance(0.85):
        rows.append((labels.asked("number"), "number"))
    if draft.chance(0.45):
        rows.append((labels.asked("cashier"), "cashier"))
    for label in draft.rng.sample(_ADDED[draft.language], draft.pick((0, 0, 1, 2))):
        rows.append((labels.cased(label) + ":", ""))
    draft.rng.shuffle(rows)
    if draft.chance(0.1):
        _customer(strip)
    if not strip.late_date and draft.chance(0.97):
        rows.insert(draft.pick((0, len(rows))), (labels.asked("date"), "date"))
    tab = max([0.0, *(width_of(label, strip.look) for label, _ in rows)]) + 0.8 * strip.look.size
    tab = tab if draft.chance(0.5) else 0
    together = draft.chance(0.25)
    x = strip.left
    for place, (label, fact) in enumerate(rows):
        end = _fact(strip, x, label, fact, tab)
        half = (strip.left + strip.right) / 2 + strip.look.size
        after = rows[place + 1] if place + 1 < len(rows) else ("", "date")
        fits = half + _needs(strip, *after, tab) < strip.right and after[1] != "date"
        if together and x == strip.left and end < half - strip.look.size and fits:
            x = half
        else:
            x = strip.left
            strip.down()
    strip.down(0.2)


def _customer(strip: Strip) -> None:
    """Print who bought: a name and an address that are not the shop's."""
    draft = strip.draft
    strip.write(strip.labels.cased("Bill To:" if draft.language == "en" else "M/s:"), x=strip.left)
    strip.write([draft.company(), *draft.address(3)], x=strip.left)
    strip.down(0.4)


def _needs(strip: Strip, label: str, fact: str, tab: float) -> float:
    text = strip.draft.texts[fact] if fact else "00000"
    return (tab or width_of(f"{label}  ", strip.look)) + width_of(text, strip.look)


def _fact(strip: Strip, x: float, label: str, fact: str, tab: float) -> float:
    draft = strip.draft
    bare = fact == "date" and draft.chance(0.3)
    if not bare:
        end = strip.page.text((x, strip.y), label, strip.look)
        x = x + tab if tab else end + 0.5 * strip.look.size
    if not fact:
        return strip.page.text((x, strip.y), draft.digits(draft.rng.randint(1, 5)), strip.look)
    end = draft.put((x, strip.y), fact, strip.look)
    if fact == "date" and draft.chance(0.75):
        x = end + 0.6 * strip.look.size
        if draft.chance(0.2):
            x = strip.page.text((x, strip.y), strip.labels.asked("time") + " ", strip.look)
        if x + width_of(draft.texts["time"], strip.look) < strip.right:
            end = draft.put((x, strip.y), "time", strip.look)
    return end
