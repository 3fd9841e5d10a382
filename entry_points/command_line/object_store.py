"""Says why a command that reaches the object store of the artifacts itself cannot use it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

# MLflow collects what its threads were told while they downloaded, as text.
_DOWNLOAD = re.compile(r"artifacts from s3://.*\n(.+)", re.DOTALL)


def errors_of_object_store() -> tuple[type[Exception], ...]:
    """Return what S3's client raises, and what its import does where it is not installed."""
    client, above = sys.modules.get("botocore.exceptions"), sys.modules.get("boto3.exceptions")
    known = [ModuleNotFoundError]
    known += [client.BotoCoreError, client.ClientError] if client else []
    return (*known, above.Boto3Error) if above else tuple(known)


def unusable_object_store(error: BaseException) -> str | None:
    """Return what to tell a user whose command cannot read or write artifacts in S3.

    Args:
        error: What the command ended with; the store's error may be one of its causes.

    Returns:
        One sentence; None if the error is about something else.
    """
    for each in causes(error):
        if isinstance(each, ModuleNotFoundError) and each.name not in {"boto3", "botocore"}:
            continue
        found = _DOWNLOAD.search(str(each))
        if found or isinstance(each, errors_of_object_store()):
            reason = found[1] if found else str(each)
            return (
                f"the artifacts are in an object store that this command reaches itself, and that "
                f"failed ({reason[:200]}): it needs the package boto3, AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, and MLFLOW_S3_ENDPOINT_URL if the store is not Amazon's "
                "(docs/team.md#an-object-store-that-clients-reach)."
            )
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, or while."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
