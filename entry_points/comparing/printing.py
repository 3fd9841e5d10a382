"""What comparisons and promotions print and log, and the command that follows."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from itertools import islice

import mlflow
import pandas as pd

from entry_points.command_line import cli
from entry_points.command_line.flags import DATASET
from entry_points.comparing.comparison import Comparison, Contest
from entry_points.comparing.evidence import Evidence
from entry_points.comparing.gate import comparable_usage
from entry_points.comparing.page import render
from entry_points.comparing.promotion import PromotionResult
from entry_points.logged_models.loading import extractor_config
from entry_points.scoring.scores import aggregate

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
    shown = (name for name in (*kind.gated, *kind.COMPARED) if name in contest.differences)
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
            for name, difference in ((name, contest.differences[name]) for name in shown)
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
        print(f"  - {objection}")


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
        print(f"  - {objection}")
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
