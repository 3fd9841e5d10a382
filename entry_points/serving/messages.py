"""What a worker process and its parent tell each other, besides the events of webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from entry_points.serving.answering import Options


@dataclass(frozen=True)
class Job:
    """The parent's first message.

    Attributes:
        options: What to serve, and within which limits.
        warm_up: Whether to read a sample page before the first request.
    """

    options: Options
    warm_up: bool


@dataclass(frozen=True)
class Accept:
    """The parent lets a warm worker take requests.

    Attributes:
        seen: Ids of webhook deliveries that were accepted already.
        is_switch: Whether this worker counts a switch to its version.
    """

    seen: tuple[str, ...]
    is_switch: bool


class Retire(Enum):
    """The parent lets a worker take no further connections, finish, and end."""

    NOW = auto()


class Stage(Enum):
    """What a worker tells its parent that it has reached."""

    WARM = auto()
    LISTENING = auto()


@dataclass(frozen=True)
class Unusable:
    """A worker tells its parent why its version cannot be used, and ends."""

    reason: str
