"""The local engine reads the rows of tables: what is printed below titles, or what adds up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image

from ocr_extractor.engines.base import Page
from ocr_extractor.engines.local.engine import LocalEngine
from ocr_extractor.engines.local.fields.ranker import Calibration, Curve
from ocr_extractor.engines.local.fields.table_titles import fold_title, kinds_of
from ocr_extractor.engines.local.fields.tables import fill_tables, read_table
from ocr_extractor.fields.normalisation import Hints, normalise
from ocr_extractor.fields.schema import Field, Schema, Table
from ocr_extractor.ocr.words import Word

SAMPLES = Path(__file__).parents[4] / "data" / "samples-fields"

NUMBER: Final = "number"
ITEMS = Table(
    "items",
    (
        Field("description"),
        Field("quantity", NUMBER),
        Field("unit_price", NUMBER),
        Field("amount", NUMBER),
    ),
)
STEP, HEIGHT, LETTER = 24, 16, 9
"""px from line to line, of a line, and of a letter."""

BOLTS, LAMP = ("Steel bolts", "3", "1.50", "4.50"), ("Desk lamp", "2", "10.00", "20.00")


def page(*lines: str | tuple[float, str]) -> list[Word]:
    """Write lines of monospaced text, cells parted by two spaces or more; a number moves one down.

    A line is `text`, one line below the last, or `(steps, text)`.
    """
    words: list[Word] = []
    y, line = 40.0, 0
    for each in lines:
        steps, text = (1.0, each) if isinstance(each, str) else each
        y += steps * STEP
        for start, word in _words(text):
            if start and text[start - 2 : start] == "  ":
                line += 1
            left = 50 + start * LETTER
            box = (left, round(y), left + len(word) * LETTER, round(y) + HEIGHT)
            words.append(Word(word, box, line))
        line += 1
    return words


def _words(text: str) -> list[tuple[int, str]]:
    found, at = [], 0
    for word in text.split():
        at = text.index(word, at)
        found.append((at, word))
        at += len(word)
    return found


def read(words: list[Word], table: Table = ITEMS) -> list[tuple[str | None, ...]]:
    return [
        tuple(cell.text if cell else None for cell in row.values())
        for row in read_table(words, table)
    ]


TITLES = {
    "english": "Description        Qty    Unit price    Amount",
    "german": "Bezeichnung        Menge  Einzelpreis   Gesamtpreis",
    "french": "Désignation        Qté    Prix unitaire Montant HT",
    "spanish": "Concepto           Cant.  P. unitario   Importe",
    "abbreviated": "Bez.               Anz.   E-Preis       Betrag",
    "with a currency": "Description        Qty    Price (EUR)   Total in EUR",
    "misread": "Descripti0n        Quantlty  Unlt price  Amourt",
}
ROWS = (
    "Steel bolts           3          1.50          4.50",
    "Desk lamp             2         10.00         20.00",
)


@pytest.mark.parametrize("titles", TITLES.values(), ids=TITLES)
def test_columns_are_known_by_their_titles(titles: str):
    assert read(page("Invoice 4711", titles, *ROWS)) == [BOLTS, LAMP]


PAGES: dict[str, tuple[tuple[str | tuple[float, str], ...], list[tuple[str | None, ...]]]] = {
    "other columns are left out": (
        (
            "Pos  Item No.  Description        Qty  Unit  VAT %  Unit price    Amount",
            "1    17-4411   Steel bolts          3  pcs     20%        1.50      4.50",
            "2    17-0815   Desk lamp            2  pcs     20%       10.00     20.00",
        ),
        [BOLTS, LAMP],
    ),
    "titles of two lines": (
        (
            "Description        Quantity   Unit     Line",
            (0.9, "                              price    total"),
            "Steel bolts               3   1.50     4.50",
            "Desk lamp                 2  10.00    20.00",
        ),
        [BOLTS, LAMP],
    ),
    "a text goes on where its line is full": (
        (
            TITLES["english"],
            "Steel bolts, zinc       3          1.50          4.50",
            (0.9, "plated"),
            "Desk lamp               2         10.00         20.00",
        ),
        [("Steel bolts, zinc plated", *BOLTS[1:]), LAMP],
    ),
    "a broken word is put together": (
        (
            TITLES["english"],
            "Stainless stee-     3          1.50          4.50",
            (0.9, "lbolts"),
            "Desk lamp           2         10.00         20.00",
        ),
        [("Stainless steelbolts", *BOLTS[1:]), LAMP],
    ),
    "a note below a text is not its end": (
        (
            TITLES["english"],
            "Steel bolts, zinc   3          1.50          4.50",
            (0.9, "Art.-Nr. 20417"),
            "Desk lamp           2         10.00         20.00",
            (0.9, "Lot 33871"),
        ),
        [("Steel bolts, zinc", *BOLTS[1:]), LAMP],
    ),
    "sums, taxes and what is carried over are no rows": (
        (
            TITLES["english"],
            "Carried forward                              99.00",
            ROWS[0],
            "Subtotal                                      4.50",
            ROWS[1],
            "Total                                        24.50",
            "VAT 20%                                       4.90",
            "Total due                                    29.40",
        ),
        [BOLTS, LAMP],
    ),
    "a title that stands beside its texts": (
        (
            "                       Description        Qty    Unit price    Amount",
            "Steel bolts                                 3          1.50      4.50",
            "Desk lamp                                   2         10.00     20.00",
        ),
        [BOLTS, LAMP],
    ),
    "a second row of titles is no row": (
        (TITLES["english"], ROWS[0], TITLES["english"], ROWS[1]),
        [BOLTS, LAMP],
    ),
    "an amount half a line lower": (
        (
            TITLES["english"],
            "Steel bolts           3          1.50",
            (0.6, "                                            4.50"),
            (1.4, "Desk lamp             2         10.00"),
            (0.6, "                                           20.00"),
        ),
        [BOLTS, LAMP],
    ),
    "numbers in the middle of their text": (
        (
            TITLES["english"],
            "Steel bolts with",
            (0.5, "                      3          1.50          4.50"),
            (0.5, "washers"),
            (1.5, "Desk lamp of"),
            (0.5, "                      2         10.00         20.00"),
            (0.5, "brass"),
        ),
        [("Steel bolts with washers", *BOLTS[1:]), ("Desk lamp of brass", *LAMP[1:])],
    ),
    "a member without a column is null": (
        (
            "Description        Qty    Amount",
            "Steel bolts           3     4.50",
            "Desk lamp             2    20.00",
        ),
        [("Steel bolts", "3", None, "4.50"), ("Desk lamp", "2", None, "20.00")],
    ),
    "without titles, by arithmetic": (
        (
            "Till 3 12:07",
            "Steel bolts           3          1.50          4.50",
            "Desk lamp             2         10.00         20.00",
            "TOTAL                                         24.50",
        ),
        [BOLTS, LAMP],
    ),
    "a receipt's texts above their numbers": (
        (
            "Corner Shop",
            "Steel bolts",
            "  3 x 1.50                   4.50",
            "Desk lamp",
            "  2 x 10.00                 20.00",
            "TOTAL                       24.50",
        ),
        [BOLTS, LAMP],
    ),
    "a list above its total": (
        (
            "We charge you for:",
            "Liability insurance         50.00",
            "Legal protection            10.00",
            "Total                       60.00",
        ),
        [("Liability insurance", None, None, "50.00"), ("Legal protection", None, None, "10.00")],
    ),
    "thousands parted by a space": (
        (
            TITLES["french"],
            "Boulons               3      1 500,00      4 500,00",
            "Lampe                 2        100,00        200,00",
        ),
        [("Boulons", "3", "1 500,00", "4 500,00"), ("Lampe", "2", "100,00", "200,00")],
    ),
    "no table": (
        (
            "Dear Mr Field,",
            "we owe you 20.00 and have paid 10.00 on 4 May.",
            "Yours, Harbour Lane Supplies 27",
        ),
        [],
    ),
    "taxes by their rates": (
        (
            "Tax rate         Net amount     Tax amount",
            "20%                  24.50           4.90",
            "5%                   10.00           0.50",
        ),
        [],
    ),
    "items that begin like sums": (
        (
            "Description            Amount",
            "Bar stool               12.50",
            "Cash register           20.00",
            "Change of tyres         40.00",
            "Net amount              72.50",
        ),
        [
            ("Bar stool", None, None, "12.50"),
            ("Cash register", None, None, "20.00"),
            ("Change of tyres", None, None, "40.00"),
        ],
    ),
    "a staircase of numbers": (
        ("Qty     Amount", *(f"{' ' * (8 * step)}{step + 1}.50" for step in range(12))),
        [],
    ),
    "nothing at all": ((), []),
}


@pytest.mark.parametrize(("lines", "rows"), PAGES.values(), ids=PAGES)
def test_rows(lines: tuple[str | tuple[float, str], ...], rows: list[tuple[str | None, ...]]):
    assert read(page(*lines)) == rows


def test_arithmetic_tells_columns_whose_titles_do_not():
    titles = "Description        Number     Tariff       Charge"
    assert read(page(titles, *ROWS)) == [BOLTS, LAMP]


def test_a_table_may_have_members_of_its_own():
    spots = Table(
        "spots",
        (
            Field("day", "date", labels=("Air date",)),
            Field("programme", labels=("Program",)),
            Field("length", "integer", labels=("Len",)),
            Field("rate", NUMBER),
        ),
    )
    words = page(
        "Air date      Program           Len      Rate",
        "02/18/2026    Evening News       30    450.00",
        "02/19/2026    Late Movie         15     80.00",
    )
    assert read(words, spots) == [
        ("02/18/2026", "Evening News", "30", "450.00"),
        ("02/19/2026", "Late Movie", "15", "80.00"),
    ]


def test_cells_have_boxes_and_more_evidence_a_higher_score():
    titled = read_table(page(TITLES["english"], *ROWS), ITEMS)
    bare = read_table(page(*ROWS), ITEMS)
    cell, other = titled[0]["amount"], bare[0]["amount"]
    assert cell is not None
    assert other is not None
    assert cell.box == (50 + 47 * LETTER, 88, 50 + 51 * LETTER, 88 + HEIGHT)
    assert 0 < other.score < cell.score <= 1


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("menge", "quantity"),
        ("unitPrice", "unit_price"),
        ("line_total", "amount"),
        ("artikelnummer", "article"),
        ("colour", ""),
    ],
)
def test_a_member_is_known_by_its_name(name: str, role: str):
    numeric = role in {"quantity", "unit_price", "amount"}
    (kind, *_) = kinds_of((Field(name, NUMBER if numeric else "string"),))
    assert kind.role == role
    assert kind.likeness(fold_title(name)) == 100


def test_a_drawn_invoice_is_read_from_its_pixels():
    folder = SAMPLES / "invoices"
    schema = Schema.parse(json.loads((folder / "schema.json").read_text(encoding="utf-8")))
    image = Image.open(folder / "images" / "invoice-01.jpg").convert("RGB")
    reading = LocalEngine().read(Page(1, image), "", schema)
    assert reading.raw_fields is not None
    rows: list[dict[str, str]] = reading.raw_fields["items"]
    true: dict[str, Any] = json.loads(
        (folder / "fields" / "invoice-01.json").read_text(encoding="utf-8")
    )
    leaves = schema.leaves()
    hints = Hints.of(schema, reading.raw_fields)
    assert [
        {name: normalise(leaves[f"items[].{name}"], text, hints) for name, text in row.items()}
        for row in rows
    ] == true["items"]
    box = reading.evidence["items[0].amount"].box
    assert box is not None
    assert box[0] > image.width / 2


def test_the_evidence_of_cells_is_calibrated_by_column():
    words = page(TITLES["english"], *ROWS)
    schema = Schema("", (ITEMS,), (), {})
    own = Calibration(own={"items[].amount": Curve(0, 0, -1)})
    before, after = (fill_tables(schema, words, {}, each) for each in (Calibration(), own))
    assert before["items[0].amount"].score != after["items[0].amount"].score
    assert after["items[0].amount"].score == pytest.approx(0.2689, abs=1e-4)
    assert after["items[0].quantity"] == before["items[0].quantity"]
