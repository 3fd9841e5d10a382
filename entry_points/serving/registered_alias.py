"""The model version that an alias names, asked behind the requests and within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from mlflow import MlflowClient
from mlflow.utils.logging_utils import suppress_logs_in_thread


class RegisteredAlias:
    """An alias of the model registry; at most one lookup is under way.

    A registry that hangs keeps one daemon thread, which ends with the process or with the answer.
    """

    def __init__(self, name: str, alias: str, timeout_s: float = 5.0) -> None:
        """Take the registered model, its alias, and how long an answer is waited for, s."""
        self.name = name
        self.alias = alias
        self._timeout_s = timeout_s
        self._lookup: asyncio.Future[str | LookupError] | None = None

    async def model_uri(self) -> str:
        """Return `models:/<name>/<version>` of the version that the alias names.

        Raises:
            LookupError: The registry gave no answer in time, or no version; the text says why.
        """
        if self._lookup is None:
            self._lookup = _begin(self.name, self.alias)
        await asyncio.wait({self._lookup}, timeout=self._timeout_s)
        if not self._lookup.done():
            raise LookupError(f"the registry did not answer within {self._timeout_s:g} s")
        found, self._lookup = self._lookup.result(), None
        if isinstance(found, LookupError):
            raise found
        return f"models:/{self.name}/{found}"


def _begin(name: str, alias: str) -> asyncio.Future[str | LookupError]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str | LookupError] = loop.create_future()

    def look_up() -> None:
        found: str | LookupError
        try:
            # MLflow logs a stack trace each time that a database is gone; it is said once.
            with suppress_logs_in_thread():
                found = str(MlflowClient().get_model_version_by_alias(name, alias).version)
        except Exception as error:  # a store that is gone raises its driver's own errors
            found = LookupError(str(error))
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(answer.set_result, found)

    try:
        threading.Thread(target=look_up, name="ask-registry", daemon=True).start()
    except RuntimeError as error:  # the process has as many threads as it may have
        answer.set_result(LookupError(str(error)))
    return answer
