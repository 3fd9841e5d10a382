"""The flags of predict that choose and size batches."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entry_points.batching.state import BatchState
from entry_points.command_line import cli

# The settings that a batch's requests need: half the price, whole answers, nothing to
# wait for, large files.
BATCH_SETTINGS: dict[str, Any] = {
    "price_factor": 0.5,
    "stream": False,
    "retry_delay_s": 0.0,
    "requests_per_minute": 0,
    "tokens_per_minute": 0,
    "timeout_s": 600.0,
}


@dataclass(frozen=True)
class BatchPlan:
    """How documents are read through batches.

    Attributes:
        state: The file that keeps what was asked for and answered.
        max_requests: Most requests in a batch.
        max_bytes: Most bytes in its file; a single request may have more.
        poll_s: Time between two checks of the batches, s.
        cancel: Whether to cancel the batches and to send no further requests.
    """

    state: Path
    max_requests: int
    max_bytes: int
    poll_s: float
    cancel: bool


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `plan_of` reads."""
    parser.add_argument(
        "--mode",
        default="now",
        choices=("now", "batch", "cancel"),
        help="batch: through OpenAI's Batch API, within a day at half the price; cancel: end that",
    )
    parser.add_argument(
        "--batch-requests", default="50000", type=cli.AtLeast(1), help="most requests in a batch"
    )
    parser.add_argument(
        "--batch-bytes",
        default="200000000",
        type=cli.AtLeast(1),
        help="most bytes in a batch's file",
    )
    parser.add_argument(
        "--poll-s",
        default="60",
        type=cli.AtLeast(0.1, float),
        help="time between two checks of the batches, s",
    )


def plan_of(args: argparse.Namespace, lines: Path) -> BatchPlan | None:
    """Return how batches are to be used; None where documents are read at once.

    Args:
        args: The flags.
        lines: The output's lines; the state stands beside them.

    Raises:
        UsageError: Other flags do not fit the mode, or an earlier start left batches.
    """
    state = lines.with_name(f"{lines.name}.batches")
    if args.mode == "now":
        if state.exists():
            _check_nothing_left(state)
        return None
    if args.max_cost is not None:
        raise cli.UsageError(
            "the cost of a batch is known only when it has ended: give --max-cost or --mode batch."
        )
    return BatchPlan(
        state=state,
        max_requests=args.batch_requests,
        max_bytes=args.batch_bytes,
        poll_s=args.poll_s,
        cancel=args.mode == "cancel",
    )


def _check_nothing_left(path: Path) -> None:
    with BatchState(path) as state:
        if state.shards():
            raise cli.UsageError(
                f"batches of {path.stem} are under way: -P mode=batch fetches what they have "
                "read, -P mode=cancel ends them."
            )
        if state.scopes(answered=True):
            raise cli.UsageError(
                f"{path} has answers of batches, which are paid for: -P mode=batch with the same "
                "model and parameters uses them; remove the file to pay for them again."
            )
