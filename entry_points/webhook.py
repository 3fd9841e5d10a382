"""Registers a webhook of the MLflow server, which tells `serve` at once that an alias was moved."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import mlflow
from mlflow.entities.webhook import Webhook, WebhookEvent
from mlflow.exceptions import MlflowException

from entry_points.command_line import cli
from entry_points.command_line.rights import without_password
from entry_points.command_line.tracking import name_run
from entry_points.serving.webhooks import EVENTS, ROUTE


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


def register(name: str, url: str, secret: str) -> tuple[Webhook, bool]:
    """Register a webhook, or replace what one of that name has.

    Returns:
        The webhook, and whether it is new.

    Raises:
        MlflowException: The server refuses the URL, or cannot read the webhooks that it has.
    """
    client = mlflow.MlflowClient()
    events: list[Any] = [WebhookEvent(*each.split(".")) for each in EVENTS]
    page = client.list_webhooks()
    known = list(page)
    while page.token:
        page = client.list_webhooks(page_token=page.token)
        known += page
    for each in known:
        if each.name == name:
            return client.update_webhook(
                each.webhook_id, url=url, events=events, secret=secret, status="ACTIVE"
            ), False
    description = "Tells the extractor's server that an alias was moved."
    return client.create_webhook(name, url, events, description, secret), True


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
    try:
        webhook, is_new = register(args.name, args.url, secret)
    except MlflowException as error:
        why = without_password(error.message, "***@")
        raise cli.UsageError(
            f"the MLflow server does not take the webhook: {why} (docs/serving.md#webhooks says "
            "what the server needs)"
        ) from error
    done = "Registered" if is_new else "Replaced"
    where = cli.printable(without_password(webhook.url, "***@"))
    print(f"{done} the webhook {webhook.name} ({webhook.webhook_id}): {where}")
    print(f"Events: {', '.join(EVENTS)}")
    result = mlflow.MlflowClient().test_webhook(webhook.webhook_id)
    if result.success:
        print("Test: a signed delivery arrived.")
        return 0
    why = result.error_message or f"HTTP {result.response_status} {result.response_body}"
    print(f"Test: the delivery failed: {cli.printable(without_password(why, '***@'))}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
