"""A whole review in a browser: keys, words, boxes, rows, undo, reload, two people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from data.fields import load_folder
from tests.entry_points.reviewing.browser import Reviewer, chromium, reviewing
from tests.entry_points.reviewing.desk import TOKEN, Client, opened, page_server, scans
from tests.entry_points.reviewing.test_server import truth
from tests.waiting import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    rows = scans(tmp_path / "scans")
    with page_server(opened(tmp_path, rows)) as address:
        yield Client(address)


@pytest.fixture
def reviewer(browser: Browser, client: Client) -> Iterator[Reviewer]:
    with reviewing(browser, client.address, TOKEN) as person:
        yield person


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "labelled"


def saved(client: Client, number: int, path: str) -> Any:
    return client.document(number)["leaves"][path]


def test_enter_leads_through_what_needs_a_person_and_ctrl_enter_to_the_next_document(
    reviewer: Reviewer, client: Client, output: Path
):
    reviewer.press("Enter")
    reviewer.on(0)
    assert reviewer.path == "total"
    assert reviewer.page.locator("#inspector").inner_text().count("61.31 ≠ 61.37") == 1
    reviewer.type("61,31")
    reviewer.page.wait_for_function(
        "() => document.getElementById('inspector').textContent.includes('value61.31')"
    )
    reviewer.press("Enter")
    wait_for(lambda: reviewer.path == "items[1].amount")
    reviewer.type("13.48")
    reviewer.press("Enter")
    wait_for(lambda: reviewer.path not in {"", "items[1].amount"})
    reviewer.press("Control+Enter")
    reviewer.on(1)
    assert reviewer.path == "date"
    [document] = load_folder(output)
    assert document.values == truth("receipt-01")


def test_what_is_invalid_stays_until_it_is_corrected(reviewer: Reviewer, client: Client):
    reviewer.open(1)
    reviewer.press("Enter")
    assert reviewer.path == "date"
    reviewer.press("Control+Enter")
    assert reviewer.path == "date"
    reviewer.type("5 May 2026")
    reviewer.press("Enter")
    wait_for(lambda: saved(client, 1, "date")["value"] == "2026-05-05")


@pytest.mark.parametrize(
    ("keys", "raw", "status"),
    [
        pytest.param(["Alt+b"], "", "blank", id="blank"),
        pytest.param(["Alt+n"], None, "absent", id="absent"),
        pytest.param(["Delete", "Enter"], "", "blank", id="emptied"),
    ],
)
def test_blank_and_absent_are_different_keys(
    reviewer: Reviewer, client: Client, keys: list[str], raw: str | None, status: str
):
    reviewer.open(0)
    reviewer.choose("payment_method")
    reviewer.press(*keys)
    wait_for(lambda: saved(client, 0, "payment_method")["ok"])
    leaf = saved(client, 0, "payment_method")
    assert (leaf["raw"], leaf["status"], leaf["value"]) == (raw, status, None)


def test_a_value_that_took_hours_is_saved(reviewer: Reviewer, client: Client):
    reviewer.open(0)
    reviewer.choose("payment_method")
    reviewer.page.evaluate(
        "() => { const now = performance.now(); performance.now = () => now + 7_200_000; }"
    )
    reviewer.press("Alt+b")
    reviewer.settle()
    assert saved(client, 0, "payment_method")["status"] == "blank"


def hold_the_first_save(reviewer: Reviewer) -> list[Any]:
    """Return a list that gets the first request to save, which waits for what the test does."""
    held: list[Any] = []

    def hold_the_first(route: Any) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    reviewer.page.route("**/save", hold_the_first)
    return held


def test_what_the_server_refuses_is_not_shown_as_stored(reviewer: Reviewer, client: Client):
    reviewer.open(0)
    before = saved(client, 0, "payment_method")
    held = hold_the_first_save(reviewer)
    reviewer.choose("payment_method")
    reviewer.press("Alt+n")
    wait_for(lambda: reviewer.page.evaluate("true") and held)
    reviewer.choose("address")
    reviewer.type("Typed mean")
    held[0].fulfill(status=422, json={"message": "No such value."})
    notice = reviewer.page.locator("#notice")
    wait_for(lambda: notice.inner_text().startswith("No such value."))
    reviewer.type("while")
    # The page's own calls let Chromium's further requests through.
    wait_for(
        lambda: (
            reviewer.page.evaluate("true")
            and saved(client, 0, "address")["raw"] == "Typed meanwhile"
        )
    )
    assert reviewer.value("payment_method").input_value() == before["raw"]
    assert saved(client, 0, "payment_method") == before


def test_a_document_is_not_accepted_with_a_value_that_was_refused(
    reviewer: Reviewer, client: Client
):
    reviewer.open(0)
    refusal = {"message": "No such value."}
    reviewer.page.route("**/save", lambda route: route.fulfill(status=422, json=refusal), times=1)
    reviewer.choose("total")
    reviewer.type("61.31")
    reviewer.press("Control+Enter")
    wait_for(lambda: reviewer.page.locator("#notice").is_visible())
    reviewer.settle()
    assert client.document(0)["verdict"]["status"] == "open"
    assert reviewer.value("total").input_value() == "61.37"


def test_escape_reverts_and_undo_and_redo_go_through_everything(reviewer: Reviewer, client: Client):
    reviewer.open(0)
    before = client.document(0)["leaves"]
    reviewer.choose("company")
    reviewer.type("Nonsense")
    wait_for(lambda: saved(client, 0, "company")["raw"] == "Nonsense")
    reviewer.press("Escape")
    wait_for(lambda: saved(client, 0, "company") == before["company"])
    reviewer.type("Other")
    reviewer.press("Enter")
    reviewer.choose("change")
    reviewer.press("Alt+b")
    reviewer.choose("items[0].description")
    reviewer.press("Alt+Delete")
    wait_for(lambda: "items[4].description" not in client.document(0)["leaves"])
    reviewer.settle()
    after = client.document(0)["leaves"]
    for _ in range(8):
        reviewer.press("Control+z")
    wait_for(lambda: client.document(0)["leaves"] == before)
    for _ in range(8):
        reviewer.press("Control+y")
    wait_for(lambda: client.document(0)["leaves"] == after)


def test_undo_works_after_the_page_was_loaded_again(reviewer: Reviewer, client: Client):
    reviewer.open(0)
    before = saved(client, 0, "company")
    reviewer.choose("company")
    reviewer.type("Other")
    wait_for(lambda: saved(client, 0, "company")["raw"] == "Other")
    reviewer.page.reload()
    reviewer.on(0)
    assert reviewer.value("company").input_value() == "Other"
    reviewer.press("Control+z")
    wait_for(lambda: saved(client, 0, "company") == before)


def words_are_there(reviewer: Reviewer) -> None:
    reviewer.page.wait_for_function(
        "() => document.querySelector('#sheet img').complete"
        " && document.getElementById('stage').dataset.words === 'true'"
    )


def test_words_of_the_page_fill_a_value(reviewer: Reviewer, client: Client):
    reviewer.open(3)
    words_are_there(reviewer)
    assert reviewer.path == "company"
    reviewer.page.keyboard.press("Alt+0")
    words = client.get("/api/documents/3/pages/1/words")
    first = words[0]
    line = [word for word in words if word[5] == first[5]]
    box = (first[1] - 3, first[2] - 3, line[-1][3] + 3, first[4] + 3)
    reviewer.drag(box)
    wait_for(lambda: saved(client, 3, "company")["raw"] == " ".join(word[0] for word in line))
    found = saved(client, 3, "company")
    assert (found["page"], found["box"][:2]) == (1, first[1:3])
    reviewer.press("Enter")
    wait_for(lambda: saved(client, 3, "company")["ok"])


def test_a_click_takes_one_word_and_shift_adds_another(reviewer: Reviewer, client: Client):
    reviewer.open(0)
    words_are_there(reviewer)
    reviewer.choose("payment_method")
    words = client.get("/api/documents/0/pages/1/words")
    for word, modifier in zip(words[:2], ("Control", "Shift"), strict=True):
        reviewer.page.keyboard.press("Alt+0")
        x, y = reviewer.on_screen((word[1] + word[3]) / 2, (word[2] + word[4]) / 2)
        reviewer.page.keyboard.down(modifier)
        reviewer.page.mouse.click(x, y)
        reviewer.page.keyboard.up(modifier)
    both = f"{words[0][0]} {words[1][0]}"
    wait_for(lambda: saved(client, 0, "payment_method")["raw"] == both)


def test_words_are_chosen_by_keys(reviewer: Reviewer, client: Client):
    reviewer.open(0)
    words_are_there(reviewer)
    reviewer.choose("payment_method")
    reviewer.press("Alt+w", "ArrowRight", "Shift+ArrowRight", "Enter")
    words = client.get("/api/documents/0/pages/1/words")
    both = f"{words[0][0]} {words[1][0]}"
    wait_for(lambda: saved(client, 0, "payment_method")["raw"] == both)
    assert reviewer.path == "payment_method"


def test_a_drawn_box_is_read(reviewer: Reviewer, client: Client):
    reviewer.open(0)
    words_are_there(reviewer)
    reviewer.choose("payment_method")
    reviewer.page.keyboard.press("Alt+0")
    reviewer.drag((70, 36, 410, 60), modifier="Alt")
    wait_for(lambda: "Nordlicht" in (saved(client, 0, "payment_method")["raw"] or ""))
    assert saved(client, 0, "payment_method")["box"][0] == pytest.approx(70, abs=2)


def test_pictures_that_are_no_longer_shown_take_no_memory(reviewer: Reviewer, client: Client):
    reviewer.page.evaluate(
        """() => {
          globalThis.live = new Set();
          const { createObjectURL: make, revokeObjectURL: free } = URL;
          URL.createObjectURL = (data) => {
            const url = make.call(URL, data);
            live.add(url);
            return url;
          };
          URL.revokeObjectURL = (url) => live.delete(url) && free.call(URL, url);
        }"""
    )
    for number in (0, 1, 2, 3, 0, 2, 3, 1):
        reviewer.open(number)
        reviewer.page.wait_for_function("() => document.querySelector('#sheet img').src")
        reviewer.press("Alt+o")
    shown_and_next = 2 * 2  # each with its original
    wait_for(lambda: reviewer.page.evaluate("live.size") <= shown_and_next)


def test_a_page_that_could_not_be_fetched_is_fetched_when_it_is_chosen_again(
    browser: Browser, tmp_path: Path
):
    rows = scans(tmp_path / "scans", 1)
    [name] = rows
    rows[name]["page_count"] = 2
    page = Image.new("L", (200, 200), 255)
    page.save(tmp_path / "scans" / name, "TIFF", save_all=True, append_images=[page])
    with (
        page_server(opened(tmp_path, rows)) as address,
        reviewing(browser, address, TOKEN) as person,
    ):
        person.page.route("**/pages/2", lambda route: route.abort())
        person.open(0)
        person.page.click("text=Page 2")
        notice = person.page.locator("#notice")
        wait_for(lambda: "does not answer" in notice.inner_text())
        person.page.unroute("**/pages/2")
        person.page.click("text=Page 2")
        person.page.wait_for_selector('#sheet img[alt="Page 2 of 2"]')


def test_words_are_read_of_the_page_that_stays_only(browser: Browser, tmp_path: Path):
    rows = scans(tmp_path / "scans", 1)
    [name] = rows
    rows[name]["page_count"] = 4
    page = Image.new("L", (200, 200), 255)
    page.save(tmp_path / "scans" / name, "TIFF", save_all=True, append_images=[page] * 3)
    with (
        page_server(opened(tmp_path, rows)) as address,
        reviewing(browser, address, TOKEN) as person,
    ):
        asked: list[str] = []

        def answer(route: Any) -> None:
            asked.append(route.request.url.split("/")[-2])
            route.fulfill(json=[])

        person.page.route("**/words", answer)
        person.open(0)
        words_are_there(person)
        for number in (2, 3, 4):
            person.press("PageDown")
            person.page.wait_for_selector(f'#sheet img[alt="Page {number} of 4"]')
        words_are_there(person)
        assert asked == ["1", "4"]


def test_finishing_without_a_server_says_so(reviewer: Reviewer, client: Client):
    reviewer.page.route("**/api/finish", lambda route: route.abort())
    reviewer.page.click("#finish")
    reviewer.page.click("dialog[open] .main")
    wait_for(lambda: "does not answer" in reviewer.page.locator("#saved").inner_text())


def test_choosing_a_value_shows_its_box_and_the_box_its_value(reviewer: Reviewer, client: Client):
    reviewer.open(0)
    words_are_there(reviewer)
    reviewer.choose("change")
    hot = reviewer.page.locator("#sheet rect.hot")
    assert hot.get_attribute("data-row") == "change"
    reviewer.page.keyboard.press("Alt+0")
    x0, y0, x1, y1 = saved(client, 0, "date")["box"]
    reviewer.page.mouse.click(*reviewer.on_screen((x0 + x1) / 2, (y0 + y1) / 2))
    assert reviewer.path == "date"
    assert hot.get_attribute("data-row") == "date"


def test_rows_are_added_moved_pasted_and_deleted(reviewer: Reviewer, client: Client, output: Path):
    reviewer.open(0)
    reviewer.choose("items[0].description")
    reviewer.press("Alt+ArrowDown")
    wait_for(lambda: saved(client, 0, "items[1].description")["raw"] == "Bread, sliced")
    wait_for(lambda: reviewer.path == "items[1].description")
    reviewer.press("Alt+Delete")
    wait_for(lambda: "items[4].amount" not in client.document(0)["leaves"])
    reviewer.press("Alt+r")
    wait_for(lambda: saved(client, 0, "items[2].description")["status"] == "absent")
    reviewer.page.evaluate(
        "text => { const data = new DataTransfer(); data.setData('text/plain', text);"
        " document.activeElement.dispatchEvent(new ClipboardEvent('paste',"
        " {clipboardData: data, bubbles: true, cancelable: true})); }",
        "Tea\t2\t1.50\t3.00\nJam\t1\t4\t4\n",
    )
    wait_for(lambda: saved(client, 0, "items[3].amount")["raw"] == "4")
    leaf = saved(client, 0, "items[2].amount")
    assert (leaf["value"], leaf["ok"]) == (3, True)


def test_two_people_do_not_overwrite_each_other(
    browser: Browser, reviewer: Reviewer, client: Client
):
    reviewer.open(0)
    with reviewing(browser, client.address, TOKEN) as other:
        other.page.locator("#who").fill("bob")
        other.page.locator("#who").blur()
        other.open(0)
        other.page.wait_for_selector("#notice:not([hidden])")
        assert "ann has this document open" in other.page.locator("#notice").inner_text()
        other.choose("company")
        other.type("Bob's")
        wait_for(lambda: saved(client, 0, "company")["raw"] == "Bob's")
    reviewer.choose("company")
    reviewer.type("Ann's")
    reviewer.page.wait_for_selector("#ask[open]")
    told = reviewer.page.locator("#ask").inner_text()
    assert "Bob's" in told
    assert "Ann's" in told
    assert saved(client, 0, "company")["raw"] == "Bob's"
    reviewer.press("Escape")  # it is asked again
    reviewer.page.get_by_role("button", name="Keep yours").click()
    reviewer.page.wait_for_selector("#ask:not([open])", state="attached")
    wait_for(lambda: saved(client, 0, "company")["raw"] == "Ann's")


def test_what_is_typed_until_two_versions_are_shown_is_a_part_of_yours(
    reviewer: Reviewer, client: Client
):
    reviewer.open(0)
    before = saved(client, 0, "address")
    Client(client.address, "page-2", "bob").change(
        0, "company", raw="Bob's", status="found", ok=True
    )
    held = hold_the_first_save(reviewer)
    reviewer.choose("company")
    reviewer.type("Ann's")
    wait_for(lambda: reviewer.page.evaluate("true") and held)
    reviewer.choose("address")
    reviewer.type("Typed meanwhile")
    held[0].continue_()
    reviewer.page.click("text=Keep bob's")
    reviewer.settle()
    assert saved(client, 0, "company")["raw"] == "Bob's"
    assert saved(client, 0, "address") == before


def test_a_page_with_the_list_of_an_earlier_start_changes_nothing(browser: Browser, tmp_path: Path):
    rows = scans(tmp_path / "scans")
    later = {name: row for name, row in rows.items() if name != "receipt-01.jpg"}
    with ExitStack() as server:
        address = server.enter_context(page_server(opened(tmp_path, rows)))
        with reviewing(browser, address, TOKEN) as person:
            person.open(1)
            server.close()
            port = int(address.rpartition(":")[2])
            server.enter_context(page_server(opened(tmp_path, later), port=port))
            person.choose("company")
            person.type("Other")
            person.settle()
            assert "reload the page" in person.page.locator("#saved").inner_text()
            assert Client(address).document(1)["version"] == 0


def test_documents_are_postponed_and_rejected_with_a_reason(reviewer: Reviewer, client: Client):
    reviewer.open(0)
    reviewer.press("Alt+p", "Enter")
    reviewer.on(1)
    reviewer.press("Alt+x")
    reviewer.type("a <b>copy</b>")
    reviewer.press("Enter")
    reviewer.on(2)
    verdict = {"status": "rejected", "reason": "a <b>copy</b>"}
    assert client.document(1)["verdict"] == verdict
    assert client.document(0)["verdict"]["status"] == "postponed"
    reviewer.press("Escape", "Escape")
    reviewer.page.wait_for_selector("#list:not([hidden])")
    assert reviewer.page.locator("#forms tbody tr:nth-child(2)").inner_text().count("<b>copy</b>")


def test_the_list_is_filtered_and_searched(reviewer: Reviewer):
    rows = reviewer.page.locator("#forms tbody tr:visible")
    reviewer.page.locator("#by-check").select_option(label="paid - change == total")
    assert rows.count() == 1
    reviewer.page.locator("#by-check").select_option("")
    reviewer.page.locator("#by-confidence").select_option("0.5")
    assert rows.count() == 3
    reviewer.page.locator("#by-confidence").select_option("")
    reviewer.press("/")
    reviewer.type("nordlicht")
    assert rows.count() == 1
    reviewer.page.locator("#search").fill("receipt-0")
    reviewer.page.get_by_role("button", name="accepted 0").click()
    assert rows.count() == 0
    assert reviewer.page.locator("#nothing").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, client: Client, scheme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with reviewing(
        browser, client.address, TOKEN, color_scheme=scheme, bypass_csp=True
    ) as reviewer:
        found = {"list": axe.Axe().run(reviewer.page).response["violations"]}
        reviewer.open(0)
        words_are_there(reviewer)
        reviewer.page.wait_for_function("() => document.getAnimations().length === 0")
        found["document"] = axe.Axe().run(reviewer.page).response["violations"]
        reviewer.press("F1")
        found["keys"] = axe.Axe().run(reviewer.page).response["violations"]
    serious = [
        (where, each["id"], [node["html"][:120] for node in each["nodes"]][:3])
        for where, violations in found.items()
        for each in violations
        if each["impact"] in {"serious", "critical"}
    ]
    assert serious == []


HOSTILE = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"


def test_a_hostile_document_is_only_shown(browser: Browser, tmp_path: Path):
    rows = scans(tmp_path / "scans", 1)
    [row] = rows.values()
    name = "a'\"><script>document.title='run'<x>.jpg"  # no slash: a file's name
    (tmp_path / "scans" / "receipt-01.jpg").rename(tmp_path / "scans" / name)
    row["doc_id"] = name
    for leaf in row["fields"]:
        if leaf["path"] in {"company", "items[0].description"}:
            leaf |= {"raw": HOSTILE, "value": json.dumps(HOSTILE)}
    with (
        page_server(opened(tmp_path, {name: row})) as address,
        reviewing(browser, address, TOKEN) as it,
    ):
        assert it.page.locator("#forms tbody a").inner_text() == name
        it.open(0)
        assert it.value("company").input_value() == HOSTILE
        it.choose("company")
        assert HOSTILE in it.page.locator("#inspector").inner_text()
        it.type(HOSTILE)
        it.press("Enter")
        it.settle()
        assert it.page.title() == f"{name} · Review"
        assert it.page.locator("#values img, #values script, #inspector img").count() == 0
        assert it.page.evaluate("document.scripts.length") == 1


def test_finishing_shows_what_was_corrected(reviewer: Reviewer, client: Client):
    reviewer.open(2)
    reviewer.press("Control+Enter")
    reviewer.on(3)
    reviewer.page.evaluate("location.hash = '#/'")
    reviewer.page.get_by_role("button", name="Finish").click()
    reviewer.page.locator("#ask").get_by_role("button", name="Finish").click()
    reviewer.page.wait_for_selector(".ended")
    assert "1 accepted" in reviewer.page.locator(".ended").inner_text()
    assert not reviewer.page.get_by_role("button", name="Keys").is_visible()
