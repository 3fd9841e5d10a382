"""Whether a text's characters look like a label, a value or a tick."""

from __future__ import annotations

import re

_MAX_LABEL_WORDS = 12
"""Longer texts are sentences; the longest labels of real forms are shorter."""

_TICK = re.compile(r"[\[({]?[xX✓✔√☑☒]{1,2}[\])}]?")


def has_letters(text: str) -> bool:
    """Tell whether the text could be words: it has two letters or more."""
    return sum(character.isalpha() for character in text) >= 2


def has_digits(text: str) -> bool:
    """Tell whether the text has a digit."""
    return any(character.isdigit() for character in text)


def is_value(text: str) -> bool:
    """Tell whether the text can only be filled in: mostly digits, or a tick."""
    digits = sum(character.isdigit() for character in text)
    letters = sum(character.isalpha() for character in text)
    return digits >= letters or is_tick(text)


def is_tick(text: str) -> bool:
    """Tell whether the text is the mark of a chosen box: `X`, `[x]`, `✓`."""
    return _TICK.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Tell whether the text could be the printed label of a field."""
    return has_letters(text) and len(text.split()) <= _MAX_LABEL_WORDS and not is_value(text)


def announces_value(text: str) -> bool:
    """Tell whether the text is a label that ends in a colon."""
    ends = text.rstrip(" .").endswith((":", ";", "\uff1a"))
    return ends and has_letters(text) and len(text.split()) <= _MAX_LABEL_WORDS
