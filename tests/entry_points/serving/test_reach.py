"""An engine is lost when documents in a row do not reach it, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from entry_points.serving.metrics import EngineReach


def row(code: str | None, *, attempts: int = 1, partial: bool = False) -> dict[str, Any]:
    return {"error_code": code, "attempts": attempts, "partial": partial}


LOST = row("connection_failed", attempts=5)


@pytest.mark.parametrize(
    ("rows", "is_lost"),
    [
        pytest.param([], False, id="nothing was read"),
        pytest.param([LOST, LOST], False, id="two"),
        pytest.param([LOST, row("timeout"), row("tls_failed")], True, id="three"),
        pytest.param([LOST, row(None), LOST, LOST], False, id="one was read between"),
        pytest.param([LOST] * 3 + [row("rate_limited")], False, id="then the server answered"),
        pytest.param([LOST] * 3 + [row(None, attempts=0)], True, id="then one from the cache"),
        pytest.param([row("damaged_document", attempts=0)] * 3, False, id="bad documents"),
        pytest.param([row("timeout", partial=True)] * 3, False, id="some pages were read"),
    ],
)
def test_documents_tell(rows: list[dict[str, Any]], is_lost: bool):
    reach = EngineReach()
    reach.note(rows)
    assert reach.is_lost() == is_lost
