"""Compares production with a baseline: the evaluation that its version was promoted on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from scipy import stats

from entry_points.command_line.cli import RUN, UsageError
from entry_points.comparing.evidence import evaluations
from entry_points.comparing.history import is_missing
from entry_points.monitoring.records import (
    Period,
    Record,
    WatchedModel,
    one_a_document,
    production_records,
    run_records,
)
from entry_points.monitoring.watches import WATCHES, Number, Verdict, Watch, halves, nearest

_RUN_ID = re.compile("[0-9a-f]{32}")
_EVIDENCE = "promotion.evidence"  # the tag that promote leaves on a version

ALPHA = 0.001
"""How likely a single line of a run changes its verdict although nothing has changed: once in 50
weekly runs with less than 5 %."""

FEWEST = 10
"""Documents that both sides of a line need to be compared."""

ORDER: Sequence[Verdict] = ("ok", "look", "worse")

NEW_LAYOUTS = Watch("distance to known layouts", lambda _: None, "look", "higher", 0.5, True)


_ALTERNATIVE: Mapping[str, Literal["greater", "less", "two-sided"]] = {
    "higher": "greater",
    "lower": "less",
    "either": "two-sided",
}


@dataclass(frozen=True)
class Baseline:
    """Documents to compare with; `told` says where they are from."""

    told: str
    records: Sequence[Record]


def run_or_period(text: str) -> Period | str:
    """Read the id of a run, or a period.

    Raises:
        ValueError: It is neither.
    """
    return text if _RUN_ID.fullmatch(text) else Period.parse(text)


def find_baseline(model: WatchedModel, given: Period | str) -> Baseline:
    """Read the documents to compare with.

    Args:
        model: The model.
        given: A period of production, a run's id, or "" for the evaluation that the version in
            force was promoted on; where it was promoted without one, its newest evaluation.

    Raises:
        UsageError: There are fewer than `FEWEST`.
    """
    if isinstance(given, Period):
        told, records = f"production {given}", list(production_records(model, given))
    else:
        runs = [given] if given else _evidence(model)
        told = f"run {', '.join(runs)}" if runs else "none"
        records = [each for run in runs for each in _of_run(model, run)]
        if not given:
            records = [each for each in records if each.version == model.version]
        records = one_a_document(records)
    if len(records) < FEWEST:
        uri = f"models:/{model.name}/{model.version}"
        raise UsageError(
            f"the baseline ({told}) has traces of {len(records)} documents, and at least {FEWEST} "
            f"are needed: evaluate the version (`{RUN} -e evaluate -P model_uri={uri}`), or name a "
            "good time with -P baseline=<first day>..<last day>. Models that were logged before "
            "traces had counts must be logged again."
        )
    return Baseline(told, records)


def _evidence(model: WatchedModel) -> list[str]:
    tags = mlflow.MlflowClient().get_model_version(model.name, model.version).tags
    if runs := _RUN_ID.findall(tags.get(_EVIDENCE, "")):
        return runs
    newest_first = evaluations(f"models:/{model.name}/{model.version}").values()
    return [run.info.run_id for run in next(iter(newest_first), [])]


def _of_run(model: WatchedModel, run_id: str) -> list[Record]:
    try:
        return run_records(model, run_id)
    except MlflowException as error:
        if is_missing(error):
            raise UsageError(
                f"the baseline's run {run_id} does not exist: give -P baseline= another run's id."
            ) from None
        raise


@dataclass(frozen=True)
class Line:
    """What became of one number.

    Attributes:
        group: What read the documents.
        watch: The number.
        before: Its value for each document of the baseline that has one.
        now: The same of the documents that are watched.
        p_value: Of the change, (0, 1], corrected for the number of lines; None if it was not
            tested: too few documents.
    """

    group: str
    watch: Watch
    before: Sequence[float]
    now: Sequence[float]
    p_value: float | None = None

    @property
    def means(self) -> tuple[float | None, float | None]:
        """The means of the baseline and of now; None without documents."""
        before, now = (float(np.mean(side)) if side else None for side in (self.before, self.now))
        return before, now

    @property
    def difference(self) -> tuple[float, float, float] | None:
        """The difference of the means with its 95 % interval (Welch); None if it was not tested."""
        before, now = self.means
        if self.p_value is None or before is None or now is None:
            return None
        sides = [np.asarray(side) for side in (self.now, self.before)]
        errors = [float(side.var(ddof=1)) / len(side) for side in sides]
        if not sum(errors):
            return now - before, now - before, now - before
        # scipy's ttest_ind gives the same, with a warning where one side has no spread.
        freedom = sum(errors) ** 2 / sum(
            error**2 / (len(side) - 1) for error, side in zip(errors, sides, strict=True)
        )
        half = float(stats.t.ppf(0.975, freedom)) * sum(errors) ** 0.5
        return now - before, now - before - half, now - before + half

    @property
    def verdict(self) -> Verdict:
        """`ok`, unless the change is large enough to count, and too large for chance."""
        if self.p_value is None or self.difference is None or self.p_value >= ALPHA:
            return "ok"
        least = self.watch.least * (abs(self.means[0] or 0.0) if self.watch.relative else 1.0)
        least = max(least, self.watch.floor)
        signs = {"higher": 1, "lower": -1, "either": np.sign(self.difference[0])}
        counts = self.difference[0] * signs[self.watch.side] >= least
        return self.watch.change if counts else "ok"


@dataclass(frozen=True)
class Comparison:
    """All lines of a run.

    Attributes:
        groups: The documents by what read them, most documents first.
        baseline: What they are compared with.
        lines: Group by group.
    """

    groups: Mapping[str, Sequence[Record]]
    baseline: Sequence[Record]
    lines: Sequence[Line]

    @property
    def verdict(self) -> Verdict:
        """The worst of the lines."""
        return max((line.verdict for line in self.lines), key=ORDER.index, default="ok")

    @property
    def records(self) -> list[Record]:
        """All documents that are watched."""
        return [record for group in self.groups.values() for record in group]


def compare(baseline: Sequence[Record], records: Sequence[Record]) -> Comparison:
    """Compare documents with a baseline, by what read them.

    A line's p-value is Fisher's of shares of documents, Mann and Whitney's of other numbers; both
    take documents as independent. Holm's correction (1979) bounds the probability that any line
    of the run is wrong by `ALPHA`.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.group, []).append(record)
    by_size = dict(sorted(groups.items(), key=lambda group: -len(group[1])))
    lines = [line for name, group in by_size.items() for line in _lines(name, baseline, group)]
    return Comparison(by_size, baseline, _corrected(lines))


def _lines(name: str, baseline: Sequence[Record], group: Sequence[Record]) -> list[Line]:
    seen, known = halves(baseline)
    lines = [
        Line(name, watch, _known(map(watch.of, baseline)), _known(map(watch.of, group)))
        for watch in WATCHES
    ]
    lines.append(
        Line(name, NEW_LAYOUTS, _known(nearest(known, seen)), _known(nearest(group, seen)))
    )
    return [line for line in lines if line.now]


def _known(numbers: Iterable[Number]) -> list[float]:
    return [number for number in numbers if number is not None]


def _corrected(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with Holm's p-values; lines of too few documents have none."""
    tested = [line for line in lines if min(len(line.before), len(line.now)) >= FEWEST]
    raw = {id(line): _p_value(line) for line in tested}
    corrected: dict[int, float] = {}
    least = 0.0
    for at, line in enumerate(sorted(tested, key=lambda line: raw[id(line)])):
        least = max(least, min(1.0, (len(tested) - at) * raw[id(line)]))
        corrected[id(line)] = least
    return [replace(line, p_value=corrected.get(id(line))) for line in lines]


def _p_value(line: Line) -> float:
    side = _ALTERNATIVE[line.watch.side]
    values = set(line.before) | set(line.now)
    if len(values) == 1:
        return 1.0
    if values <= {0.0, 1.0}:
        table = [[sum(each), len(each) - sum(each)] for each in (line.now, line.before)]
        return float(stats.fisher_exact(np.array(table, dtype=int), side).pvalue)
    found = stats.mannwhitneyu(
        np.asarray(line.now), np.asarray(line.before), alternative=side, method="asymptotic"
    )
    return float(found.pvalue)
