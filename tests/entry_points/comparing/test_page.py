"""The page that shows candidates side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from entry_points.comparing.comparison import Comparison, Contest
from entry_points.comparing.evidence import Evidence
from entry_points.comparing.printing import render
from entry_points.scoring.bootstrap import differences
from entry_points.scoring.forms import Truth
from entry_points.scoring.scores import aggregate

TRUTH = Truth(pairs=(("To:", "<script>alert(1)</script>"), ("Date", "June 5")), links=())
READ = [
    [("To:", "<script>alert(1)</script>"), ("Fax", "<b>12</b>")],
    [("To:", "<script>alert(1)</script>"), ("Date", "Jan 1")],
]


def comparison(objections: Sequence[str] = (), *, content: bool = True) -> Comparison:
    outputs: list[dict[str, dict[str, Any]]] = [
        {
            "memo": {
                "error_code": None,
                "pairs": [{"question": q, "answer": a} for q, a in pairs],
            }
        }
        for pairs in READ
    ]
    found = [
        Evidence("models:/m/1", ("run",), "digest", (), {"memo": score}, None)
        for score in (TRUTH.score(each["memo"]) for each in outputs)
    ]
    metrics = [aggregate(each.scores.values()) for each in found]
    gain = differences(found[1].scores, found[0].scores)
    contest = Contest("<i>this</i>", found[1], metrics[1], gain, (), objections)
    return Comparison(
        "first", found[0], metrics[0], [contest], {"memo": TRUTH}, outputs if content else []
    )


def test_escapes_every_text():
    page = render(comparison(objections=["<u>worse</u>"]))
    for tag in ("<script", "<b>12", "<i>this", "<u>"):
        assert tag not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_sets_the_readings_beside_the_form():
    page = re.sub(r"\s+", " ", render(comparison()))
    assert (
        '<tr><td class="q">Date</td><td>June 5</td><td class="missed">not read</td>'
        '<td class="misread">Jan 1</td></tr>'
    ) in page
    assert (
        '<td class="invented">Fax &lt;b&gt;12&lt;/b&gt;<br></td><td class="invented"></td>' in page
    )


def test_fetches_nothing_and_runs_nothing():
    page = render(comparison())
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|src=|url\(", page)


def test_shows_no_form_where_texts_stay_out_of_mlflow():
    page = render(comparison(content=False))
    assert "the forms are not shown" in page
    assert "June 5" not in page
