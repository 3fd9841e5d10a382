"""Shows candidates side by side in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from entry_points.comparing.comparison import Comparison
from entry_points.evaluation.html.report import templates
from entry_points.scoring.alignment import align
from entry_points.scoring.fields import FieldTruth, shown
from entry_points.scoring.forms import Truth, stated_pairs
from entry_points.scoring.scores import LOWER_IS_BETTER, DocumentTruth, Score


@dataclass(frozen=True)
class Cell:
    """How one candidate read a pair of the form: right, misread or missed."""

    kind: str
    text: str


@dataclass(frozen=True)
class ComparedForm:
    """One form.

    Attributes:
        doc_id: The form.
        scores: The main score of each candidate, [0, 1].
        rows: (question, answer, what each candidate read there) of each true pair; or a path and
            a value in their place.
        invented: (question, answer) of the pairs that are not on the form, by candidate; or the
            path and the value of cells in rows that it does not have.
    """

    doc_id: str
    scores: Sequence[float]
    rows: Sequence[tuple[str, str, Sequence[Cell]]]
    invented: Sequence[Sequence[tuple[str, str]]]


_Found = tuple[Sequence[tuple[str, str]], Sequence[Sequence[Cell]], Sequence[Sequence[Any]]]
"""(name and text of each thing to find, how each candidate read it, what it invented)"""


def _view_form(
    doc_id: str,
    truth: DocumentTruth[Score],
    scores: Sequence[float],
    outputs: Sequence[Mapping[str, Any]],
) -> ComparedForm:
    """Return the candidates' readings beside the truth; a failed one has missed everything."""
    view = _view_fields if isinstance(truth, FieldTruth) else _view_pairs
    true, cells, invented = view(cast(Any, truth), outputs)
    rows = [(*pair, each) for pair, *each in zip(true, *cells, strict=True)]
    return ComparedForm(doc_id, scores, rows, invented)


def _view_pairs(truth: Truth, outputs: Sequence[Mapping[str, Any]]) -> _Found:
    cells, invented = [], []
    for output in outputs:
        stated = stated_pairs(output["pairs"] or ()) if not output["error_code"] else []
        found = align(truth, stated)
        kinds = {row: Cell("right", stated[read][1]) for row, read in found.right}
        kinds |= {row: Cell("misread", stated[read][1]) for row, read in found.misread}
        cells.append([kinds.get(row, Cell("missed", "")) for row in range(len(truth.pairs))])
        invented.append([stated[read] for read in found.invented])
    return truth.pairs, cells, invented


def _view_fields(truth: FieldTruth, outputs: Sequence[Mapping[str, Any]]) -> _Found:
    cells, invented = [], []
    paths: dict[str, str] = {}
    for output in outputs:
        found = truth.align(output)
        true = {cell.true_path: cell for cell in found.cells if cell.true_path}
        paths = paths or {path: shown(true[path].true) for path in true}
        kinds = {path: cell.kind for path, cell in true.items()}
        cells.append([Cell(kinds[path], shown(true[path].read)) for path in paths])
        extra = [cell for cell in found.cells if cell.true_path is None]
        invented.append([(cell.read_path, shown(cell.read)) for cell in extra])
    return list(paths.items()), cells, invented


def _view_forms(comparison: Comparison) -> list[ComparedForm]:
    """Return the forms, those first whose best and worst readings are furthest apart."""
    found = [comparison.baseline, *(contest.evidence for contest in comparison.contests)]
    if not comparison.outputs:
        return []
    views = [
        _view_form(
            doc_id,
            truth,
            [evidence.main(doc_id) for evidence in found],
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
        headlines=comparison.baseline.kind.gated,
        unit=comparison.baseline.kind.UNIT,
        lower_is_better=LOWER_IS_BETTER,
    )
