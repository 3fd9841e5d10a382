"""Asks the prompt registry in the background, one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mlflow import MlflowClient
from mlflow.entities.model_registry import PromptVersion
from mlflow.utils.logging_utils import suppress_logs_in_thread

Find = Callable[[MlflowClient], PromptVersion | None]
Take = Callable[[PromptVersion | Exception], None]


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
