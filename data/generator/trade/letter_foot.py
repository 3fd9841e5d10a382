"""The foot of a letter: its sums, how and when to pay, and the legal lines at the bottom."""

from __future__ import annotations

from dataclasses import replace

from data.generator.trade.canvas import Look, width_of, wrap
from data.generator.trade.draft import lexicon
from data.generator.trade.letter import SIZE, Letter
from data.generator.trade.letter_table import next_page

_TERMS = {
    "en": (
        "Please pay {payable} by {due} to {iban} .",
        "Payment terms: 30 days net. Due on {due} .",
        "Please transfer the amount of {total} to our account {iban} , BIC {bic} .",
    ),
    "de": (
        "Bitte überweisen Sie {payable} bis zum {due} auf das Konto {iban} .",
        "Zahlbar ohne Abzug bis {due} .",
        "Den Betrag von {total} ziehen wir zum {due} von Ihrem Konto ein.",
    ),
    "fr": (
        "Merci de régler {payable} avant le {due} sur le compte {iban} .",
        "Paiement à 30 jours, échéance le {due} .",
        "Montant de {total} payable par virement, IBAN {iban} , BIC {bic} .",
    ),
    "es": (
        "Rogamos abonen {payable} antes del {due} en la cuenta {iban} .",
        "Forma de pago: transferencia. Vencimiento {due} .",
        "Importe de {total} a ingresar en {iban} , BIC {bic} .",
    ),
}
_GOODS = {
    "en": ("Items total", "Goods", "Merchandise"),
    "de": ("Warenwert", "Positionssumme", "Summe der Positionen"),
    "fr": ("Total des lignes", "Marchandises", "Total brut HT"),
    "es": ("Importe bruto", "Suma de líneas", "Total artículos"),
}
_BASE = {"en": "Net", "de": "Netto", "fr": "Base HT", "es": "Base"}
_BOSS = {"en": "Director", "de": "Geschäftsführer", "fr": "Gérant", "es": "Gerente"}


def foot(letter: Letter) -> None:
    """Print the sums, the terms and the bottom lines; begin a page if there is no room."""
    draft = letter.draft
    if letter.y > SIZE[1] - 620:
        next_page(letter, told=draft.chance(0.8))
    sums = _shown(letter)
    if draft.chance(0.15) and letter.labels.rate:
        _taxes(letter)
    _sums(letter, sums)
    letter.y += letter.row
    for _ in range(draft.pick((0, 1, 1, 2, 3))):
        for line in wrap(draft.word("closing"), letter.look, letter.right - letter.left):
            letter.page.text((letter.left, letter.y), line, letter.look)
            letter.y += letter.row
    if letter.is_invoice and draft.chance(0.6):
        _terms(letter)
    if draft.chance(0.75):
        _bottom(letter)


def _shown(letter: Letter) -> list[str]:
    """Return which sums are printed; the total nearly always is."""
    draft, values = letter.draft, letter.draft.values
    changed = bool(values.get("discount") or values.get("shipping"))
    names = ["goods"] if changed else []
    names += [name for name in ("discount", "shipping") if values.get(name)]
    if draft.chance(0.9 if changed else 0.8):
        names.append("net")
    if draft.chance(0.92 if values["tax"] else 0.4):
        names.append("tax")
    if draft.chance(0.96):
        names.append("total")
    if values.get("prepaid"):
        names += ["prepaid", "payable"]
    elif letter.is_invoice and draft.chance(0.15):
        names.append("payable")
    return names


def _sums(letter: Letter, names: list[str]) -> None:
    draft, page = letter.draft, letter.page
    look = letter.look
    right = letter.right - draft.pick((0, 0, 0.45 * look.size))
    # Labels end before their amounts, or begin at a tab stop, which may be the left margin.
    way = draft.pick(("ends", "begins", "begins", "left"))
    boxed = draft.chance(0.2)
    signed = draft.pick(("no", "no", "sign", "code"))
    start = letter.left if way == "left" else letter.at(draft.rng.uniform(0.5, 0.62))
    top = letter.y - 1.1 * look.size
    goods = letter.labels.cased(draft.pick(_GOODS[draft.language]))
    for name in names:
        strong = name == ("payable" if "payable" in names else "total")
        face = replace(letter.bold if strong else look, size=look.size * (1.0 + 0.15 * strong))
        letter.y += 0.4 * letter.row * strong
        text = draft.texts[name]
        if signed == "sign":
            text = draft.priced(text)
        if strong and draft.chance(0.3):
            bar = (start - 6, letter.y - 1.1 * face.size, letter.right, letter.y + 0.4 * face.size)
            page.fill(bar, (228, 230, 235))
        if strong and draft.chance(0.5):
            page.line(
                (start, letter.y - 1.15 * face.size), (letter.right, letter.y - 1.15 * face.size)
            )
        page.text((right, letter.y), text, face, "" if name == "goods" else name, align=1)
        edge = right - max(width_of(text, face), 5 * face.size) - 0.6 * face.size
        if signed == "code":
            draft.put((edge, letter.y), "currency", face, align=1)
            edge -= width_of(draft.texts["currency"], face) + 0.5 * face.size
        label = goods if name == "goods" else letter.labels.asked(name)
        if way == "ends":
            _label(letter, edge - width_of(label, face), label, face)
        else:
            _label(letter, min(start, edge - width_of(label, face)), label, face)
        letter.y += letter.row * (1.0 + 0.2 * strong)
    if boxed and names and way != "left":
        page.frame((start - 10, top, letter.right + 4, letter.y - 0.9 * look.size))


def _label(letter: Letter, x: float, label: str, look: Look) -> None:
    """Write a sum's label; the rate of tax in it is a fact of its own."""
    rate = str(letter.labels.rate).replace(".", letter.draft.country["decimal"])
    printed = next((each for each in (f"{rate} %", f"{rate}%") if f" {each} " in f" {label} "), "")
    if not printed:
        letter.page.text((x, letter.y), label, look)
        return
    before, _, behind = label.partition(printed)
    x = letter.page.text((x, letter.y), before, look)
    x = letter.page.text((x, letter.y), printed, look, "tax_rate")
    letter.page.text((x, letter.y), behind, look)


def _taxes(letter: Letter) -> None:
    """Print a table of taxes: rate, base and tax."""
    draft, page, labels = letter.draft, letter.page, letter.labels
    stops = [letter.at(share) for share in (0.0, 0.22, 0.42)]
    heads = (labels["tax_rate"], _BASE[draft.language], labels.tax)
    for x, text in zip(stops, heads, strict=True):
        page.text((x, letter.y), text, letter.bold)
    letter.y += letter.row
    for x, name in zip(stops, ("tax_rate", "net", "tax"), strict=True):
        draft.put((x, letter.y), name, letter.look)
    letter.y += 1.6 * letter.row


def _terms(letter: Letter) -> None:
    """Print a sentence that tells what is to be paid, when and where to."""
    draft = letter.draft
    parts = []
    for word in draft.pick(_TERMS[draft.language]).split():
        fact = word.strip("{}") if word.startswith("{") else ""
        text = draft.texts[fact] if fact else word
        if fact in {"total", "payable"}:
            text = draft.priced(text)
        parts.append((text, fact))
    letter.flow(parts, letter.look, letter.right)


def _bottom(letter: Letter) -> None:
    """Print the legal lines in columns: company, ways to reach it, bank, register."""
    draft, page, look = letter.draft, letter.page, replace(letter.small, colour=(70, 70, 70))
    name, step = f"{letter.sender}_name", letter.small.leading * letter.small.size
    y = SIZE[1] - draft.rng.uniform(110, 170)
    if draft.chance(0.6):
        page.line((letter.left, y - 1.6 * look.size), (letter.right, y - 1.6 * look.size), 1)
    columns: list[list[tuple[str, str]]] = [
        [("", name), *((line, "") for line in draft.lines[letter.sender])],
        [
            (f"Tel. {draft.filled(draft.pick(draft.country['phone']))}", ""),
            (f"www.{draft.name().lower()}.example", ""),
        ],
    ]
    if letter.is_invoice:
        bank = draft.pick(lexicon()["banks"])
        columns.append([(bank, ""), ("IBAN: ", "iban"), ("BIC: ", "bic")])
        label = draft.pick(draft.country["tax_id"])
        boss = f"{_BOSS[draft.language]}: {draft.person()}"
        columns.append([(f"{label}: ", "seller_tax_id"), (boss, "")])
    wide = (letter.right - letter.left) / len(columns)
    texts = [before + draft.texts.get(fact, "") for each in columns for before, fact in each]
    widest = max(width_of(text, look) for text in texts)
    if widest > wide - 8:
        look = replace(look, size=max(7.0, look.size * (wide - 8) / widest))
    for place, column in enumerate(columns):
        for row, (before, fact) in enumerate(column):
            at = letter.left + place * wide, y + row * step
            x = page.text(at, before, look) if before else at[0]
            if fact:
                draft.put((x, at[1]), fact, look)
