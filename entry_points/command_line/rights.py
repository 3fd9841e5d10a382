"""Why the tracking server, or an object store that commands reach, does not serve a command."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

# MLflow collects what its threads were told while they downloaded, as text.
_DOWNLOAD = re.compile(r"artifacts from s3://.*\n(.+)", re.DOTALL)

_UNKNOWN_USER, _NOT_ALLOWED = 401, 403
# MLflow's error codes for the two, in MLflow's own errors.
_STATUS = {
    "UNAUTHENTICATED": _UNKNOWN_USER,
    "CUSTOMER_UNAUTHORIZED": _UNKNOWN_USER,
    "PERMISSION_DENIED": _NOT_ALLOWED,
}
# MLflow's basic-auth answers with the user whose password it has checked.
_LOGGED_IN = "/api/2.0/mlflow/users/current"
# A database's password may hold a "/".
_PASSWORD = re.compile(r"((?:postgres|mysql|mariadb|mssql)[\w+]*:)//[^@\s]*@|//[^/\s]*@")
_ENDPOINT = re.compile(r"endpoint (\S+) failed")
# What a request for an artifact needs: to write one, EDIT.
_RIGHT_BY_METHOD = {"GET": "READ", "DELETE": "MANAGE"}
_READS = re.compile(r"/(get|list|search|get-[a-z-]+|m-[0-9a-f]{32})$")


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


def errors_of_server() -> tuple[type[Exception], ...]:
    """Return what MLflow raises for a refused request; nothing while MLflow is not imported."""
    if "mlflow" not in sys.modules:  # its import takes seconds, and a wrong flag is told at once
        return ()
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    return MlflowException, HTTPError


def missing_right(error: BaseException) -> str | None:
    """Return what to tell a user whom the tracking server has refused something.

    Args:
        error: What a command ended with; the server's answer may be one of its causes.

    Returns:
        One sentence, without a password; None if the server refused nothing.
    """
    for each in causes(error):
        if not isinstance(each, errors_of_server()):
            continue
        answer = getattr(each, "response", None)  # of an artifact's request
        status = getattr(answer, "status_code", 0) or _STATUS.get(getattr(each, "error_code", ""))
        if status == _UNKNOWN_USER:
            return (
                f"the tracking server {_server()} does not know {_user()} with this password: set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or ask its administrator "
                "for an account."
            )
        if status == _NOT_ALLOWED:
            endpoint, right = _refused(each)
            return (
                f"{_user()} lacks the right {right}: the tracking server refused {endpoint}; ask "
                f"the administrator of {_server()} for that right."
            )
    return None


def unreachable(error: BaseException) -> str | None:
    """Return what to tell a user whose tracking server cannot be reached; None for other errors.

    MLflow's own message quotes the address, with the password that it may hold.
    """
    if "mlflow" not in sys.modules:
        return None
    import mlflow
    import requests

    gone = (requests.ConnectionError, requests.Timeout)
    lost = next((each for each in causes(error) if isinstance(each, gone)), None)
    server = urlsplit(mlflow.get_tracking_uri())
    if lost is None or not server.scheme.startswith("http"):
        return None
    asked = urlsplit(str(lost.request.url)) if lost.request else server
    if (asked.hostname, asked.port) != (server.hostname, server.port):
        return None  # another server, such as the one that a dataset is downloaded from
    return (
        f"the tracking server {_server()} cannot be reached ({type(lost).__name__}): check "
        "MLFLOW_TRACKING_URI, and give the same command again when the server answers."
    )


def login() -> str:
    """Return the name under which the registry's server knows this process.

    That is the one whose password MLflow's server has checked. If it checks none, it is the one
    that requests carry, for example to a login in front of it; "" if they carry none.

    Raises:
        MlflowException: The server does not answer.
    """
    import mlflow
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    if not (uri := mlflow.get_registry_uri()).startswith("http"):
        return ""
    credentials = get_default_host_creds(uri)  # type: ignore[no-untyped-call]
    answer = http_request(  # type: ignore[no-untyped-call]
        credentials, _LOGGED_IN, "GET", raise_on_status=False
    )
    try:
        return str(answer.json()["user"]["username"])
    except (ValueError, LookupError, TypeError):  # a server without MLflow's logins
        return _name_in_requests(uri)


def without_password(text: str, instead: str = "") -> str:
    """Return a text whose URLs have `instead` for what stands before @: user name and password."""
    return _PASSWORD.sub(lambda found: f"{found[1] or ''}//{instead}", text)


def _refused(error: BaseException) -> tuple[str, str]:
    """Return the refused endpoint, as short as it is clear, and the right that it needs."""
    request = getattr(error, "request", None)
    found = _ENDPOINT.search(str(error))
    path = urlsplit(request.url).path if request else found[1] if found else "the request"
    endpoint = path.rpartition("/mlflow/")[2]
    if "mlflow-artifacts" in path:
        right = _RIGHT_BY_METHOD.get(request.method, "EDIT") if request else "EDIT"
        return "an artifact", f"{right} on the experiment"
    if endpoint.endswith("delete-traces"):
        return endpoint, "MANAGE on the experiment"
    if endpoint == "registered-models/alias":  # GET looks it up, POST moves it: both are possible
        return endpoint, "READ (to follow an alias) or EDIT (to move it) on the model or prompt"
    of_registry = endpoint.startswith(("registered-models", "model-versions"))
    on = "the registered model or prompt" if of_registry else "the experiment"
    return endpoint, f"{'READ' if _READS.search(endpoint) else 'EDIT'} on {on}"


def _user() -> str:
    import mlflow

    name = _name_in_requests(mlflow.get_tracking_uri())
    return f"the user {name}" if name else "a user without a name"


def _name_in_requests(uri: str) -> str:
    from mlflow.utils.credentials import read_mlflow_creds

    return urlsplit(uri).username or read_mlflow_creds().username or ""


def _server() -> str:
    import mlflow

    return without_password(mlflow.get_tracking_uri()).rstrip("/")
