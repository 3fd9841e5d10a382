"""Makes a model version champion and its prompt production, if the gate finds it no worse."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.exceptions import MlflowException

from entry_points.command_line import cli, flags
from entry_points.command_line.store_watch import needs_store
from entry_points.command_line.tracking import name_run
from entry_points.comparing.gate import Gate
from entry_points.comparing.printing import report_promotion
from entry_points.comparing.promotion import promote

_GATE = Gate()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--model-uri",
        required=True,
        type=flags.model_uri,
        help="the candidate, models:/<name>/<version>",
    )
    parser.add_argument(
        "--max-drop",
        default=_GATE.max_drop,
        type=cli.AtLeast(0, float),
        help="how far below 0 the 95 %% interval of a headline metric's difference may reach",
    )
    parser.add_argument(
        "--max-cost-ratio",
        default=_GATE.max_cost_ratio,
        type=cli.AtLeast(0, float),
        help="highest cost of a page, as a multiple of the champion's",
    )
    parser.add_argument(
        "--min-forms",
        default=_GATE.min_forms,
        type=cli.AtLeast(1),
        help="fewest forms that the gate accepts",
    )
    parser.add_argument(
        "--force", **cli.SWITCH, help="promote despite objections, and record who did"
    )
    return parser


@cli.reports(MlflowException)
@needs_store()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; exit code 1 if the gate objects."""
    args = build_parser().parse_args(argv)
    gate = Gate(args.max_drop, args.max_cost_ratio, args.min_forms)
    with mlflow.start_run() as run:
        name_run(f"promote {args.model_uri.removeprefix('models:/')}")
        outcome = promote(run, args.model_uri, gate, force=cli.BOOLEANS[args.force])
    report_promotion(outcome)
    if not outcome.promoted:
        print(f"Next: {cli.RUN} -e improve -P template=my-prompt.md")
        return 1
    print(f"Back to what was before: {cli.RUN} -e rollback")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
