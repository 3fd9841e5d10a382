"""Splits a dataset by form id into a development and a validation half."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal, TypeVar, get_args

from data.forms import Document

Split = Literal["development", "validation"]
_Document = TypeVar("_Document", bound=Document)
SPLITS: tuple[Split, ...] = get_args(Split)

_DEVELOPMENT_SHARE = 0.5


def split_of(form_id: str) -> Split:
    """Return the split that a form belongs to.

    It depends only on the id: added or removed forms, another seed or another machine do not move
    a form to the other split.

    Args:
        form_id: The form's id.
    """
    digest = hashlib.sha256(form_id.encode()).digest()
    position = int.from_bytes(digest[:8]) / 2**64
    return "development" if position < _DEVELOPMENT_SHARE else "validation"


def in_split(forms: Iterable[_Document], split: Split) -> list[_Document]:
    """Return the forms of one split, in the given order."""
    return [form for form in forms if split_of(form.form_id) == split]
