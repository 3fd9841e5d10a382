"""A logged model with a schema: typed values, their proof, their checks, and no lost rows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.pyfunc import PyFuncModel

from entry_points.log import log
from tests.fields_llm import (
    ASKS_AGAIN,
    SCHEMA,
    FieldsLlm,
    invented,
    invoice,
    numbers_as_numbers,
    swapped_day_and_month,
)
from tests.llm_servers.checking import CheckingLlm
from tests.llm_servers.completions import logprobs, refusal_of
from tests.model.sample_documents import encoded, page

OTHER_SCHEMA = {"type": "object", "properties": {"total": {"type": ["number", "null"]}}}
TEMPLATE = "Copy the fields.\n{{ fields }}\n{{ ocr_text }}"
SETTINGS = {"page_input": "text", "grounding": True, "pdf_dpi": 100}
CHECKS = SCHEMA["x-checks"]


@pytest.fixture(scope="module")
def uri(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("logged")
    shutil.copy(empty_store, folder)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = mlflow.create_experiment("logged", artifact_location=str(folder / "artifacts"))
    with mlflow.start_run(experiment_id=experiment), mlflow.tracing.context(enabled=False):
        prompt = mlflow.genai.register_prompt("invoices", TEMPLATE, response_format=SCHEMA)
        info = log(engine="openai", prompt=prompt, model_name="forms", settings=SETTINGS)
        yield info.model_uri
    mlflow.set_tracking_uri(before)


def read(uri: str, *documents: bytes, **settings: Any) -> list[dict[str, Any]]:
    model = mlflow.pyfunc.load_model(uri, model_config=settings or None)
    return rows(model, *documents)


def rows(model: PyFuncModel, *documents: bytes, **params: Any) -> list[dict[str, Any]]:
    output = model.predict(pd.DataFrame({"image": list(documents)}), params=params or None)
    assert isinstance(output, pd.DataFrame)
    return [
        {str(name): value for name, value in row.items()}
        for row in output.to_dict(orient="records")
    ]


def leaves(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {leaf["path"]: leaf for leaf in row["fields"]}


def test_values_are_typed_and_every_leaf_is_proven(uri: str, llm: CheckingLlm) -> None:
    document, trees = invoice(2)
    llm.answer = FieldsLlm(trees)
    [row] = read(uri, document)
    assert (row["error_code"], row["pairs"], row["attempts"]) == (None, [], 1)
    assert json.loads(row["values"]) == {
        "company": "Ann and Sons",
        "issued": "2018-03-05",
        "due": "2018-03-18",
        "total": 6.11,
        "items": [
            {"article": "Part 1", "pieces": 2, "amount": 2.37},
            {"article": "Part 2", "pieces": 3, "amount": 3.74},
        ],
    }
    found = leaves(row)
    assert list(found)[:5] == ["company", "issued", "due", "total", "items"]
    for path, leaf in found.items():
        if path != "items":
            assert (leaf["status"], leaf["grounded"], leaf["page"]) == ("found", True, 1), path
            assert leaf["confidence"] > 0.9, path
    cells = [found[f"items[1].{name}"]["box"] for name in ("article", "pieces", "amount")]
    first = found["items[0].amount"]["box"]
    assert len({box[1] for box in cells}) == 1
    assert [box[0] for box in cells] == sorted(box[0] for box in cells)
    assert first[3] <= cells[2][1]


def test_the_request_holds_the_schema_and_says_what_is_asked(uri: str, llm: CheckingLlm) -> None:
    document, trees = invoice(1)
    llm.answer = FieldsLlm(trees)
    read(uri, document)
    [request] = llm.requests
    strict = request["response_format"]["json_schema"]
    assert strict["strict"] is True
    assert list(strict["schema"]["properties"]) == list(SCHEMA["properties"])
    assert request["messages"][1]["content"] == "Copy the texts of the named fields from this page."


# What spoils the answer, the statuses that differ from "found", and the leaves that it puts in
# doubt: their confidence is low, because the page does not say so, or a check fails.
ERRORS = {
    "numbers as numbers": (numbers_as_numbers, {}, set()),
    "day and month swapped": (swapped_day_and_month, {}, {"issued", "due"}),
    "invented name": (invented("company", "Contoso Incorporated"), {}, {"company"}),
    "wrong format": (invented("total", "about six"), {"total": "invalid"}, {"total"}),
    "left blank": (invented("company", " "), {"company": "blank"}, {"company"}),
    "left out": (lambda tree: tree | {"company": None}, {"company": "absent"}, set()),
}


@pytest.mark.parametrize(("spoil", "statuses", "doubted"), ERRORS.values(), ids=ERRORS)
def test_a_known_error_is_told_by_status_and_confidence(
    spoil: Any, statuses: dict[str, str], doubted: set[str], uri: str, llm: CheckingLlm
) -> None:
    document, trees = invoice(2)
    llm.answer = FieldsLlm(trees, spoil=spoil)
    [row] = read(uri, document)
    scalars = {path: leaf for path, leaf in leaves(row).items() if "items" not in path}
    found = dict.fromkeys(("company", "issued", "due", "total"), "found")
    assert {path: leaf["status"] for path, leaf in scalars.items()} == found | statuses
    known = {path: leaf["confidence"] for path, leaf in scalars.items() if leaf["raw"] is not None}
    assert {path for path, confidence in known.items() if confidence < 0.75} == doubted


def test_a_value_that_the_llm_doubts_has_a_lower_confidence(
    uri: str, llm: CheckingLlm, tmp_path: Path
) -> None:
    document, trees = invoice(2)
    answers = FieldsLlm(trees)

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        given = answers(body)
        [choice] = given["choices"]
        choice["logprobs"] = logprobs(choice["message"]["content"], "Part 2", 0.3)
        return given

    llm.answer = answer
    cache = str(tmp_path / "cache.db")
    [row], [again] = (read(uri, document, cache=cache) for _ in range(2))
    confidence = {path: leaf["confidence"] for path, leaf in leaves(row).items()}
    assert confidence.pop("items[1].article") == pytest.approx(0.3, abs=0.02)
    assert min(confidence.values()) > 0.95
    assert (again["cache_hits"], again["fields"]) == (1, row["fields"])
    [unproven] = read(uri, document, grounding=False)
    assert leaves(unproven)["items[1].article"]["confidence"] == pytest.approx(0.3)
    assert leaves(unproven)["items[1].article"]["box"] is None


def test_the_probabilities_of_rows_that_are_asked_for_again_stay_with_their_rows(
    uri: str, llm: CheckingLlm
) -> None:
    document, trees = invoice(6)
    answers = FieldsLlm(trees, most_rows=4)

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        given = answers(body)
        [choice] = given["choices"]
        text = choice["message"]["content"]
        doubted = "Part 2" if "Part 2" in text else "Part 6"
        choice["logprobs"] = logprobs(text, doubted, 0.3)
        return given

    llm.answer = answer
    [row] = read(uri, document)
    assert row["attempts"] == 2
    known = {path: leaf["confidence"] for path, leaf in leaves(row).items() if "]." in path}
    assert len(known) == 18
    doubted = {path for path, confidence in known.items() if confidence < 0.9}
    assert doubted == {"items[1].article", "items[5].article"}


@pytest.mark.parametrize("repair", [False, True])
def test_a_check_that_fails_is_named_and_asked_for_once(
    repair: bool, uri: str, llm: CheckingLlm
) -> None:
    document, trees = invoice(2)
    answers = FieldsLlm(trees, spoil=invented("total", "611"))
    llm.answer = answers
    [row] = read(uri, document, repair=repair)
    found = leaves(row)
    assert row["attempts"] == len(llm.requests) == 1 + repair
    assert row["input_tokens"] == 1300 * (1 + repair)
    assert json.loads(row["values"])["total"] == (6.11 if repair else 611)
    for path in ("total", "items[0].amount", "items[1].amount"):
        assert found[path]["checks"] == ([] if repair else [CHECKS[0]])
    assert found["issued"]["checks"] == []
    if repair:  # the other answer had another total
        assert found["total"]["confidence"] == pytest.approx(0.7, abs=0.05)
        assert found["items[0].amount"]["confidence"] == pytest.approx(1, abs=0.05)
        assert ASKS_AGAIN in answers.told[1]
        assert f'{CHECKS[0]}. You gave: total = "611"; items[].amount = "2.37"' in answers.told[1]


def test_a_repair_that_is_no_better_is_not_kept(uri: str, llm: CheckingLlm) -> None:
    document, trees = invoice(2)
    wrong = {mark: tree | {"total": "611", "due": "01/01/2018"} for mark, tree in trees.items()}
    llm.answer = FieldsLlm(wrong, spoil=invented("due", "18/03/2018"))
    [row] = read(uri, document, repair=True)
    assert row["attempts"] == 2
    assert json.loads(row["values"])["due"] == "2018-03-18"


@pytest.mark.parametrize(
    ("pages", "most_rows", "share"),
    [pytest.param(40, 40, 1.0, id="1200, all"), pytest.param(4, 20, 0.8, id="120, too few")],
)
def test_rows_over_many_pages_are_read_or_flagged(
    pages: int, most_rows: int, share: float, uri: str, llm: CheckingLlm
) -> None:
    document, trees = invoice(*[8, 52] * (pages // 2))
    llm.answer = FieldsLlm(trees, most_rows=most_rows)
    [row] = read(uri, document)
    truth = [each for tree in trees.values() for each in tree["items"]]
    given = json.loads(row["values"])["items"]
    right = {(each["article"], each["pieces"], each["amount"]) for each in given} & {
        (each["article"], int(each["pieces"]), float(each["amount"])) for each in truth
    }
    found = share * len(truth)
    assert (len(truth), len(given), len(right)) == (30 * pages, found, found)
    short = [] if share == 1 else [f"rows: {found:.0f} of {len(truth)} read"]
    assert [check for check in leaves(row)["items"]["checks"] if check not in CHECKS] == short
    assert row["attempts"] == 1.5 * pages
    grounded = [leaf["grounded"] for path, leaf in leaves(row).items() if "[" in path]
    assert sum(grounded) == 3 * found


def test_an_answer_that_is_cut_off_is_continued_without_words_of_the_page(
    uri: str, llm: CheckingLlm
) -> None:
    document, trees = invoice(6)
    answers = FieldsLlm(trees)

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        given = answers(body)
        if len(answers.told) < 3:
            choice = given["choices"][0]
            choice["finish_reason"] = "length"
            text = choice["message"]["content"]
            choice["message"]["content"] = text[: text.index("Part 4")]
        return given

    llm.answer = answer
    [row] = read(uri, document, page_input="both", grounding=False)
    assert row["error_code"] is None
    assert [each["article"] for each in json.loads(row["values"])["items"]] == [
        f"Part {number}" for number in range(1, 7)
    ]
    assert row["attempts"] == 3
    assert {leaf["box"] for leaf in row["fields"]} == {leaf["grounded"] for leaf in row["fields"]}
    assert {leaf["confidence"] for path, leaf in leaves(row).items() if path != "items"} == {None}


def test_pairs_come_beside_the_fields_where_they_are_asked_for(uri: str, llm: CheckingLlm) -> None:
    document, trees = invoice(1)
    answers = FieldsLlm(trees)

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        given = answers(body)
        message = given["choices"][0]["message"]
        pairs = [{"question": "due:", "answer": "18/03/2018"}]
        message["content"] = json.dumps({"fields": json.loads(message["content"]), "pairs": pairs})
        return given

    llm.answer = answer
    [row] = read(uri, document, with_pairs=True)
    assert json.loads(row["values"])["company"] == "Ann and Sons"
    assert [(pair["question"], pair["answer"]) for pair in row["pairs"]] == [("due:", "18/03/2018")]
    assert row["pairs"][0]["grounded"] is True


def test_accept_at_marks_the_leaves(uri: str, llm: CheckingLlm) -> None:
    document, trees = invoice(2)
    llm.answer = FieldsLlm(trees, spoil=invented("company", "Contoso Incorporated"))
    [row] = read(uri, document, accept_at={"company": 0.5, "items[].amount": 0.5})
    accepted = {path: leaf["accepted"] for path, leaf in leaves(row).items()}
    assert accepted["company"] is False
    assert accepted["items[1].amount"] is True
    assert accepted["total"] is None


def test_a_document_that_fails_has_neither_values_nor_fields(uri: str, llm: CheckingLlm) -> None:
    [row] = read(uri, b"no document")
    assert (row["error_code"], row["values"], row["fields"]) == ("not_base64", None, None)


def test_a_completion_from_the_cache_belongs_to_its_schema(
    uri: str, llm: CheckingLlm, tmp_path: Path
) -> None:
    document, trees = invoice(1)
    llm.answer = FieldsLlm(trees)
    cache = str(tmp_path / "cache.db")
    first, again = (read(uri, document, cache=cache)[0] for _ in range(2))
    assert (again["cache_hits"], again["values"]) == (1, first["values"])
    assert len(llm.requests) == 1


def test_a_server_that_takes_no_schema_is_told_its_form(uri: str, llm: CheckingLlm) -> None:
    document, trees = invoice(1)
    llm.answer = FieldsLlm(trees)
    llm.first = [refusal_of("response_format"), refusal_of("response_format")]
    [row] = read(uri, document)
    assert json.loads(row["values"])["company"] == "Ann and Sons"
    last = llm.requests[-1]
    assert "response_format" not in last
    assert '"items": [{"article": "the text as printed, or null"' in last["messages"][0]["content"]


def test_a_followed_alias_may_change_the_schema_under_a_loaded_model(
    uri: str, llm: CheckingLlm
) -> None:
    document, trees = invoice(1)
    llm.answer = FieldsLlm(trees)
    follower = mlflow.pyfunc.load_model(
        uri, model_config={"follow_alias": True, "prompt_refresh_s": 0.0}
    )
    [before] = rows(follower, document)
    second = mlflow.genai.register_prompt("invoices", TEMPLATE, response_format=OTHER_SCHEMA)
    mlflow.genai.set_prompt_alias("invoices", "production", second.version)
    assert follower.unwrap_python_model().followed_prompt() == (second.uri, "registry")
    [after] = rows(follower, document)
    assert json.loads(before["values"]).keys() == SCHEMA["properties"].keys()
    assert json.loads(after["values"]) == {"total": 2.37}
    assert after["prompt_uri"] == second.uri
    assert before.keys() == after.keys()


def test_the_local_engine_fills_the_same_columns(uri: str, llm: CheckingLlm) -> None:
    [row] = read(uri, encoded(page(), "PNG"), engine="local")
    assert json.loads(row["values"]) == dict.fromkeys(SCHEMA["properties"]) | {"items": []}
    assert {leaf["status"] for leaf in row["fields"]} == {"absent"}
    assert llm.requests == []
