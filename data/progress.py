"""Shows the progress of long work: a bar on a terminal, a line every 15 s in a file or in CI."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

_EVERY_S = 15.0
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit}, {elapsed} elapsed, {remaining} left{postfix}"


class Progress(tqdm):  # type: ignore[type-arg]
    """tqdm that adapts to standard error.

    A terminal gets a bar, which vanishes at the end. Anything else gets a line every 15 s, even
    if no step has ended; shorter work writes nothing.
    """

    def __init__(
        self, iterable: Iterable[Any] | None = None, *, every_s: float = _EVERY_S, **options: Any
    ) -> None:
        """Begin.

        Args:
            iterable: The items; None if the caller reports steps with `update`.
            every_s: Time between two lines without a terminal, s.
            options: tqdm's.
        """
        self._ended = threading.Event()
        if sys.stderr.isatty():
            super().__init__(iterable, **options | {"leave": False, "dynamic_ncols": True})
            return
        # tqdm counts; its own output is discarded.
        super().__init__(iterable, **options | {"file": io.StringIO(), "bar_format": _LINE})
        threading.Thread(target=self._write_lines, args=(every_s,), daemon=True).start()

    def _write_lines(self, every_s: float) -> None:
        while not self._ended.wait(every_s):
            sys.stderr.write(f"{self}\n")

    def close(self) -> None:
        """Stop writing lines."""
        self._ended.set()
        super().close()
