"""Decides how a form looks: its typefaces, its punctuation, its lines, its spacing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from data.generator.content import chance, choose, pick
from data.generator.typefaces import Type

Case = Literal["upper", "asis"]
Fill = Literal["rule", "dots", "none"]
Mark = Literal["box", "line", "parenthesis", "after"]
Habit = Literal[
    "borrowed",
    "capitals",
    "centred",
    "corner",
    "crowded",
    "flush right",
    "hints",
    "indented",
    "instructions",
    "invented",
    "long answers",
    "names",
    "numbered",
    "statistics",
]

_HELVETICA = ("Helvetica", "Helvetica-Bold")
_TIMES = ("Times-Roman", "Times-Bold")
_COURIER = ("Courier", "Courier-Bold")
_TELETYPE = ("cmtt10", "cmtt10")
_DEJAVU = ("DejaVuSans", "DejaVuSans-Bold")
_DEJAVU_MONO = ("DejaVuSansMono", "DejaVuSansMono-Bold")
_STIX = ("STIXGeneral", "STIXGeneralBol")

_PRINTED = (_HELVETICA, _HELVETICA, _HELVETICA, _TIMES, _TIMES, _COURIER, _DEJAVU, _STIX)
_TYPED = (_COURIER, _COURIER, _COURIER, _TELETYPE, _DEJAVU_MONO)


@dataclass(frozen=True)
class Style:
    """How one form looks; lengths in px of the page.

    Attributes:
        label: Questions.
        value: Answers.
        header: Section headers.
        title: The form's name.
        fine: Notes, form numbers.
        case: Of questions and headers.
        colon: Whether a question ends in one.
        underline: Whether headers are underlined.
        fill: What an answer is written on.
        mark: Where an option is marked.
        pitch: From line to line.
        blank: Share of questions that nobody answered, [0, 1].
        rule: Width of lines.
        habits: What this form does that most do not: "borrowed" asks what another kind of form
            asks, "capitals" has its answers in capitals, "centred" its headers in the middle,
            "corner" questions at the top right; "crowded" is small and close; "flush right" has
            questions that end at the tab stop, "hints" such with a remark in brackets, "indented"
            such that begin anywhere; "instructions" has paragraphs to read, "invented"
            asks what no other form asks; "long answers" adds to them, "names" lists who gets a
            copy; "numbered" numbers its questions; "statistics" is a table without lines.
    """

    label: Type
    value: Type
    header: Type
    title: Type
    fine: Type
    case: Case
    colon: bool
    underline: bool
    fill: Fill
    mark: Mark
    pitch: float
    blank: float
    rule: float
    habits: frozenset[Habit] = frozenset()

    def question(self, text: str) -> str:
        """Return a question as this form prints it."""
        text = self.cased(text)
        return text if not self.colon or text.endswith((":", "?")) else f"{text}:"

    def cased(self, text: str) -> str:
        """Return a header or an option as this form prints it."""
        return text.upper() if self.case == "upper" else text


def crowd(style: Style, rng: np.random.Generator) -> Style:
    """Return the style in smaller print with less room between the lines."""
    factor = rng.uniform(0.72, 0.92)
    label, value, header = (
        replace(look, size=max(8.5, factor * look.size))
        for look in (style.label, style.value, style.header)
    )
    pitch = max(1.15 * value.size, factor * style.pitch * rng.uniform(0.75, 1))
    return replace(style, label=label, value=value, header=header, pitch=pitch)


def typewritten(rng: np.random.Generator) -> Style:
    """Return a form that was typed from its title to its last answer."""
    face, bold = pick(rng, _TYPED)
    size = rng.uniform(14, 16)
    wobble = rng.uniform(0, 0.02)
    look = Type(face, size, wobble=wobble)
    return Style(
        label=look,
        value=look,
        header=replace(look, face=bold) if chance(rng, 0.3) else look,
        title=replace(look, face=bold) if chance(rng, 0.4) else look,
        fine=replace(look, size=size * 0.85),
        case="upper" if chance(rng, 0.5) else "asis",
        colon=chance(rng, 0.45),
        underline=chance(rng, 0.6),
        fill=pick(rng, ("rule", "rule", "none", "none", "dots")),
        mark=pick(rng, ("line", "line", "parenthesis", "after")),
        pitch=size * rng.uniform(1.3, 2.1),
        blank=rng.uniform(0.05, 0.45),
        rule=1,
    )


def printed(rng: np.random.Generator) -> Style:
    """Return a printed form that was filled in by typewriter, by hand or by printer."""
    face, bold = pick(rng, _PRINTED)
    size = rng.uniform(10, 14.5)
    label = Type(bold if chance(rng, 0.25) else face, size)
    return Style(
        label=label,
        value=_answer_look(rng, face, size),
        header=Type(bold, size * rng.uniform(1.0, 1.15)),
        title=Type(bold if chance(rng, 0.75) else face, size * rng.uniform(1.3, 2.0)),
        fine=Type(face, max(9.0, size * 0.75)),
        case="upper" if chance(rng, 0.4) else "asis",
        colon=chance(rng, 0.25),
        underline=chance(rng, 0.2),
        fill=pick(rng, ("rule", "rule", "rule", "none", "dots")),
        mark=pick(rng, ("box", "box", "box", "line", "after")),
        pitch=size * rng.uniform(1.6, 2.4),
        blank=rng.uniform(0.1, 0.55),
        rule=rng.choice([0.5, 1, 1, 1.5]),
    )


def _answer_look(rng: np.random.Generator, face: str, size: float) -> Type:
    kind = choose(rng, "typed|typed|typed|typed|hand|same")
    if kind == "hand":
        return Type("", rng.uniform(17, 21), hand=True)
    if kind == "same":
        return Type(face, size * rng.uniform(1.0, 1.1))
    typed = pick(rng, _TYPED)[0]
    return Type(typed, rng.uniform(14, 16), wobble=rng.uniform(0, 0.025))
