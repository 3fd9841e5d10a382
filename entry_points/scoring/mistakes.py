"""What went wrong on one form, in words a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from entry_points.scoring.alignment import Alignment, FormTexts, TextPair

_NAMED = 2
_TEXT_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Mistakes:
    """The texts of a form that were read wrong.

    Attributes:
        misread: (read, true) answers of the questions that were found but answered wrong, the
            least similar first.
        missed: The questions of the other true pairs, in reading order.
        invented: The questions of the other predicted pairs, in the output's order.
        filled: (question, answer) of blank fields that got an answer.
        hallucinated: The answers that are not on the page.
        repeated: The questions of repeated pairs.
    """

    misread: tuple[tuple[str, str], ...] = ()
    missed: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    filled: tuple[tuple[str, str], ...] = ()
    hallucinated: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    @classmethod
    def of(cls, truth: FormTexts, stated: Sequence[TextPair], found: Alignment) -> Mistakes:
        """Take the texts of the wrong pairs of an alignment."""
        return cls(
            misread=tuple((stated[read][1], truth.pairs[row][1]) for row, read in found.misread),
            missed=tuple(truth.pairs[row][0] for row in found.missed),
            invented=tuple(stated[read][0] for read in found.invented),
            filled=tuple(stated[read] for _, read in found.filled),
            hallucinated=tuple(stated[read][1] for read in found.hallucinated),
            repeated=tuple(stated[read][0] for read in found.repeated),
        )

    def counts(self) -> str:
        """Return how many pairs went wrong in which way, without any text of the form."""
        return (
            f"{len(self.misread)} misread, {len(self.missed)} missed, {len(self.invented)} invented"
        )

    def examples(self) -> str:
        """Return the worst of each kind on one line, texts cut to 40 characters; "" for none."""
        named = [self._worst_misread()]
        named += [f"missed {_cut(question)}" for question in self.missed[:_NAMED]]
        named += [f"invented {_cut(question)}" for question in self.invented[:_NAMED]]
        return "; ".join(filter(None, named))

    def by_metric(self) -> dict[str, str]:
        """Return one line with the worst mistakes for each metric that has any."""
        lines = {
            "answer_cer": self._worst_misread(),
            "blank_invented": _listed(
                f"blank {_cut(question)} was read as {_cut(answer)}"
                for question, answer in self.filled
            ),
            "hallucination_rate": _listed(
                f"{_cut(answer)} is nowhere on the page" for answer in self.hallucinated
            ),
            "duplicate_rate": _listed(f"{_cut(question)} again" for question in self.repeated),
        }
        return {name: line for name, line in lines.items() if line}

    def _worst_misread(self) -> str:
        return _listed(f"read {_cut(read)} for {_cut(true)}" for read, true in self.misread)


def _listed(lines: Iterable[str]) -> str:
    return "; ".join(list(lines)[:_NAMED])


def _cut(text: str) -> str:
    return repr(one_line(text, _TEXT_LIMIT))


def one_line(text: str, most: int) -> str:
    """Return a text on one line, cut to `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
