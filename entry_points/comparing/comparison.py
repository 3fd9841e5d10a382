"""Compares candidates with the first of them, form by form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.forms import Document
from data.funsd import dataset_digest
from entry_points.command_line.cli import UsageError
from entry_points.comparing.evidence import Evidence, load_outputs
from entry_points.comparing.gate import Gate
from entry_points.scoring.bootstrap import Difference, differences
from entry_points.scoring.mistakes import Mistakes, one_line
from entry_points.scoring.scores import DocumentTruth, Score, aggregate
from entry_points.scoring.truths import truth_of

_NAMED = 3
_TEXT_LIMIT = 40


@dataclass(frozen=True)
class FormChange:
    """How another extractor read a form.

    Attributes:
        doc_id: The form.
        before: The main score of the first candidate, [0, 1]; the mean of several repeats.
        after: The main score of the other one.
        what: The mistakes that are gone and those that are new, in the first repeat.
    """

    doc_id: str
    before: float
    after: float
    what: str


@dataclass(frozen=True)
class Contest:
    """One candidate compared with the first.

    Attributes:
        name: The user's name for it.
        evidence: How it read the forms.
        metrics: Its scores by name.
        differences: Its scores minus those of the first candidate, by metric.
        changes: One a form, the most changed forms first.
        objections: The objections of the gate with its default limits.
    """

    name: str
    evidence: Evidence
    metrics: Mapping[str, float]
    differences: Mapping[str, Difference]
    changes: Sequence[FormChange]
    objections: Sequence[str]

    @property
    def record(self) -> tuple[int, int, int]:
        """How many forms were read better, worse, and equally well, by the main score."""
        better = sum(each.after > each.before for each in self.changes)
        worse = sum(each.after < each.before for each in self.changes)
        return better, worse, len(self.changes) - better - worse


@dataclass(frozen=True)
class Comparison:
    """The candidates' scores on the same forms.

    Attributes:
        name: The user's name for the first candidate.
        baseline: How it read the forms.
        metrics: Its scores by name.
        contests: The other candidates.
        truths: What the forms say, by form id.
        outputs: What each candidate read in its first repeat, by form id; empty if one of them
            keeps document text out of MLflow.
    """

    name: str
    baseline: Evidence
    metrics: Mapping[str, float]
    contests: Sequence[Contest]
    truths: Mapping[str, DocumentTruth[Score]]
    outputs: Sequence[Mapping[str, Mapping[str, Any]]]

    @classmethod
    def of(
        cls, names: Sequence[str], found: Sequence[Evidence], forms: Sequence[Document]
    ) -> Comparison:
        """Measure all candidates, which have read the same forms, against the first.

        Raises:
            UsageError: The forms changed while they were read.
        """
        if {evidence.digest for evidence in found} != {dataset_digest(forms)}:
            raise UsageError("the forms changed while they were read: compare again.")
        truths = {form.form_id: truth_of(form) for form in forms}
        kept = [load_outputs(evidence.run_ids[0]) for evidence in found]
        outputs = [each for each in kept if each is not None]
        if len(outputs) < len(kept):
            outputs = []
        mistakes = [
            {doc_id: truth.score(each[doc_id]).mistakes for doc_id, truth in truths.items()}
            for each in outputs
        ] or [dict.fromkeys(truths, Mistakes())] * len(found)
        baseline = found[0]
        contests = [
            Contest(
                name=name,
                evidence=evidence,
                metrics=aggregate(evidence.scores.values()),
                differences=differences(evidence.scores, baseline.scores),
                changes=_changes((baseline, mistakes[0]), (evidence, theirs)),
                objections=Gate().objections(evidence, baseline),
            )
            for name, evidence, theirs in zip(names[1:], found[1:], mistakes[1:], strict=True)
        ]
        metrics = aggregate(baseline.scores.values())
        return cls(names[0], baseline, metrics, contests, truths, outputs)


_Side = tuple[Evidence, Mapping[str, Mistakes]]


def _changes(before: _Side, after: _Side) -> list[FormChange]:
    changes = [
        FormChange(
            doc_id,
            before[0].main(doc_id),
            after[0].main(doc_id),
            what_changed(before[1][doc_id], after[1][doc_id]),
        )
        for doc_id in before[0].scores
    ]
    return sorted(changes, key=lambda each: -abs(each.after - each.before))


def what_changed(before: Mistakes, after: Mistakes) -> str:
    """Name the mistakes that are gone and those that are new, some of each kind, on one line."""
    kinds = (
        ("found", _alone(before.missed), _alone(after.missed)),
        ("missed", _alone(after.missed), _alone(before.missed)),
        ("no longer invented", _alone(before.invented), _alone(after.invented)),
        ("invented", _alone(after.invented), _alone(before.invented)),
        ("no longer read", before.misread, after.misread),
        ("read", after.misread, before.misread),
    )
    parts = []
    for verb, here, there in kinds:
        found = list((Counter(here) - Counter(there)).elements())
        if found:
            shown = [" for ".join(map(_quoted, texts)) for texts in found[:_NAMED]]
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            parts.append(f"{verb} {', '.join(shown)}{more}")
    return "; ".join(parts)


def _alone(texts: Iterable[str]) -> list[tuple[str]]:
    return [(text,) for text in texts]


def _quoted(text: str) -> str:
    return repr(one_line(text, _TEXT_LIMIT))
