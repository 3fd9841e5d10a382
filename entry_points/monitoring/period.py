"""Times as users give them: the last hours or days, or a range of dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_BETWEEN = ".."


@dataclass(frozen=True)
class Period:
    """From `start_ms`, inclusive, to `end_ms`, exclusive; ms since the epoch."""

    start_ms: int
    end_ms: int

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read `24h` (also m, d, w), which ends now, or `2026-11-01..2026-11-15`.

        A date may have a time; without a zone it is UTC. A range of dates includes its last day.

        Raises:
            ValueError: It is neither, or it ends before it starts.
        """
        try:
            start, end = _ends(text)
        except OverflowError as error:
            raise ValueError(text) from error
        if start >= end:
            raise ValueError(text)
        return cls(_ms(start), _ms(end))

    def __str__(self) -> str:
        """Return it as a range, to the minute."""
        return _BETWEEN.join(
            datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
            for ms in (self.start_ms, self.end_ms)
        )


def _ends(text: str) -> tuple[datetime, datetime]:
    if found := re.fullmatch(r"(\d{1,6})([mhdw])", text, re.ASCII):
        now = datetime.now(UTC)
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])}), now
    first, _, last = text.partition(_BETWEEN)
    start, end = _moment(first), _moment(last)
    return start, end if "T" in last else end + timedelta(days=1)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
