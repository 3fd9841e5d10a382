"""A party of a letter as a block: its label, its name, its address and a number of its own."""

from __future__ import annotations

from data.generator.trade.letter import Letter

_SHIP_TO = {
    "en": ("Ship to", "Delivery address"),
    "de": ("Lieferanschrift", "Lieferadresse"),
    "fr": ("Adresse de livraison", "Livré à"),
    "es": ("Dirección de entrega", "Enviar a"),
}
_NUMBERS = {
    "en": ("No.", "Number", "ID", "GLN", "Code"),
    "de": ("Nummer", "Nr.", "Nummer", "GLN", "ID"),
    "fr": ("N°", "Numéro", "Code", "GLN", "ID"),
    "es": ("N.º", "Número", "Código", "GLN", "ID"),
}
"""Labels of a party's number that do not say whose it is: the part of the page does."""


def party(letter: Letter, side: str, x: float, right: float, *, labelled: bool) -> None:
    """Print a party's name and address as a block, its label above them or not."""
    draft, page, look = letter.draft, letter.page, letter.look
    if labelled:
        if draft.chance(0.3):
            bar = (x - 5, letter.y - look.size, right, letter.y + 0.35 * look.size)
            page.fill(bar, (225, 225, 230))
        page.text((x, letter.y), letter.labels.asked(f"{side}_name"), letter.bold)
        letter.y += 1.5 * look.size
    step = look.leading * look.size
    numbered = labelled and draft.chance(0.25)
    if numbered and draft.chance(0.4):
        own_number(letter, side, x)
        numbered = False
    letter.y += letter.name((x, letter.y), f"{side}_name", draft.pick((look, letter.bold)))
    if draft.chance(0.15):
        page.text((x, letter.y), draft.person(), look)
        letter.y += step
    page.text((x, letter.y), draft.lines[side], look, f"{side}_address")
    letter.y += len(draft.lines[side]) * step
    if numbered:
        own_number(letter, side, x)
    if side == letter.recipient and draft.chance(0.15):
        letter.y += step
        label = draft.pick(_SHIP_TO[draft.language])
        page.text((x, letter.y), f"{label}:", letter.bold)
        page.text((x, letter.y + step), [draft.company(), *draft.address(3)], look)
        letter.y += 5 * step


def own_number(letter: Letter, side: str, x: float, tab: float = 0.0) -> None:
    """Print a number of a party in its part of the page; the customer's may be one of the facts."""
    draft, look = letter.draft, letter.look
    label = f"{draft.pick(_NUMBERS[draft.language])}{draft.pick((':', ':', ' :', ''))}"
    end = letter.page.text((x, letter.y), label, look)
    text = draft.filled(draft.pick(("{p5}", "{p6}", "{T}{T}{p5}", "{p9}{p4}")))
    fact = "customer_number" if side == "buyer" and not label.startswith(("GLN", "ID")) else ""
    text = draft.texts[fact] if fact else text
    letter.page.text((max(end + 0.4 * look.size, x + tab), letter.y), text, look, fact)
    letter.y += letter.row
