"""Every body becomes a call or one sentence that says what to change."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entry_points.serving.body import HttpError, read_body

PARAMS = {"additional_rules": str, "pages": str}
SHAPES = ("dataframe_records", "dataframe_split", "inputs", "instances")
SECRET = "November 5, 1998"


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"image": "QQ==", "doc_id": "a", "more": [1]}, {"image": None}]},
        {
            "dataframe_split": {
                "columns": ["doc_id", "image"],
                "data": [["a", "QQ=="], [None, None]],
            }
        },
        {"inputs": [{"image": "QQ==", "doc_id": "a"}, {}]},
        {"inputs": {"image": ["QQ==", None], "doc_id": ["a", None]}},
        {"instances": [{"image": "QQ==", "doc_id": "a"}, {"doc_id": None}], "params": None},
    ],
    ids=["records", "split", "inputs", "inputs by column", "instances"],
)
def test_the_shapes_mean_the_same(body: dict[str, Any]):
    call = read_body(json.dumps(body).encode(), PARAMS)
    assert call.frame.to_dict(orient="list") == {"image": ["QQ==", None], "doc_id": ["a", None]}
    assert call.params == {}


def test_numbers_are_ids_too():
    call = read_body(b'{"inputs": [{"image": "QQ==", "doc_id": 7}]}', PARAMS)
    assert call.frame["doc_id"].tolist() == ["7"]


def test_no_documents_are_no_rows():
    for shape in ("dataframe_records", "inputs", "instances"):
        assert len(read_body(json.dumps({shape: []}).encode(), PARAMS).frame) == 0


def test_params_are_handed_on():
    body = {"inputs": [{"image": "QQ=="}], "params": {"pages": "1-2"}}
    assert read_body(json.dumps(body).encode(), PARAMS).params == {"pages": "1-2"}


RECORD = {"image": SECRET}
WRONG = {
    "no JSON": (SECRET, "not JSON"),
    "bytes": (b"\xff\xfe" + SECRET.encode(), "not JSON"),
    "nested too deep": ("[" * 100_000, "not JSON"),
    "a list": ([RECORD], "exactly one of dataframe_records, "),
    "no shape": ({"documents": [RECORD]}, "exactly one of"),
    "two shapes": ({"inputs": [RECORD], "instances": [RECORD]}, "exactly one of"),
    "another key": ({"inputs": [RECORD], SECRET: 1}, "only params beside it"),
    "no list": ({"instances": RECORD}, "instances is not a list of objects"),
    "a text": ({"inputs": [SECRET]}, "inputs is not a list of objects"),
    "no image": ({"inputs": [{"picture": SECRET}]}, "inputs has no image"),
    "a number": ({"inputs": [{"image": "QQ=="}, {"image": 5}]}, "Document 2 of inputs: image is"),
    "bytes as numbers": ({"inputs": [{"image": [1, 2]}]}, "Document 1 of inputs: image is"),
    "an id": ({"inputs": [{"image": "", "doc_id": [SECRET]}]}, "doc_id is neither"),
    "half a character": ({"inputs": [{"image": "", "doc_id": SECRET + "\ud800"}]}, "doc_id is"),
    "half a rule": ({"inputs": [RECORD], "params": {"pages": SECRET + "\udc00"}}, "pages is not a"),
    "columns": ({"inputs": {"image": ["", ""], "doc_id": ["a"]}}, "lists of the same length"),
    "one row": ({"inputs": {"image": "", "doc_id": "a"}}, "lists of the same length"),
    "no columns": ({"dataframe_split": {"data": [[SECRET]]}}, "needs columns"),
    "a longer row": (
        {"dataframe_split": {"columns": ["image"], "data": [["", ""]]}},
        "of that",
    ),
    "split of records": ({"dataframe_split": [RECORD]}, "needs columns"),
    "params": ({"inputs": [RECORD], "params": [SECRET]}, "params is not an object"),
    "unknown param": ({"inputs": [RECORD], "params": {SECRET: ""}}, "additional_rules, pages"),
    "param": ({"inputs": [RECORD], "params": {"pages": 1}}, "params.pages is not a str"),
}


@pytest.mark.parametrize(("body", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_without_quoting_it(body: Any, message: str):
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else None
    with pytest.raises(HttpError) as refused:
        read_body(data or json.dumps(body).encode(), PARAMS)
    assert message in str(refused.value)
    assert SECRET not in str(refused.value)
    assert refused.value.status == 400


FEW = 10
MANY = {
    "rows": b'{"inputs": [' + b",".join([b"{}"] * 3_000_000) + b"]}",
    "rows of a split": b'{"dataframe_split": {"columns": [], "data": [%s]}}'
    % b",".join([b"[]"] * 3_000_000),
    "columns of null": b'{"inputs": {"image": [%s]}}' % b",".join([b"null"] * 2_000_000),
    "values that nobody reads": b'{"inputs": [{"image": "", "more": [%s]}]}'
    % b",".join([b"{}"] * 3_000_000),
}


@pytest.mark.parametrize("body", MANY.values(), ids=MANY)
def test_millions_of_values_are_refused_before_anything_is_built_of_them(body: bytes):
    tracemalloc.start()
    try:
        with pytest.raises(HttpError, match="max_documents=10:"):
            read_body(body, PARAMS, FEW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("shape", ["dataframe_records", "dataframe_split", "inputs", "instances"])
def test_so_many_documents_are_read_and_one_more_is_not(shape: str):
    def body(count: int) -> bytes:
        split = {"columns": ["image"], "data": [[""]] * count}
        rows: Any = split if shape == "dataframe_split" else [{"image": ""}] * count
        return json.dumps({shape: rows, "params": {"pages": "1," * 50_000}}).encode()

    assert len(read_body(body(FEW), PARAMS, FEW).frame) == FEW
    with pytest.raises(HttpError, match="11 documents, more than max_documents=10") as refused:
        read_body(body(FEW + 1), PARAMS, FEW)
    assert refused.value.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["image", "doc_id", "columns", "data", "pages"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SHAPES, "params"]), JSON, max_size=2))
def test_any_json_is_read_or_refused(body: dict[str, Any]):
    with contextlib.suppress(HttpError):
        call = read_body(json.dumps(body).encode(), PARAMS)
        assert list(call.frame.columns) == ["image", "doc_id"]
