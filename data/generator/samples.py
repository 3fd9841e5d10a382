"""Lists the shipped samples: which form, which document format, which damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.generator.documents import PDF_DPI, Format, make_page, write_document
from data.generator.page import Extra, Family, PagePlan
from data.generator.scan import Scan

_LETTER = (772, 1000)
"""Letter paper at FUNSD's height, px."""
_SHORT_LETTER = (797, 1000)
_SHORT_LETTER_OF_PDF = (17 * PDF_DPI // 2, 32 * PDF_DPI // 3)
"""8 1/2 x 10 2/3 in, px; 11 in would be rendered as 1651 px: 1650.0000000000002, rounded up."""

_FAIR = Scan(grain=12, specks=30)
_FAX = Scan(spread=0.7, level=165, grain=18, specks=160, coarse=1.5)
_COPY = Scan(skew=-0.6, spread=1.2, level=180, grain=15, specks=350, edge=True, holes=True)
_WORN = Scan(skew=0.4, spread=0.6, level=140, uneven=40, grain=30, specks=60, streaks=4)
_GREY = Scan(spread=0.7, uneven=18, grain=9, paper=232, fold=True)


@dataclass(frozen=True)
class SampleForm:
    """One shipped form.

    Attributes:
        name: Its form id; the domain stands before the dash.
        seed: Chosen by eye.
        family: How its sections are set.
        typed: Typed from top to bottom.
        extras: What stands on it beside the form.
        most: Largest number of parts of a page.
        how: The scan.
        kind: File format.
        pages: Number of pages, each with its own content.
        blank: Share of questions that nobody answered, [0, 1]; None leaves it to the style.
    """

    name: str
    seed: int
    family: Family
    typed: bool = False
    extras: Sequence[Extra] = ()
    most: int = 6
    how: Scan = _FAIR
    kind: Format = "png"
    pages: int = 1
    blank: float | None = None


SAMPLES = (
    SampleForm("claim-01", 15, "cells", most=5, kind="tif", pages=2, blank=0.2),
    SampleForm("claim-02", 16, "lines", extras=["side_note"], how=_WORN),
    SampleForm("fax-01", 6, "ledger", extras=["fax_line", "letterhead"], how=_FAX),
    SampleForm("fax-02", 7, "lines", extras=["fax_line"], how=_FAX),
    SampleForm("invoice-01", 106, "cells", extras=["letterhead"]),
    SampleForm("invoice-02", 2, "lines", extras=["letterhead", "stamp"], how=_COPY),
    SampleForm("invoice-03", 3, "ledger", extras=["letterhead"], how=_GREY, kind="pdf"),
    SampleForm("lab-01", 182, "cells", most=7, how=Scan(skew=0.3, grain=15, specks=40, holes=True)),
    SampleForm("lab-02", 9, "mixed", how=_GREY, kind="jpg"),
    SampleForm("memo-01", 17, "letter", typed=True, extras=["side_note"], blank=0),
    SampleForm("memo-02", 18, "lines", most=4, how=_COPY),
    SampleForm("personnel-01", 149, "lines", how=Scan(skew=0.5, grain=15, edge=True)),
    SampleForm("personnel-02", 11, "columns", extras=["barcode"]),
    SampleForm("personnel-03", 12, "cells", how=_GREY, kind="jpg-rotated"),
    SampleForm("producttest-01", 152, "lines", extras=["stamp"], how=_COPY),
    SampleForm("producttest-02", 20, "mixed", typed=True),
    SampleForm("requisition-01", 189, "mixed", most=7),
    SampleForm("requisition-02", 5, "lines", typed=True, how=_WORN),
    SampleForm("shipping-01", 13, "columns", extras=["letterhead"], how=_COPY),
    SampleForm("shipping-02", 14, "ledger", typed=True, how=Scan(skew=1.8, grain=15, specks=50)),
    SampleForm("shipping-03", 201, "lines", extras=["letterhead"], most=5, blank=1),
    SampleForm("survey-01", 21, "columns", extras=["letterhead"]),
    SampleForm("survey-02", 22, "lines", typed=True, extras=["fax_line"], how=_FAX),
)


def write_samples(folder: Path) -> None:
    """Write the samples under a folder that holds `images` and `annotations`."""
    for sample in SAMPLES:
        rng = np.random.default_rng(sample.seed)
        plan = PagePlan(
            domain=sample.name.partition("-")[0],
            family=sample.family,
            typed=sample.typed,
            extras=frozenset(sample.extras),
            size=_SHORT_LETTER if sample.kind == "pdf" else _LETTER,
            most=sample.most,
            blank=sample.blank,
        )
        size = _SHORT_LETTER_OF_PDF if sample.kind == "pdf" else _LETTER
        pages = [make_page(plan, sample.how, rng, size) for _ in range(sample.pages)]
        write_document(folder, sample.name, pages, sample.kind)
