"""The prompt: from its registry URI to instructions, and the snapshot that travels with a model."""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import mlflow
from jinja2 import TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment
from mlflow.entities.model_registry import PromptVersion
from mlflow.exceptions import MlflowException

from ocr_extractor.errors import PromptError, shorten

if TYPE_CHECKING:
    from pathlib import Path

_logger = logging.getLogger(__name__)

VARIABLES = ("additional_rules", "ocr_text")
SNAPSHOT_ARTIFACT = "prompt"

# MLflow's own client goes on for minutes when a registry does not answer; a model must load.
REGISTRY_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Prompt:
    """One prompt version, ready to be rendered.

    Attributes:
        uri: `prompts:/<name>/<version>`.
        version: MLflow's prompt version.
        source: "registry"; "snapshot" for the model's own copy, when the registry could not be
            reached; "last_good" when the alias that is followed gave nothing usable.
    """

    uri: str
    version: PromptVersion
    source: Literal["registry", "snapshot", "last_good"]

    def render(self, *, additional_rules: str = "", ocr_text: str = "") -> str:
        """Fill in the variables.

        Args:
            additional_rules: The caller's own rules for these forms.
            ocr_text: What an OCR engine read on the page.

        Returns:
            The instructions.

        Raises:
            PromptError: The template cannot be rendered.
        """
        try:
            # additional_rules last: MLflow replaces one variable after the other.
            text = self.version.format(ocr_text=ocr_text, additional_rules=additional_rules)
        except (MlflowException, TemplateError, TypeError) as error:
            raise PromptError(f"{self.uri} cannot be rendered: {shorten(error)}") from error
        return str(text).strip()


def check_template(template: str) -> None:
    """Refuse a template that the extractor could not fill in.

    Raises:
        PromptError: The template is empty, broken, or uses a variable that is not supplied.
    """
    if not template.strip():
        raise PromptError("The template is empty: write the instructions for the LLM into it.")
    version = _version("check", 1, template)
    used = version.variables
    if "{%" in template:
        try:
            used = meta.find_undeclared_variables(SandboxedEnvironment().parse(template))
        except TemplateError as error:
            raise PromptError(f"The template is not valid Jinja: {shorten(error)}") from error
    if unknown := sorted(used - set(VARIABLES)):
        raise PromptError(
            f"The template uses {', '.join(unknown)}, which the extractor does not supply: "
            f"use only {', '.join(VARIABLES)}."
        )
    text = Prompt("The template", version, "snapshot").render()
    # Without {% ... %} MLflow fills in plain names only: a filter would reach the LLM as it stands.
    if "{%" not in template and (left := text.find("{{")) >= 0:
        raise PromptError(
            f"The template has a placeholder that is not filled in ({shorten(text[left:], 40)}): "
            f"write {' or '.join(f'{{{{ {name} }}}}' for name in VARIABLES)}."
        )


def check_replacement(template: str, prompt: Prompt) -> None:
    """Refuse a template that could not take a prompt's place.

    Raises:
        PromptError: See `check_template`; or it has lost one of the prompt's variables, and with
            it what callers or the settings put there.
    """
    check_template(template)
    if lost := sorted(prompt.version.variables - _version("check", 1, template).variables):
        raise PromptError(
            f"The template has no place for {', '.join(lost)}: keep "
            f"{' and '.join(f'{{{{ {name} }}}}' for name in lost)}."
        )


def load_prompt(uri: str, snapshot: Path, timeout_s: float = REGISTRY_TIMEOUT_S) -> Prompt:
    """Load a pinned prompt version, from the registry or else from the model's own copy.

    Args:
        uri: `prompts:/<name>/<version>`.
        snapshot: The template as it was when the model was logged.
        timeout_s: How long to wait for the registry, s.

    Returns:
        The prompt; its `source` says where it came from.

    Raises:
        PromptError: The version is not a text prompt.
    """
    found = ask_registry(uri, timeout_s)
    if isinstance(found, Exception):
        _logger.warning(
            "The prompt registry did not give %s (%s): using the copy that travels with the model.",
            uri,
            shorten(found),
        )
        name, _, number = uri.removeprefix("prompts:/").rpartition("/")
        version = _version(name, int(number), snapshot.read_text(encoding="utf-8"))
        return Prompt(uri, version, "snapshot")
    if not found.is_text_prompt:
        raise PromptError(f"{uri} is a chat prompt: the extractor needs a text prompt.")
    return Prompt(uri, found, "registry")


def ask_registry(uri: str, timeout_s: float, **options: Any) -> PromptVersion | Exception:
    """Load a prompt version, or return why there is none within `timeout_s`, s.

    Args:
        uri: The version's or an alias's URI.
        timeout_s: Longest wait, s.
        options: For `mlflow.genai.load_prompt`.
    """
    answer: queue.Queue[PromptVersion | Exception] = queue.Queue(maxsize=1)

    def ask() -> None:
        try:
            answer.put(mlflow.genai.load_prompt(uri, **options))
        except Exception as error:  # a store that is gone raises its driver's own errors
            answer.put(error)

    # A daemon thread: a registry that never answers must not keep the process alive.
    threading.Thread(target=ask, name="load-prompt", daemon=True).start()
    try:
        return answer.get(timeout=timeout_s)
    except queue.Empty:
        return TimeoutError(f"no answer within {timeout_s:g} s")


def _version(name: str, number: int, template: str) -> PromptVersion:
    return PromptVersion(name, number, template)  # type: ignore[abstract]  # it is not, at run time
