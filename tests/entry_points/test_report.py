"""The HTML report: what it shows, that it only shows it, and that a browser can work with it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data.forms import Entity, Form, Word
from entry_points.evaluation.html.report import render
from entry_points.evaluation.html.views import FormView, form_rows, marked, page_views
from entry_points.evaluation.reading import Reading
from entry_points.evaluation.results import Evaluation, FormResult, headline
from entry_points.scoring.bootstrap import intervals
from entry_points.scoring.calibration import judge_confidences
from entry_points.scoring.forms import Truth
from entry_points.scoring.scores import score_forms

HOSTILE = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"


def entity(number, label, text):
    box = (10, 20 * number, 90, 20 * number + 15)
    return Entity(number, label, text, box, tuple(Word(word, box) for word in text.split()))


def form(name, *pairs, blank="Fax"):
    entities: list[Entity] = []
    links = []
    for question, answer in pairs:
        entities += [
            entity(len(entities), "question", question),
            entity(len(entities) + 1, "answer", answer),
        ]
        links.append((entities[-2], entities[-1]))
    entities.append(entity(len(entities), "question", blank))
    return Form(name, Path(f"{name}.png"), Path(f"{name}.json"), tuple(entities), tuple(links))


def pair(question, answer, confidence=None):
    return {
        "question": question,
        "answer": answer,
        "page": 1,
        "confidence": confidence,
        "question_box": [10, 0, 90, 15],
        "answer_box": None,
    }


def reading(*pairs, error_code=None):
    return Reading(
        {
            "pairs": list(pairs),
            "page_count": 1,
            "error_code": error_code,
            "error": error_code and f"broken {HOSTILE}",
            "input_tokens": None,
            "output_tokens": None,
            "cached_tokens": None,
            "attempts": 0,
            "cache_hits": 0,
            "cost": None,
        },
        seconds=1.5,
    )


FORMS = [
    form("a-half", ("Date", "June 5"), ("Name", "Ann"), ("Note", "soap & water")),
    form("b-hostile", (HOSTILE, HOSTILE)),
    form("c-failed", ("Date", "June 5")),
    form("d-right", ("Date", "June 5")),
]
READINGS = {
    "a-half": reading(
        pair("Date", "June 6", 0.75), pair("Name", "Bob"), pair("Fax", "555"), pair("Note", None)
    ),
    "b-hostile": reading(pair(HOSTILE, HOSTILE + "!"), pair(HOSTILE, "made up " + HOSTILE)),
    "c-failed": reading(error_code="image_truncated"),
    "d-right": reading(pair("Date", "June 5"), pair("Fax", None)),
}
TRUTHS = {each.form_id: Truth.of(each) for each in FORMS}


def report(*, content=True):
    outputs = {name: each.outputs for name, each in READINGS.items()}
    scores, judged = score_forms(TRUTHS, outputs), judge_confidences(TRUTHS, outputs)
    results = [FormResult.of(name, score, READINGS[name]) for name, score in scores.items()]
    evaluation = Evaluation(
        model_uri=f"models:/{HOSTILE}/1",
        model_id=None,
        read_by={"engine": "local"},
        dataset_name="forms",
        digest="0123",
        content=content,
        metrics=headline(results, judged, 2.0),
        intervals=intervals(scores),
        forms=results,
        readings=READINGS,
        judged=judged,
    )
    page = Image.new("L", (100, 200), 255)
    views = [
        FormView(
            result=result,
            error=READINGS[result.doc_id].outputs["error"] or "",
            trace="http://127.0.0.1:5000/#/trace",
            pages=page_views([page]) if content else [],
            rows=form_rows(each, TRUTHS[each.form_id], READINGS[each.form_id]) if content else [],
        )
        for each, result in zip(FORMS, results, strict=True)
    ]
    card = [("Made of", [f"Fields of `{HOSTILE}`: `total`."])]
    return render(evaluation, views, "http://127.0.0.1:5000/#/run", card=card)


def test_rows_say_what_became_of_every_pair():
    rows = form_rows(FORMS[0], TRUTHS["a-half"], READINGS["a-half"])

    def text(side):
        if side is None:
            return None
        return tuple(
            "".join(f"[{p.text}]" if p.differs else p.text for p in part)
            for part in (side.question, side.answer)
        )

    assert [(row.kind, text(row.true), text(row.read), row.note) for row in rows] == [
        ("right", ("Date", "June [5]"), ("Date", "June [6]"), ""),
        ("misread", ("Name", "[Ann]"), ("Name", "[Bob]"), "the answer is nowhere on the page"),
        ("missed", ("Note", "soap & water"), None, ""),
        ("invented", ("Fax", ""), ("Fax", "555"), "the answer is nowhere on the page"),
        ("blank", None, ("Note", ""), "no such blank field"),
    ]
    assert rows[0].confidence == 0.75
    assert [(mark.side, mark.role) for mark in rows[0].marks] == [
        ("true", "question"),
        ("true", "answer"),
        ("read", "question"),
    ]


def test_a_failed_form_has_missed_everything():
    rows = form_rows(FORMS[2], TRUTHS["c-failed"], READINGS["c-failed"])
    assert [row.kind for row in rows] == ["missed", "blank"]


@given(st.text("ab <", max_size=9), st.text("ab <", max_size=9))
def test_marked_pieces_are_the_texts_and_equal_where_they_are_not_marked(one, other):
    ours, theirs = marked(one, other)
    assert "".join(piece.text for piece in ours) == one
    assert "".join(piece.text for piece in theirs) == other
    same = [[piece.text for piece in side if not piece.differs] for side in (ours, theirs)]
    assert same[0] == same[1]
    assert any(piece.differs for piece in (*ours, *theirs)) == (one != other)


def test_nothing_of_a_form_becomes_markup():
    html = report()
    assert "<img" not in html
    assert html.count("<script") == 1
    assert html.count("&lt;script&gt;") > 4


def test_the_report_needs_nothing_but_itself():
    html = report()
    assert "default-src 'none'; img-src data:;" in html
    loaded = set(re.findall(r'<(?!a )[a-z]+ [^>]*(?:src|href)="(.{0,23})', html))
    assert loaded == {"data:image/webp;base64,"}
    assert "@import" not in html
    assert "url(" not in html


def test_without_content_the_report_counts_and_shows_nothing():
    html = report(content=False)
    for text in ("June 5", "Ann", "soap", "data:image"):
        assert text not in html
    assert "trace_content=metadata" in html
    assert html.count("<template") == len(FORMS)


def test_the_model_card_is_a_part_of_it():
    [card] = re.findall(r'<details class="card">(.*?)</details>', report(), re.DOTALL)
    shown = unescape(card)
    assert "<h3>Made of</h3>" in card
    assert f"Fields of <code>{HOSTILE}</code>: <code>total</code>." in shown
    assert HOSTILE not in card


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


def dom(folder, actions, route=""):
    """Return the page as Chromium has it after some actions, as markup."""
    html = report()
    [nonce] = set(re.findall(r'<script type="module" nonce="([^"]+)"', html))
    script = (
        f"<script nonce='{nonce}'>window.addEventListener('load', () => {{{actions}}})</script>"
    )
    page = folder / "report.html"
    page.write_text(html.replace("</body>", script + "</body>"), encoding="utf-8")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000")
    command = [str(BROWSER), *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, f"file://{page}{route}"], capture_output=True, text=True, timeout=600, check=True
    )
    return done.stdout


PRESS = (
    "const press = (key) => "
    "document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));"
)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")
class TestInABrowser:
    def test_a_script_in_a_form_is_shown_and_not_run(self, tmp_path):
        found = dom(tmp_path, "", route="#2")
        [title] = re.findall("<title>(.*?)</title>", found, re.DOTALL)
        assert title != "run"
        [shown] = re.findall(r'<main id="form">(.*?)</main>', found, re.DOTALL)
        text = unescape(re.sub("<[^>]+>", "", shown))
        assert f"{HOSTILE}!" in text
        assert "made up " + HOSTILE in text

    def test_forms_are_sorted_by_any_column(self, tmp_path):
        found = dom(tmp_path, "document.querySelectorAll('#forms th button')[0].click()")
        table = found.partition("<tbody>")[2].partition("</tbody>")[0]
        assert re.findall(r'<td data-by="([a-d]-\w+)"', table) == [each.form_id for each in FORMS]

    def test_keys_open_filter_and_move_on(self, tmp_path):
        actions = PRESS + (
            "const names = [];"
            "const note = () => names.push(document.querySelector('#form h2').textContent);"
            "document.querySelector('td[data-by=\"a-half\"]').click();"
            "setTimeout(() => { note(); press('2');"
            " names.push([...document.querySelectorAll('#form tbody tr')]"
            ".filter((row) => !row.hidden).map((row) => row.className).join());"
            " press('j'); setTimeout(() => { note(); press('Escape'); setTimeout(() => {"
            " names.push(String(document.getElementById('overview').hidden));"
            " document.title = names.join('|'); }, 100) }, 100) }, 100);"
        )
        found = dom(tmp_path, actions)
        [title] = re.findall("<title>(.*?)</title>", found, re.DOTALL)
        assert title == "a-half|missed|b-hostile|false"
