"""Draws invoices, orders and receipts with their exact fields, and where each value stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.generator.business_content import (
    Content,
    Kind,
    Language,
    draw_invoice,
    draw_order,
    draw_receipt,
)
from data.generator.documents import PDF_DPI, Format, write_pages
from data.generator.scan import Scan, scan
from data.generator.sheet import Sheet, text_width
from data.generator.typefaces import Type

_A4 = (827, 1169)
"""px of a sheet, 100 dpi; scanned at 1.2 times that, a PDF at its own resolution."""

_ROWS = 18
"""Most rows of a table on one page."""

_CLEAN = Scan(spread=0.5, level=170, grain=4, paper=248)
_COPY = Scan(skew=0.4, spread=0.8, level=165, grain=12, specks=120, edge=True)
_GREY = Scan(skew=-0.5, spread=0.7, uneven=14, grain=7, paper=236, fold=True)
_FAX = Scan(spread=0.7, level=165, grain=12, specks=60, coarse=1.2)


@dataclass(frozen=True)
class SampleDocument:
    """One shipped document.

    Attributes:
        kind: The folder it is in.
        name: Its id.
        language: Of its labels.
        seed: Chosen by eye.
        boxed: Labels above their values in ruled boxes, instead of beside them.
        face: The typeface.
        items: How many.
        blanks: What is blank or absent, see `business_content`.
        how: The scan.
        format: The file's.
    """

    kind: Kind
    name: str
    language: Language
    seed: int
    boxed: bool = False
    face: str = "Helvetica"
    items: int = 4
    blanks: frozenset[str] = frozenset()
    how: Scan = _CLEAN
    format: Format = "jpg"


def _sample(
    kind: Kind, number: int, language: Language, *blanks: str, **how: Any
) -> SampleDocument:
    name = f"{kind.removesuffix('s')}-{number:02}"
    return SampleDocument(kind, name, language, number, blanks=frozenset(blanks), **how)


SAMPLES = (
    _sample("invoices", 1, "de", "due_date", items=3),
    _sample("invoices", 2, "en", "order_number", boxed=True, face="Times-Roman", how=_COPY),
    _sample("invoices", 3, "fr", "unit_price", "iban", boxed=True, items=5, how=_GREY),
    _sample("invoices", 4, "de", items=26, face="DejaVuSans", format="pdf"),
    _sample("orders", 1, "en", "tax", items=5, boxed=True),
    _sample("orders", 2, "de", "phone", items=3, face="Courier", how=_FAX, format="png"),
    _sample("orders", 3, "fr", "delivery_date", items=6, face="Times-Roman", how=_GREY),
    _sample("orders", 4, "en", items=8, face="DejaVuSans", how=_COPY),
    _sample("receipts", 1, "en", items=5, face="Courier"),
    _sample("receipts", 2, "de", "cash", items=3, face="DejaVuSansMono", how=_GREY),
    _sample("receipts", 3, "fr", "receipt_number", items=6, face="Courier", how=_COPY),
    _sample("receipts", 4, "de", items=7, face="Courier-Bold", how=_FAX, format="png"),
)
_CONTENT: dict[Kind, Callable[..., Content]] = {
    "invoices": draw_invoice,
    "orders": draw_order,
    "receipts": draw_receipt,
}


def write_field_samples(folder: Path) -> None:
    """Write all samples: `<kind>/images`, `<kind>/fields` and `<kind>/boxes` under a folder.

    A set's `schema.json` is not drawn: it is that of `model/schemas`.
    """
    for sample in SAMPLES:
        write_sample(folder / sample.kind, sample)


def write_sample(folder: Path, sample: SampleDocument) -> None:
    """Draw one document into `images/`, `fields/` and `boxes/` under a folder."""
    rng = np.random.default_rng([sample.seed, len(sample.kind)])
    content = _CONTENT[sample.kind](sample.language, rng, sample.items, sample.blanks)
    draw = _draw_receipt if sample.kind == "receipts" else _draw_letter
    pages: list[Image.Image] = []
    boxes: dict[str, list[int]] = {}
    for drawn in draw(content, sample, rng):
        image, places = drawn.scanned(sample, rng)
        pages.append(image)
        boxes |= {path: [len(pages), *box] for path, box in places.items()}
    for part in ("images", "fields", "boxes"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_pages(folder / "images", sample.name, pages, sample.format)
    for part, truth in (("fields", content.values), ("boxes", boxes)):
        text = json.dumps(truth, indent=1, ensure_ascii=False)
        (folder / part / f"{sample.name}.json").write_text(text + "\n", encoding="utf-8")


@dataclass
class _Page:
    """A sheet that remembers which of its texts are values."""

    sheet: Sheet
    content: Content
    look: Type
    places: dict[str, int] = field(default_factory=dict)

    def put(self, x: float, y: float, text: str, *, bold: bool = False, right: bool = False) -> int:
        """Write a text at the left of a baseline, or at its right end."""
        look = self.bold if bold else self.look
        start = x - text_width(text, look) if right else x
        return self.sheet.write((start, y), text, look, "other")

    def value(self, path: str, x: float, y: float, *, right: bool = False) -> None:
        """Write the text of a value, if it is on the document."""
        if text := self.content.printed.get(path):
            self.places[path] = self.put(x, y, text, right=right)

    @property
    def bold(self) -> Type:
        faces = {"Times-Roman": "Times-Bold", "DejaVuSansMono": "DejaVuSansMono-Bold"}
        plain = self.look.face.removesuffix("-Bold")
        return Type(faces.get(plain, f"{plain}-Bold"), self.look.size)

    def big(self, x: float, y: float, text: str, size: float, path: str = "") -> None:
        """Write a large text; it may be a value."""
        index = self.sheet.write((x, y), text, Type(self.bold.face, size), "other")
        if path:
            self.places[path] = index

    def scanned(
        self, sample: SampleDocument, rng: np.random.Generator
    ) -> tuple[Image.Image, dict[str, list[int]]]:
        """Return the page as scanned, and the box of each value, px."""
        texts = self.sheet.texts
        scale = PDF_DPI / 100 if sample.format == "pdf" else 1.2
        size = round(self.sheet.width * scale), round(self.sheet.height * scale)
        flat = np.concatenate([text.boxes for text in texts])
        image, moved = scan(self.sheet.image, flat, sample.how, size, rng)
        parts = np.split(moved, np.cumsum([len(text.boxes) for text in texts])[:-1])
        boxes = {}
        for path, index in self.places.items():
            x0, y0 = np.floor(parts[index][:, :2].min(axis=0)).astype(int).tolist()
            x1, y1 = np.ceil(parts[index][:, 2:].max(axis=0)).astype(int).tolist()
            boxes[path] = [max(0, x0), max(0, y0), min(x1, size[0]), min(y1, size[1])]
        return image, boxes


def _draw_letter(content: Content, sample: SampleDocument, rng: np.random.Generator) -> list[_Page]:
    """Draw an invoice or an order, on as many pages as its items take."""
    pages: list[_Page] = []
    starts = range(0, content.rows, _ROWS)
    for start in starts:
        page = _Page(Sheet(_A4, rng), content, Type(sample.face, 13))
        y = _head(page, sample) if start == 0 else 110
        if len(starts) > 1:
            number = f"{content.locale['page']} {len(pages) + 1} / {len(starts)}"
            page.put(760, 60, number, right=True)
        stop = min(start + _ROWS, content.rows)
        y = _table(page, sample, range(start, stop), y)
        if stop == content.rows:
            _totals(page, sample, y + 30)
        else:
            page.put(760, y + 30, content.locale["carried"], right=True)
        pages.append(page)
    return pages


def _head(page: _Page, sample: SampleDocument) -> float:
    """Write who sends what to whom; return where the table begins, px."""
    content, labels = page.content, page.content.locale
    is_invoice = sample.kind == "invoices"
    sender, recipient = (
        ("seller_name", "buyer_name") if is_invoice else ("buyer_name", "supplier_name")
    )
    page.big(70, 90, content.printed[sender], 21, sender)
    for row, line in enumerate(content.lines["sender"]):
        page.put(70, 114 + 18 * row, line)
    label = labels["bill_to"] if is_invoice else labels["supplier_name"]
    page.put(70, 205, f"{label}:", bold=True)
    page.value(recipient, 70, 226)
    for row, line in enumerate(content.lines["recipient"]):
        page.put(70, 246 + 18 * row, line)
    if sample.boxed:
        page.sheet.frame((60, 184, 370, 280))
    page.big(470, 150, labels[sample.kind.removesuffix("s")], 24)
    if is_invoice:
        names = ["invoice_number", "issue_date", "due_date", "order_number"]
    else:
        names = ["order_number", "order_date", "delivery_date"]
    shown = [name for name in names if name in content.printed]
    _facts(page, [(labels[name], name) for name in shown], boxed=sample.boxed)
    if is_invoice:
        return 340
    page.put(70, 320, f"{labels['delivery_address']}:", bold=True)
    lines = content.lines["delivery"]
    page.places["delivery_address"] = page.sheet.write((70, 341), lines, page.look, "other", 18)
    page.put(470, 320, f"{labels['contact']}:", bold=True)
    page.value("contact.name", 600, 320)
    page.put(470, 341, f"{labels['phone']}:", bold=True)
    page.value("contact.phone", 600, 341)
    return 405


def _facts(page: _Page, facts: Sequence[tuple[str, str]], *, boxed: bool) -> None:
    """Write labels with their values: beside them, or below them in boxes."""
    for row, (label, path) in enumerate(facts):
        if boxed:
            x, y = 440 + 165 * (row % 2), 184 + 48 * (row // 2)
            page.sheet.frame((x, y, x + 165, y + 48))
            small = Type(page.look.face, 10)
            page.sheet.write((x + 6, y + 14), label, small, "other")
            page.value(path, x + 6, y + 36)
        else:
            page.put(470, 205 + 24 * row, f"{label}:", bold=True)
            page.value(path, 620, 205 + 24 * row)


_COLUMNS = {
    "article_number": (70, False),
    "description": (70, False),
    "quantity": (510, True),
    "unit_price": (630, True),
    "amount": (757, True),
}
"""x of each column, px, and whether its cells end there."""


def _table(page: _Page, sample: SampleDocument, rows: range, y: float) -> float:
    """Write the items; return the y of the table's end, px."""
    content, step = page.content, 30 if sample.boxed else 26
    names = list(content.values["items"][0])
    places = {name: _COLUMNS[name] for name in names}
    if "article_number" in places:
        places["description"] = (165, False)
    if sample.boxed:
        page.sheet.fill((60, y, 767, y + step), 215)
    for name, (x, right) in places.items():
        label = content.locale["pieces" if name == "quantity" else name]
        page.put(x, y + 19, label, bold=True, right=right)
    if not sample.boxed:
        page.sheet.line([(60, y + 26), (767, y + 26)], 1.2)
    for row in rows:
        y += step
        for name, (x, right) in places.items():
            page.value(f"items[{row}].{name}", x, y + 19, right=right)
        if sample.boxed:
            page.sheet.line([(60, y), (767, y)])
    y += step
    page.sheet.line([(60, y), (767, y)], 1.2)
    if sample.boxed:
        page.sheet.frame((60, y - step * (len(rows) + 1), 767, y))
    return y


def _totals(page: _Page, sample: SampleDocument, y: float) -> None:
    """Write the sums, and what stands at the foot of the last page."""
    content, labels = page.content, page.content.locale
    total = "grand_total" if sample.kind == "invoices" else "total"
    for path in ("net_total", "tax_total", total):
        if path in content.printed:
            page.put(600, y, labels[path], bold=path == total, right=True)
            page.value(path, 757, y, right=True)
            y += 24
    page.put(70, y, labels["currency_label"])
    page.value("currency", 78 + text_width(labels["currency_label"], page.look), y)
    if sample.kind == "invoices":
        page.sheet.line([(60, 1085), (767, 1085)])
        for x, name in ((70, "seller_tax_id"), (400, "iban")):
            if name in content.printed:
                page.put(x, 1108, f"{labels[name]}:")
                page.value(name, x + 10 + text_width(f"{labels[name]}:", page.look), 1108)


def _draw_receipt(
    content: Content, sample: SampleDocument, rng: np.random.Generator
) -> list[_Page]:
    """Draw a till receipt on a narrow strip."""
    labels, width = content.locale, 400
    height = 430 + 44 * content.rows
    page = _Page(Sheet((width, height), rng), content, Type(sample.face, 14))
    company = content.printed["company"]
    size = 14 if text_width(company, Type(page.bold.face, 18)) > width - 40 else 18
    page.big(
        (width - text_width(company, Type(page.bold.face, size))) / 2, 46, company, size, "company"
    )
    lines = content.lines["sender"]
    left = (width - max(text_width(line, page.look) for line in lines)) / 2
    page.places["address"] = page.sheet.write((left, 72), lines, page.look, "other", 20)
    y = 128.0
    for label, path in (("receipt_number", "receipt_number"), ("date_label", "date")):
        if path in content.printed:
            page.put(24, y, f"{labels[label]}:")
            page.value(path, 160, y)
            y += 22
    page.sheet.dots((24, y), width - 24, 6)
    for row in range(content.rows):
        y += 24
        page.value(f"items[{row}].description", 24, y)
        y += 20
        page.value(f"items[{row}].quantity", 48, y)
        page.put(80, y, "x")
        page.value(f"items[{row}].unit_price", 104, y)
        page.value(f"items[{row}].amount", width - 24, y, right=True)
    y += 18
    page.sheet.dots((24, y), width - 24, 6)
    y += 30
    page.put(24, y, labels["total"], bold=True)
    page.value("currency", 150, y)
    page.value("total", width - 24, y, right=True)
    for path in ("tax_total", "paid", "change"):
        if path in content.printed:
            y += 24
            page.put(24, y, labels[path])
            page.value(path, width - 24, y, right=True)
    y += 30
    page.put(24, y, f"{labels['payment_method']}:")
    page.value("payment_method", 160, y)
    page.put((width - text_width(labels["thanks"], page.look)) / 2, y + 40, labels["thanks"])
    return [page]
