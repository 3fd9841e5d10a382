"""The prompt: from its registry URI to instructions and fields, and the copy that travels."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from mlflow import MlflowClient
from mlflow.entities.model_registry import PromptVersion
from mlflow.utils.logging_utils import suppress_logs_in_thread

from ocr_extractor.errors import PromptError, SchemaError, in_one_line
from ocr_extractor.fields.schema import Schema
from ocr_extractor.prompts.template import check_template

_logger = logging.getLogger(__name__)

SNAPSHOT_ARTIFACT = "prompt"
"""The logged model's artifact: a folder with the template and, if there is one, the schema."""

_TEMPLATE_FILE = "template.md"
_SCHEMA_FILE = "schema.json"

# MLflow's own client goes on for minutes when a registry does not answer; a model must load.
REGISTRY_TIMEOUT_S = 15.0

Find = Callable[[MlflowClient], PromptVersion | None]
Take = Callable[[PromptVersion | Exception], None]


@dataclass(frozen=True)
class Prompt:
    """One prompt version, ready to be rendered.

    Attributes:
        uri: `prompts:/<name>/<version>`.
        version: MLflow's prompt version; its `response_format` is the schema's document.
        source: "registry"; "snapshot" for the model's own copy, when the registry could not be
            reached; "last_good" when the alias that is followed gave nothing usable.
    """

    uri: str
    version: PromptVersion
    source: Literal["registry", "snapshot", "last_good"]

    @property
    def variables(self) -> frozenset[str]:
        """The variables whose text the template puts somewhere."""
        return check_template(str(self.version.template)).variables

    @cached_property
    def schema(self) -> Schema | None:
        """The fields to read; None for a prompt that reads question-answer pairs.

        Raises:
            SchemaError: The version's `response_format` is not a schema of fields.
        """
        document = self.version.response_format
        return None if document is None else Schema.parse(document)

    @cached_property
    def _fields(self) -> str:
        return self.schema.describe() if self.schema else ""

    def check(self) -> None:
        """Refuse a version that pages cannot be read with.

        Raises:
            PromptError: It is not a text prompt, its template or its schema cannot be used, or
                only one of them has the schema's fields.
        """
        if not self.version.is_text_prompt:
            raise PromptError("It is a chat prompt: the extractor needs a text prompt.")
        try:
            schema = self.schema
        except SchemaError as error:
            raise PromptError(f"Its schema cannot be used: {error}") from None
        check_template_and_schema(str(self.version.template), schema)

    def render(self, *, additional_rules: str = "", ocr_text: str = "") -> str:
        """Return the instructions: the template with its variables filled in.

        Raises:
            PromptError: The template cannot be rendered.
        """
        # Not the version but its text decides: while MLflow tries a candidate, a version gives
        # another template than its own.
        try:
            return _fill_in(str(self.version.template), additional_rules, self._fields, ocr_text)
        except PromptError as error:
            raise PromptError(f"{self.uri} cannot be rendered. {error}") from None


@lru_cache(maxsize=8)  # Jinja takes 1 ms each time
def _fill_in(template: str, additional_rules: str, fields: str, ocr_text: str) -> str:
    filled = check_template(template).render(
        additional_rules=additional_rules, fields=fields, ocr_text=ocr_text
    )
    return filled.strip()


def check_template_and_schema(template: str, schema: Schema | None) -> None:
    """Refuse a template that cannot be used, or not with this schema, None for none.

    Raises:
        PromptError: See `Template`; or `{{ fields }}` stands there without a schema, or is missing
            with one.
    """
    has_place = "fields" in check_template(template).variables
    if schema is not None and not has_place:
        raise PromptError(
            "The template has no place for the schema's fields: put {{ fields }} where their "
            "description belongs."
        )
    if schema is None and has_place:
        raise PromptError(
            "The template has {{ fields }}, and there is no schema that says which: register it "
            "with -P schema=<file>, or remove {{ fields }}."
        )


def check_replacement(template: str, prompt: Prompt) -> None:
    """Refuse a template that could not take the place of a prompt's own.

    Raises:
        PromptError: See `Template`; or it has lost one of the prompt's variables, and with it what
            callers or the settings put there; or it has {{ fields }}, and the prompt no schema.
    """
    check_template_and_schema(template, prompt.schema)
    if lost := sorted(prompt.variables - check_template(template).variables):
        raise PromptError(
            f"The template has no place for {', '.join(lost)}: keep "
            f"{' and '.join(f'{{{{ {name} }}}}' for name in lost)}."
        )


def write_snapshot(version: PromptVersion, folder: Path) -> None:
    """Write the copy of a prompt version that travels with a model into a new folder."""
    folder.mkdir()
    (folder / _TEMPLATE_FILE).write_text(str(version.template), encoding="utf-8")
    if version.response_format is not None:
        schema = json.dumps(version.response_format, indent=2, ensure_ascii=False)
        (folder / _SCHEMA_FILE).write_text(schema, encoding="utf-8")


def _read_snapshot(name: str, number: str, folder: Path) -> PromptVersion:
    template = (folder / _TEMPLATE_FILE).read_text(encoding="utf-8")
    schema = folder / _SCHEMA_FILE
    document = json.loads(schema.read_text(encoding="utf-8")) if schema.exists() else None
    return PromptVersion(name, int(number), template, response_format=document)  # type: ignore[abstract]  # it is not, at run time


def load_prompt(
    uri: str,
    snapshot: Path,
    registry: Registry | None = None,
    timeout_s: float = REGISTRY_TIMEOUT_S,
) -> Prompt:
    """Load a pinned prompt version, from the registry or else from the model's own copy.

    Args:
        uri: `prompts:/<name>/<version>`.
        snapshot: The folder that `write_snapshot` wrote when the model was logged.
        registry: What is asked; None for one of its own.
        timeout_s: How long to wait for the registry, s.

    Returns:
        The prompt; its `source` says where it came from.

    Raises:
        PromptError: See `Prompt.check`.
    """
    name, _, number = uri.removeprefix("prompts:/").rpartition("/")
    answer: queue.SimpleQueue[PromptVersion | Exception] = queue.SimpleQueue()
    (registry or Registry()).ask(lambda client: client.get_prompt_version(name, number), answer.put)
    found: PromptVersion | Exception
    try:
        found = answer.get(timeout=timeout_s)
    except queue.Empty:
        found = TimeoutError(f"no answer within {timeout_s:g} s")
    if isinstance(found, Exception):
        _logger.warning(
            "The prompt registry did not give %s (%s): using the copy that travels with the model.",
            uri,
            in_one_line(found),
        )
        prompt = Prompt(uri, _read_snapshot(name, number, snapshot), "snapshot")
    else:
        prompt = Prompt(uri, found, "registry")
    try:
        prompt.check()
    except PromptError as error:
        raise PromptError(f"{uri} cannot be used. {error}") from None
    return prompt


class Registry:
    """The prompt registry as one loaded model sees it: at most one lookup is under way.

    A registry that hangs keeps one daemon thread, which ends with the process or with the answer.
    """

    def __init__(self) -> None:
        self._idle = threading.Lock()

    def ask(self, find: Find, take: Take) -> None:
        """Begin a lookup, and return at once.

        `mlflow.genai.load_prompt` would also write into the registry, with a thread for each
        lookup that keeps the process alive, and would change the warnings filters for a while.

        Args:
            find: Looks a version up.
            take: Receives the version, or why there is none; called by another thread, or by this
                one where an earlier lookup has not ended.
        """
        if not self._idle.acquire(blocking=False):
            take(TimeoutError("an earlier lookup has not ended yet"))
            return

        def look_up() -> None:
            found = _find(find)
            self._idle.release()
            take(found)

        try:
            threading.Thread(target=look_up, name="ask-registry", daemon=True).start()
        except RuntimeError as error:  # the process has as many threads as it may have
            self._idle.release()
            take(error)


def _find(find: Find) -> PromptVersion | Exception:
    try:
        # MLflow logs a stack trace each time that a database is gone; the caller logs one line.
        with suppress_logs_in_thread():
            found = find(MlflowClient())
    except Exception as error:  # a store that is gone raises its driver's own errors
        return error
    return found or LookupError("there is no such version")
