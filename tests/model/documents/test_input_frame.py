"""Every value a caller may put into the two columns becomes bytes and an id, or an error code."""

from __future__ import annotations

import base64
import datetime
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ocr_extractor.documents.input_frame import InputDocument, read_sources, to_documents
from ocr_extractor.errors import InputError, RequestError
from tests.model.sample_documents import encoded, page, pdf, tiff

PNG = encoded(page(), "PNG")
BASE64 = base64.b64encode(PNG)


def read(image: Any, doc_id: Any = "a") -> InputDocument:
    frame = pd.DataFrame({"image": pd.Series([image], dtype=object)})
    frame["doc_id"] = pd.Series([doc_id], dtype=object)
    [document] = to_documents(frame)
    return document


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(PNG, id="bytes"),
        pytest.param(bytearray(PNG), id="bytearray"),
        pytest.param(memoryview(PNG), id="memoryview"),
        pytest.param(np.bytes_(PNG), id="np.bytes_"),
        pytest.param(BASE64, id="base64 bytes"),
        pytest.param(BASE64 + b"\n", id="base64 bytes with a newline"),
        pytest.param(base64.encodebytes(PNG), id="base64 bytes in lines"),
        pytest.param(BASE64.decode(), id="base64 text"),
        pytest.param(np.str_(BASE64.decode()), id="base64 np.str_"),
    ],
)
def test_bytes_and_their_base64_become_the_document(value: Any) -> None:
    assert read(value).content == PNG


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(page(), "JPEG"), id="JPEG"),
        pytest.param(encoded(page(), "WEBP"), id="WEBP"),
        pytest.param(encoded(page(), "GIF"), id="GIF"),
        pytest.param(encoded(page(), "BMP"), id="BMP"),
        pytest.param(tiff(page()), id="TIFF"),
        pytest.param(pdf(), id="PDF"),
        pytest.param(b"GIF89a" + b"A" * 40, id="GIF of printable characters"),
    ],
)
def test_documents_are_never_taken_for_base64(data: bytes) -> None:
    assert read(data).content == data


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(None, "missing_image", id="None"),
        pytest.param(float("nan"), "missing_image", id="NaN"),
        pytest.param(np.float64("nan"), "missing_image", id="np.nan"),
        pytest.param(pd.NA, "missing_image", id="pd.NA"),
        pytest.param(b"None", "missing_image", id="None, as `instances` deliver it"),
        pytest.param("nan", "missing_image", id="nan, as Spark delivers it"),
        pytest.param("/etc/passwd", "not_base64", id="path"),
        pytest.param("https://example.com/form.png", "not_base64", id="URL"),
        pytest.param(b"https://example.com/form.png", "not_base64", id="URL bytes"),
        pytest.param(f"data:image/png;base64,{BASE64.decode()}", "not_base64", id="data URL"),
        pytest.param(BASE64.decode()[:-1], "not_base64", id="base64 cut"),
        pytest.param("fórmulário", "not_base64", id="not ASCII"),
        pytest.param("Dear Sir or Madam", "not_base64", id="text"),
        pytest.param(5, "wrong_type", id="int"),
        pytest.param(1.5, "wrong_type", id="float"),
        pytest.param(["a"], "wrong_type", id="list"),
        pytest.param({"b64": "QQ=="}, "wrong_type", id="dict"),
        pytest.param(Path("form.png"), "wrong_type", id="Path"),
        pytest.param(page(), "wrong_type", id="Pillow image"),
    ],
)
def test_what_holds_no_document_has_an_error_code(value: Any, code: str) -> None:
    content = read(value).content
    assert isinstance(content, InputError)
    assert content.code == code


def test_empty_text_is_an_empty_document() -> None:
    assert read("").content == read(b"").content == b""


@pytest.mark.parametrize(
    ("value", "doc_id"),
    [
        ("form-1", "form-1"),
        ("", ""),
        (7, "7"),
        (datetime.date(2024, 5, 1), "2024-05-01"),
        (None, None),
        (float("nan"), None),
        (pd.NA, None),
        ("nan", None),
        ("None", None),
        ("form \udcff.png", "form ?.png"),
    ],
)
def test_ids_are_text_or_none(value: Any, doc_id: str | None) -> None:
    assert read(PNG, value).doc_id == doc_id


def test_order_is_kept_and_one_bad_row_does_not_touch_the_others() -> None:
    frame = pd.DataFrame({"doc_id": ["a", "b", "c"], "image": [PNG, None, PNG]}, index=[9, 9, 1])
    documents = list(to_documents(frame))
    assert [document.doc_id for document in documents] == ["a", "b", "c"]
    assert [document.content == PNG for document in documents] == [True, False, True]


def test_the_id_column_may_be_missing() -> None:
    documents = list(to_documents(pd.DataFrame({"image": [PNG, PNG], "other": [1, 2]})))
    assert [document.doc_id for document in documents] == [None, None]


def test_the_image_column_may_not() -> None:
    with pytest.raises(RequestError, match=r"no column 'image'.*'picture'"):
        list(to_documents(pd.DataFrame({"picture": [PNG]})))


def test_too_many_sources_are_refused_before_a_file_is_opened(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="2 documents, more than max_documents=1"):
        read_sources([tmp_path / "missing.png"] * 2, 1, 1000)


def test_the_path_of_a_file_is_its_id_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["None", os.fsdecode(b"\xff.png")]
    for name in names:
        Path(name).write_bytes(PNG)
    documents = read_sources([*names, PNG], 3, 1000)
    assert [document.doc_id for document in documents] == ["None", "?.png", None]
    assert [document.content for document in documents] == [PNG] * 3
