"""The tokens and cost of a page, as evaluations have measured them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mlflow
from mlflow.entities import Metric

# Settings that change neither what is asked nor what is answered.
_IMMATERIAL = {"cache", "cache_bytes", "max_concurrency", "requests_per_minute"}


@dataclass(frozen=True)
class UsageTotals:
    """What reading a page takes, on average.

    Attributes:
        tokens: Input and output tokens.
        cost: USD, None when a price is not known.
    """

    tokens: float
    cost: float | None


def page_usage(model_id: str, digest: str) -> UsageTotals | None:
    """Return the mean of what a page takes; None if all pages ever came from the cache.

    Pages from the completions cache cost nothing, which says nothing about other pages. So this
    uses the newest evaluation that asked the LLM, of this extractor or of another one with the same
    settings and prompt; one on the forms with this `digest` if there is any.
    """
    model = mlflow.get_logged_model(model_id)
    settings = _material(model.params)
    alike = mlflow.search_logged_models(
        experiment_ids=[model.experiment_id],
        filter_string=f"params.prompt_uri = '{model.params['prompt_uri']}'",
        output_format="list",
    )
    runs: dict[str, dict[str, Metric]] = {}
    for each in alike:
        if _material(each.params) == settings:
            for metric in each.metrics or []:
                runs.setdefault(str(metric.run_id), {})[metric.key] = metric
    newest_first = sorted(
        (run for run in runs.values() if _pages_read(run)),
        key=lambda run: (run["pages"].dataset_digest == digest, run["pages"].timestamp),
        reverse=True,
    )
    return _usage(newest_first[0]) if newest_first else None


def _material(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in _IMMATERIAL}


def _pages_read(run: Mapping[str, Metric]) -> float:
    return run["pages"].value - run["cache_hits"].value if "pages" in run else 0.0


def _usage(run: Mapping[str, Metric]) -> UsageTotals:
    pages = _pages_read(run)
    tokens = (run["input_tokens"].value + run["output_tokens"].value) / pages
    return UsageTotals(tokens, run["cost"].value / pages if "cost" in run else None)
