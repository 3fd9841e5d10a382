"""The prompt of a model that follows its alias: looked up again as it is used."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ocr_extractor.errors import PromptError, in_one_line
from ocr_extractor.prompts.prompt import Prompt, check_replacement

if TYPE_CHECKING:
    from mlflow.entities.model_registry import PromptVersion

    from ocr_extractor.prompts.prompt import Registry

_logger = logging.getLogger(__name__)

ALIAS = "production"

# How long a registry may take to answer before it counts as out of reach, s.
_TIMEOUT_S = 5.0


class FollowedPrompt:
    """The version that the alias of a prompt names; shared by concurrent calls.

    The alias is looked up in the background, and only while there are calls. If the registry or
    the version cannot be used, the previous version stays in use and its `source` says so; each
    change of this state is logged once.
    """

    def __init__(
        self, pinned: Prompt, refresh_s: float, registry: Registry, timeout_s: float = _TIMEOUT_S
    ) -> None:
        """Begin with the pinned version, and look the alias up as `refreshed` does.

        Args:
            pinned: The version that the model was logged with; a version that lost one of its
                variables is not taken.
            refresh_s: Longest time without looking the alias up, s.
            registry: What is asked.
            timeout_s: How long an answer is waited for, s.
        """
        self._pinned = self._current = pinned
        self._refresh_s = refresh_s
        self._registry = registry
        self._timeout_s = timeout_s
        self._name = pinned.uri.removeprefix("prompts:/").rpartition("/")[0]
        self._uri = f"prompts:/{self._name}@{ALIAS}"
        self._changed = threading.Condition()
        self._began_at = 0.0
        self._under_way = False
        self._reported: tuple[str, str] | None = None
        self.refreshed()

    def current(self) -> Prompt:
        """Return the version in force, at once; if a lookup is due, it begins."""
        with self._changed:
            if not self._under_way and time.monotonic() >= self._began_at + self._refresh_s:
                self._begin()
            self._note_delay()
            return self._current

    def refreshed(self) -> Prompt:
        """Look the alias up, wait for the answer, and return the version that is then in force."""
        until = time.monotonic() + self._timeout_s
        with self._changed:
            # A lookup that is under way may have begun before the alias was moved.
            if self._answered(until):
                self._begin()
                self._answered(until)
            self._note_delay()
            return self._current

    def _answered(self, until: float) -> bool:
        """Wait for the lookup that is under way, until a moment of `time.monotonic`."""
        left_s = max(0.0, until - time.monotonic())
        return self._changed.wait_for(lambda: not self._under_way, left_s)

    def _begin(self) -> None:
        self._under_way = True
        self._began_at = time.monotonic()
        self._registry.ask(
            lambda client: client.get_prompt_version_by_alias(self._name, ALIAS), self._take
        )

    def _note_delay(self) -> None:
        if self._under_way and time.monotonic() >= self._began_at + self._timeout_s:
            self._keep(self._uri, f"no answer within {self._timeout_s:g} s")

    def _take(self, found: PromptVersion | Exception) -> None:
        """Take the answer of a lookup, however late it is."""
        uri, reason, prompt = self._uri, "", self._pinned
        if isinstance(found, Exception):
            reason = in_one_line(found)
        else:
            # Outside the lock: pages go on while template and schema are checked.
            prompt = Prompt(found.uri, found, "registry")
            uri, reason = prompt.uri, _fault(prompt, self._pinned)
        with self._changed:
            self._under_way = False
            if reason or isinstance(found, Exception):
                self._keep(uri, reason)
            else:
                self._current = prompt
                if self._is_news("follows", uri):
                    _logger.info("%s names %s, which is used now.", self._uri, uri)
            self._changed.notify_all()

    def _keep(self, uri: str, reason: str) -> None:
        before = self._current
        if before.source == "registry":
            self._current = replace(before, source="last_good")
        if self._is_news("refuses", uri):
            _logger.warning("%s cannot be used, %s stays: %s", uri, before.uri, reason)

    def _is_news(self, verb: str, uri: str) -> bool:
        """Tell whether this state was not logged last."""
        last, self._reported = self._reported, (verb, uri)
        return last != self._reported


def _fault(prompt: Prompt, pinned: Prompt) -> str:
    """Say why a prompt cannot take the place of the pinned one; "" when it can."""
    try:
        prompt.check()
        if (prompt.schema is None) == (pinned.schema is None):
            check_replacement(str(prompt.version.template), pinned)
            return ""
    except PromptError as error:
        return str(error)
    if prompt.schema is None:
        return "It has no schema, and the pinned version has one."
    return "It has a schema, and the pinned version has none."
