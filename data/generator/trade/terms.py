"""Draws pages of conditions: running text that names parties and dates but has no field."""

from __future__ import annotations

from dataclasses import replace

from data.generator.trade.canvas import Look, wrap
from data.generator.trade.draft import Draft, lexicon


def draw_terms(draft: Draft, look: Look, bold: Look) -> None:
    """Begin a page and fill it with numbered conditions."""
    words = lexicon()[draft.language]
    page = draft.page(draft.pages[0].size)
    small = replace(look, size=draft.rng.uniform(0.7, 1.0) * look.size)
    left, right, y = 80.0, page.size[0] - 80.0, draft.rng.uniform(60, 120)
    title = draft.pick(words["terms_titles"])
    middle = (left + right) / 2
    page.text((middle, y), title, bold, align=0.5)
    y += 2 * small.size
    sentences = draft.rng.choices([*words["terms"], *words["closing"]], k=draft.rng.randint(8, 30))
    for number, sentence in enumerate(sentences, 1):
        for line in wrap(f"{number}. {draft.filled(sentence)}", small, right - left):
            if y > page.size[1] - 80:
                return
            page.text((left, y), line, small)
            y += 1.3 * small.size
