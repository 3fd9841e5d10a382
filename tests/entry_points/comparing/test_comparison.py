"""What a comparison says of one form."""

from __future__ import annotations

import pytest

from entry_points.comparing.comparison import what_changed
from entry_points.scoring.mistakes import Mistakes

NONE = Mistakes()


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        pytest.param(NONE, NONE, "", id="nothing"),
        pytest.param(Mistakes(missed=("To", "To")), Mistakes(missed=("To",)), "found 'To'", id="1"),
        pytest.param(NONE, Mistakes(missed=("To",)), "missed 'To'", id="missed"),
        pytest.param(Mistakes(invented=("x",)), NONE, "no longer invented 'x'", id="gone"),
        pytest.param(
            Mistakes(misread=(("a", "b"),), invented=("x",)),
            Mistakes(misread=(("c", "b"),), invented=("x",)),
            "no longer read 'a' for 'b'; read 'c' for 'b'",
            id="read-otherwise",
        ),
        pytest.param(
            Mistakes(missed=tuple("abcde")), NONE, "found 'a', 'b', 'c' and 2 more", id="many"
        ),
        pytest.param(
            Mistakes(missed=("invoice_details.shipping_address.postal_code",)),
            Mistakes(missed=("invoice_details.shipping_address.postal_town",)),
            "found 'invoice_details.shipping_address.postal…'; "
            "missed 'invoice_details.shipping_address.postal…'",
            id="long-and-without-a-space",
        ),
    ],
)
def test_names_mistakes_that_are_gone_and_new(before: Mistakes, after: Mistakes, text: str):
    assert what_changed(before, after) == text
