"""Lists the promotions and rollbacks of a model: who, when, from, to, evidence, objections."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from entry_points.command_line import cli, flags
from entry_points.command_line.tracking import name_run
from entry_points.comparing.history import History, Move
from entry_points.predictions.output import replacing
from entry_points.predictions.table import to_cell

_SUFFIXES = (".csv", ".json")
_COLUMNS = (
    *("at", "user", "what", "version_before", "version_after", "prompt_before", "prompt_after"),
    *("run_id", "evidence", "objections"),
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, "model-name")
    parser.add_argument(
        "--output",
        **cli.ValueOr("none").as_default,
        help="a .csv or .json file for the records, or none",
    )
    return parser


def history(moves: Sequence[Move]) -> list[dict[str, Any]]:
    """Return a record of each move, in their order; what is not known is empty."""
    records = []
    for move in moves:
        what = "rollback" if move.is_rollback else "promotion"
        versions = move.before.champion, move.after.champion
        prompts = move.before.production, move.after.production
        rest = move.run_id, move.evidence, move.objections
        values = (move.at, move.user, f"forced {what}" if move.objections else what)
        records.append(dict(zip(_COLUMNS, (*values, *versions, *prompts, *rest), strict=True)))
    return records


def write(records: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Write records to a .csv or .json file; no spreadsheet runs a text of the former.

    Raises:
        UsageError: It cannot be written.
    """
    with cli.writing(output), replacing(output) as new:
        if output.suffix == ".json":
            text = json.dumps(records, indent=1, ensure_ascii=False)
            new.write_text(f"{text}\n", encoding="utf-8")
            return
        with new.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            writer.writerows(map(_cell, record.values()) for record in records)


def _cell(value: str | Sequence[str]) -> str:
    return to_cell(value if isinstance(value, str) else "; ".join(value))


def report(records: Sequence[Mapping[str, Any]]) -> None:
    """Print records as a table, and below it what each promotion rests on."""
    rows = []
    for number, each in enumerate(records, start=1):
        at, *others = [each[name].removeprefix("prompts:/") for name in _COLUMNS[:7]]
        rows.append((str(number), at[:19].replace("T", " "), *others))
    named = ("when (UTC)", "who", "what", "from", "to", "prompt from", "prompt to")
    cli.print_table(rows, ("", *named))
    for number, each in enumerate(records, start=1):
        if each["evidence"]:
            runs = ", ".join(each["evidence"])
            print(f"Evidence of {number}: runs {cli.printable(runs)}.")
        for objection in each["objections"]:
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
    if champion != (records[-1]["version_after"] if records else ""):
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
