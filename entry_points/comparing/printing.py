"""What comparisons and promotions print and log, as text and as one HTML page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import mlflow
import pandas as pd

from entry_points.command_line import cli
from entry_points.command_line.flags import DATASET
from entry_points.comparing.comparison import Comparison, Contest
from entry_points.comparing.evidence import Evidence
from entry_points.comparing.gate import comparable_usage
from entry_points.comparing.promotion import PromotionResult
from entry_points.evaluation.html.report import templates
from entry_points.logged_models.loading import extractor_config
from entry_points.scoring.alignment import align
from entry_points.scoring.fields import FieldTruth, shown
from entry_points.scoring.forms import Truth, stated_pairs
from entry_points.scoring.scores import LOWER_IS_BETTER, DocumentTruth, Score, aggregate

TABLE = "comparison.json"
FORMS = "comparison_forms.json"
PAGE = "comparison.html"
_MOST_CHANGED = 5


def report(comparison: Comparison) -> None:
    """Print each candidate's differences from the first, and the gate's objections."""
    for contest in comparison.contests:
        _report(comparison, contest)


def _report(comparison: Comparison, contest: Contest) -> None:
    baseline, kind = comparison.baseline, comparison.baseline.kind
    compared = (name for name in (*kind.gated, *kind.COMPARED) if name in contest.differences)
    print(
        f"\n{contest.name} ({contest.evidence.model_uri}) against "
        f"{comparison.name} ({baseline.model_uri}): {len(baseline.scores)} forms"
    )
    cli.print_table(
        (
            (
                name,
                f"{comparison.metrics[name]:.3f}",
                f"{contest.metrics[name]:.3f}",
                f"{difference.value:+.3f}",
                f"[{difference.low:+.3f}, {difference.high:+.3f}]",
                f"{difference.p_value:.4f}",
            )
            for name, difference in ((name, contest.differences[name]) for name in compared)
        ),
        ("metric", "first", "this", "difference", "95 % interval", "p"),
    )
    won, lost, tied = contest.record
    print(f"Forms won {won}, lost {lost}, tied {tied} ({kind.MAIN}). {_usage(contest, baseline)}")
    if len(baseline.repeats) > 1:
        print(f"{kind.MAIN} of the repeats: {_spread(baseline)} | {_spread(contest.evidence)}")
    changed = [each for each in contest.changes if each.after != each.before]
    if changed:
        print("Most changed forms")
        cli.print_table(
            (
                (each.doc_id, f"{each.before:.2f}", f"{each.after:.2f}", each.what[:150])
                for each in islice(changed, _MOST_CHANGED)
            ),
            ("form", "first", "this", "what changed"),
        )
    print("The gate would " + ("hold it back:" if contest.objections else "let it through."))
    for objection in contest.objections:
        print(f"  - {cli.printable(objection)}")


def _usage(contest: Contest, baseline: Evidence) -> str:
    ours, theirs = contest.evidence.usage, baseline.usage
    if ours is None or theirs is None:
        return "The cost of a page is not known: all pages came from the cache."
    one, other, unit = comparable_usage(ours, theirs)
    times = f" ({one / other:.2f} times as much)" if other else ""
    return f"A page takes {one:,.4g} {unit} instead of {other:,.4g}{times}."


def _spread(evidence: Evidence) -> str:
    splits = ([result.score for result in repeat.values()] for repeat in evidence.repeats)
    return " ".join(f"{aggregate(scores)[evidence.kind.MAIN]:.3f}" for scores in splits)


def next_command(comparison: Comparison, dataset: str, split: str) -> str:
    """Return what to do with the best candidate that the gate would accept.

    If it accepts none, the local engine can be trained on the pairs of `dataset`.
    """
    passed = [contest for contest in comparison.contests if not contest.objections]
    on_dataset = "" if dataset == DATASET else f" -P dataset={shlex.quote(dataset)}"
    if not passed:
        if extractor_config(comparison.baseline.model_uri)["engine"] == "local":
            if comparison.baseline.kind.UNIT == "values":
                return f"{cli.RUN} -e register_prompt -P schema=my-schema.yaml"
            return f"{cli.RUN} -e train -P dataset={shlex.quote(dataset)}"
        return f"{cli.RUN} -e improve -P template=my-prompt.md{on_dataset}"
    main = comparison.baseline.kind.MAIN
    best = max(passed, key=lambda contest: contest.metrics[main]).evidence.model_uri
    if split == "development":
        both = f"{comparison.baseline.model_uri},{best}"
        return f'{cli.RUN} -e compare -P candidates="{both}"{on_dataset} -P split=validation'
    return f"{cli.RUN} -e promote -P model_uri={best}"


def log(comparison: Comparison) -> None:
    """Log the differences, every form's scores and the page to the active run."""
    mlflow.log_text(render(comparison), PAGE)
    rows = [
        {
            "candidate": contest.name,
            "model_uri": contest.evidence.model_uri,
            "metric": name,
            "first": comparison.metrics[name],
            "this": contest.metrics[name],
            "difference": difference.value,
            "low": difference.low,
            "high": difference.high,
            "p_value": difference.p_value,
        }
        for contest in comparison.contests
        for name, difference in contest.differences.items()
    ]
    mlflow.log_table(pd.DataFrame(rows), TABLE)
    forms = [
        {"candidate": contest.name, **asdict(change)}
        for contest in comparison.contests
        for change in contest.changes
    ]
    mlflow.log_table(pd.DataFrame(forms), FORMS)


def report_promotion(outcome: PromotionResult) -> None:
    """Print the decision, its reasons and its evidence."""
    if outcome.run_ids:
        print(f"Evidence: runs {', '.join(outcome.run_ids)}.")
    for objection in outcome.objections:
        print(f"  - {cli.printable(objection)}")
    if not outcome.promoted:
        print(f"{cli.CHAMPION} stays version {outcome.before.champion}: see above.")
        return
    reason = "there was none"
    if outcome.before.champion:
        reason = f"instead of version {outcome.before.champion}"
    forced = ", by force" if outcome.objections else ""
    print(f"{cli.CHAMPION} is now {outcome.model_uri}: {reason}{forced}.")
    if outcome.after.production != outcome.before.production:
        print(f"{cli.PRODUCTION} is now {outcome.after.production}.")


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
