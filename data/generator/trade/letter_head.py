"""The head of a letter: who sends it, to whom, what it is, and its number, dates and references."""

from __future__ import annotations

from dataclasses import replace

from data.generator.trade.canvas import WHITE, Look, width_of, wrap
from data.generator.trade.letter import SIZE, Letter
from data.generator.trade.letter_party import own_number, party

_TITLES: dict[str, dict[str, tuple[str, ...]]] = {
    "invoices": {
        "en": ("INVOICE", "Invoice", "Tax Invoice", "Commercial Invoice"),
        "de": ("RECHNUNG", "Rechnung", "Handelsrechnung", "Teilrechnung", "Sammelrechnung"),
        "fr": ("FACTURE", "Facture", "Facture commerciale"),
        "es": ("FACTURA", "Factura", "Factura comercial"),
    },
    "credits": {
        "en": ("CREDIT NOTE", "Credit Note"),
        "de": ("GUTSCHRIFT", "Rechnungskorrektur"),
        "fr": ("AVOIR", "Facture d'avoir"),
        "es": ("ABONO", "Factura rectificativa"),
    },
    "orders": {
        "en": ("PURCHASE ORDER", "Purchase Order", "ORDER"),
        "de": ("BESTELLUNG", "Bestellung", "Auftrag"),
        "fr": ("BON DE COMMANDE", "Commande"),
        "es": ("PEDIDO", "Orden de compra"),
    },
}
_OF = {"en": "of", "de": "vom", "fr": "du", "es": "de"}
_SHARES = {
    "number": 0.95,
    "date": 0.95,
    "due": 0.45,
    "delivery": 0.6,
    "order_number": 0.4,
    "customer_number": 0.5,
    "reference": 0.25,
    "delivery_note": 0.25,
    "supplier_number": 0.12,
    "contract": 0.12,
    "contact": 0.35,
    "currency": 0.2,
}


def head(letter: Letter) -> None:
    """Print the head on the first page, and go below it."""
    draft = letter.draft
    kind = draft.pick(("letter", "letter", "letter", "columns", "banner", "banner", "list"))
    for side in (letter.sender, letter.recipient):
        lines = draft.address(4)
        draft.set(f"{side}_address", " ".join(lines))
        draft.lines[side] = lines
    shown = [name for name in _SHARES if letter.has(name) and draft.chance(_SHARES[name])]
    {"letter": _letter, "columns": _columns, "banner": _banner, "list": _list}[kind](letter, shown)
    for _ in range(draft.pick((0, 0, 0, 1, 2))):
        for line in wrap(draft.word("closing"), letter.look, letter.right - letter.left):
            letter.page.text((letter.left, letter.y), line, letter.look)
            letter.y += letter.row
    letter.y += letter.row * draft.rng.uniform(0.5, 1.5)


def title_of(letter: Letter) -> str:
    """Return a title of the letter's kind."""
    kind = "credits" if letter.is_credit else "invoices" if letter.is_invoice else "orders"
    return letter.draft.pick(_TITLES[kind][letter.draft.language])


def logo(letter: Letter, x: float, y: float, size: float) -> None:
    """Draw a sign of the company: shapes, with or without letters in them."""
    page, draft = letter.page, letter.draft
    box = (x, y, x + size * draft.rng.uniform(1, 2), y + size)
    (page.disc if draft.chance(0.5) else page.fill)(box, letter.accent)
    if draft.chance(0.5):
        inner = (x + 0.25 * size, y + 0.25 * size, x + 0.75 * size, y + 0.75 * size)
        (page.disc if draft.chance(0.5) else page.fill)(inner, WHITE)
    elif draft.chance(0.5):
        mark = Look(letter.bold.face, 0.5 * size, WHITE)
        letters = draft.filled(draft.pick(("{T}{T}", "{T}{T}", "{w}")))
        page.text((x + 0.2 * size, y + 0.68 * size), letters, mark)


def _letter(letter: Letter, shown: list[str]) -> None:
    """Set the letter as for an envelope with a window; the facts are at the right."""
    draft, page, look = letter.draft, letter.page, letter.look
    aside = draft.pick((0.0, 0.6))
    _letterhead(letter, letter.at(aside), draft.rng.uniform(70, 130), is_right=aside > 0)
    if aside == 0:
        letter.y += letter.row
    letter.y = max(letter.y, 270.0) if aside == 0 else draft.rng.uniform(270, 330)
    line = " · ".join((draft.texts[f"{letter.sender}_name"], *draft.lines[letter.sender]))
    if draft.chance(0.6) and letter.left + width_of(line, letter.small) < letter.at(0.62):
        name = draft.texts[f"{letter.sender}_name"]
        x = page.text((letter.left, letter.y), name, letter.small, f"{letter.sender}_name")
        page.text((x, letter.y), line[len(name) :], letter.small)
        if draft.chance(0.5):
            page.line((letter.left, letter.y + 6), (letter.at(0.45), letter.y + 6), 1)
        letter.y += 2 * look.size
    begin = letter.y
    party(letter, letter.recipient, letter.left, letter.at(0.5), labelled=draft.chance(0.25))
    below = letter.y
    if draft.chance(0.3):
        letter.y = max(below, 480) + letter.row
        _title(letter, shown)
        _meta_table(letter, shown)
        return
    letter.bold_labels = draft.chance(0.35)
    # The letterhead may reach down to here.
    start = max(begin, letter.head_end + letter.row)
    if "date" in shown and draft.chance(0.15):
        shown.remove("date")
        _place_and_date(letter, max(start, below) + 2 * letter.row)
    rows = _rows(letter, shown)
    end = letter.rows((letter.at(draft.rng.uniform(0.58, 0.66)), start), rows, 0)
    letter.y = max(below, end, 480) + letter.row
    _title(letter, [])


def _columns(letter: Letter, shown: list[str]) -> None:
    """Set seller and buyer beside each other under headings."""
    draft = letter.draft
    letter.y = draft.rng.uniform(90, 150)
    if draft.chance(0.5):
        logo(letter, letter.at(draft.pick((0, 0.8))), letter.y - 50, draft.rng.uniform(60, 110))
        letter.y += 110
    _title(letter, shown if draft.chance(0.4) else [])
    top = letter.y
    ends = []
    sides = [letter.sender, letter.recipient]
    if draft.chance(0.2):
        sides.reverse()
    for side, x in zip(sides, (letter.left, letter.at(0.52)), strict=True):
        letter.y = top
        party(letter, side, x, x + 0.45 * (letter.right - letter.left), labelled=True)
        ends.append(letter.y)
    letter.y = max(ends) + letter.row
    if draft.chance(0.5):
        _meta_table(letter, shown)
    else:
        letter.bold_labels = draft.chance(0.5)
        rows = _rows(letter, shown)
        half = (len(rows) + 1) // 2 if draft.chance(0.5) else len(rows)
        end = letter.rows((letter.left, letter.y), rows[:half], 0)
        letter.y = max(end, letter.rows((letter.at(0.52), letter.y), rows[half:], 0))


def _banner(letter: Letter, shown: list[str]) -> None:
    """Set a coloured bar over the page with the company or the title in it."""
    draft, page = letter.draft, letter.page
    tall = draft.rng.uniform(90, 190)
    page.fill((0, 0, SIZE[0], tall), letter.accent)
    light = replace(letter.bold, colour=WHITE, size=1.8 * letter.look.size)
    title, name = title_of(letter), draft.texts[f"{letter.sender}_name"]
    swapped = draft.chance(0.4)
    middle = 0.5 * tall + 0.3 * light.size
    if width_of(f"{title}  {name}", light) > letter.right - letter.left:
        light = replace(light, size=1.1 * letter.look.size)
    for text, fact, right in (
        (name, f"{letter.sender}_name", swapped),
        (title, "", not swapped),
    ):
        page.text((letter.right if right else letter.left, middle), text, light, fact, align=right)
    letter.y = tall + 2.5 * letter.row
    top = letter.y
    party(letter, letter.recipient, letter.left, letter.at(0.45), labelled=draft.chance(0.7))
    end = letter.y
    letter.y = top
    rows = _rows(letter, shown)
    if draft.chance(0.6):
        sender = f"{letter.sender}_address"
        page.text((letter.at(0.55), letter.y), draft.lines[letter.sender], letter.small, sender)
        letter.y += (len(draft.lines[letter.sender]) + 1) * letter.small.leading * letter.small.size
        letter.y += 0.4 * letter.row
    letter.bold_labels = draft.chance(0.4)
    letter.y = max(end, letter.rows((letter.at(0.55), letter.y), rows, 0)) + letter.row


def _list(letter: Letter, shown: list[str]) -> None:
    """Set everything as rows of labels and values, as programs print data."""
    draft, page = letter.draft, letter.page
    letter.y = draft.rng.uniform(90, 160)
    _title(letter, [name for name in shown if name in {"number", "date"}])
    tab = draft.rng.uniform(250, 400)
    rest = [name for name in shown if name not in {"number", "date"}]
    rows = [(letter.labels.asked(name), name) for name in rest]
    letter.y = letter.rows((letter.left, letter.y), rows, tab) + 0.5 * letter.row
    if draft.chance(0.3):
        # A sign that stands in the row of a label is not its value.
        tall = draft.rng.uniform(60, 110)
        logo(letter, letter.right - 2 * tall, letter.y - 0.6 * tall, tall)
    for side in (letter.sender, letter.recipient):
        page.text((letter.left, letter.y), letter.labels.asked(f"{side}_name"), letter.bold)
        if draft.chance(0.4):
            under = letter.y + 0.4 * letter.look.size
            page.line((letter.left, under), (letter.right, under))
        letter.y += letter.row
        names = {"en": "Name", "de": "Name", "fr": "Nom", "es": "Nombre"}
        x = letter.left
        if draft.chance(0.4):
            own_number(letter, side, x, tab)
        if draft.chance(0.6):
            page.text((x, letter.y), f"{names[draft.language]}:", letter.look)
            x += tab
        look = draft.pick((letter.look, letter.bold))
        letter.y += letter.name((x, letter.y), f"{side}_name", look)
        page.text((x, letter.y), draft.lines[side], letter.look, f"{side}_address")
        letter.y += len(draft.lines[side]) * letter.look.leading * letter.look.size + letter.row
        if side == "seller" and letter.has("seller_tax_id"):
            label = draft.pick(draft.country["tax_id"])
            letter.y = letter.rows((letter.left, letter.y), [(f"{label}:", "seller_tax_id")], tab)
            letter.y += 0.5 * letter.row


def _letterhead(letter: Letter, x: float, y: float, *, is_right: bool) -> None:
    draft, page = letter.draft, letter.page
    if draft.chance(0.5):
        logo(letter, letter.right - 160 if not is_right else x, y - 40, draft.rng.uniform(60, 110))
        y += 100 if is_right else 0
    name = f"{letter.sender}_name"
    factor = draft.pick((1.0, 1.3, 1.8))
    look = letter.titled(letter.bold, factor)
    if x + width_of(draft.texts[name], look) > letter.right - (0 if is_right else 180):
        look = replace(look, size=0.8 * letter.look.size)
    if draft.chance(0.9):
        y += letter.name((x, y), name, look)
    lines = draft.lines[letter.sender]
    page.text((x, y), lines, letter.small, f"{letter.sender}_address")
    y += len(lines) * letter.small.leading * letter.small.size
    phone = draft.filled(draft.pick(draft.country["phone"]))
    host = draft.name().lower()
    page.text((x, y), [f"Tel. {phone}", f"info@{host}.example"], letter.small)
    letter.head_end = letter.y = y + 2 * letter.small.leading * letter.small.size


def _title(letter: Letter, shown: list[str]) -> None:
    """Print the title; the number and the date may stand in it."""
    draft, page = letter.draft, letter.page
    look = letter.titled(letter.bold, draft.pick((1.1, 1.4, 1.8)))
    x = page.text((letter.left, letter.y), title_of(letter), look)
    marks = ("number", draft.pick(("Nr.", "No.", "#", ""))), ("date", _OF[draft.language])
    for name, before in marks:
        if name in shown and draft.chance(0.6):
            x = page.text((x + 0.4 * look.size, letter.y), before, look) if before else x
            x = draft.put((x + 0.4 * look.size, letter.y), name, look)
            shown.remove(name)
    letter.y += 1.2 * look.size + letter.row * 0.6


def _meta_table(letter: Letter, shown: list[str]) -> None:
    """Print labels over their values in a row of cells."""
    draft, page = letter.draft, letter.page
    names = _mixed(letter, shown)[:6]
    if not names:
        return
    small, step = replace(letter.small, size=0.8 * letter.look.size), 1.35 * letter.look.size
    wide = (letter.right - letter.left) / len(names)
    look = letter.look
    widest = max(
        max(width_of(draft.texts[name], look), width_of(letter.labels[name], small))
        for name in names
    )
    if widest > wide - 14:
        look = small = replace(look, size=look.size * max(0.5, (wide - 14) / widest * 0.9))
    top = letter.y
    for place, name in enumerate(names):
        x = letter.left + place * wide + 6
        page.text((x, top + 0.9 * small.size), letter.labels[name], small)
        draft.put((x, top + 0.9 * small.size + step), name, look)
    bottom = top + step + 1.6 * small.size
    if draft.chance(0.6):
        page.frame((letter.left, top - 6, letter.right, bottom))
        for place in range(1, len(names)):
            x = letter.left + place * wide
            page.line((x, top - 6), (x, bottom))
    letter.y = bottom + 1.5 * letter.row


def _place_and_date(letter: Letter, y: float) -> None:
    """Print a town and the date, which has no label then."""
    look = letter.look
    x = letter.right - width_of(letter.draft.texts["date"], look)
    letter.draft.put((x, y), "date", look)
    if letter.draft.chance(0.5):
        letter.page.text((x - 0.4 * look.size, y), f"{letter.draft.name()},", look, align=1)


def _rows(letter: Letter, shown: list[str]) -> list[tuple[str, str]]:
    """Return labels with their facts; some labels may have nothing beside them."""
    draft = letter.draft
    rows = [(letter.labels.asked(name), name) for name in _mixed(letter, shown)]
    left = [name for name in _SHARES if letter.has(name) and not _is_printed(letter, name)]
    left = [name for name in left if name not in shown]
    if left and draft.chance(0.15):
        blank = letter.labels.asked(draft.pick(left)), ""
        rows.insert(draft.rng.randint(0, len(rows)), blank)
    return rows


def _is_printed(letter: Letter, fact: str) -> bool:
    return any(fact in page.places for page in letter.draft.pages)


def _mixed(letter: Letter, shown: list[str]) -> list[str]:
    """Return names in an order of this letter's own."""
    if letter.draft.chance(0.4):
        letter.draft.rng.shuffle(shown)
    return list(shown)
