"""Deletes old traces and their attachments, as MLflow does."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mlflow
from mlflow.entities import TraceInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracing.constant import TraceMetadataKey
from mlflow.tracing.utils.artifact_utils import get_artifact_uri_for_trace

from entry_points.command_line.cli import UsageError
from entry_points.monitoring.records import Period, WatchedModel, find_traces

_A_REQUEST = 100  # traces
_ATTACHMENTS = "attachments"  # where MLflow's artifact stores keep those of a trace
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class OldTraces:
    """Traces that are older than they need to be.

    Attributes:
        traces: Those that may be deleted.
        kept: How many others a run or an assessment, such as a label, refers to.
        span_bytes: The size of the spans of `traces`, as far as it is known.
        attached_bytes: The size of the attachments, the pages, of those that have some, by trace.
    """

    traces: Sequence[TraceInfo]
    kept: int
    span_bytes: int
    attached_bytes: Mapping[str, int]


def find_old_traces(model: WatchedModel, keep_days: float, *, referred: bool) -> OldTraces:
    """Find a model's traces that are older than `keep_days`; all of them if `referred`."""
    end = int(time.time() * 1000 - keep_days * _DAY_MS)
    found = [each.info for each in find_traces(model, Period(0, end), spans=False)]
    old = [info for info in found if referred or not _is_referred_to(info)]
    sizes = {info.trace_id: _attached_bytes(info) for info in old}
    return OldTraces(
        traces=old,
        kept=len(found) - len(old),
        span_bytes=sum(
            int(info.trace_metadata.get(TraceMetadataKey.SIZE_BYTES, 0)) for info in old
        ),
        attached_bytes={trace_id: size for trace_id, size in sizes.items() if size},
    )


def _is_referred_to(info: TraceInfo) -> bool:
    return TraceMetadataKey.SOURCE_RUN in info.trace_metadata or bool(info.assessments)


def delete_old_traces(old: OldTraces) -> int:
    """Delete traces, and return how many.

    MLflow leaves the files of a trace. They go first: what is left by a failure still has its
    trace, so that the next call finds it.

    Raises:
        UsageError: The artifact store keeps a file. S3 refuses to delete one without an error of
            its client in MLflow.
    """
    client = mlflow.MlflowClient()
    by_experiment: dict[str, list[TraceInfo]] = {}
    for info in old.traces:
        by_experiment.setdefault(str(info.experiment_id), []).append(info)
    deleted = 0
    for experiment, traces in by_experiment.items():
        for start in range(0, len(traces), _A_REQUEST):
            batch = traces[start : start + _A_REQUEST]
            for info in batch:
                if info.trace_id in old.attached_bytes:
                    _artifacts(info).delete_artifacts()  # type: ignore[no-untyped-call]
                    if _attached_bytes(info):
                        raise UsageError(
                            f"the artifact store keeps the pages of the trace {info.trace_id}, so "
                            f"it and later ones stay ({deleted} traces are deleted): give the key "
                            "that MLflow's server, or this command, uses the right to delete."
                        )
            ids = [info.trace_id for info in batch]
            deleted += client.delete_traces(experiment_id=experiment, trace_ids=ids)
    return deleted


def _artifacts(info: TraceInfo) -> ArtifactRepository:
    return get_artifact_repository(get_artifact_uri_for_trace(info))


def _attached_bytes(info: TraceInfo) -> int:
    return sum(each.file_size or 0 for each in _artifacts(info).list_artifacts(_ATTACHMENTS))
