"""A person with the truth in hand needs few keys: those that wrong values ask for, plus two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.fields import load_folder
from tests.entry_points.reviewing.browser import Reviewer, chromium, reviewing
from tests.entry_points.reviewing.desk import (
    RECEIPTS,
    TOKEN,
    WRONG,
    Client,
    opened,
    page_server,
    scans,
)
from tests.entry_points.reviewing.test_server import truth


def wrong_leaves(client: Client, number: int, form_id: str) -> dict[str, str]:
    """Return the true text of each leaf that was read wrong, by path."""
    document = client.document(number)
    true = dict(_flat(truth(form_id)))
    assert document["leaves"].keys() <= true.keys()
    return {
        path: str(true[path])
        for path, leaf in document["leaves"].items()
        if leaf["value"] != true[path]
    }


def _flat(value: Any, path: str = ""):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{number}]")
    else:
        yield path, value


def correct(reviewer: Reviewer, wrong: dict[str, str]) -> None:
    """Correct a document as a person does who knows it: from one doubtful value to the next."""
    left = dict(wrong)
    while left:
        path = reviewer.path
        if path in left:
            reviewer.type(left.pop(path))
            reviewer.press("Enter")
        else:
            reviewer.press("Shift+Enter")
        reviewer.left(path)
    reviewer.press("Control+Enter")


def test_a_document_takes_the_keys_of_its_wrong_values_plus_two(tmp_path: Path):
    rows = scans(tmp_path / "scans")
    review = opened(tmp_path, rows)
    with (
        chromium() as browser,
        page_server(review) as address,
        reviewing(browser, address, TOKEN) as reviewer,
    ):
        client = Client(address)
        reviewer.press("Enter")
        counted = {}
        for number, form_id in enumerate(WRONG):
            reviewer.on(number)
            wrong = wrong_leaves(client, number, form_id)
            assert len(wrong) == len(WRONG[form_id])
            before = reviewer.strokes
            correct(reviewer, wrong)
            # A wrong value asks for its text and one key that ends it.
            asked = sum(len(text) + 1 for text in wrong.values())
            counted[form_id] = (reviewer.strokes - before, asked)
        reviewer.page.wait_for_selector("#list:not([hidden])")
    print(counted)
    assert all(keys <= asked + 2 for keys, asked in counted.values()), counted
    accepted = load_folder(tmp_path / "labelled")
    assert [each.values for each in accepted] == [each.values for each in load_folder(RECEIPTS)]
