"""Shows candidates side by side in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entry_points.comparing.comparison import Comparison
from entry_points.comparing.gate import HEADLINES
from entry_points.evaluation.html.render import templates
from entry_points.scoring.alignment import align
from entry_points.scoring.counts import LOWER_IS_BETTER
from entry_points.scoring.forms import Truth, stated_pairs


@dataclass(frozen=True)
class Cell:
    """What one candidate made of a pair of the form: right, misread or missed."""

    kind: str
    text: str


@dataclass(frozen=True)
class ComparedForm:
    """One form.

    Attributes:
        doc_id: The form.
        scores: pair_f1 of each candidate, [0, 1].
        rows: (question, answer, what each candidate read there) of each true pair.
        invented: (question, answer) of the pairs that are not on the form, by candidate.
    """

    doc_id: str
    scores: Sequence[float]
    rows: Sequence[tuple[str, str, Sequence[Cell]]]
    invented: Sequence[Sequence[tuple[str, str]]]


def _view_form(
    doc_id: str, truth: Truth, scores: Sequence[float], outputs: Sequence[Mapping[str, Any]]
) -> ComparedForm:
    """Set what the candidates read beside what the form says; a failed one has missed it all."""
    cells, invented = [], []
    for output in outputs:
        stated = stated_pairs(output["pairs"] or ()) if not output["error_code"] else []
        found = align(truth, stated)
        kinds = {row: Cell("right", stated[read][1]) for row, read in found.right}
        kinds |= {row: Cell("misread", stated[read][1]) for row, read in found.misread}
        cells.append([kinds.get(row, Cell("missed", "")) for row in range(len(truth.pairs))])
        invented.append([stated[read] for read in found.invented])
    rows = [(*pair, each) for pair, *each in zip(truth.pairs, *cells, strict=True)]
    return ComparedForm(doc_id, scores, rows, invented)


def _view_forms(comparison: Comparison) -> list[ComparedForm]:
    """Return the forms, those first whose best and worst readings are furthest apart."""
    found = [comparison.baseline, *(contest.evidence for contest in comparison.contests)]
    if not comparison.outputs:
        return []
    views = [
        _view_form(
            doc_id,
            truth,
            [evidence.scores[doc_id].metrics()["pair_f1"] for evidence in found],
            [outputs[doc_id] for outputs in comparison.outputs],
        )
        for doc_id, truth in comparison.truths.items()
    ]
    return sorted(views, key=lambda view: min(view.scores) - max(view.scores))


def render(comparison: Comparison) -> str:
    """Return a comparison as one HTML page; every text is escaped, and nothing is fetched."""
    page = templates(Path(__file__).parent).get_template("comparison.html")
    return page.render(
        comparison=comparison,
        forms=_view_forms(comparison),
        names=[comparison.name, *(contest.name for contest in comparison.contests)],
        headlines=HEADLINES,
        lower_is_better=LOWER_IS_BETTER,
    )
