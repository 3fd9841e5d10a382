"""The model version that an alias names, asked behind the requests and within a deadline."""

from __future__ import annotations

import asyncio
import threading

from mlflow import MlflowClient
from mlflow.utils.logging_utils import suppress_logs_in_thread

# How long an answer is waited for, s; the registry may still give it later.
_ANSWER_S = 5.0


class RegisteredAlias:
    """An alias of the model registry; at most one lookup is under way.

    A registry that hangs keeps one daemon thread, which ends with the process or with the answer.
    """

    def __init__(self, name: str, alias: str) -> None:
        """Take the registered model and its alias."""
        self.name = name
        self.alias = alias
        self._lookup: asyncio.Future[str] | None = None

    async def model_uri(self) -> str:
        """Return `models:/<name>/<version>` of the version that the alias names.

        Raises:
            LookupError: The registry gave no answer in time, or no version; the text says why.
        """
        if self._lookup is None:
            self._lookup = _begin(self.name, self.alias)
        await asyncio.wait({self._lookup}, timeout=_ANSWER_S)
        if not self._lookup.done():
            raise LookupError(f"the registry did not answer within {_ANSWER_S:g} s")
        lookup, self._lookup = self._lookup, None
        return f"models:/{self.name}/{lookup.result()}"


def _begin(name: str, alias: str) -> asyncio.Future[str]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def look_up() -> None:
        try:
            # MLflow logs a stack trace each time that a database is gone; we say it once.
            with suppress_logs_in_thread():
                version = str(MlflowClient().get_model_version_by_alias(name, alias).version)
        except Exception as error:  # a store that is gone raises its driver's own errors
            loop.call_soon_threadsafe(answer.set_exception, LookupError(str(error)))
        else:
            loop.call_soon_threadsafe(answer.set_result, version)

    threading.Thread(target=look_up, name="ask-registry", daemon=True).start()
    return answer
