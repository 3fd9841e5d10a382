"""The prompt: from its registry URI to instructions, and the snapshot that travels with a model."""

from __future__ import annotations

import logging
import queue
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlflow.entities.model_registry import PromptVersion

from ocr_extractor.errors import PromptError, in_one_line
from ocr_extractor.prompts.registry import Registry
from ocr_extractor.prompts.template import check_template

if TYPE_CHECKING:
    from pathlib import Path

_logger = logging.getLogger(__name__)

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

    @property
    def variables(self) -> frozenset[str]:
        """The variables whose text the template puts somewhere."""
        return check_template(str(self.version.template)).variables

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
            template = check_template(str(self.version.template))
        except PromptError as error:
            raise PromptError(f"{self.uri} cannot be rendered. {error}") from None
        return template.render(additional_rules=additional_rules, ocr_text=ocr_text).strip()


def check_replacement(template: str, prompt: Prompt) -> None:
    """Refuse a template that could not take a prompt's place.

    Raises:
        PromptError: See `Template`; or it has lost one of the prompt's variables, and with it what
            callers or the settings put there.
    """
    kept = check_template(template).variables
    if lost := sorted(prompt.variables - kept):
        raise PromptError(
            f"The template has no place for {', '.join(lost)}: keep "
            f"{' and '.join(f'{{{{ {name} }}}}' for name in lost)}."
        )


def load_prompt(
    uri: str,
    snapshot: Path,
    registry: Registry | None = None,
    timeout_s: float = REGISTRY_TIMEOUT_S,
) -> Prompt:
    """Load a pinned prompt version, from the registry or else from the model's own copy.

    Args:
        uri: `prompts:/<name>/<version>`.
        snapshot: The template as it was when the model was logged.
        registry: What is asked; None for one of its own.
        timeout_s: How long to wait for the registry, s.

    Returns:
        The prompt; its `source` says where it came from.

    Raises:
        PromptError: The version is not a text prompt, or its template cannot be used.
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
        version = PromptVersion(name, int(number), snapshot.read_text(encoding="utf-8"))  # type: ignore[abstract]  # it is not, at run time
        prompt = Prompt(uri, version, "snapshot")
    else:
        prompt = Prompt(uri, found, "registry")
    if not prompt.version.is_text_prompt:
        raise PromptError(f"{uri} is a chat prompt: the extractor needs a text prompt.")
    try:
        check_template(str(prompt.version.template))
    except PromptError as error:
        raise PromptError(f"{uri} cannot be used. {error}") from None
    return prompt
