"""The prompt of a model that follows its alias: looked up again as it is used."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

from ocr_extractor.errors import PromptError, shorten
from ocr_extractor.prompt import Prompt, ask_registry, check_replacement

_logger = logging.getLogger(__name__)

ALIAS = "production"

# A call waits for the registry, once in prompt_refresh_s: not as long as a model that loads.
_TIMEOUT_S = 5.0


class FollowedPrompt:
    """The version that the alias of a prompt names; shared by concurrent calls."""

    def __init__(self, pinned: Prompt, refresh_s: float) -> None:
        """Begin with the pinned version.

        Args:
            pinned: The version that the model was logged with; a version that lost one of its
                variables is not taken.
            refresh_s: Longest time without looking the alias up, s.
        """
        self._pinned = self._current = pinned
        self._refresh_s = refresh_s
        self._uri = f"{pinned.uri.rpartition('/')[0]}@{ALIAS}"
        self._due = time.monotonic()
        self._lock = threading.Lock()

    def current(self) -> Prompt:
        """Return the version in force; one caller looks it up, the others go on meanwhile.

        Where the registry or the version cannot be used, the one before stays, its `source` says
        so, and the next lookup comes after `refresh_s`.
        """
        if time.monotonic() >= self._due and self._lock.acquire(blocking=False):
            try:
                self._current = self._look_up()
                self._due = time.monotonic() + self._refresh_s
            finally:
                self._lock.release()
        return self._current

    def _look_up(self) -> Prompt:
        found = ask_registry(self._uri, _TIMEOUT_S, cache_ttl_seconds=0)
        if isinstance(found, Exception):
            return self._keep(shorten(found))
        if not found.is_text_prompt:
            return self._keep("it is a chat prompt")
        try:
            check_replacement(str(found.template), self._pinned)
        except PromptError as error:
            return self._keep(str(error))
        return Prompt(f"prompts:/{found.name}/{found.version}", found, "registry")

    def _keep(self, reason: str) -> Prompt:
        before = self._current
        _logger.warning("%s cannot be used, %s stays: %s", self._uri, before.uri, reason)
        return before if before.source == "snapshot" else replace(before, source="last_good")
