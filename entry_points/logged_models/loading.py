"""Loads logged extractors without importing the working tree's copy of their code."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import getpass
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import get_model_info
from mlflow.pyfunc import PyFuncModel
from mlflow.store.artifact.utils.models import get_model_name_and_version

from data.fields import FieldDocument
from data.forms import Document, Form
from data.funsd import image_hash
from entry_points.command_line.cli import RUN, UsageError
from entry_points.command_line.tracking import list_of

# The variables that give access to an LLM server, in the order in which the engine looks.
KEY_VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_API_KEY_FILE",
    "OPENAI_BASE_URL",
    "AZURE_OPENAI_ENDPOINT",
)

# The setting, and the tag of a logged model, that say from which confidence on a field is accepted.
ACCEPT_AT = "accept_at"

# The metadata of a logged model that names the documents its local weights have learned from.
LEARNED_FROM = "learned_from"

# What all commands call beside `predict`. The code is the model's own copy, so it may be older.
_CALLED = ("flush_traces", "unwritten_traces")

# The start of the line that says which engine `auto` has chosen.
CHOSEN = "Engine:"

# Of glibc's malloc.h.
_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK = 8 << 20  # bytes; Pillow allocates images in blocks of 16 MiB


def has_llm_access() -> bool:
    """Tell whether the environment names a key, a key file or a server."""
    return any(os.environ.get(name) for name in KEY_VARIABLES)


def ask_for_key(settings: Mapping[str, Any]) -> None:
    """Ask for the API key, without echo, if one is needed and a terminal is attached.

    A server of the setting `base_url` may need none. The key stays in the environment of this
    process and its children; it is not stored.
    """
    needed = settings["engine"] == "openai" and not settings.get("base_url")
    if needed and not has_llm_access() and sys.stdin.isatty():
        os.environ["OPENAI_API_KEY"] = getpass.getpass("OpenAI API key (not shown): ")


def extractor_config(model_uri: str) -> dict[str, Any]:
    """Return the settings an extractor was logged with.

    Raises:
        UsageError: There is no such model, or it is not a form extractor.
    """
    try:
        info = get_model_info(model_uri)
    except MlflowException as error:
        raise UsageError(
            f"{model_uri} cannot be found ({error.message}). `{RUN}` logs an extractor and makes "
            f"it the champion; the models: {list_of('models')}."
        ) from error
    config = (info.flavors or {}).get("python_function", {}).get("config") or {}
    if "engine" not in config:
        raise UsageError(f"{model_uri} is not a form extractor: it has no setting 'engine'.")
    return dict(config)


def pinned(model_uri: str) -> tuple[str, str]:
    """Return a registered model's name and version; an alias is followed.

    Raises:
        UsageError: The URI names no version in the registry.
    """
    try:
        name, version = get_model_name_and_version(  # type: ignore[no-untyped-call]
            mlflow.MlflowClient(), model_uri
        )
    except (MlflowException, ValueError) as error:
        raise UsageError(
            f"{model_uri[:80]!r} names no registered version: give models:/<name>/<version>."
        ) from error
    return name, str(version)


def pinned_uri(model_uri: str) -> str:
    """Return the URI of the version that an alias of the registry names; another URI as it is.

    Raises:
        UsageError: There is no such alias.
    """
    is_alias = model_uri.startswith("models:/") and "@" in model_uri
    return f"models:/{'/'.join(pinned(model_uri))}" if is_alias else model_uri


def version_of(model_uri: str) -> str:
    """Return a model as a run's name shows it, `ocr-extractor/3`; an alias is followed."""
    return pinned_uri(model_uri).removeprefix("models:/")


def load_extractor(model_uri: str, **overrides: Any) -> PyFuncModel:
    """Load a logged extractor with some settings replaced; ask for a key if its engine needs one.

    Raises:
        UsageError: It cannot be found, or refuses to load for a reason that it names.
    """
    config = extractor_config(model_uri)
    ask_for_key(config)
    _set_up_memory_pool()
    settings = _learned_settings(model_uri, config) | overrides
    with extractor_errors_reported():
        model: PyFuncModel = mlflow.pyfunc.load_model(model_uri, model_config=settings)
    _require_this_release(model, model_uri)
    _exempt_from_collection()
    return model


def _require_this_release(model: PyFuncModel, model_uri: str) -> None:
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    if missing := [name for name in _CALLED if not hasattr(extractor, name)]:
        raise UsageError(
            f"{model_uri} was logged by an earlier release, without {', '.join(missing)}: this "
            f"release loads it in other programs only. Log it again (`{RUN} -e log`), or use the "
            "release that has logged it."
        )


def require_same_kind(
    model: PyFuncModel, config: Mapping[str, Any], document: Document, model_uri: str
) -> None:
    """Refuse to read pairs where fields are scored, or the other way round: all would be missed.

    Args:
        model: The loaded extractor.
        config: Its settings.
        document: One of the dataset.
        model_uri: What the user calls the extractor.

    Raises:
        UsageError: The extractor does not read what the dataset has.
    """
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    has_schema = extractor.reads_fields()
    if isinstance(document, FieldDocument) and not has_schema:
        raise UsageError(
            f"{model_uri} reads pairs, but the dataset has fields: give the prompt a schema "
            f"(`{RUN} -P schema=<dataset>/schema.json -P dataset=<dataset>` logs such a "
            "model), or a dataset without the folder fields/."
        )
    if isinstance(document, Form) and has_schema and not config.get("with_pairs"):
        raise UsageError(
            f"{model_uri} reads fields, but the dataset has pairs: give a dataset with the folder "
            "fields/, or log the model with the setting with_pairs=true."
        )


def learned_from(model_uri: str, documents: Sequence[Document]) -> list[str]:
    """Return the ids of the documents that an extractor's own local weights have learned from."""
    known = set((get_model_info(model_uri).metadata or {}).get(LEARNED_FROM, ()))
    return [each.form_id for each in documents if known and image_hash(each) in known]


def _learned_settings(model_uri: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `evaluate -P precision=` has found for a logged model: which values to accept."""
    asked = config.get(ACCEPT_AT, {})  # a model of before that setting does not take it
    if asked is not None or not model_uri.startswith(("models:/", "runs:/")):
        return {}
    model_id = get_model_info(model_uri).model_id
    tags = mlflow.get_logged_model(model_id).tags if model_id else {}
    found = json.loads(tags.get(ACCEPT_AT, "{}"))
    return {ACCEPT_AT: found} if found else {}


def _set_up_memory_pool() -> None:
    """Let all threads of this process allocate from one pool, where the C library is glibc.

    By default each thread has its own pool and gives little of a page's memory back: 24 FUNSD pages
    on 2 cores took 1032 MB, and 764 MB with one pool in the same time. Other programs that load
    the model can set MALLOC_ARENA_MAX=1.

    Large blocks come from the system: it gives them zeroed when they are first used. From a pool,
    Pillow zeroes an image of 60 million px for 0.15 s, in which no other thread runs.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def _exempt_from_collection() -> None:
    """Collect garbage, then exempt all remaining objects from later collections.

    They are 400,000 objects, most of them MLflow's and pandas' modules, which live until the end. A
    collection takes 0.2 s and stops every thread, twice in 512 pages. This is not done in other
    people's processes, whose objects may die later.
    """
    gc.unfreeze()  # objects of a model that was loaded earlier may be dead
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def extractor_errors_reported() -> Iterator[None]:
    """Turn errors of the logged package into a `UsageError`: their messages say what to do."""
    try:
        yield
    except Exception as error:
        # Recognised by name: the package must not be imported here.
        if type(error).__module__ == "ocr_extractor.errors":
            raise UsageError(str(error)) from None
        raise
