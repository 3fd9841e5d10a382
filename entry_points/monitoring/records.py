"""Documents that were read in a period: numbers out of MLflow's traces, without content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import mlflow
from mlflow.entities import Span, Trace
from mlflow.tracing.constant import TraceMetadataKey, TraceTagKey

from entry_points.command_line.tracking import all_pages
from entry_points.logged_models.loading import pinned

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_BETWEEN = ".."

_A_PAGE = 100  # traces a request; each holds some 20 KB with `trace_content=full`
_DOCUMENT = "extract"
_LOGGED = re.compile(r"models:/(m-\w+)")  # the source of a version: its LoggedModel


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


@dataclass(frozen=True)
class WatchedModel:
    """A registered model: the version that is in force, and the others.

    Attributes:
        name: The registered model.
        version: The version in force.
        versions: All versions by the id of their LoggedModel.
    """

    name: str
    version: str
    versions: Mapping[str, str]

    @classmethod
    def find(cls, model_uri: str) -> WatchedModel:
        """Find a model by the URI of a version.

        Raises:
            UsageError: It names no registered version.
        """
        name, version = pinned(model_uri)
        registered = mlflow.search_model_versions(filter_string=f"name='{name}'")
        logged = ((_LOGGED.fullmatch(each.source or ""), each.version) for each in registered)
        return cls(name, version, {source[1]: str(number) for source, number in logged if source})


@dataclass(frozen=True)
class Record:
    """A document as it was read.

    Attributes:
        trace_id: Its trace.
        experiment_id: The experiment of the trace.
        doc_id: What the caller named it, "" for nothing.
        version: The model's version, "" where the trace names none.
        row: Its row of the output; with `trace_content=metadata` without its content.
        counts: What was read on it, counted; see docs/monitor.md.
        pages: What the spans of each page say, by name.
        seconds: How long it took.
        attachment: MLflow's reference to the document itself, "" where the trace does not have it.
    """

    trace_id: str
    experiment_id: str
    doc_id: str
    version: str
    row: Mapping[str, Any]
    counts: Mapping[str, Any]
    pages: tuple[Mapping[str, Any], ...]
    seconds: float
    attachment: str = ""

    @property
    def group(self) -> str:
        """What read it: the version and the prompt."""
        prompt = self.row["prompt_uri"].removeprefix("prompts:/")
        return f"version {self.version}, {prompt}"

    def mean_of_pages(self, name: str) -> float | None:
        """Return the mean of a number of its pages; None if no page has it."""
        known = [page[name] for page in self.pages if page.get(name) is not None]
        return sum(known) / len(known) if known else None


def production_records(model: WatchedModel, period: Period) -> Iterator[Record]:
    """Yield the documents that a model has read in a period.

    Documents that MLflow's evaluation or optimisation has read do not count.
    """
    for trace in find_traces(model, period):
        if TraceTagKey.EVAL_REQUEST_ID not in trace.info.tags:
            yield from records_of(trace, model)


def run_records(model: WatchedModel, run_id: str) -> list[Record]:
    """Return the documents that one version has read in a run, in the order of their ids.

    Raises:
        MlflowException: There is no such run.
    """
    client = mlflow.MlflowClient()
    experiment = client.get_run(run_id).info.experiment_id
    traces = all_pages(
        lambda token: client.search_traces(
            locations=[experiment], run_id=run_id, max_results=_A_PAGE, page_token=token
        )
    )
    found = {each.doc_id: each for trace in traces for each in records_of(trace, model)}
    return [found[doc_id] for doc_id in sorted(found)]


def find_traces(model: WatchedModel, period: Period, *, spans: bool = True) -> Iterator[Trace]:
    """Yield the traces of all versions of a model, in all experiments; `spans` says whether whole.

    They are asked for by the versions' ids, so that traces of others are never read.
    """
    client = mlflow.MlflowClient()
    experiments = [each.experiment_id for each in mlflow.search_experiments()]
    for model_id in model.versions:
        yield from all_pages(
            lambda token, model_id=model_id: client.search_traces(  # type: ignore[misc]
                locations=experiments,
                filter_string=f"request_metadata.`{TraceMetadataKey.MODEL_ID}` = '{model_id}' "
                f"AND attributes.timestamp_ms >= {period.start_ms} "
                f"AND attributes.timestamp_ms < {period.end_ms}",
                max_results=_A_PAGE,
                page_token=token,
                include_spans=spans,
            )
        )


def records_of(trace: Trace, model: WatchedModel) -> Iterator[Record]:
    """Yield the documents of a trace: one, or several below a caller's own span.

    A model that was logged before traces had counts gives none.
    """
    spans = {span.span_id: span for span in trace.data.spans}
    model_id = trace.info.trace_metadata.get(TraceMetadataKey.MODEL_ID, "")
    pages: dict[str, dict[int, dict[str, Any]]] = {}
    for span in spans.values():
        if (number := span.get_attribute("page")) is not None:
            document = _document_of(span, spans)
            if document is not None:
                found = pages.setdefault(document.span_id, {}).setdefault(number, {})
                found |= span.attributes
    for span in spans.values():
        counts = span.get_attribute("counts") if span.name == _DOCUMENT else None
        if counts is not None:
            of_document, inputs = pages.get(span.span_id, {}), span.inputs or {}
            yield Record(
                trace_id=trace.info.trace_id,
                experiment_id=str(trace.info.experiment_id),
                doc_id=str(inputs.get("doc_id") or ""),
                version=model.versions.get(model_id, ""),
                row=span.outputs,
                counts=counts,
                pages=tuple(of_document[number] for number in sorted(of_document)),
                seconds=((span.end_time_ns or span.start_time_ns) - span.start_time_ns) / 1e9,
                attachment=inputs.get("document", ""),
            )


def _document_of(span: Span, spans: Mapping[str, Span]) -> Span | None:
    while span.name != _DOCUMENT:
        if span.parent_id is None or span.parent_id not in spans:
            return None
        span = spans[span.parent_id]
    return span


def one_a_document(records: Iterable[Record]) -> list[Record]:
    """Return the first record of each document; documents without an id are all kept."""
    found = {each.doc_id or each.trace_id: each for each in reversed(list(records))}
    return list(reversed(found.values()))
