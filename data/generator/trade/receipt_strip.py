"""A strip of paper from a till: where its next line goes, and how lines and amounts look on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from data.generator.trade.canvas import Canvas, Look, width_of, wrap
from data.generator.trade.draft import Draft
from data.generator.trade.labels import Labels

_FACES = (
    ("Courier", "Courier-Bold"),
    ("Courier-Bold", "Courier-Bold"),
    ("DejaVuSansMono", "DejaVuSansMono-Bold"),
    ("DejaVuSansMono", "DejaVuSansMono-Bold"),
    ("cmtt10", "cmtt10"),
    ("Helvetica", "Helvetica-Bold"),
    ("DejaVuSans", "DejaVuSans-Bold"),
    ("Times-Roman", "Times-Bold"),
)


class Strip:
    """Prints from the top of a strip to its bottom.

    Attributes:
        draft: The receipt's facts.
        labels: How it names them.
        look: Of plain text; also `bold`.
        pitch: From line to line, px.
        left: x of its margins, px; also `right`.
        page: The strip.
        y: The baseline of what comes next, px.
        tail: px that amounts leave free at the right, for a mark of their tax.
        start: x of the labels of sums, px.
        late_date: Whether the date stands near the bottom.
    """

    def __init__(self, draft: Draft, labels: Labels) -> None:
        self.draft, self.labels, rng = draft, labels, draft.rng
        face, bold = draft.pick(_FACES)
        size = rng.uniform(17, 26)
        self.look, self.bold = Look(face, size), Look(bold, size)
        self.pitch = size * rng.uniform(1.15, 1.6)
        columns = rng.randint(30, 46)
        margin = rng.uniform(0.8, 4) * size
        body = columns * width_of("0", self.look) * (1.15 if "Mono" not in face else 1)
        self.left, self.right = margin, margin + body
        self.page: Canvas = draft.page((round(body + 2 * margin), 6000))
        self.y = rng.uniform(1.5, 7) * size
        self.centred = draft.chance(0.75)
        self.tail, self.start = 0.0, self.left
        self.late_date = draft.chance(0.15)
        self.dashed = draft.chance(0.7)
        self.signed = draft.pick(("no", "no", "glued", "apart"))
        if self.signed == "glued" and not draft.sign_first:
            self.signed = "apart"

    def down(self, lines: float = 1.0) -> None:
        """Go down by so many lines."""
        self.y += lines * self.pitch

    def write(
        self, lines: str | Sequence[str], fact: str = "", *, look: Look | None = None, x: float = -1
    ) -> float:
        """Print lines in the middle or at the left, go down, and return the end of the last."""
        look, texts = look or self.look, [lines] if isinstance(lines, str) else lines
        texts = [part for line in texts for part in wrap(line, look, self.right - self.left)]
        if look.size <= self.look.size:
            look = replace(look, leading=self.pitch / self.look.size)
        middle = self.centred and x < 0
        start = (self.left + self.right) / 2 if middle else max(x, self.left)
        align = 0.5 if middle else 0.0
        end = self.page.text((start, self.y), texts, look, fact, align=align)
        self.y += len(texts) * look.leading * look.size
        return end

    def rule(self) -> None:
        """Print a separator: a line, dashes, or characters."""
        kind = self.draft.rng.random()
        if self.dashed and kind < 0.7:
            self.page.dashes(self.left, self.right, self.y - 0.3 * self.look.size)
        elif kind < 0.85:
            at = self.y - 0.3 * self.look.size
            self.page.line((self.left, at), (self.right, at))
        else:
            mark = self.draft.pick("-=*_")
            count = int((self.right - self.left) / width_of(mark, self.look))
            self.page.text((self.left, self.y), mark * count, self.look)
        self.down()

    def amount(self, fact: str, look: Look | None = None) -> None:
        """Print an amount at the right, with or without the currency's sign."""
        draft, look = self.draft, look or self.look
        text = draft.texts[fact]
        if self.signed == "glued":
            text = f"{draft.sign}{text}"
        end = self.right - self.tail
        draft.put((end, self.y), fact, look, align=1, text=text)
        if self.signed == "glued":
            # The same word names the currency, too.
            self.page.places.setdefault("currency", []).append(self.page.places[fact][-1])
        elif self.signed == "apart":
            x = end - max(width_of(text, look), 6 * look.size * 0.6) - 0.5 * look.size
            draft.put((x, self.y), "currency", look, align=1)

    def at(self, share: float) -> float:
        """Return the x of a share of the width between the margins."""
        return self.left + share * (self.right - self.left)

    def pair(self, label: str, fact: str) -> None:
        """Print a label and its value as one line, in the middle or at the left."""
        text = f"{label} {self.draft.texts[fact]}"
        middle = (self.left + self.right - width_of(text, self.look)) / 2
        x = middle if self.centred else self.left
        end = self.page.text((x, self.y), label + " ", self.look)
        self.draft.put((end, self.y), fact, self.look)
        self.down()

    def finish(self) -> None:
        """Cut the paper below the last line, now and then far below it."""
        rng = self.draft.rng
        self.page.size = (self.page.size[0], round(self.y + rng.uniform(1, 6) * self.look.size))
