"""Whether documents reach their engine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

# The error codes of an engine whose server gave no answer.
_UNREACHED = {"connection_failed", "tls_failed", "timeout"}
# So many documents in a row lose the engine, for so long after the last one, s. Without an end a
# server that gets no requests, because it is not ready, would never be ready again.
_DOCUMENTS = 3
_LOST_S = 30.0


class EngineReach:
    """Judges by the documents that were read, without a request of its own."""

    def __init__(self) -> None:
        """Begin with an engine that is taken to be within reach."""
        self._failed = 0
        self._failed_at = 0.0

    def note(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note what became of documents; those that asked the engine for nothing do not count."""
        for row in rows:
            if not row["attempts"]:
                continue
            if row["error_code"] in _UNREACHED and not row["partial"]:
                self._failed += 1
                self._failed_at = time.monotonic()
            else:
                self._failed = 0

    def is_lost(self) -> bool:
        """Tell whether the latest 3 documents failed to reach it, the last within 30 s."""
        return self._failed >= _DOCUMENTS and time.monotonic() - self._failed_at < _LOST_S
