"""Logs and evaluates candidates in runs of their own, and reports how they compare."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow

from data.dataset import load_documents
from entry_points.command_line import cli, flags
from entry_points.command_line.tracking import name_run
from entry_points.comparing.candidates import Candidate
from entry_points.comparing.comparison import Comparison
from entry_points.comparing.evidence import Evidence, load_evidence
from entry_points.comparing.printing import PAGE, log, next_command, report
from entry_points.comparing.processes import (
    evaluate_in_own_process,
    log_in_own_process,
    require_key,
)
from entry_points.evaluation.printing import where_to_look
from entry_points.logged_models.loading import extractor_config, pinned_uri

READING_FLAGS = ("dataset", "split", "without", "limit", "seed", "max-concurrency", "cache")


def compare(
    candidates: Sequence[Candidate], reading_flags: Mapping[str, str], repeats: int
) -> Comparison:
    """Evaluate candidates in nested runs of the active run, and compare them with the first.

    Each reads the forms `repeats` times; `reading_flags` are the flags of `evaluate` by name.

    Raises:
        UsageError: A candidate cannot be logged or evaluated, or the forms changed meanwhile.
    """
    forms = load_documents(
        cli.in_project(reading_flags["dataset"]),
        split=flags.optional_split(reading_flags["split"]),
        limit=flags.LIMIT(reading_flags["limit"]),
        seed=int(reading_flags["seed"]),
        without=flags.IDS(reading_flags["without"]),
    )
    model_uris = []
    for number, candidate in enumerate(candidates, start=1):  # log all before one costs money
        print(f"Candidate {number} of {len(candidates)}: {candidate.name}", flush=True)
        model_uris.append(candidate.model_uri or log_in_own_process(candidate.log_flags))
    found = [
        _evaluate(candidate.name, model_uri, reading_flags, repeats)
        for candidate, model_uri in zip(candidates, model_uris, strict=True)
    ]
    return Comparison.of([each.name for each in candidates], found, forms)


def _evaluate(
    name: str, model_uri: str, reading_flags: Mapping[str, str], repeats: int
) -> Evidence:
    run_ids = []
    for repeat in range(1, repeats + 1):
        with mlflow.start_run(nested=True, run_name=name) as run:
            given = {
                **reading_flags,
                "model-uri": model_uri,
                "cache": _cache_of(reading_flags["cache"], repeat),
            }
            scores = evaluate_in_own_process(given, run.info.run_id)
        main = "value_f1" if "value_f1" in scores else "pair_f1"
        print(f"{model_uri}: {main} {scores[main]:.3f}, coverage {scores['coverage']:.3f}")
        run_ids.append(run.info.run_id)
    return load_evidence(model_uri, [mlflow.get_run(run_id) for run_id in run_ids])


def _cache_of(cache: str, repeat: int) -> str:
    """Return a separate cache for each repeat: cached completions would hide the LLM's noise."""
    path = Path(cache)
    return str(path.with_stem(f"{path.stem}-{repeat}")) if cache != "none" and repeat > 1 else cache


def prepare(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Pin aliases, and check before the work begins that there is a key if one is needed.

    Raises:
        UsageError: A model cannot be found, or there is no key.
    """
    prepared = []
    for candidate in candidates:
        if not candidate.model_uri:
            given = candidate.log_flags
            require_key({"engine": given["engine"]} | json.loads(given["settings"]))
            prepared.append(candidate)
            continue
        require_key(extractor_config(candidate.model_uri))
        prepared.append(Candidate(candidate.name, model_uri=pinned_uri(candidate.model_uri)))
    return prepared


def run(args: argparse.Namespace, candidates: Sequence[Candidate]) -> int:
    """Compare, print the result and the next command: the common part of compare and improve."""
    prepared = prepare(candidates)
    with mlflow.start_run() as run:
        names = ", ".join(each.name.removeprefix("models:/") for each in prepared)
        name_run(f"compare {names[:200]} on {cli.in_project(args.dataset).name}")
        comparison = compare(prepared, flags.flags_of(args, READING_FLAGS), args.repeats)
        log(comparison)
    report(comparison)
    where_to_look(run.info.run_id, PAGE)
    print(f"Next: {next_command(comparison, args.dataset, args.split)}")
    return 0
