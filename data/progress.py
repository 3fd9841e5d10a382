"""Shows how far long work is: a bar on a terminal, a line now and then in a file or in CI."""

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
    """tqdm that suits where standard error goes.

    A terminal gets a bar, which vanishes at the end. Anything else gets a line every 15 s, whether
    or not a step has ended meanwhile: shorter work writes nothing.
    """

    def __init__(
        self, iterable: Iterable[Any] | None = None, *, every_s: float = _EVERY_S, **options: Any
    ) -> None:
        """Begin.

        Args:
            iterable: What is worked on; None where `update` tells of the steps.
            every_s: Time between two lines where there is no terminal, s.
            options: tqdm's.
        """
        self._ended = threading.Event()
        if sys.stderr.isatty():
            super().__init__(iterable, **options | {"leave": False, "dynamic_ncols": True})
            return
        # tqdm counts, and writes where nobody looks.
        super().__init__(iterable, **options | {"file": io.StringIO(), "bar_format": _LINE})
        threading.Thread(target=self._write_lines, args=(every_s,), daemon=True).start()

    def _write_lines(self, every_s: float) -> None:
        while not self._ended.wait(every_s):
            sys.stderr.write(f"{self}\n")

    def close(self) -> None:
        """End; nothing is written after it."""
        self._ended.set()
        super().close()
