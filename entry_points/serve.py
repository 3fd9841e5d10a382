"""Serves a logged extractor over HTTP, on the routes of MLflow's scoring server."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence

import uvicorn

from entry_points.command_line import cli, flags
from entry_points.command_line.tracking import name_run
from entry_points.logged_models.loading import ask_for_key, extractor_config, pinned_uri, version_of
from entry_points.serving.answering import Options
from entry_points.serving.app import build_served, http_settings, load_served
from entry_points.serving.metrics import SHARED_FOLDER_VARIABLE
from entry_points.serving.registered_alias import RegisteredAlias
from entry_points.serving.supervisor import Supervisor

SAMPLE = "data/samples/images/invoice-01.png"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, "model-uri")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address; requests are not authenticated"
    )
    parser.add_argument(
        "--port", type=int, default=5001, help="the port to listen on; 0: one that is free"
    )
    parser.add_argument(
        "--workers", type=cli.AtLeast(1), default=1, help="processes, each with its model"
    )
    parser.add_argument(
        "--timeout", type=cli.AtLeast(1), default=600, help="longest request, body included, s"
    )
    parser.add_argument(
        "--max-request-bytes",
        type=cli.AtLeast(1),
        default=200_000_000,
        help="largest body of a request",
    )
    # With 8 pages at once and 4 s a page, the last of 128 requests waits for a minute.
    parser.add_argument(
        "--max-requests",
        type=cli.AtLeast(1),
        default=128,
        help="requests in a worker's memory; others: 503",
    )
    parser.add_argument(
        "--max-held-bytes",
        type=cli.AtLeast(1),
        default=1_000_000_000,
        help="their bodies' bytes; others: 503",
    )
    parser.add_argument(
        "--shutdown-s",
        type=cli.AtLeast(0),
        default=60,
        help="wait for requests and traces after SIGTERM, s",
    )
    parser.add_argument(
        "--follow-champion",
        **cli.SWITCH,
        help="switch to another version when the alias of --model-uri is moved to it",
    )
    parser.add_argument(
        "--webhook-secret",
        **cli.ValueOr("none").as_default,
        help="the environment variable with the secret of MLflow's webhooks, or none for no "
        "webhooks",
    )
    return parser


def curl(port: int) -> str:
    """Return a command that sends a sample form to the server and can be pasted into a shell."""
    return (
        """printf '{"dataframe_records": [{"doc_id": "invoice-01", "image": "%s"}]}' """
        f""""$(base64 < {SAMPLE} | tr -d '\\n')" | curl -sS http://127.0.0.1:{port}/invocations """
        "-H 'Content-Type: application/json' --data-binary @-"
    )


def serve(
    options: Options, *, host: str, port: int, workers: int, followed: RegisteredAlias | None
) -> None:
    """Serve until a signal arrives; then finish the requests in flight.

    Args:
        options: What to serve, and within which limits.
        host: The address to listen on.
        port: The port to listen on; 0 for one that is free.
        workers: How many processes take requests.
        followed: The alias whose version is served; None for the version of `options`.

    Raises:
        UsageError: The address cannot be listened on, or the extractor refuses to load.
    """
    with flags.listening(host, port) as listener:
        port = listener.getsockname()[1]
        name_run(f"serve {version_of(options.model_uri)} on port {port}")
        print(f"When {host}:{port} answers, in another terminal:\n  {curl(port)}", flush=True)
        if workers == 1 and followed is None:
            served = build_served(load_served(options.model_uri), options)
            uvicorn.Server(uvicorn.Config(served.app, **http_settings())).run([listener])
            return
        with tempfile.TemporaryDirectory() as folder:
            os.environ[SHARED_FOLDER_VARIABLE] = folder
            asyncio.run(Supervisor(options, workers, listener, folder, followed).run())


def _followed(model_uri: str) -> RegisteredAlias:
    name, _, alias = model_uri.removeprefix("models:/").partition("@")
    if not alias or not model_uri.startswith("models:/"):
        raise cli.UsageError(
            f"--follow-champion needs an alias, and --model-uri is {model_uri[:80]}: give "
            "models:/<name>@<alias>."
        )
    return RegisteredAlias(name, alias)


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    if args.webhook_secret:
        cli.secret_in(args.webhook_secret, "--webhook-secret")
    followed = _followed(args.model_uri) if cli.BOOLEANS[args.follow_champion] else None
    config = extractor_config(args.model_uri)
    ask_for_key(config)
    # All workers load one version, also those that replace others after the alias was moved.
    model_uri = pinned_uri(args.model_uri)
    options = Options(
        model_uri=model_uri,
        timeout_s=args.timeout,
        max_request_bytes=args.max_request_bytes,
        max_requests=args.max_requests,
        max_held_bytes=args.max_held_bytes,
        shutdown_s=args.shutdown_s,
        webhook_secret=args.webhook_secret,
    )
    serve(options, host=args.host, port=args.port, workers=args.workers, followed=followed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
