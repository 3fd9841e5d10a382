"""The lower part of a receipt: what was bought, the sums, what was paid, and the last lines."""

from __future__ import annotations

import datetime
from decimal import Decimal

from data.generator.trade.canvas import Look, width_of, wrap
from data.generator.trade.receipt_strip import Strip
from data.generator.trade.wanted import concepts

_PARTS = {
    "en": ("Net", "Tax"),
    "de": ("Netto", "Steuer"),
    "fr": ("HT", "TVA"),
    "es": ("Base", "Cuota"),
}
_WHOLE = {
    "en": ("Gross", "Total", "TOTAL", "Total :"),
    "de": ("Brutto", "Summe", "Gesamt"),
    "fr": ("TTC", "Total", "TOTAL"),
    "es": ("Total", "TOTAL", "Suma"),
}
"""The title of the column of whole amounts in a table of taxes, then labels of its last row."""

_COUNTS = {"en": "Total Qty", "de": "Artikel", "fr": "Nb articles", "es": "Artículos"}


def items(strip: Strip) -> None:
    """Print what was bought, between two rules."""
    draft = strip.draft
    way = draft.pick(("below", "below", "one", "one", "before", "columns"))
    strip.rule()
    marked = draft.pick(("", "", " A", " SR", " T", "*"))
    strip.tail = width_of(marked, strip.look) if marked else 0.0
    if draft.chance(0.8 if way == "columns" else 0.4):
        _header(strip, way)
    for row in range(draft.rows):
        _item(strip, f"items[{row}].", way)
        if marked:
            strip.page.text((strip.right, strip.y), marked.strip(), strip.look, align=1)
        strip.down()
    strip.rule()


def _header(strip: Strip, way: str) -> None:
    names = [("items.description", strip.left, 0.0), ("items.amount", strip.right, 1.0)]
    if way == "columns":
        names[1:1] = [
            ("items.quantity", strip.at(0.5), 1.0),
            ("items.unit_price", strip.at(0.76), 1.0),
        ]
    elif way == "before":
        names[0:1] = [
            ("items.quantity", strip.left, 0.0),
            ("items.description", strip.left + 4 * strip.look.size, 0.0),
        ]
    end = 0.0
    for name, x, align in names:
        start = x - align * width_of(strip.labels[name], strip.look)
        if start > end + 0.4 * strip.look.size:
            end = strip.page.text((start, strip.y), strip.labels[name], strip.look)
    strip.down()
    strip.rule()


def _item(strip: Strip, path: str, way: str) -> None:
    draft, look = strip.draft, strip.look
    texts = draft.texts
    if draft.chance(0.12):
        draft.put((strip.left, strip.y), f"{path}article_number", look)
        strip.down()
    if way in {"below", "columns"}:
        lines = wrap(texts[f"{path}description"], look, strip.at(0.9) - strip.left)
        strip.page.text((strip.left, strip.y), lines, look, f"{path}description")
        strip.y += (len(lines) - 1) * 1.25 * look.size
        strip.down()
        if way == "columns":
            draft.put((strip.at(0.5), strip.y), f"{path}quantity", look, align=1)
            draft.put((strip.at(0.76), strip.y), f"{path}unit_price", look, align=1)
        else:
            x = draft.put((strip.left + look.size, strip.y), f"{path}quantity", look)
            x = strip.page.text((x, strip.y), draft.pick((" x ", " @ ", " X ")), look)
            draft.put((x, strip.y), f"{path}unit_price", look)
    else:
        x = strip.left
        if way == "before":
            draft.put((x, strip.y), f"{path}quantity", look)
            x += 4 * look.size
        room = strip.right - 5.5 * look.size - x
        lines = wrap(texts[f"{path}description"], look, room)
        first = strip.y
        strip.page.text((x, first), lines, look, f"{path}description")
        if len(lines) > 1 and draft.chance(0.5):
            strip.y += (len(lines) - 1) * 1.25 * look.size
            draft.put((strip.right - strip.tail, first), f"{path}amount", look, align=1)
            return
        strip.y += (len(lines) - 1) * 1.25 * look.size
    draft.put((strip.right - strip.tail, strip.y), f"{path}amount", look, align=1)


def sums(strip: Strip) -> None:
    """Print the sums from the subtotal to the change; any but the total may be left out."""
    draft, values = strip.draft, strip.draft.values
    shown = {"total"} if draft.chance(0.97) else set()
    shares = {"net": 0.5, "tax": 0.6 if values["tax"] else 0.1, "paid": 0.75}
    shown |= {name for name, share in shares.items() if draft.chance(share)}
    shown |= {"rounding"} if values["rounding"] or draft.chance(0.15) else set()
    shown |= {"discount"} if values["discount"] else set()
    if "paid" in shown and (values["change"] or draft.chance(0.4)):
        shown.add("change")
    names = ["discount", "net", "tax", "rounding", "total", "paid", "change"]
    if draft.chance(0.2):  # What the total has in it stands below it.
        names = ["discount", "rounding", "total", "paid", "change", "net", "tax"]
    big = Look(strip.bold.face, strip.look.size * draft.pick((1, 1, 1.25, 1.6)))
    strip.start = strip.left if draft.chance(0.75) else strip.at(draft.rng.uniform(0.2, 0.4))
    if draft.chance(0.25):
        count = str(sum(int(values[f"items[{row}].quantity"]) for row in range(draft.rows)))
        _sum(strip, strip.labels.cased(_COUNTS[draft.language]) + ":", count)
    for name in names:
        if name == "rounding" and name in shown and draft.chance(0.5):
            _before_rounding(strip)
        if name in shown:
            _sum_of(strip, name, big if name == "total" else strip.look)
            if name == "total":
                _again(strip)
    if draft.chance(0.4):
        _summary(strip)


def _before_rounding(strip: Strip) -> None:
    """Print the sum before it is rounded, which looks like the total."""
    draft = strip.draft
    values = (Decimal(str(draft.values[name])) for name in ("net", "tax"))
    label = draft.pick(concepts("receipts")["total"][draft.language]).replace("{tax}", "").strip()
    if label != strip.labels["total"]:
        _sum(strip, label, draft.decimal(sum(values, Decimal(0))))


def _again(strip: Strip) -> None:
    """Print the total once more under another label, or a rule, or nothing."""
    draft = strip.draft
    if draft.chance(0.3):
        strip.rule()
    elif draft.chance(0.12):
        label = draft.pick(concepts("receipts")["total"][draft.language])
        label = strip.labels.cased(label.replace("{tax}", strip.labels.tax))
        strip.page.text((strip.start, strip.y), label[:18], strip.look)
        strip.amount("total")
        strip.down()


def _sum_of(strip: Strip, name: str, look: Look) -> None:
    label = strip.labels.asked(name)
    if width_of(label, look) > 0.6 * (strip.right - strip.left):
        label = label[:14]
    if look.size > strip.look.size:
        strip.down(0.3)
    strip.page.text((strip.start if look is strip.look else strip.left, strip.y), label, look)
    strip.amount(name, look)
    strip.y += strip.pitch * max(1.0, look.size / strip.look.size)


def _sum(strip: Strip, label: str, text: str) -> None:
    strip.page.text((strip.start, strip.y), label, strip.look)
    strip.page.text((strip.right - strip.tail, strip.y), text, strip.look, align=1)
    strip.down()


def _summary(strip: Strip) -> None:
    """Print the table of taxes: figures that are those of the sums again, with a sum or not."""
    draft, rate = strip.draft, f"{strip.labels.rate}%"
    strip.rule()
    name = draft.pick((f"SR {rate}", rate, f"A={rate}"))
    ends, heads, facts = [0.65, 1.0], [*_PARTS[draft.language]], ["net", "tax"]
    if draft.chance(0.3) and not draft.values["rounding"]:
        ends, facts = [0.5, 0.72, 1.0], [*facts, "total"]
        heads.append(_WHOLE[draft.language][0])
    title = f"{strip.labels.tax} {draft.pick(('Summary', '%', ''))}".strip()
    rows = [(title, heads, [""] * 3), (name, [draft.texts[fact] for fact in facts], facts)]
    if draft.chance(0.3):
        none = draft.decimal(Decimal("0.00"))
        rows.append((draft.pick(("ZRL", "Z", "B=0%", "0%")), [none] * len(facts), [""] * 3))
    if draft.chance(0.5):
        rows.append((draft.pick(_WHOLE[draft.language][1:]), rows[1][1], facts))
    for label, texts, shown in rows:
        strip.page.text((strip.left, strip.y), label, strip.look)
        for share, text, fact in zip(ends, texts, shown, strict=False):
            strip.page.text((strip.at(share), strip.y), text, strip.look, fact, align=1)
        strip.down()


def foot(strip: Strip) -> None:
    """Print what stands below the sums; the date may be there."""
    draft = strip.draft
    strip.down(0.5)
    if strip.late_date:
        _late_date(strip)
    if draft.chance(0.2):
        strip.write(f"{draft.cased('Card')} ************{draft.digits(4)}", x=strip.left)
    for _ in range(draft.pick((0, 1, 2, 3))):
        strip.write(draft.cased(draft.word("thanks")))
    if draft.chance(0.15):
        pattern = draft.pick(draft.country["dates"])
        until = datetime.date.fromisoformat(draft.values["date"]) + datetime.timedelta(days=14)
        text = {"en": "Valid until", "de": "Umtausch bis", "fr": "Valable au", "es": "Hasta"}
        strip.write(f"{text[draft.language]} {draft.date(until, pattern)}")
    if draft.chance(0.15):
        _barcode(strip)


def _late_date(strip: Strip) -> None:
    """Print the date near the bottom, as tills do: alone, or under a row of titles."""
    draft, look = strip.draft, strip.look
    if draft.chance(0.4):
        titles = (strip.labels["date"], strip.labels["time"], "No.")
        for share, title in zip((0, 0.4, 0.75), titles, strict=True):
            strip.page.text((strip.at(share), strip.y), title, look)
        strip.down()
        draft.put((strip.left, strip.y), "date", look)
        x = max(strip.at(0.4), strip.left + width_of(draft.texts["date"], look) + look.size)
        draft.put((x, strip.y), "time", look)
    else:
        x = draft.put((strip.left, strip.y), "date", look)
        x = draft.put((x + look.size, strip.y), "time", look)
        if x < strip.at(0.7):
            strip.page.text((x + look.size, strip.y), draft.digits(5), look)
    strip.down()


def _barcode(strip: Strip) -> None:
    x = strip.at(0.2)
    while x < strip.at(0.8):
        wide = strip.draft.rng.choice((2, 2, 4))
        strip.page.fill((x, strip.y, x + wide, strip.y + 50), (0, 0, 0))
        x += wide + strip.draft.rng.choice((2, 3, 5))
    strip.y += 50 + strip.look.size
