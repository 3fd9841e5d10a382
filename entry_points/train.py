"""Trains the local engine on annotated forms, on documents with true fields, or on both.

log -P local_weights= uses what it learns.
"""

from __future__ import annotations

import argparse
import json
import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np

from data.field_schema import read_json
from data.fields import FieldDocument, has_fields
from data.fields import load_folder as load_fields
from data.forms import Form
from data.funsd import dataset_digest, has_annotations, load_folder
from data.progress import Progress
from entry_points.command_line import cli, flags
from entry_points.command_line.tracking import name_run
from entry_points.evaluation.figures import draw_reliability
from entry_points.scoring.calibration import reliability
from entry_points.scoring.counts import Numbers
from entry_points.scoring.forms import Truth
from entry_points.scoring.scores import aggregate, score_forms
from entry_points.training.figures import (
    Answers,
    Learned,
    curve_sizes,
    draw_confusion,
    draw_importances,
    print_learned,
    score_fields,
)
from entry_points.training.origin import note_origin
from entry_points.training.own_fields import OwnTrainer
from entry_points.training.pages import PageReader, TrainingPage
from entry_points.training.stacking import Trained, fits_of, fold_of, train_stages
from ocr_extractor.build import WEIGHTS_ARTIFACT
from ocr_extractor.engines.local.learned.candidates import PairCandidate, select
from ocr_extractor.engines.local.learned.cascade import TREES
from ocr_extractor.engines.local.learned.page_features import LABELS
from ocr_extractor.errors import DocumentError, EngineError, SchemaError
from ocr_extractor.fields.schema import Schema

INNER_FOLDS = 3
"""Folds for the out-of-fold answers of the stages; more folds take time and change little."""

LEAST_FORMS = 4
"""With fewer forms, a model without an outer and an inner fold would have nothing to learn from."""

_SHOWN = ("pair_f1", "pair_precision", "pair_recall", "pair_f1_nospace", "question_f1")


@dataclass(frozen=True)
class Held:
    """A pair that was found on a held-out form."""

    form_id: str
    candidate: PairCandidate
    confidence: float
    right: bool


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, "dataset", "limit", "seed")
    parser.add_argument(
        "--folds",
        type=int,
        default="5",
        help="parts of the forms, each scored by models without it",
    )
    parser.add_argument(
        "--learning-curve",
        **cli.SWITCH,
        help="whether to score fields learned from fewer documents, too",
    )
    parser.add_argument(
        "--cache", default=".cache/words", help="folder that keeps the words the OCR has read"
    )
    return parser


def train(
    forms: Sequence[Form], *, dataset: str, folds: int, seed: int, cache: Path
) -> dict[str, float]:
    """Train within the active run: log k-fold figures, then weights trained on all forms.

    Args:
        forms: Annotated forms.
        dataset: The name of their folder.
        folds: Parts of the forms for the figures, from 2.
        seed: Deals the forms, and draws rows and features; the same seed gives the same weights.
        cache: Folder that keeps the words the OCR has read.

    Returns:
        The end-to-end metrics on the held-out folds.
    """
    reader = PageReader(cache)
    with Progress(total=len(forms), desc="reading", unit="forms") as bar:
        pages = reader.read_all(forms, bar.update)
    answers = Answers()
    total = fits_of(INNER_FOLDS) * (folds + 1)
    with Progress(total=total, desc="fitting", unit="models") as bar:
        held = _hold_out(pages, folds, seed, answers, bar.update)
        trained = train_stages(pages, INNER_FOLDS, seed, bar.update)
    metrics = _score(forms, held)
    mlflow.log_metrics(metrics | answers.metrics())
    mlflow.log_params({"forms": len(forms), "dataset_digest": dataset_digest(forms)})
    _log_pictures(answers, trained, held)
    with tempfile.TemporaryDirectory() as folder:
        trained.save(Path(folder))
        note_origin(Path(folder), "pairs", dataset, forms)
        mlflow.log_artifacts(folder, WEIGHTS_ARTIFACT)
    return metrics


def _hold_out(
    pages: Sequence[TrainingPage],
    folds: int,
    seed: int,
    answers: Answers,
    fitted: Callable[[], object],
) -> list[Held]:
    """Find the pairs of each fold with models trained on the other folds."""
    fold = fold_of([page.form.form_id for page in pages], folds, seed)
    held = []
    for left_out in range(folds):
        kept = [page for page in pages if fold[page.form.form_id] != left_out]
        trained = train_stages(kept, INNER_FOLDS, seed, fitted)
        for page in pages:
            if fold[page.form.form_id] == left_out:
                held += _find(trained, page, answers)
    return held


def _find(trained: Trained, page: TrainingPage, answers: Answers) -> list[Held]:
    scored = trained.score(page, answers.add)
    candidates = [candidate for candidate, _ in scored]
    scores = [score for _, score in scored]
    right = page.truth.are_pairs(candidates)
    return [
        Held(
            page.form.form_id,
            candidates[number],
            trained.decision.confidence(scores[number]),
            bool(right[number]),
        )
        for number in select(candidates, scores, trained.decision.least)
    ]


def _score(forms: Sequence[Form], held: Sequence[Held]) -> dict[str, float]:
    """Score the pairs as `evaluate` does."""
    pairs: dict[str, list[dict[str, Any]]] = {form.form_id: [] for form in forms}
    for each in held:
        question, answer = each.candidate.texts
        pairs[each.form_id].append({"question": question, "answer": answer})
    truths = {form.form_id: Truth.of(form) for form in forms}
    outputs = {form_id: {"pairs": of} for form_id, of in pairs.items()}
    scores = score_forms(truths, outputs)
    error = reliability(*_judged(held)).ece
    return aggregate(list(scores.values())) | {"calibration_error": error}


def _judged(held: Sequence[Held]) -> Numbers:
    judged = [(each.confidence, each.right) for each in held]
    return np.array(judged, dtype=np.float64).reshape(-1, 2).T


def _log_pictures(answers: Answers, trained: Trained, held: Sequence[Held]) -> None:
    """Log confusion matrices, importances and reliability, as pictures and as JSON."""
    for stage in answers.stages():
        names = LABELS if stage in ("text", "label") else ("no", "yes")
        counts = answers.confusion(stage)
        mlflow.log_dict({"names": names, "counts": counts.tolist()}, f"confusion/{stage}.json")
        mlflow.log_figure(draw_confusion(counts, names, stage), f"confusion/{stage}.png")
    for stage in TREES:
        importances = trained.models[stage].importances()
        ordered = dict(sorted(importances.items(), key=lambda item: -item[1]))
        mlflow.log_text(json.dumps(ordered, indent=1), f"importances/{stage}.json")
        mlflow.log_figure(draw_importances(importances, stage), f"importances/{stage}.png")
    if held:
        mlflow.log_figure(draw_reliability(_judged(held), "pairs"), "reliability.png")


def train_fields(  # noqa: PLR0913 - what to learn from, and how it is scored
    documents: Sequence[FieldDocument],
    *,
    dataset: str,
    folds: int,
    seed: int,
    cache: Path,
    curve: bool = False,
) -> Learned:
    """Train within the active run on true fields: log k-fold figures, then the weights.

    Args:
        documents: Documents of one schema.
        dataset: The name of their folder.
        folds: Parts of them for the figures, from 2.
        seed: Deals the documents, draws candidates and features.
        cache: Folder that keeps the words the OCR has read.
        curve: Whether figures are wanted for fewer documents, too.

    Returns:
        The figures on the held-out folds.
    """
    with Progress(total=len(documents), desc="reading", unit="documents") as bar:
        pages = PageReader(cache).read_fields(documents, bar.update)
    trainer = OwnTrainer(Schema.parse(read_json(documents[0].truth_paths[1])), seed)
    own = [trainer.prepare(*each) for each in zip(documents, pages, strict=True)]
    if sum(bool(each.examples) for each in own) < LEAST_FORMS:
        raise cli.UsageError(
            f"the true values of fewer than {LEAST_FORMS} documents were found on their pages: "
            "check that the truth files belong to the images."
        )
    sizes = curve_sizes(len(documents), folds) if curve else ()
    points = {}
    with Progress(total=(len(sizes) + 1) * folds + 1, desc="fitting", unit="models") as bar:
        for size in sizes:
            rows, _ = trainer.hold_out(own, folds, bar.update, size)
            points[size] = score_fields(documents, rows).metrics["value_f1"]
        rows, calibration = trainer.hold_out(own, folds, bar.update)
        learned = replace(score_fields(documents, rows), curve=points)
        with tempfile.TemporaryDirectory() as folder:
            trainer.train(own, calibration, Path(folder))
            note_origin(Path(folder), "fields", dataset, documents)
            bar.update()
            mlflow.log_artifacts(folder, WEIGHTS_ARTIFACT)
    mlflow.log_metrics(dict(learned.metrics))
    mlflow.log_params({"documents": len(documents), "fields_digest": dataset_digest(documents)})
    for size, value_f1 in points.items():
        mlflow.log_metric("learning_curve_value_f1", value_f1, step=size)
    if learned.judged.size:
        mlflow.log_figure(draw_reliability(learned.judged, "values"), "reliability.png")
    return learned


@cli.reports(DocumentError, EngineError, SchemaError)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    folder, cache = cli.in_project(args.dataset), cli.in_project(args.cache)
    drawn = {"limit": args.limit, "seed": args.seed}
    documents = load_fields(folder, **drawn) if has_fields(folder) else []
    forms = load_folder(folder, **drawn) if not documents or has_annotations(folder) else []
    for count, unit in ((len(documents), "documents"), (len(forms), "forms")):
        if count and (count < LEAST_FORMS or not 2 <= args.folds <= count):
            raise cli.UsageError(
                f"{count} {unit} in {args.folds} folds: training needs {LEAST_FORMS} {unit} or "
                f"more, and from 2 folds to as many as there are {unit}."
            )
    dataset = cli.printable(folder.name)
    shared = {"dataset": dataset, "folds": args.folds, "seed": args.seed, "cache": cache}
    rest = "half" if args.folds == 2 else f"{args.folds - 1} folds"
    others = f"each read by models trained on the other {rest}"
    with mlflow.start_run() as run:
        name_run(f"train on {len(documents) or len(forms)} documents of {folder.name}")
        if documents:
            curve = cli.BOOLEANS[args.learning_curve]
            learned = train_fields(documents, curve=curve, **shared)
            print(f"{len(documents)} documents, {others}")
            print_learned(learned)
        if forms:
            metrics = train(forms, **shared)
            print(f"{len(forms)} forms, {others}")
            names = (*_SHOWN, "calibration_error")
            cli.print_table([(name, f"{metrics[name]:.3f}") for name in names], ("metric", "value"))
    print(f"Run {run.info.run_id} (weights and figures). Use the weights:")
    weights = f"-P engine=local -P local_weights=runs:/{run.info.run_id}/{WEIGHTS_ARTIFACT}"
    if documents:
        schema = shlex.quote(f"schema={folder / 'schema.json'}")
        named = "-P prompt_name=<prompt> -P model_name=<model>"
        print(f"  {cli.RUN} -e log {weights} -P {schema} {named}")
    else:
        print(f"  {cli.RUN} {weights}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
