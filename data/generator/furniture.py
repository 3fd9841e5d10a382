"""Draws parts that belong to no question: letterheads, fax lines, stamps, page numbers."""

from __future__ import annotations

from dataclasses import replace

from data.generator.content import chance, choose, pick
from data.generator.flow import Flow
from data.generator.sheet import text_width, wrapped
from data.generator.typefaces import Type


def letterhead(flow: Flow) -> None:
    """Set the company's name, with its address, a rule or a device."""
    rng, sheet = flow.rng, flow.sheet
    face = pick(rng, ("Helvetica-Bold", "Times-Bold", "Times-BoldItalic", "STIXGeneralBol"))
    look = Type(face, rng.uniform(17, 27))
    name = flow.expand("{company}")
    if chance(rng, 0.3):
        name = name.upper()
    x = flow.left
    if chance(rng, 0.4):
        side = 1.5 * look.size
        _device(flow, (x, flow.y, x + side, flow.y + side))
        x += side + 10
    elif chance(rng, 0.5):
        x = max(x, (flow.left + flow.right - text_width(name, look)) / 2)
    sheet.write((x, flow.y + look.size), name, look, "header" if chance(rng, 0.4) else "other")
    flow.y += 1.25 * look.size
    if chance(rng, 0.7):
        fine = Type(choose(rng, "Helvetica|Times-Roman|Times-Italic"), rng.uniform(9, 11))
        address = flow.expand("{street}, {place}, {state} #####   {phone}|{street}, {citystate}")
        sheet.write((x, flow.y + fine.size), address, fine, "other")
        flow.y += 1.4 * fine.size
    if chance(rng, 0.3):
        sheet.line([(flow.left, flow.y + 3), (flow.right, flow.y + 3)], rng.uniform(1, 3))
    flow.y += 14


def _device(flow: Flow, box: tuple[float, float, float, float]) -> None:
    """Draw a company's mark."""
    x0, y0, x1, y1 = box
    sheet = flow.sheet
    kind = choose(flow.rng, "square|diamond|bars")
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    if kind == "square":
        sheet.fill(box)
        sheet.fill((x0 + 5, y0 + 5, middle[0], middle[1]), 255)
        sheet.fill((middle[0] + 3, middle[1] + 3, x1 - 5, y1 - 5), 255)
    elif kind == "diamond":
        corners = [(middle[0], y0), (x1, middle[1]), (middle[0], y1), (x0, middle[1])]
        sheet.line([*corners, corners[0], corners[1]], 3)
        sheet.line([corners[0], corners[2]], 2)
    else:
        for place in range(4):
            x = x0 + place * (x1 - x0) / 4
            sheet.fill((x, y0 + place * 4, x + (x1 - x0) / 6, y1))


def title(flow: Flow, text: str) -> None:
    """Set the form's name, centred or at the margin."""
    style, sheet, rng = flow.style, flow.sheet, flow.rng
    text = text.upper() if chance(rng, 0.7) else text
    rows = wrapped(text, style.title, flow.width)
    centred = chance(rng, 0.75)
    for row in rows:
        width = text_width(row, style.title)
        x = (flow.left + flow.right - width) / 2 if centred else flow.left
        baseline = flow.y + style.title.size
        sheet.write((x, baseline), row, style.title, "header")
        if style.underline:
            sheet.line([(x, baseline + 3), (x + width, baseline + 3)], style.rule)
        flow.y += 1.25 * style.title.size
    flow.y += rng.uniform(0.5, 1.5) * style.pitch


def fax_line(flow: Flow) -> None:
    """Print the line that a fax machine adds at the top."""
    rng = flow.rng
    look = Type(choose(rng, "DejaVuSansMono|Courier-Bold|cmtt10"), rng.uniform(10, 12))
    parts = [
        flow.expand("{mon} {d} '{yy}   {clock}|0@/1#/{yy}  {clock}|{m}-2#-{yy}   {clock}"),
        flow.expand("FROM {company}|{phone}|{company}").upper(),
        flow.expand("TO {phone}|{phone}"),
        flow.expand("P.@|PAGE.00@|P.0@"),
    ]
    widths = [text_width(part, look) for part in parts]
    gap = max(8.0, (flow.sheet.width - 60 - sum(widths)) / 3)
    x, baseline = 30.0, rng.uniform(20, 34)
    for part, width in zip(parts, widths, strict=True):
        if x + width < flow.sheet.width - 8:
            flow.sheet.write((x, baseline), part, look, "other")
        x += width + gap


def foot(flow: Flow) -> None:
    """Print form number, page number and filing number at the edges."""
    rng, sheet = flow.rng, flow.sheet
    fine = replace(flow.style.fine, size=min(11.0, flow.style.fine.size))
    baseline = sheet.height - rng.uniform(20, 38)
    if chance(rng, 0.6):
        form = flow.expand("FORM ###-^|Form ^-### (@/8#)|REV. @/8#|^^-###-@|Rev. @-7#")
        sheet.write((flow.left, baseline), form, fine, "other")
    if chance(rng, 0.25):
        page = flow.expand("Page {page}|@|- @ -")
        sheet.write((sheet.width / 2 - 15, baseline), page, fine, "other")
    if chance(rng, 0.55):
        number = Type(choose(rng, "Courier-Bold|DejaVuSansMono-Bold"), rng.uniform(16, 20))
        digits = flow.expand("@########|00######|@#######")
        if chance(rng, 0.7):
            centre = (sheet.width - rng.uniform(20, 40), rng.uniform(0.6, 0.9) * sheet.height)
            sheet.write_turned(centre, [digits], number, "other", pick(rng, (90, 90, -90)))
        else:
            sheet.write((sheet.width - 170, sheet.height - 18), digits, number, "other")


def stamp(flow: Flow) -> None:
    """Stamp the page, slightly turned, where there is little other ink."""
    rng = flow.rng
    look = Type(choose(rng, "Helvetica-Bold|DejaVuSans-Bold"), rng.uniform(16, 24), grey=40)
    lines = [flow.expand("RECEIVED|APPROVED|COPY|PAID|FILED|CONFIDENTIAL|POSTED")]
    if chance(rng, 0.7):
        lines.append(flow.expand("{mon} {d} 19{yy}").upper())
    if chance(rng, 0.4):
        lines.append(flow.expand("{dept}").upper())
    width = max(text_width(line, look) for line in lines)
    # A turned stamp needs more room.
    centre = _clear(flow, (1.3 * width, 2 * len(lines) * look.size), (0.08, 0.9))
    flow.sheet.write_turned(centre, lines, look, "other", rng.uniform(-9, 9))


def side_note(flow: Flow) -> None:
    """Write a handwritten remark near the top."""
    rng = flow.rng
    text = flow.expand("File|OK {initials}|see {last}|copy to {last}|{last} {m}/{d}|Rush!")
    look = Type("", rng.uniform(20, 28), hand=True)
    width = text_width(text, look)
    x, y = _clear(flow, (width, look.size), (0.03, 0.2))
    flow.sheet.write((x - width / 2, y + look.size / 3), text, look, "other")


def _clear(flow: Flow, size: tuple[float, float], part: tuple[float, float]) -> tuple[float, float]:
    """Return the centre of the emptiest of some places for a (width, height) px.

    They lie in a part of the sheet, [0, 1] of its height from the top.
    """
    sheet, rng = flow.sheet, flow.rng
    free = max(0.0, sheet.width - size[0] - 40)
    tries = [
        (20 + size[0] / 2 + rng.random() * free, rng.uniform(*part) * sheet.height)
        for _ in range(40)
    ]
    return min(tries, key=lambda centre: sheet.ink(centre, size))


def barcode(flow: Flow) -> None:
    """Print a bar code with its number under it at the top right."""
    rng = flow.rng
    x = right = flow.sheet.width - 60
    top = rng.uniform(30, 50)
    while x > right - 130:
        width = float(rng.choice([1, 1, 2, 3]))
        flow.sheet.fill((x - width, top, x, top + 32))
        x -= width + float(rng.choice([1, 2, 3]))
    look = Type("Helvetica", 10)
    flow.sheet.write((x + 20, top + 44), flow.expand("* ### ### ### *"), look, "other")
