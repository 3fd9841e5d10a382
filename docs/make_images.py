"""Makes docs/images from the project's own samples: `python -m docs.make_images --work <folder>`.

It runs the main job with the local engine in the folder (once; a second start takes what is there),
registers a second prompt version, and photographs the report, MLflow's pages and the review page
with Chromium.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
from PIL import Image

from entry_points import ROOT
from tests.entry_points.reviewing.desk import SCHEMA, scans, write_predictions

IMAGES = ROOT / "docs" / "images"
FORM = "invoice-01"
# https://mlflow.org/blog/mlflow-prompt-evaluate
POST = (
    "You are an expert at Optical Character Recognition (OCR). Extract the questions and answers "
    "from the image.\n"
)
# Not "localhost": there, MLflow opens its assistant over half of each page.
HOST = "mlflow.example"


def run_entry_points(work: Path, store: str) -> None:
    """Log, evaluate and promote an extractor, and register a second prompt version."""
    environment = os.environ | {"MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(ROOT)}
    second = work / "second.md"
    second.write_text(POST, encoding="utf-8")
    commands = (
        ("main", "--engine", "local"),
        (
            "register_prompt",
            "--template",
            str(second),
            "--commit-message",
            "the prompt of MLflow's post",
        ),
    )
    for name, *flags in commands:
        command = [sys.executable, "-m", f"entry_points.{name}", *flags]
        subprocess.run(command, cwd=work, env=environment, check=True)  # noqa: S603 - our own


def photograph(address: str, name: str, profile: Path, *, height: int = 900) -> None:
    """Write docs/images/<name>.png of a page, 1400 px wide.

    Args:
        address: The page's URL.
        name: The picture's name.
        profile: Chromium's own folder.
        height: Of the picture, px.
    """
    picture = IMAGES / f"{name}.png"
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
        f"--window-size=1400,{height}",
        "--virtual-time-budget=20000",  # ms, in which the page loads its data
        f"--screenshot={picture}",
        address,
    ]
    subprocess.run(command, check=True, timeout=300)  # noqa: S603 - as above
    with Image.open(picture) as image:
        image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            picture, optimize=True
        )


def wait_until_served(port: int) -> None:
    """Wait until MLflow's server answers, at most five minutes.

    Raises:
        TimeoutError: It does not.
    """
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                return
        except urllib.error.URLError:
            time.sleep(0.5)
    raise TimeoutError("mlflow server does not answer: start it by hand and look at its output.")


def photograph_review(work: Path, store: str) -> None:
    """Write docs/images/review.png: the first receipt, with the mistakes of the tests."""
    folder = work / "review"
    shutil.rmtree(folder, ignore_errors=True)
    predictions = folder / "predictions.jsonl"
    write_predictions(predictions, scans(folder / "scans"))
    flags = {"predictions": predictions, "input": folder / "scans", "output": folder / "labelled"}
    command = [sys.executable, "-m", "entry_points.review", f"--schema={SCHEMA}", "--port=0"]
    command += [f"--{name}={path}" for name, path in flags.items()]
    environment = os.environ | {"MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(  # noqa: S603 - as above
        command, cwd=work, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        found = (re.search(r"http://\S+", line) for line in server.stdout or ())
        try:
            photograph(f"{next(filter(None, found))[0]}/0", "review", work / "chromium")
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate()


def main() -> int:
    """Make every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for runs and profile")
    work = parser.parse_args().work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    store = f"sqlite:///{work / 'mlflow.db'}"
    if not (work / "mlflow.db").exists():
        run_entry_points(work, store)

    mlflow.set_tracking_uri(store)
    [run] = mlflow.search_runs(
        filter_string="metrics.pair_f1 > 0", output_format="list", search_all_experiments=True
    )
    report = Path(mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/report.html"))
    links = re.findall(r'<a href="#(\d+)">([\w-]+)</a>', report.read_text(encoding="utf-8"))
    [number] = [number for number, form in links if form == FORM]
    traces = mlflow.search_traces(run_id=run.info.run_id, return_type="list")
    [trace] = [each for each in traces if each.info.request_preview == FORM]

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--allowed-hosts", f"{HOST}:*,127.0.0.1:*", "--cors-allowed-origins", site]
    experiment = f"{site}/#/experiments/{run.info.experiment_id}"
    with subprocess.Popen(command, cwd=work) as server:  # noqa: S603 - as above
        try:
            wait_until_served(port)
            profile = work / "chromium"
            photograph(f"{report.as_uri()}#{number}", "report", profile, height=1000)
            photograph(report.as_uri(), "scores", profile)
            address = f"{experiment}/traces?selectedEvaluationId={trace.info.trace_id}"
            photograph(address, "trace", profile)
            photograph(f"{experiment}/evaluation-runs", "evaluation", profile, height=500)
            photograph(f"{site}/#/prompts/ocr-question-answer", "prompt", profile, height=500)
        finally:
            server.terminate()
    photograph_review(work, store)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
