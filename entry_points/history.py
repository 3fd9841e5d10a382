"""Lists the promotions and rollbacks of a model: who, when, from, to, evidence, objections."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from entry_points.command_line import cli
from entry_points.command_line.tracking import name_run
from entry_points.comparing.history import History, Move
from entry_points.predictions.output import replacing
from entry_points.predictions.table import to_cell

_SUFFIXES = (".csv", ".json")


@dataclass(frozen=True)
class Record:
    """One move as it is written to a file; what is not known is empty."""

    at: str
    user: str
    what: str
    version_before: str
    version_after: str
    prompt_before: str
    prompt_after: str
    run_id: str
    evidence: Sequence[str]
    objections: Sequence[str]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__, "model-name")
    parser.add_argument(
        "--output",
        default="none",
        type=cli.ValueOr("none"),
        help="a .csv or .json file for the records, or none",
    )
    return parser


def history(moves: Sequence[Move]) -> list[Record]:
    """Return the records of moves, in their order."""
    return [
        Record(
            at=move.at,
            user=move.user,
            what=_what(move),
            version_before=move.before.champion,
            version_after=move.after.champion,
            prompt_before=move.before.production,
            prompt_after=move.after.production,
            run_id=move.run_id,
            evidence=move.evidence,
            objections=move.objections,
        )
        for move in moves
    ]


def _what(move: Move) -> str:
    if move.is_rollback:
        return "rollback"
    return "forced promotion" if move.objections else "promotion"


def write(records: Sequence[Record], output: Path) -> None:
    """Write records to a .csv or .json file; no spreadsheet runs a text of the former.

    Raises:
        UsageError: It cannot be written.
    """
    rows = [asdict(record) for record in records]
    with cli.writing(output), replacing(output) as new:
        if output.suffix == ".json":
            new.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            return
        with new.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Record)])
            writer.writeheader()
            for row in rows:
                writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> str:
    return to_cell(value if isinstance(value, str) else "; ".join(value))


def report(records: Sequence[Record]) -> None:
    """Print records as a table, and below it what each promotion rests on."""
    cli.print_table(
        (
            (
                str(number),
                each.at[:19].replace("T", " "),
                each.user,
                each.what,
                each.version_before,
                each.version_after,
                each.prompt_before.removeprefix("prompts:/"),
                each.prompt_after.removeprefix("prompts:/"),
            )
            for number, each in enumerate(records, start=1)
        ),
        ("", "when (UTC)", "who", "what", "from", "to", "prompt from", "prompt to"),
    )
    for number, each in enumerate(records, start=1):
        if each.evidence:
            print(f"Evidence of {number}: runs {', '.join(map(cli.printable, each.evidence))}.")
        for objection in each.objections:
            print(f"  overridden: {cli.printable(objection)}")


@cli.reports(MlflowException)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; a model without a promotion has an empty history."""
    args = build_parser().parse_args(argv)
    output = cli.in_project(args.output) if args.output else None
    if output and output.suffix not in _SUFFIXES:
        raise cli.UsageError(
            f"--output is {args.output}: give it the suffix {' or '.join(_SUFFIXES)}."
        )
    client = mlflow.MlflowClient()
    found = History(client, args.model_name)
    name_run(f"history of {args.model_name}")
    records = history(found.moves)
    champion = str(client.get_registered_model(args.model_name).aliases.get(cli.CHAMPION, ""))
    if records:
        report(records)
    else:
        print(f"No version of {args.model_name} has been promoted yet.")
    if champion != (records[-1].version_after if records else ""):
        now = f"is version {champion}" if champion else "names no version"
        print(f"{cli.CHAMPION} {now} now: it was moved by hand, or a promotion is running.")
    if output:
        write(records, output)
        print(f"Written: {cli.printable(output)}")
    if not records:
        print(f"Next: {cli.RUN} -e promote -P model_uri=models:/{args.model_name}/<version>")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
