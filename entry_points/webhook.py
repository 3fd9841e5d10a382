"""Registers a webhook of the MLflow server, which tells `serve` at once that an alias was moved."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

import mlflow
from mlflow.entities.webhook import Webhook, WebhookEvent
from mlflow.exceptions import MlflowException
from urllib3.exceptions import ResponseError

from entry_points.command_line import cli
from entry_points.command_line.rights import without_password
from entry_points.command_line.tracking import all_pages, name_run
from entry_points.serving.webhooks import EVENTS, ROUTE

# How the client's error ends when a server that cannot decrypt its webhooks has answered HTTP 500.
_UNREADABLE = ResponseError.SPECIFIC_ERROR.format(status_code=500)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--url",
        required=True,
        help=f"where the MLflow server reaches serve: https://<host>{ROUTE}",
    )
    parser.add_argument(
        "--webhook-secret",
        required=True,
        help="the environment variable with the secret that serve was given too",
    )
    parser.add_argument(
        "--name",
        default=cli.MODEL_NAME,
        help="the webhook's name; a webhook of that name is replaced",
    )
    return parser


def register(client: mlflow.MlflowClient, name: str, url: str, secret: str) -> tuple[Webhook, bool]:
    """Register a webhook, or replace what one of that name has.

    Returns:
        The webhook, and whether it is new.

    Raises:
        MlflowException: The server refuses the URL, or cannot read the webhooks that it has.
    """
    events: list[Any] = [WebhookEvent(*each.split(".")) for each in EVENTS]
    for each in all_pages(lambda token: client.list_webhooks(page_token=token)):
        if each.name == name:
            return client.update_webhook(
                each.webhook_id, url=url, events=events, secret=secret, status="ACTIVE"
            ), False
    description = "Tells the extractor's server that an alias was moved."
    return client.create_webhook(name, url, events, description, secret), True


def _refused(error: MlflowException) -> str:
    if _UNREADABLE in error.message:
        return (
            "the MLflow server cannot read its webhooks (HTTP 500): its variable "
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY is missing, or is not the key that they were "
            "registered with. Start it with that key; docs/serving.md#a-lost-key says what to do "
            "without."
        )
    why = without_password(error.message, "***@")
    return (
        f"the MLflow server does not take the webhook: {why} (docs/serving.md#webhooks says what "
        "the server needs)"
    )


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; exit code 1 if the server's delivery does not arrive."""
    args = build_parser().parse_args(argv)
    secret = cli.secret_in(args.webhook_secret, "--webhook-secret")
    registry = mlflow.get_registry_uri()
    if not registry.startswith("http"):
        raise cli.UsageError(
            "webhooks are sent by an MLflow server, and the registry is a database: set "
            "MLFLOW_TRACKING_URI to the address of `mlflow server`."
        )
    name_run(f"webhook {args.name}")
    # A key that is missing is still missing at the eighth try, some minutes later.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    client = mlflow.MlflowClient()
    try:
        webhook, is_new = register(client, args.name, args.url, secret)
        result = client.test_webhook(webhook.webhook_id)
    except MlflowException as error:
        raise cli.UsageError(_refused(error)) from error
    done = "Registered" if is_new else "Replaced"
    where = cli.printable(without_password(webhook.url, "***@"))
    print(f"{done} the webhook {webhook.name} ({webhook.webhook_id}): {where}")
    print(f"Events: {', '.join(EVENTS)}")
    if result.success:
        print("Test: a signed delivery arrived.")
        return 0
    why = result.error_message or f"HTTP {result.response_status} {result.response_body}"
    print(f"Test: the delivery failed: {cli.printable(without_password(why, '***@'))}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
