"""Serves a logged extractor over HTTP, on the routes of MLflow's scoring server."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict

import uvicorn

from entry_points.command_line import cli
from entry_points.command_line.tracking import name_run
from entry_points.logged_models.loading import ask_for_key, extractor_config, version_of
from entry_points.serving.answering import Options
from entry_points.serving.app import OPTIONS_VARIABLE, load_served
from entry_points.serving.connection import BoundedConnection
from entry_points.serving.metrics import SHARED_FOLDER_VARIABLE

SAMPLE = "data/samples/images/invoice-01.png"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__, "model-uri")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address; requests are not authenticated",
    )
    parser.add_argument("--port", type=int, default=5001, help="the port to listen on")
    parser.add_argument("--workers", type=int, default=1, help="processes, each with its model")
    parser.add_argument(
        "--timeout", type=int, default=600, help="longest request, body included, s"
    )
    parser.add_argument(
        "--max-request-bytes", type=int, default=200_000_000, help="largest body of a request"
    )
    # With 8 pages at once and 4 s a page, the last of 128 requests waits for a minute.
    parser.add_argument(
        "--max-requests", type=int, default=128, help="requests in a worker's memory; others: 503"
    )
    parser.add_argument(
        "--max-held-bytes", type=int, default=1_000_000_000, help="their bodies' bytes; others: 503"
    )
    parser.add_argument(
        "--shutdown-s", type=int, default=60, help="wait for requests and traces after SIGTERM, s"
    )
    return parser


def curl(port: int) -> str:
    """Return a command that sends a sample form to the server and can be pasted into a shell."""
    return (
        """printf '{"dataframe_records": [{"doc_id": "invoice-01", "image": "%s"}]}' """
        f""""$(base64 < {SAMPLE} | tr -d '\\n')" | curl -sS http://127.0.0.1:{port}/invocations """
        "-H 'Content-Type: application/json' --data-binary @-"
    )


def serve(options: Options, *, host: str, port: int, workers: int) -> None:
    """Serve in `workers` processes until a signal arrives; then finish the requests in flight.

    Raises:
        UsageError: The extractor refuses to load for a reason that it names.
    """
    os.environ[OPTIONS_VARIABLE] = json.dumps(asdict(options))
    with contextlib.ExitStack() as kept:
        if workers > 1:
            folder = kept.enter_context(tempfile.TemporaryDirectory())
            os.environ[SHARED_FOLDER_VARIABLE] = folder
            # uvicorn restarts a worker that cannot load without end.
            load_served(options.model_uri)
        uvicorn.run(
            "entry_points.serving.app:create_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            http=BoundedConnection,
            # It is told to stop when no request is left, but answers may still be in transfer.
            timeout_graceful_shutdown=1,
        )


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    config = extractor_config(args.model_uri)
    ask_for_key(config)
    name_run(f"serve {version_of(args.model_uri)} on port {args.port}")
    print(f"When the server runs, in another terminal:\n  {curl(args.port)}", flush=True)
    options = Options(
        model_uri=args.model_uri,
        timeout_s=args.timeout,
        max_request_bytes=args.max_request_bytes,
        max_requests=args.max_requests,
        max_held_bytes=args.max_held_bytes,
        shutdown_s=args.shutdown_s,
    )
    serve(options, host=args.host, port=args.port, workers=args.workers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
