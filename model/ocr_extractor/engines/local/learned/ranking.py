"""What speaks for a candidate and against it, for the model that ranks them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ocr_extractor.engines.local.learned.shape import shape_columns
from ocr_extractor.engines.local.learned.sheet import LABELS
from ocr_extractor.engines.local.learned.table import prefixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.engines.local.learned.candidates import Bonds, Candidate
    from ocr_extractor.engines.local.learned.sheet import Sheet, Values
    from ocr_extractor.engines.local.learned.table import Columns, Floats, Whole


def candidate_columns(
    sheet: Sheet, text: Floats, labels: Floats, bond: Bonds, candidates: Sequence[Candidate]
) -> Columns:
    """Describe candidates, at least one.

    Args:
        sheet: n pieces.
        text: (n, labels) what their texts alone make of them.
        labels: (n, labels) what they probably are.
        bond: Their links and joins.
        candidates: Groups of these pieces.
    """
    rows = [_weigh(sheet, text, labels, bond, candidate) for candidate in candidates]
    columns: Columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    by_rules = [each for each in candidates if "rules" in each.sources]
    rule_questions = {each.question for each in by_rules}
    rule_answers = {each.answer for each in by_rules}
    of_question = Counter(each.question for each in candidates)
    of_answer = Counter(each.answer for each in candidates)

    def column(values: list[float]) -> Values:
        return np.array(values, np.float64)

    questions, answers = zip(*(each.texts for each in candidates), strict=True)
    return columns | {
        "rules: question": column([each.question in rule_questions for each in candidates]),
        "rules: answer": column([each.answer in rule_answers for each in candidates]),
        "answers to its question": column([of_question[each.question] for each in candidates]),
        "questions to its answer": column([of_answer[each.answer] for each in candidates]),
        "pieces of the page": np.full(len(candidates), float(sheet.size)),
        "labels of the page": np.full(len(candidates), sheet.own["ends a label"].mean()),
        "words of the question": column([len(each.split()) for each in questions]),
        "words of the answer": column([len(each.split()) for each in answers]),
        **prefixed("question", shape_columns(questions)),
        **prefixed("answer", shape_columns(answers)),
    }


def _weigh(
    sheet: Sheet, text: Floats, labels: Floats, bond: Bonds, candidate: Candidate
) -> dict[str, float]:
    question = np.array(sorted(candidate.question))
    answer = np.array(sorted(candidate.answer))
    rest = np.setdiff1d(np.arange(sheet.size), np.concatenate([question, answer]))
    links = bond.links
    inner = links[np.ix_(question, answer)]
    strength = inner.max(axis=0)
    rival = links[np.ix_(rest, answer)].max(axis=0, initial=0.0)
    return {
        "weakest link": strength.min(),
        "mean link": strength.mean(),
        "strongest link": strength.max(),
        "least linked of the question": inner.max(axis=1).min(),
        "mean of all links": inner.mean(),
        "strongest link left out": links[np.ix_(question, rest)].max(initial=0.0),
        "strongest rival": rival.max(),
        "mean rival": rival.mean(),
        "least lead over a rival": (strength - rival).min(),
        "question answers": links[:, question].max(),
        "answer is answered": links[answer].max(),
        "linked backwards": links[np.ix_(answer, question)].max(),
        **_cohesion("question", bond.joins, question),
        **_cohesion("answer", bond.joins, answer),
        **_mean_labels("question", labels[question]),
        **_mean_labels("answer", labels[answer]),
        "least question": labels[question, 0].min(),
        "least answer": labels[answer, 1].min(),
        "question by text": text[question, 0].mean(),
        "question's answer by text": text[question, 1].mean(),
        "answer's question by text": text[answer, 0].mean(),
        "answer by text": text[answer, 1].mean(),
        **_steps(sheet, candidate),
        **_edges("question", sheet, question),
        **_edges("answer", sheet, answer),
        **{f"from {source}": float(source in candidate.sources) for source in _SOURCES},
    }


_SOURCES = ("rules", "cut by rules", "linked", "joined")


def _cohesion(prefix: str, joins: Values, group: Whole) -> dict[str, float]:
    """Tell how well a group hangs together, and how strongly something else hangs on it."""
    inner = joins[np.ix_(group, group)]
    outside = np.delete(joins[group], group, axis=1)
    pairs = len(group) * (len(group) - 1)
    return {
        f"{prefix} pieces": len(group),
        f"{prefix} least joined": inner.max(axis=1).min() if pairs else 1.0,
        f"{prefix} mean join": inner.sum() / pairs if pairs else 1.0,
        f"{prefix} join left out": outside.max(initial=0.0),
    }


def _mean_labels(prefix: str, labels: Floats) -> dict[str, float]:
    means = labels.mean(axis=0).tolist()
    return {f"{prefix} {label}": mean for label, mean in zip(LABELS, means, strict=True)}


def _steps(sheet: Sheet, candidate: Candidate) -> dict[str, float]:
    (qx0, qy0, qx1, qy1), (ax0, ay0, ax1, ay1) = candidate.boxes
    height = sheet.geometry.height
    _, _, right, foot = sheet.geometry.box.max(axis=0)
    return {
        "gap beside": (ax0 - qx1) / height,
        "gap under": (ay0 - qy1) / height,
        "left ends": (ax0 - qx0) / height,
        "tops": (ay0 - qy0) / height,
        "question width": (qx1 - qx0) / height,
        "question height": (qy1 - qy0) / height,
        "answer width": (ax1 - ax0) / height,
        "answer height": (ay1 - ay0) / height,
        "x": qx0 / right,
        "y": qy0 / foot,
    }


def _edges(prefix: str, sheet: Sheet, group: Whole) -> dict[str, float]:
    pieces = [sheet.pieces[number] for number in group]
    return {
        f"{prefix} least cut before": min(piece.cut_before for piece in pieces),
        f"{prefix} least cut after": min(piece.cut_after for piece in pieces),
        f"{prefix} ruled": float(sheet.own["ruled"][group].mean()),
    }
