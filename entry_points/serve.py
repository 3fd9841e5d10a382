"""Serves a logged extractor over HTTP with MLflow's scoring server."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from entry_points import cli
from entry_points.loading import ask_for_key, extractor_config

SAMPLE = "data/samples/images/invoice-01.png"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__, "model-uri")
    parser.add_argument("--host", default="127.0.0.1", help="address; the server knows no login")
    parser.add_argument("--port", type=int, default=5001, help="the port to listen on")
    parser.add_argument("--workers", type=int, default=1, help="processes, each with its model")
    parser.add_argument("--timeout", type=int, default=600, help="longest request, s")
    return parser


def curl(port: int) -> str:
    """Return the command that sends a sample form to the server; it works as pasted."""
    return (
        """printf '{"dataframe_records": [{"doc_id": "invoice-01", "image": "%s"}]}' """
        f""""$(base64 < {SAMPLE} | tr -d '\\n')" | curl -sS http://127.0.0.1:{port}/invocations """
        "-H 'Content-Type: application/json' --data-binary @-"
    )


def serve(model_uri: str, *, host: str, port: int, workers: int, timeout: int) -> None:
    """Replace this process by `mlflow models serve`, so that signals reach the server.

    Args:
        model_uri: The logged extractor.
        host: The address to listen on.
        port: The port to listen on.
        workers: Processes; each loads the model.
        timeout: Longest request, s.
    """
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", model_uri, "--host", host, "--port", str(port)]
    command += ["--workers", str(workers), "--timeout", str(timeout)]
    os.execv(sys.executable, command)  # noqa: S606 - no shell, fixed program


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    config = extractor_config(args.model_uri)
    ask_for_key(config["engine"], config.get("base_url", ""))
    print(f"Once it says that it runs, in another terminal:\n  {curl(args.port)}", flush=True)
    serve(
        args.model_uri,
        host=args.host,
        port=args.port,
        workers=args.workers,
        timeout=args.timeout,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
