"""Draws parts that are not plain lists of questions: options, prose, signatures, notes."""

from __future__ import annotations

from collections.abc import Sequence

from data.generator.content import Choice, Prose, chance, choose, pick, sample, word_list
from data.generator.flow import Flow
from data.generator.handwriting import signature
from data.generator.sheet import text_width, wrapped
from data.generator.typefaces import Type


def options(flow: Flow, choice: Choice) -> None:
    """Set a question as a header with its options as questions; the marks are the answers."""
    style = flow.style
    text = style.question(choose(flow.rng, choice.question))
    baseline = flow.y + style.label.size
    look = style.header if chance(flow.rng, 0.4) else style.label
    header = flow.sheet.write((flow.left, baseline), text, look, "header")
    start = flow.left + text_width(text, look) + 18
    widths = [_option_width(flow, option) for option in choice.options]
    stacked = start + sum(widths) > flow.right
    if stacked:
        start = flow.left + 24
        baseline += style.pitch
    marked = -1 if chance(flow.rng, style.blank) else int(flow.rng.integers(len(choice.options)))
    spread = 0.0 if stacked else flow.rng.uniform(0, 0.6) * (flow.right - start - sum(widths))
    x = start
    for place, option in enumerate(choice.options):
        if x + widths[place] > flow.right:
            x, baseline = start, baseline + style.pitch
        _option(flow, (x, baseline), option, header, marked == place)
        x += widths[place] + spread / len(widths)
    flow.y = baseline - style.label.size + 1.2 * style.pitch


def _option_width(flow: Flow, option: str) -> float:
    return text_width(flow.style.cased(option), flow.style.label) + 3.4 * flow.style.label.size


def _option(flow: Flow, at: tuple[float, float], option: str, header: int, marked: bool) -> None:
    """Set one option with the place for its mark, and the mark."""
    style, sheet = flow.style, flow.sheet
    size = style.label.size
    text = style.cased(option)
    x, baseline = at
    text_x, mark_x = x + 1.9 * size, x
    if style.mark == "after":
        text_x, mark_x = x, x + text_width(text, style.label) + 0.4 * size
    if style.mark == "box":
        text_x = x + 1.3 * size
        side = 0.8 * size
        sheet.frame((x, baseline - side, x + side, baseline), style.rule)
        mark_at = (x + 0.12 * size, baseline - 0.08 * size)
    elif style.mark == "parenthesis":
        typed = Type(style.label.face, size)
        # The brackets are a drawing to fill in: FUNSD does not transcribe them either.
        sheet.sketch((mark_x, baseline), "(", typed)
        sheet.sketch((mark_x + 1.3 * size, baseline), ")", typed)
        mark_at = (mark_x + 0.65 * size, baseline)
    else:
        sheet.line([(mark_x, baseline + 2), (mark_x + 1.6 * size, baseline + 2)], style.rule)
        mark_at = (mark_x + 0.5 * size, baseline)
    question = flow.ask((text_x, baseline), text, header)
    if marked:
        mark = "x" if style.mark == "box" or chance(flow.rng, 0.4) else "X"
        flow.answer(question, mark_at, [mark])


_SPARE = 3
"""Most lines left empty under an answer."""


def prose(flow: Flow, entry: Prose) -> None:
    """Set a question whose answer is a few sentences, beside it or under it."""
    style = flow.style
    text = style.question(choose(flow.rng, entry.label))
    baseline = flow.y + style.label.size
    question = flow.ask((flow.left, baseline), text, None)
    count = 0 if chance(flow.rng, style.blank**2) else int(flow.rng.integers(1, 6))
    leading = style.pitch if style.fill == "rule" else 1.2 * style.value.size
    sentences = [flow.expand(s) for s in sample(flow.rng, entry.sentences, count)]
    while sentences and not flow.room(leading * (_SPARE + _height(flow, sentences))):
        sentences.pop()
    told = " ".join(sentences)
    beside = flow.left + text_width(text, style.label) + 10
    if flow.right - beside > 0.4 * flow.width and chance(flow.rng, 0.5):
        taken = _told_beside(flow, question, told, (beside, baseline), leading)
    else:
        taken = _told_under(flow, question, told, (flow.left, baseline), leading)
    flow.y += taken + 0.6 * style.pitch


def _height(flow: Flow, sentences: Sequence[str]) -> int:
    """Return how many lines the sentences take at most."""
    return 1 + len(wrapped(" ".join(sentences), flow.style.value, flow.width - 70))


def _told_beside(
    flow: Flow, question: int, told: str, at: tuple[float, float], leading: float
) -> float:
    """Begin on the question's line and go on at the margin; return the height taken, px."""
    style = flow.style
    rows = wrapped(told, style.value, flow.width - 4, first=flow.right - at[0] - 4)
    spare = int(flow.rng.integers(0, _SPARE))
    flow.fill_line(at[0], flow.right, at[1])
    for row in range(1, len(rows) + spare):
        flow.fill_line(flow.left, flow.right, at[1] + row * leading)
    if told:
        flow.answer(question, (at[0] + 4, at[1] - 1), rows[:1])
    if len(rows) > 1:
        flow.answer(question, (flow.left + 4, at[1] + leading - 1), rows[1:], leading)
    return (len(rows) + spare) * leading


def _told_under(
    flow: Flow, question: int, told: str, at: tuple[float, float], leading: float
) -> float:
    """Begin under the question; return the height taken, px."""
    style = flow.style
    indent = flow.rng.choice([0, 4, 25, 60])
    rows = wrapped(told, style.value, flow.width - indent - 8)
    spare = int(flow.rng.integers(0, _SPARE + 1))
    taken = (len(rows) + spare + 1) * leading
    if style.fill == "none" and chance(flow.rng, 0.4):
        top = at[1] - 1.3 * style.label.size
        flow.sheet.frame((flow.left - 5, top, flow.right, at[1] + taken - 4), style.rule)
    for row in range(1, len(rows) + spare + 1):
        flow.fill_line(flow.left, flow.right, at[1] + row * leading)
    if told:
        flow.answer(question, (at[0] + indent, at[1] + leading - 1), rows, leading)
    return taken


def body(flow: Flow, sentences: Sequence[str]) -> None:
    """Set paragraphs that answer no question."""
    style = flow.style
    leading = 1.2 * style.value.size
    chosen = [flow.expand(sentence) for sentence in sample(flow.rng, sentences, 10)]
    while chosen:
        count = int(flow.rng.integers(3, 6))
        text, chosen = " ".join(chosen[:count]), chosen[count:]
        rows = wrapped(text, style.value, flow.width)
        if not flow.room(leading * len(rows)):
            return
        at = (flow.left, flow.y + style.value.size)
        flow.sheet.write(at, rows, style.value, "other", leading)
        flow.y += leading * (len(rows) + 1)


def note(flow: Flow, text: str, look: Type) -> None:
    """Set a printed remark."""
    rows = wrapped(flow.expand(text), look, flow.width)
    flow.sheet.write((flow.left, flow.y + look.size), rows, look, "other")
    flow.y += 1.15 * look.size * len(rows) + 0.5 * flow.style.pitch


def copies(flow: Flow, names: Sequence[str]) -> None:
    """Set the recipients of copies, as a question with its answer or as plain lines."""
    look = flow.style.fine
    rows = [flow.expand(name) for name in names]
    baseline = flow.y + look.size
    if chance(flow.rng, 0.6):
        text = pick(flow.rng, ("Copies to:", "Distribution:", "cc:"))
        question = flow.ask((flow.left, baseline), text, None, look)
        x = flow.left + text_width(text, look) + 10
        # FUNSD has such lists both as one answer and as an answer a line.
        for number, part in enumerate([rows] if chance(flow.rng, 0.5) else rows):
            at = (x, baseline + number * 1.15 * look.size)
            flow.sheet.link(question, flow.sheet.write(at, part, look, "answer"))
    else:
        flow.sheet.write((flow.left, baseline), rows, look, "other")
    flow.y += 1.15 * look.size * len(rows) + 0.5 * flow.style.pitch


def names(flow: Flow) -> None:
    """Set the recipients of copies: a question and, in one to three columns, its answers."""
    style, rng = flow.style, flow.rng
    baseline = flow.y + style.label.size
    text = style.question(pick(rng, ("cc", "Copies to", "Distribution", "Attending")))
    question = flow.ask((flow.left, baseline), text, None)
    start = flow.left + text_width(text, style.label) + rng.uniform(8, 30)
    columns = int(rng.integers(1, 4))
    width = (flow.right - start) / columns
    leading = 1.2 * style.value.size
    rows = int(rng.integers(2, 7))
    apart = chance(rng, 0.5)
    for place in range(columns):
        column = [flow.expand("{person}") for _ in range(rows - (place + 1 == columns > 1))]
        for number, part in enumerate([[name] for name in column] if apart else [column]):
            at = (start + place * width, baseline + number * leading)
            flow.answer(question, at, part, leading)
    flow.y += rows * leading + 0.6 * style.pitch


def instructions(flow: Flow) -> None:
    """Set a paragraph that says how the form is used."""
    look = flow.style.fine if chance(flow.rng, 0.5) else flow.style.label
    count = int(flow.rng.integers(2, 5))
    note(flow, " ".join(sample(flow.rng, word_list("instruction"), count)), look)


_SIGNERS = (
    "Approved By|Approved|Authorized Signature",
    "Prepared By|Submitted By|Signature",
    "Department Head|Manager|Supervisor",
    "Purchasing Agent|Controller|Director",
)


def signatures(flow: Flow) -> None:
    """Set lines to sign on, each with a date; labels before or under the line."""
    style = flow.style
    under = chance(flow.rng, 0.45)
    height = 2.2 * style.pitch if under else 1.5 * style.pitch
    for signer in sample(flow.rng, _SIGNERS, int(flow.rng.integers(1, 4))):
        if not flow.room(height):
            return
        flow.y += height - style.pitch
        middle = flow.left + 0.62 * flow.width
        signed = not chance(flow.rng, style.blank)
        texts = [choose(flow.rng, signer), "Date"]
        spans = [(flow.left, middle - 20), (middle, flow.right)]
        for place, (text, (start, end)) in enumerate(zip(texts, spans, strict=True)):
            baseline = flow.y + style.label.size
            if under:
                at, answer_x = (start, baseline + 1.1 * style.label.size + 3), start + 10
                question = flow.ask(at, style.cased(text), None)
            else:
                printed = style.question(text)
                question = flow.ask((start, baseline), printed, None)
                answer_x = start + text_width(printed, style.label) + 8
            flow.sheet.line(
                [(start if under else answer_x, baseline + 2), (end, baseline + 2)], style.rule
            )
            if signed:
                _sign(flow, question, (answer_x, baseline), end, dated=place == 1)
        flow.y += style.pitch * (1.3 if under else 1)
    flow.y += 0.4 * style.pitch


def _sign(flow: Flow, question: int, at: tuple[float, float], end: float, *, dated: bool) -> None:
    """Sign, or date, a line that ends at x = `end`."""
    hand = Type("", flow.rng.uniform(17, 20), hand=True)
    if dated:
        text = flow.expand("{day}")
        look = hand if chance(flow.rng, 0.7) else flow.style.value
    elif chance(flow.rng, 0.35):
        text, look = flow.expand("{person}"), flow.style.value
    else:
        size = min(flow.rng.uniform(14, 22), (end - at[0]) / 7)
        strokes = signature((at[0] + 4, at[1]), size, flow.rng)
        scribble = flow.sheet.scribble(strokes, flow.rng.uniform(0.8, 1.3), "answer")
        flow.sheet.link(question, scribble)
        return
    answer = flow.sheet.write((at[0] + 4, at[1] - 2), text, look, "answer")
    flow.sheet.link(question, answer)
