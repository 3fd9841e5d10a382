"""The hierarchy that errors.py draws in its docstring is the one of its classes."""

from __future__ import annotations

import re

from ocr_extractor import errors
from ocr_extractor.errors import ExtractorError, in_one_line

# The branches before a class's name, 4 characters a level.
_LINE = re.compile(r"(?P<branches>[ │├└─]*)(?P<name>[A-Z]\w+Error)\b")


def drawn() -> list[tuple[str, str]]:
    """Return the branches and the name of each line of the docstring's tree."""
    assert errors.__doc__
    found = map(_LINE.match, errors.__doc__.splitlines())
    return [(line["branches"], line["name"]) for line in found if line]


def tree(error: type[ExtractorError], order: list[str]) -> list[tuple[str, str]]:
    """Draw a class and what derives from it, siblings in the given order."""
    children = [each for each in error.__subclasses__() if each.__module__ == errors.__name__]
    children.sort(key=lambda each: order.index(each.__name__))
    lines = [("", error.__name__)]
    for child in children:
        last = child is children[-1]
        below = tree(child, order)
        lines.append(("└── " if last else "├── ", child.__name__))
        lines += [(("    " if last else "│   ") + branches, name) for branches, name in below[1:]]
    return lines


def test_the_docstring_draws_every_error_below_the_one_it_derives_from():
    lines = drawn()
    names = [name for _, name in lines]
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, ExtractorError)
    }
    assert set(names) == defined
    assert lines == tree(ExtractorError, names)


def test_a_line_of_a_log_has_no_password():
    error = OSError("API request to http://me:s3cret@host/api\nfailed, as to postgresql://u:p/w@db")
    said = "API request to http://***@host/api failed, as to postgresql://***@db"
    assert in_one_line(error) == said
