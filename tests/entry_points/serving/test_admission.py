"""Requests are held up to a number and to a sum of bytes."""

from __future__ import annotations

import contextlib

import pytest

from entry_points.serving.answering import Admission
from entry_points.serving.body import HttpError


@pytest.mark.parametrize(
    ("held", "size", "is_taken"),
    [
        pytest.param([], 500, True, id="alone"),
        pytest.param([], 5000, True, id="alone, larger than all may be together"),
        pytest.param([400, 400], 200, True, id="exactly full"),
        pytest.param([400, 400], 201, False, id="a byte too many"),
        pytest.param([1, 1, 1], 1, False, id="a request too many"),
    ],
)
def test_what_is_held_decides_on_the_next(held: list[int], size: int, is_taken: bool):
    admission = Admission(max_requests=3, max_bytes=1000)
    with contextlib.ExitStack() as stack:
        for each in held:
            stack.enter_context(admission.holding(each))
        taken = contextlib.nullcontext() if is_taken else pytest.raises(HttpError, match="later")
        with taken as refused, admission.holding(size):
            pass
        if refused:
            assert (refused.value.status, refused.value.code) == (503, "server_busy")
    with admission.holding(1000):  # what was held is forgotten
        pass
