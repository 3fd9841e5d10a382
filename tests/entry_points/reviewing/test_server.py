"""The review's server over HTTP: who may ask, what is saved, and what becomes the truth."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data.fields import load_folder
from data.funsd import load_folder as load_forms
from entry_points.command_line.cli import UsageError
from entry_points.predictions.output import KEY
from entry_points.reviewing.app import TOKEN_HEADER
from entry_points.reviewing.journal import Journal
from tests.entry_points.reviewing.desk import RECEIPTS, WRONG, Client, opened, page_server, scans


@pytest.fixture
def client(tmp_path: Path):
    rows = scans(tmp_path / "scans")
    with page_server(opened(tmp_path, rows)) as address:
        yield Client(address)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "labelled"


def truth(form_id: str) -> Any:
    return json.loads((RECEIPTS / "fields" / f"{form_id}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("/", {TOKEN_HEADER: None}, 200, id="the empty page needs no token"),
        pytest.param("/api/documents", {TOKEN_HEADER: None}, 401, id="no token"),
        pytest.param("/api/documents", {TOKEN_HEADER: "wrong"}, 401, id="another token"),
        pytest.param("/api/documents", {TOKEN_HEADER: "ü".encode()}, 401, id="no ascii"),
        pytest.param("/api/documents", {"Origin": "http://evil.example"}, 403, id="other origin"),
        pytest.param("/api/documents", {"Origin": "null"}, 403, id="origin null"),
        pytest.param("/api/documents", {"Host": "evil.example"}, 403, id="rebound name"),
        pytest.param("/", {"Host": "evil.example"}, 403, id="rebound name, page"),
        pytest.param("/", {"Host": "[::1"}, 403, id="malformed host"),
        pytest.param("/api/documents/99", {}, 404, id="no such document"),
        pytest.param("/api/documents/-1", {}, 422, id="negative"),
        pytest.param("/page/..%2f..%2freview.py", {}, 404, id="path out of the page"),
        pytest.param("/page/%2fetc%2fpasswd", {}, 404, id="absolute path"),
        pytest.param("/docs", {}, 404, id="no api page"),
        pytest.param("/api/documents/0/pages/9", {}, 500, id="no such page"),
    ],
)
def test_who_may_ask_for_what(client: Client, path: str, headers: dict[str, Any], status: int):
    answer = client.ask("GET", path, headers=headers)
    assert answer.status_code == status
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


SENT = b'{"doc_id": "receipt-01.jpg", "version": 0'


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param({"Origin": None}, b"{}", 403, id="no origin"),
        pytest.param({}, b" " * 4_000_001, 413, id="too large"),
        pytest.param({}, iter([b"{}"]), 413, id="unknown size"),
        pytest.param({}, b"[" * 100_000, 400, id="deep"),
        pytest.param({}, SENT + b', "more": 1}', 422, id="unknown key"),
        pytest.param({}, SENT + b', "leaves": {"total": {"raw": 1}}}', 422, id="type"),
        pytest.param({}, SENT + b', "leaves": {"nothing": {}}}', 422, id="no such field"),
        pytest.param({}, SENT + b', "leaves": {"total": null}}', 422, id="field removed"),
        pytest.param({}, SENT + b', "leaves": {"items[0].amount": null}}', 422, id="half"),
        pytest.param(
            {}, SENT + b', "leaves": {"total": {"raw": "\\ud800"}}}', 422, id="half character"
        ),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(
    client: Client, headers: dict[str, Any], body: Any, status: int
):
    typed = {"Content-Type": "application/json"} | headers
    answer = client.ask("POST", "/api/documents/0/save", headers=typed, data=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]
    assert client.document(0)["version"] == 0


def test_the_list_says_what_needs_a_person(client: Client):
    listed = client.get("/api/documents")
    first = listed["documents"][0]
    assert first["id"] == "receipt-01.jpg"
    assert (first["status"], first["holder"], first["least"]) == ("open", None, 0.4)
    assert first["left"] == first["all"] == 30
    failed = [listed["checks"][at]["text"] for at in first["fails"]]
    assert failed == ["paid - change == total", "items.quantity * items.unit_price == items.amount"]


def test_a_document_tells_which_checks_fail_with_their_numbers(client: Client):
    assert [each["failures"] for each in client.document(0)["checks"]] == [
        [[None, "61.31 == 61.37"]],
        [],
        [[1, "13.48 == 18.48"]],
    ]
    saved = client.change(0, "total", raw="61,31 £", status="found", ok=True)
    assert saved["leaves"]["total"]["value"] == 61.31
    assert [each["failures"] for each in saved["checks"]] == [[], [], [[1, "13.48 == 18.48"]]]


@pytest.mark.parametrize(
    ("path", "raw", "value", "status"),
    [
        ("date", "7 August 2026", "2026-08-07", "found"),
        ("date", "2026-08-07", "2026-08-07", "found"),
        ("date", "yesterday", None, "invalid"),
        ("total", "1.234,50", 1234.5, "found"),
        ("total", "", None, "blank"),
        ("total", "  ", None, "blank"),
        ("total", None, None, "absent"),
        ("company", "<b>&amp;</b>", "<b>&amp;</b>", "found"),
    ],
)
def test_a_text_becomes_a_value(client: Client, path: str, raw: str, value: Any, status: str):
    saved = client.change(0, path, raw=raw, status="found", ok=True)["leaves"][path]
    assert (saved["value"], saved["status"]) == (value, status)
    assert saved["ok"] is (status != "invalid")
    assert client.document(0)["leaves"][path] == saved


def test_the_client_does_not_decide_what_a_text_means(client: Client):
    saved = client.change(0, "total", raw="12.00", value=99, status="found", ok=True)
    assert saved["leaves"]["total"]["value"] == 12


def test_what_goes_back_to_what_was_read_has_its_value_again(client: Client):
    before = client.document(1)["leaves"]["date"]
    client.change(1, "date", raw="2026-01-01", status="found", ok=True)
    again = client.change(1, "date", **before)
    assert again["leaves"]["date"] == before


def test_an_accepted_document_is_the_truth_at_once(client: Client, output: Path):
    for path, _, right in WRONG["receipt-01"]:
        client.change(0, path, raw=right, status="found", ok=True)
    assert client.accept(0).status_code == 200
    [document] = load_folder(output)
    assert document.values == truth("receipt-01")
    original = RECEIPTS / "images" / "receipt-01.jpg"
    assert document.image_path.read_bytes() == original.read_bytes()


def test_a_document_with_an_invalid_value_is_not_accepted(client: Client, output: Path):
    answer = client.accept(1)
    assert answer.status_code == 422
    assert answer.json()["path"] == "date"
    assert not list((output / "fields").iterdir())


@pytest.mark.parametrize("status", ["open", "rejected", "postponed"])
def test_the_truth_goes_when_a_document_is_no_longer_accepted(
    client: Client, output: Path, status: str
):
    assert client.accept(2).status_code == 200
    assert (output / "fields" / "receipt-03.json").exists()
    version = client.document(2)["version"]
    verdict = {"status": status, "reason": "a copy"}
    assert client.save(2, version, verdict=verdict).status_code == 200
    assert not list((output / "fields").iterdir())
    assert not list((output / "images").iterdir())
    assert client.document(2)["verdict"] == verdict


def test_a_change_to_an_accepted_document_changes_its_truth(client: Client, output: Path):
    client.accept(2)
    client.change(2, "company", raw="Another", status="found", ok=True)
    assert load_folder(output)[0].values["company"] == "Another"
    blank = client.change(2, "company", raw="", status="blank", ok=True)
    assert blank["leaves"]["company"]["status"] == "blank"
    assert load_folder(output)[0].values["company"] is None


def test_rows_are_added_moved_and_removed(client: Client, output: Path):
    leaves = client.document(0)["leaves"]
    cells = {path: leaf for path, leaf in leaves.items() if path.startswith("items[")}
    columns = ["description", "quantity", "unit_price", "amount"]
    swapped: dict[str, Any] = {}
    for column in columns:
        swapped[f"items[0].{column}"] = cells[f"items[1].{column}"]
        swapped[f"items[1].{column}"] = cells[f"items[0].{column}"]
        swapped[f"items[4].{column}"] = None
        swapped[f"items[5].{column}"] = {"raw": "7", "status": "found", "ok": True}
    assert client.save(0, 0, leaves=swapped).status_code == 200
    assert client.accept(0).status_code == 200
    items = load_folder(output)[0].values["items"]
    assert [each["description"] for each in items] == [
        "Olive oil",
        "Bread, sliced",
        "Butter 250 g",
        "Coffee 250 g",
        "7",
    ]
    assert items[-1]["amount"] == 7


def test_the_second_to_save_gets_both_versions_and_overwrites_nothing(client: Client):
    other = Client(client.address, "page-2", "bob")
    client.change(0, "company", raw="Ann's", status="found", ok=True)
    leaf = client.document(0)["leaves"]["company"] | {"raw": "Bob's"}
    refused = other.save(0, 0, leaves={"company": leaf})
    assert refused.status_code == 409
    theirs = refused.json()["theirs"]
    assert (theirs["who"], theirs["version"]) == ("ann", 1)
    assert theirs["leaves"]["company"]["raw"] == "Ann's"
    assert client.document(0)["leaves"]["company"]["raw"] == "Ann's"
    assert other.save(0, theirs["version"], leaves={"company": leaf}).status_code == 200
    assert client.document(0)["leaves"]["company"]["raw"] == "Bob's"


def test_a_document_is_taken_until_it_is_left(client: Client):
    other = Client(client.address, "page-2", "Bjørn ☃")
    assert client.take(0).json() == {"holder": None, "version": 0}
    assert other.take(0).json()["holder"] == "ann"
    assert other.get("/api/documents")["documents"][0]["holder"] == "ann"
    assert other.take(0, force=True).json()["holder"] is None
    assert client.take(0).json()["holder"] == "Bjørn ☃"
    other.ask("POST", "/api/leave", json={})
    assert client.take(0).json()["holder"] is None


def test_a_change_to_another_document_than_the_list_has_is_refused(client: Client):
    changed = {"verdict": {"status": "rejected", "reason": ""}}
    for answer in (
        client.save(0, 0, doc_id="receipt-02.jpg", **changed),
        client.take(0, doc_id="receipt-02.jpg"),
        client.ask("POST", "/api/documents/9/take", json={"doc_id": "receipt-02.jpg"}),
    ):
        assert answer.status_code == 410
        assert answer.json() == {"message": "The list has changed: reload the page."}
    assert client.document(0)["version"] == 0


def test_changes_come_back_with_the_document_to_be_undone(client: Client):
    before = client.document(0)["leaves"]["company"]
    after = client.change(0, "company", raw="Another", status="found", ok=True)["leaves"]["company"]
    client.save(0, 1, verdict={"status": "postponed", "reason": ""})
    history = client.document(0)["history"]
    assert history[0] == {"company": [before, after]}
    assert history[1][""][1]["status"] == "postponed"


def test_a_new_server_has_all_that_was_saved(tmp_path: Path):
    rows = scans(tmp_path / "scans")
    with page_server(opened(tmp_path, rows)) as address:
        Client(address).change(0, "company", raw="Kept", status="found", ok=True)
    with page_server(opened(tmp_path, rows)) as address:
        document = Client(address).document(0)
    assert (document["leaves"]["company"]["raw"], document["who"]) == ("Kept", "ann")


def test_the_truth_of_a_killed_server_is_written_by_the_next(tmp_path: Path):
    rows = scans(tmp_path / "scans")
    with page_server(opened(tmp_path, rows)) as address:
        assert Client(address).accept(2).status_code == 200
    shutil.rmtree(tmp_path / "labelled" / "fields")  # as if it was killed before it wrote
    opened(tmp_path, rows)
    assert [each.form_id for each in load_folder(tmp_path / "labelled")] == ["receipt-03"]


def test_a_document_that_was_read_again_is_reviewed_again_unless_it_was_settled(tmp_path: Path):
    rows = scans(tmp_path / "scans")
    with page_server(opened(tmp_path, rows)) as address:
        Client(address).change(0, "company", raw="Old", status="found", ok=True)
        Client(address).accept(2)
    again = {name: row | {KEY: "1" * 64} for name, row in rows.items()}
    with page_server(opened(tmp_path, again)) as address:
        client = Client(address)
        assert client.document(0)["leaves"]["company"]["raw"] != "Old"
        assert client.document(0)["history"] == []
        assert client.document(2)["verdict"]["status"] == "accepted"
        assert client.change(0, "company", raw="New", status="found", ok=True)["version"] == 2


def another_of_the_name(folder: Path, name: str, rows: dict[str, Any]) -> dict[str, Any]:
    """Put a new document with an old name into the folder; return the predictions with its own."""
    Image.new("RGB", (100, 60), "white").save(folder / name)
    return rows | {name: rows[name] | {KEY: "1" * 64}}


def test_a_verdict_does_not_hold_for_another_document_of_the_name(tmp_path: Path):
    rows = scans(tmp_path / "scans")
    with page_server(opened(tmp_path, rows)) as address:
        verdict = {"status": "rejected", "reason": "a copy"}
        assert Client(address).save(2, 0, verdict=verdict).status_code == 200
    again = another_of_the_name(tmp_path / "scans", "receipt-03.jpg", rows)
    with page_server(opened(tmp_path, again)) as address:
        assert Client(address).document(2)["verdict"]["status"] == "open"


def test_another_document_does_not_take_the_place_of_an_accepted_one(tmp_path: Path, output: Path):
    rows = scans(tmp_path / "scans")
    with page_server(opened(tmp_path, rows)) as address:
        assert Client(address).accept(2).status_code == 200
    again = another_of_the_name(tmp_path / "scans", "receipt-03.jpg", rows)
    with pytest.raises(UsageError, match=r"'receipt-03\.jpg' was accepted into this --output"):
        opened(tmp_path, again)
    original = RECEIPTS / "images" / "receipt-03.jpg"
    assert load_folder(output)[0].image_path.read_bytes() == original.read_bytes()


def test_a_very_long_prediction_needs_a_person(tmp_path: Path, output: Path):
    rows = scans(tmp_path / "scans", 1)
    [row] = rows.values()
    [company] = [leaf for leaf in row["fields"] if leaf["path"] == "company"]
    long = "x" * 10_001
    company |= {"raw": long, "value": json.dumps(long), "accepted": True}
    with page_server(opened(tmp_path, rows)) as address:
        client = Client(address)
        leaf = client.document(0)["leaves"]["company"]
        assert (leaf["raw"], leaf["ok"], leaf["grounded"]) == (long[:-1], False, False)
        assert client.save(0, 0, leaves={"company": leaf | {"raw": long}}).status_code == 422
        assert client.accept(0).status_code == 200
    assert load_folder(output)[0].values["company"] == long


def test_pages_come_as_pictures_with_the_size_that_boxes_refer_to(client: Client):
    answer = client.ask("GET", "/api/documents/0/pages/1")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Page-Size"] == "480,780"
    full = client.ask("GET", "/api/documents/0/pages/1?full=true")
    assert len(full.content) > len(answer.content)


def test_words_of_a_page_are_read_once_and_a_box_at_once(client: Client, tmp_path: Path):
    scan = tmp_path / "scans" / "receipt-01.jpg"
    scan.write_bytes(scan.read_bytes() + b"other content")
    words = client.get("/api/documents/0/pages/1/words")
    assert "Nordlicht" in [word[0] for word in words]
    kept = Journal(tmp_path / "labelled")  # of a later server, too
    assert kept.words(f"{hashlib.sha256(scan.read_bytes()).hexdigest()}-1") == words
    assert client.get("/api/documents/0/pages/1/words") == words
    box = [70, 36, 410, 60]
    read = client.ask("POST", "/api/documents/0/pages/1/read", json={"box": box})
    assert "Nordlicht" in read.json()["text"]
    nothing = client.ask("POST", "/api/documents/0/pages/1/read", json={"box": [0, 0, 1, 1]})
    assert nothing.json() == {"text": ""}


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path):
    rows = scans(tmp_path / "scans", 1)
    outside = tmp_path / "secret.jpg"
    scan = tmp_path / "scans" / "receipt-01.jpg"
    scan.rename(outside)
    scan.symlink_to(outside)
    with page_server(opened(tmp_path, rows)) as address:
        client = Client(address)
        picture = client.ask("GET", "/api/documents/0/pages/1")
        assert (picture.status_code, "leads out" in picture.text) == (500, True)
        refused = client.accept(0)
        assert (refused.status_code, "leads out" in refused.text) == (422, True)
        assert client.document(0)["version"] == 0
        assert not list((tmp_path / "labelled" / "images").iterdir())


def test_a_truth_file_that_cannot_be_written_costs_no_verdict(tmp_path: Path, output: Path):
    review = opened(tmp_path, scans(tmp_path / "scans"))
    in_the_way = output / "fields" / "receipt-03.json"
    in_the_way.mkdir()
    with page_server(review) as address:
        assert Client(address).accept(2).status_code == 200
        assert Client(address).document(2)["verdict"]["status"] == "accepted"
    with pytest.raises(UsageError, match="cannot be written"):
        review.write_truths()
    in_the_way.rmdir()
    review.write_truths()
    assert [each.form_id for each in load_folder(output)] == ["receipt-03"]


def test_a_document_that_was_not_read_and_one_that_is_none_can_be_rejected(tmp_path: Path):
    rows = scans(tmp_path / "scans", 1)
    (tmp_path / "scans" / "receipt-01.jpg").write_bytes(b"no image")
    [name] = rows
    failed = {"values": None, "fields": None, "page_count": None}
    rows[name] |= failed | {"error_code": "unknown_format", "error": "It is no image."}
    with page_server(opened(tmp_path, rows)) as address:
        client = Client(address)
        document = client.document(0)
        assert (document["pages"], document["error"]) == (0, "It is no image.")
        assert set(document["leaves"]) == {path for path in document["leaves"] if "[" not in path}
        reject = {"status": "rejected", "reason": "no image"}
        assert client.save(0, 0, verdict=reject).status_code == 200
        assert client.ask("GET", "/api/documents/0/pages/1").status_code == 404


PAIRS: list[dict[str, Any]] = [
    {
        "question": "Date",
        "answer": "May 5",
        "question_box": [10, 10, 40, 20],
        "answer_box": [50, 10, 90, 20],
    },
    {"question": "Fax", "answer": None, "question_box": [10, 30, 40, 40], "answer_box": None},
]


@pytest.fixture
def pairs(tmp_path: Path):
    folder = tmp_path / "scans"
    folder.mkdir()
    Image.new("RGB", (100, 60), "white").save(folder / "a.png")
    told: dict[str, Any] = {"page": 1, "confidence": 0.5, "grounded": None}
    row: dict[str, Any] = {
        "doc_id": "a.png",
        KEY: "0" * 64,
        "page_count": 1,
        "error_code": None,
        "error": None,
    }
    row |= {"pairs": [pair | told for pair in PAIRS], "values": None, "fields": None}
    with page_server(opened(tmp_path, {"a.png": row}, "")) as address:
        yield Client(address)


def test_pairs_become_annotations(pairs: Client, output: Path):
    assert pairs.get("/api/documents")["documents"][0]["all"] == 2
    new = {"raw": "Added", "status": "found", "page": 1, "box": [10, 45, 40, 55], "ok": True}
    added = {"pairs[2].question": new, "pairs[2].answer": new | {"raw": "here", "box": None}}
    assert pairs.save(0, 0, leaves=added).status_code == 200
    assert pairs.change(0, "pairs[0].answer", raw="May 6", status="found")["version"] == 2
    assert pairs.accept(0).status_code == 200
    [form] = load_forms(output)
    found = [(pair.question, pair.answer, pair.answer_box) for pair in form.pairs()]
    assert found[0] == ("Date", "May 6", (50, 10, 90, 20))
    assert found[1][:2] == ("Added", "here")
    assert [entity.text for entity in form.blank_questions()] == ["Fax"]


def test_a_pair_needs_a_question(pairs: Client):
    pairs.change(0, "pairs[0].question", raw="", status="blank", ok=True)
    refused = pairs.accept(0)
    assert (refused.status_code, refused.json()["path"]) == (422, "pairs[0].question")


def test_finish_sums_up(client: Client):
    for path, _, right in WRONG["receipt-01"]:
        client.change(0, path, raw=right, status="found", ok=True)
    client.accept(0)
    summary = client.ask("POST", "/api/finish", json={}).json()
    assert summary["statuses"] == {"accepted": 1, "open": 3}
    assert summary["fields"]["total"] == {"corrected": 1}
    assert summary["fields"]["items[].amount"] == {"right": 4, "corrected": 1}


def test_a_journal_that_is_none_is_named(tmp_path: Path):
    rows = scans(tmp_path / "scans", 1)
    (tmp_path / "labelled").mkdir()
    (tmp_path / "labelled" / "review.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(UsageError, match=r"review\.sqlite cannot be used"):
        opened(tmp_path, rows)
