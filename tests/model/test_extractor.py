"""The logged model keeps its contract: one row a document, whatever the bytes are."""

from __future__ import annotations

import base64
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel
from PIL import Image

from entry_points import ROOT
from entry_points.log import log
from ocr_extractor.contract import OUTPUT_COLUMNS, Pair
from ocr_extractor.errors import ConfigError, DocumentError, MissingKeyError, RequestError
from tests.llm_servers.checking import CheckingLlm
from tests.llm_servers.completions import KEY, PAIRS, completion
from tests.model.hostile_forms import ORDERS, draw
from tests.model.sample_documents import (
    encoded,
    encrypted_pdf,
    page,
    pdf,
    png_of_claimed_size,
    tiff,
)

PNG = encoded(page(), "PNG")
TEMPLATE = "Read the form. {{ additional_rules }}"


@dataclass(frozen=True)
class Logged:
    """A model as `entry_points.log` logs it, and the store it is in."""

    uri: str
    path: Path
    store: str


@pytest.fixture(scope="module")
def logged(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    folder = tmp_path_factory.mktemp("logged")
    shutil.copy(empty_store, folder)
    before, uri = mlflow.get_tracking_uri(), f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.create_experiment("logged", artifact_location=str(folder / "artifacts"))
    with mlflow.start_run(experiment_id=experiment):
        prompt = mlflow.genai.register_prompt("p", TEMPLATE)
        info = log(
            engine="openai", prompt=prompt, model_name="forms", settings={"max_concurrency": 2}
        )
    path = Path(mlflow.artifacts.download_artifacts(info.model_uri))
    yield Logged(info.model_uri, path, uri)
    mlflow.set_tracking_uri(before)


@pytest.fixture
def extractor(logged: Logged, llm: CheckingLlm) -> Iterator[PyFuncModel]:
    mlflow.set_tracking_uri(logged.store)
    with mlflow.tracing.context(enabled=False):
        yield mlflow.pyfunc.load_model(logged.uri)


def rows(model: PyFuncModel, *images: Any, **params: str) -> list[dict[str, Any]]:
    ids = [str(number) for number in range(len(images))]
    sent = pd.DataFrame({"image": images, "doc_id": ids}, dtype=object)
    frame = model.predict(sent, params=params or None)
    assert isinstance(frame, pd.DataFrame)
    assert tuple(frame.columns) == OUTPUT_COLUMNS
    assert frame["doc_id"].tolist() == ids
    return [dict(zip(OUTPUT_COLUMNS, values, strict=True)) for values in frame.to_numpy().tolist()]


def test_a_document_is_one_row_of_the_contract(extractor: PyFuncModel) -> None:
    [row] = rows(extractor, PNG)
    empty: dict[str, Any] = {
        "page": 1,
        "confidence": None,
        "question_box": None,
        "answer_box": None,
        "grounded": None,
    }
    assert row == {
        "doc_id": "0",
        "pairs": [pair | empty for pair in PAIRS],
        "error_code": None,
        "error": None,
        "partial": False,
        "page_count": 1,
        "engine": "openai",
        "prompt_uri": "prompts:/p/1",
        "prompt_source": "registry",
        "input_tokens": 1300,
        "output_tokens": 42,
        "cached_tokens": 0,
        "attempts": 1,
        "cache_hits": 0,
        "cost": pytest.approx(0.001164),
        "values": None,
        "fields": None,
    }


def test_read_opens_a_path_and_returns_what_predict_does(
    extractor: PyFuncModel, tmp_path: Path
) -> None:
    file = tmp_path / "form.png"
    file.write_bytes(PNG)
    model: Any = extractor.unwrap_python_model()
    for source in (file, str(file)):
        extraction = model.read(source)
        assert (extraction.doc_id, extraction.error_code) == (str(file), None)
        assert [(p.question, p.answer) for p in extraction.pairs] == [
            (pair["question"], pair["answer"]) for pair in PAIRS
        ]
    [row] = rows(extractor, PNG)
    assert model.read(PNG).to_row() == row | {"doc_id": None}


def test_read_takes_a_list_pages_and_rules(
    extractor: PyFuncModel, llm: CheckingLlm, tmp_path: Path
) -> None:
    file = tmp_path / "three-pages.tiff"
    file.write_bytes(tiff(page(), page(), page()))
    model: Any = extractor.unwrap_python_model()
    three, bad, none = model.read([file, b"", PNG], pages=[1, 3], additional_rules="Skip stamps.")
    assert (three.page_count, {pair.page for pair in three.pairs}) == (3, {1, 3})
    assert (bad.error_code, bad.doc_id) == ("empty_document", None)
    assert none.error_code is None
    assert model.read([]) == []
    assert "Skip stamps." in json.dumps(llm.requests[-1])


@pytest.mark.parametrize(
    ("source", "options", "error", "said"),
    [
        pytest.param("no-such.png", {}, FileNotFoundError, "no-such.png", id="missing"),
        pytest.param(".", {}, IsADirectoryError, "directory", id="folder"),
        pytest.param("https://a.example/b.png", {}, FileNotFoundError, "b.png", id="url"),
        pytest.param(PNG, {"pages": []}, RequestError, "pages is empty", id="no-pages"),
        pytest.param(PNG, {"pages": [0]}, RequestError, "pages is '0'", id="page-0"),
        pytest.param(PNG, {"pages": [1.5]}, RequestError, "pages is '1.5'", id="page-1.5"),
    ],
)
def test_read_refuses_before_the_llm_is_asked(
    extractor: PyFuncModel,
    llm: CheckingLlm,
    source: Any,
    options: dict[str, Any],
    error: type[Exception],
    said: str,
) -> None:
    asked = len(llm.requests)
    model: Any = extractor.unwrap_python_model()
    with pytest.raises(error, match=said):
        model.read([PNG, source] if error is not RequestError else source, **options)
    assert len(llm.requests) == asked


def test_read_takes_no_more_of_a_file_than_it_needs_to_refuse_it(
    logged: Logged, llm: CheckingLlm, tmp_path: Path
) -> None:
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte, of which nothing is on the disk
    model: Any = mlflow.pyfunc.load_model(logged.uri, model_config={"max_document_bytes": 1000})
    for source, size in ((huge, "1,099,511,627,776 bytes, more"), ("/dev/zero", "more")):
        extraction = model.unwrap_python_model().read(source)
        assert extraction.error_code == "document_too_large"
        assert f"The document has {size} than max_document_bytes=1,000" in extraction.error


def test_the_text_of_a_document_has_the_limits_of_its_reading(
    logged: Logged, llm: CheckingLlm
) -> None:
    loaded: Any = mlflow.pyfunc.load_model(logged.uri, model_config={"max_pages": 1})
    model, document = loaded.unwrap_python_model(), tiff(page(), page())
    assert model.read(document).error_code == "too_many_pages"
    with pytest.raises(DocumentError, match="more than max_pages=1 pages"):
        model.document_text(document)


@pytest.mark.parametrize(
    "sent", [{"image": [PNG]}, [{"image": PNG, "doc_id": "a"}]], ids=["dict", "rows"]
)
def test_predict_takes_named_values_without_a_frame(extractor: PyFuncModel, sent: Any) -> None:
    frame: Any = extractor.predict(sent)
    assert frame["error_code"].tolist() == [None]


@pytest.mark.parametrize("sent", [PNG, [PNG], ["form.png"]], ids=["bytes", "list", "paths"])
def test_mlflow_refuses_documents_without_a_name_of_their_column(
    extractor: PyFuncModel, sent: Any
) -> None:
    with pytest.raises(MlflowException, match="missing inputs"):
        extractor.predict(sent)


GOOD = {
    "PNG": PNG,
    "JPEG": encoded(page(), "JPEG"),
    "WEBP": encoded(page(), "WEBP"),
    "BMP": encoded(page(), "BMP"),
    "GIF": encoded(page(), "GIF"),
    "PDF": pdf(),
    "base64": base64.b64encode(PNG),
}
BAD = {
    "empty_document": b"",
    "unknown_format": b"\x00\x01\x02\x03",
    "damaged_document": encoded(Image.effect_noise((90, 90), 50), "PNG")[:500],
    "encrypted_pdf": encrypted_pdf(),
    "too_many_pixels": png_of_claimed_size(50_000, 50_000),
    "not_base64": b"Dear Sir or Madam, enclosed please find",
    "missing_image": b"None",  # a null of an `inputs` or `instances` request
}


def test_bad_documents_are_errors_in_their_rows_among_good_ones(extractor: PyFuncModel) -> None:
    mixed = [data for pair in zip(GOOD.values(), BAD.values(), strict=True) for data in pair]
    read = rows(extractor, *mixed)
    assert [row["error_code"] for row in read[::2]] == [None] * len(GOOD)
    assert [len(row["pairs"]) for row in read[::2]] == [2] * len(GOOD)
    assert [row["error_code"] for row in read[1::2]] == list(BAD)
    for row in read[1::2]:
        assert row["pairs"] == []
        assert isinstance(row["error"], str)
        assert row["input_tokens"] is row["output_tokens"] is None


@pytest.mark.parametrize("null", [None, math.nan, pd.NA], ids=str)
def test_a_null_image_is_an_error_in_its_row(null: Any, extractor: PyFuncModel) -> None:
    read = rows(extractor, PNG, null, PNG)
    assert [row["error_code"] for row in read] == [None, "missing_image", None]


def test_a_batch_of_nulls_is_a_batch_of_errors(extractor: PyFuncModel) -> None:
    assert [row["error_code"] for row in rows(extractor, None, None)] == ["missing_image"] * 2


def test_pages_are_numbered(extractor: PyFuncModel) -> None:
    [row] = rows(extractor, tiff(page(), page(), page()))
    assert [pair["page"] for pair in row["pairs"]] == [1, 1, 2, 2, 3, 3]
    assert (row["page_count"], row["input_tokens"]) == (3, 3900)


def test_the_ids_may_be_left_out(extractor: PyFuncModel) -> None:
    read = extractor.predict(pd.DataFrame({"image": [PNG]}))
    assert isinstance(read, pd.DataFrame)
    assert read["doc_id"].tolist() == [None]


def test_no_documents_are_no_rows(extractor: PyFuncModel) -> None:
    assert rows(extractor) == []


def test_additional_rules_reach_the_llm(extractor: PyFuncModel, llm: CheckingLlm) -> None:
    rows(extractor, PNG, additional_rules="Dates are ISO.")
    rows(extractor, PNG)
    told = [request["messages"][0]["content"] for request in llm.requests]
    assert told == ["Read the form. Dates are ISO.", "Read the form."]


def test_bytes_of_any_kind_and_columns_of_any_number_are_taken(extractor: PyFuncModel) -> None:
    kinds = [np.bytes_(PNG), bytearray(PNG), memoryview(PNG), base64.b64encode(PNG).decode()]
    sent = pd.DataFrame({"path": "a.png", "image": pd.Series(kinds, dtype=object), "size": 1.5})
    read = extractor.predict(sent)
    assert isinstance(read, pd.DataFrame)
    assert read["error_code"].tolist() == [None] * len(kinds)
    assert tuple(read.columns) == OUTPUT_COLUMNS


def test_ten_thousand_documents_are_ten_thousand_rows_in_order(extractor: PyFuncModel) -> None:
    read = rows(extractor, *[b"\0%d" % number for number in range(10_000)])
    assert {row["error_code"] for row in read} == {"unknown_format"}


def test_a_loaded_model_takes_the_prompt_that_production_names(
    logged: Logged, extractor: PyFuncModel, llm: CheckingLlm
) -> None:
    settings = {"follow_alias": True, "prompt_refresh_s": 0.0}
    follower = mlflow.pyfunc.load_model(logged.uri, model_config=settings)
    [before] = rows(follower, PNG)
    assert (before["prompt_uri"], before["prompt_source"]) == ("prompts:/p/1", "last_good")
    python_model = follower.unwrap_python_model()
    assert python_model.followed_prompt() == ("prompts:/p/1", "last_good")
    second = mlflow.genai.register_prompt("p", "Read slowly. {{ additional_rules }}")
    mlflow.genai.set_prompt_alias("p", "production", second.version)
    assert python_model.followed_prompt() == (second.uri, "registry")
    [after] = rows(follower, PNG)
    [pinned] = rows(extractor, PNG)
    assert (after["prompt_uri"], after["prompt_source"]) == (second.uri, "registry")
    assert extractor.unwrap_python_model().followed_prompt() is None
    assert pinned["prompt_uri"] == "prompts:/p/1"
    told = [request["messages"][0]["content"] for request in llm.requests]
    assert told == ["Read the form.", "Read slowly.", "Read the form."]


def assert_pairs_of_the_contract(row: dict[str, Any]) -> None:
    for pair in row["pairs"]:
        assert pair.keys() == {field.name for field in fields(Pair)}
        assert isinstance(pair["question"], str)
        assert isinstance(pair["answer"], str | None)
        assert pair["page"] == 1


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_an_llm_that_obeys_the_form_changes_nothing_but_what_is_read(
    order: str, extractor: PyFuncModel, llm: CheckingLlm
) -> None:
    reader = extractor.unwrap_python_model()._reader
    settings = reader.config
    llm.answer = completion(order)
    [row] = rows(extractor, draw(order))
    assert_pairs_of_the_contract(row)
    assert row["pairs"] or row["error_code"] or json.loads(order)["pairs"] == []
    assert (row["doc_id"], row["engine"], row["prompt_uri"]) == ("0", "openai", "prompts:/p/1")
    assert "root:" not in str(row)
    assert KEY not in str(row)

    llm.answer = None
    [after] = rows(extractor, PNG)
    assert reader.config == settings
    assert [pair["answer"] for pair in after["pairs"]] == [pair["answer"] for pair in PAIRS]
    assert not any("tools" in request for request in llm.requests)
    told = {request["messages"][0]["content"] for request in llm.requests}
    assert told == {"Read the form."}


def test_the_local_engine_reads_orders_as_text(logged: Logged, llm: CheckingLlm) -> None:
    mlflow.set_tracking_uri(logged.store)
    with mlflow.tracing.context(enabled=False):
        local = mlflow.pyfunc.load_model(logged.uri, model_config={"engine": "local"})
        reader = local.unwrap_python_model()._reader
        settings = reader.config
        orders = list(ORDERS.values())
        read = rows(local, *(draw(*orders[start::3]) for start in range(3)))
    assert reader.config == settings
    for row in read:
        assert_pairs_of_the_contract(row)
        assert (row["error_code"], row["engine"]) == (None, "local")
        assert (row["prompt_uri"], row["page_count"]) == ("prompts:/p/1", 1)
        assert ("Name:", "Ann Smith") in [(p["question"], p["answer"]) for p in row["pairs"]]
    texts = " ".join(f"{p['question']} {p['answer']}" for row in read for p in row["pairs"])
    assert "root:" not in texts
    assert "49" not in texts
    assert llm.requests == []


def test_pages_can_be_chosen(extractor: PyFuncModel) -> None:
    [row] = rows(extractor, tiff(page(), page(), page()), pages="2-3")
    assert [pair["page"] for pair in row["pairs"]] == [2, 2, 3, 3]
    with pytest.raises(RequestError, match="write page numbers"):
        rows(extractor, PNG, pages="last")


def test_more_documents_than_the_limit_are_refused_as_a_whole(
    logged: Logged, extractor: PyFuncModel, llm: CheckingLlm
) -> None:
    limited = mlflow.pyfunc.load_model(logged.uri, model_config={"max_documents": 2})
    assert len(rows(limited, PNG, b"")) == 2
    asked = len(llm.requests)
    with pytest.raises(RequestError, match="has 3 documents, more than max_documents=2"):
        rows(limited, PNG, PNG, PNG)
    assert len(llm.requests) == asked


def test_a_stream_gives_the_rows_of_predict(extractor: PyFuncModel) -> None:
    sent = pd.DataFrame({"image": [PNG, b"", PNG], "doc_id": ["a", "b", "c"]})
    read = extractor.predict(sent)
    assert isinstance(read, pd.DataFrame)
    streamed = list(extractor.unwrap_python_model().predict_stream(None, sent))
    assert sorted(streamed, key=lambda row: row["doc_id"]) == read.to_dict(orient="records")
    # MLflow itself streams one document a call.
    first = {"image": PNG, "doc_id": "a"}
    assert list(extractor.predict_stream(first)) == [read.to_dict(orient="records")[0]]


def test_a_frame_without_images_is_refused(extractor: PyFuncModel) -> None:
    with pytest.raises(MlflowException, match="missing inputs"):
        extractor.predict(pd.DataFrame({"doc_id": ["a"]}))


def test_settings_can_be_changed_when_it_is_loaded(
    logged: Logged, extractor: PyFuncModel, llm: CheckingLlm
) -> None:
    changed = mlflow.pyfunc.load_model(
        logged.uri, model_config={"max_size": 64, "llm": "other", "image_format": "jpeg"}
    )
    rows(changed, encoded(Image.new("L", (100, 128)), "PNG"))
    assert llm.requests[-1]["model"] == "other"
    assert (llm.images[-1].format, llm.images[-1].size) == ("JPEG", (50, 64))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"max_size": "large"}, "max_size='large'"),
        ({"engine": "auto"}, "engine='auto'"),
        ({"prompt_uri": "prompts:/p@production"}, "prompt_uri="),
    ],
)
def test_a_wrong_setting_fails_the_load(
    settings: dict[str, str], named: str, logged: Logged, extractor: PyFuncModel
) -> None:
    with pytest.raises(ConfigError, match=named):
        mlflow.pyfunc.load_model(logged.uri, model_config=settings)


def test_an_unknown_setting_is_ignored_by_mlflow_with_a_warning(
    logged: Logged, extractor: PyFuncModel, caplog: pytest.LogCaptureFixture
) -> None:
    mlflow.pyfunc.load_model(logged.uri, model_config={"colour": "red"})
    assert "colour were ignored" in caplog.text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ('{"colour": "red"}', "colour: .*Known settings: engine, prompt_uri"),
        ("[1]", "SERVING_MODEL_CONFIG is not a JSON object"),
        ("{", "SERVING_MODEL_CONFIG is not a JSON object"),
    ],
)
def test_an_unknown_setting_of_a_server_fails_the_load(
    settings: str,
    named: str,
    logged: Logged,
    extractor: PyFuncModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVING_MODEL_CONFIG", settings)
    with pytest.raises(ConfigError, match=named):
        mlflow.pyfunc.load_model(logged.uri)


def test_the_environment_replaces_a_logged_setting_as_on_a_spark_executor(
    logged: Logged, extractor: PyFuncModel, llm: CheckingLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_MODEL_CONFIG", '{"max_tokens": 77}')
    rows(mlflow.pyfunc.load_model(logged.uri), PNG)
    assert llm.requests[-1]["max_tokens"] == 77


def test_without_a_key_it_fails_to_load_and_never_becomes_local(
    logged: Logged, extractor: PyFuncModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name)
    with pytest.raises(MissingKeyError, match="set OPENAI_API_KEY; or set OPENAI_API_KEY_FILE"):
        mlflow.pyfunc.load_model(logged.uri)


def test_without_its_registry_it_reads_with_the_snapshot(
    logged: Logged, store: Path, llm: CheckingLlm
) -> None:
    with mlflow.tracing.context(enabled=False):
        [row] = rows(mlflow.pyfunc.load_model(str(logged.path)), PNG)
    assert (row["prompt_uri"], row["prompt_source"]) == ("prompts:/p/1", "snapshot")
    assert llm.requests[0]["messages"][0]["content"] == "Read the form."
    assert len(row["pairs"]) == 2


def test_the_logged_files_hold_the_code_the_prompt_and_no_key(logged: Logged) -> None:
    files = {path.relative_to(logged.path): path for path in logged.path.rglob("*")}
    assert files[Path("artifacts/prompt/template.md")].read_text(encoding="utf-8") == TEMPLATE
    assert {Path("code/ocr_extractor/reader.py"), Path("code/ocr_extractor/py.typed")} <= set(files)
    assert not [
        path for path in files.values() if path.is_file() and KEY.encode() in path.read_bytes()
    ]


def test_says_why_a_template_cannot_replace_the_prompt(extractor: PyFuncModel) -> None:
    model = extractor.unwrap_python_model()
    assert model.template_fault("Read all of it. {{ additional_rules }}") is None
    assert "keep {{ additional_rules }}" in model.template_fault("Read all of it.")
    assert "uses page" in model.template_fault("Read {{ page }}. {{ additional_rules }}")


def test_what_one_engine_needs_is_not_loaded_for_the_other() -> None:
    code = "import sys, ocr_extractor.extractor; print({'openai', 'onnxruntime'} & {*sys.modules})"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "model")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"follow_alias": True}, "the same prompt until its end"),
        ({"engine": "local"}, "has no LLM"),
    ],
)
def test_batches_need_an_llm_and_one_prompt(
    logged: Logged, llm: CheckingLlm, settings: dict[str, Any], says: str
) -> None:
    mlflow.set_tracking_uri(logged.store)
    extractor: Any = mlflow.pyfunc.load_model(logged.uri, model_config=settings)
    with pytest.raises(ConfigError, match=says):
        extractor.unwrap_python_model().batch_server()
