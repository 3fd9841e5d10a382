"""Pictures of drawn documents and datasets of them: boxes move with the ink, the same by seed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from data.fields import load_folder
from data.generate import main
from data.generator.trade.documents import draw_document
from data.generator.trade.pictures import take
from ocr_extractor.fields.schema import Schema


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    output = tmp_path_factory.mktemp("receipts")
    assert main(["--kind", "receipts", "--count", "4", "--output", str(output)]) == 0
    return output


@pytest.mark.parametrize("how", ["clean", "scan", "photo"])
def test_boxes_move_with_the_ink_of_their_words(how):
    page = draw_document("receipts", 11).pages[0]
    image, boxes = take(page, how, np.random.default_rng(4))
    pixels = np.asarray(image.convert("L")).astype(int)
    assert len(boxes) == len(page.words)
    faint = [
        word.text
        for word, (x0, y0, x1, y1) in zip(page.words, boxes.round().astype(int), strict=True)
        if np.ptp(pixels[y0:y1, x0:x1]) < 50
    ]
    assert not faint


def test_a_bent_page_has_its_ink_in_the_middle_of_the_boxes():
    """Of the darkness of a word's surroundings, most is in its box."""
    page = draw_document("receipts", 11).pages[0]
    image, boxes = take(page, "photo", np.random.default_rng(5))
    dark = 255 - np.asarray(image.convert("L")).astype(float)
    shares = []
    for x0, y0, x1, y1 in boxes.round().astype(int):
        tall = y1 - y0
        around = dark[max(0, y0 - tall // 4) : y1 + tall // 4, x0:x1]
        ink = (around - np.median(around)).clip(20) - 20
        inner = ink[min(y0, tall // 4) :][:tall]
        shares.append(inner.sum() / max(ink.sum(), 1))
    assert np.median(shares) > 0.9


def test_a_drawn_dataset_is_read_as_documents_with_fields(folder):
    documents = load_folder(folder)
    assert [each.form_id for each in documents] == [f"receipt-{n:05d}" for n in range(4)]
    schema = json.loads((folder / "schema.json").read_text())
    assert Schema.parse(schema).leaves().keys() == documents[0].schema.leaves.keys()
    assert any(each.places for each in documents)


def test_a_document_of_a_dataset_depends_on_its_number_only(folder, tmp_path):
    main(["--kind", "receipts", "--count", "2", "--output", str(tmp_path)])
    for path in tmp_path.glob("*/*"):
        again = folder / path.relative_to(tmp_path)
        assert path.read_bytes() == again.read_bytes(), path.name


def test_documents_of_several_pages_are_pdf_files(tmp_path):
    main(["--kind", "broadcasts", "--count", "8", "--output", str(tmp_path)])
    suffixes = {path.stem: path.suffix for path in (tmp_path / "images").iterdir()}
    for document in load_folder(tmp_path):
        pages = max((place.page for place in document.places.values()), default=1)
        assert pages == 1 or suffixes[document.form_id] == ".pdf"
    assert ".pdf" in suffixes.values()


def test_a_kind_without_a_count_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--kind", "invoices", "--output", str(tmp_path)])
    assert "--kind needs --count" in capsys.readouterr().err
