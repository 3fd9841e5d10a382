"""The drawn invoices, orders and receipts: exact fields, the same ones every time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
import yaml
from PIL import Image

from data.fields import load_folder
from data.generate import main
from data.generator.business_documents import SAMPLES
from entry_points import ROOT

SHIPPED = ROOT / "data" / "samples-fields"
KINDS = ("invoices", "orders", "receipts")
DOCUMENTS = [each for kind in KINDS for each in load_folder(SHIPPED / kind)]


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples-fields")
    assert main(["--fields", "--output", str(folder)]) == 0
    return folder


def test_the_shipped_fields_are_the_ones_the_generator_makes(remade: Path) -> None:
    shipped = [each.relative_to(SHIPPED) for each in SHIPPED.glob("*/*/*")]
    assert sorted(shipped) == sorted(each.relative_to(remade) for each in remade.glob("*/*/*"))
    for part in ("fields", "boxes"):
        for path in SHIPPED.glob(f"*/{part}/*"):
            made = remade / path.relative_to(SHIPPED)
            assert json.loads(made.read_text()) == json.loads(path.read_text()), path.name


def test_the_shipped_pixels_are_the_ones_the_generator_makes(remade: Path) -> None:
    for path in SHIPPED.glob("*/images/*.png"):
        old, new = (
            np.asarray(Image.open(each)) for each in (path, remade / path.relative_to(SHIPPED))
        )
        # The last bit of a float may differ from machine to machine, and with it a pixel that
        # stands on the threshold.
        assert np.mean(old != new) < 1e-4, path.name


def test_there_are_four_of_each_kind_and_one_has_two_pages() -> None:
    assert len(DOCUMENTS) == len(SAMPLES) == 12
    assert len({sample.language for sample in SAMPLES}) == 3
    [pdf] = [each.image_path for each in DOCUMENTS if each.image_path.suffix == ".pdf"]
    assert len(pypdfium2.PdfDocument(pdf)) == 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.form_id)
def test_every_value_that_is_printed_has_its_place_and_the_sums_are_right(document) -> None:
    values = document.values
    expected = {path for path in document.schema.scalars if _value(values, path) is not None}
    assert expected <= document.places.keys()
    for path, place in document.places.items():
        x0, y0, x1, y1 = place.box
        assert 0 <= x0 < x1, path
        assert 0 <= y0 < y1, path
    amounts = [row["amount"] for row in values["items"]]
    total = values.get("net_total") or values.get("total")
    assert sum(amounts) == pytest.approx(total)
    assert all(f"items[{n}].amount" in document.places for n in range(len(amounts)))


def _value(values, path):
    for key in path.split("."):
        values = values[key]
    return values


def test_some_fields_are_absent_and_some_are_blank() -> None:
    invoices = {each.form_id: each.values for each in DOCUMENTS}
    assert invoices["invoice-02"]["order_number"] is None
    assert invoices["invoice-01"]["due_date"] is None
    assert {row["unit_price"] for row in invoices["invoice-03"]["items"]} == {None}
    assert invoices["order-02"]["contact"]["phone"] is None
    assert invoices["receipt-02"]["paid"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_the_one_that_the_project_ships(kind: str) -> None:
    shipped = ROOT / "model" / "schemas" / f"{kind.removesuffix('s')}.yaml"
    written = json.loads((SHIPPED / kind / "schema.json").read_text(encoding="utf-8"))
    assert written == yaml.safe_load(shipped.read_text(encoding="utf-8"))
