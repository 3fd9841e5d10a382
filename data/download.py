"""Fetches a dataset's archive, checks it byte for byte and unpacks it."""

from __future__ import annotations

import hashlib
import logging
import shutil
import stat
import tempfile
import time
import zipfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath, PureWindowsPath

import requests

from data.errors import DownloadError
from data.progress import Progress

SPLITS = ("training_data", "testing_data")

_CHUNK = 1 << 16
_TIMEOUTS = (10, 30)  # s: to connect, and between two reads
_TRIES = 4
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Archive:
    """A zip file on a server, with its expected size and hash.

    Attributes:
        url: Where it is fetched from.
        size: Bytes.
        sha256: Of the whole file, lower-case hex.
    """

    url: str
    size: int
    sha256: str


FUNSD = Archive(
    url="https://guillaumejaume.github.io/FUNSD/dataset.zip",
    size=16_838_830,
    sha256="c31735649e4f441bcbb4fd0f379574f7520b42286e80b01d80b445649d54761f",
)


def is_unpacked(folder: Path) -> bool:
    """Tell whether `folder` holds every split."""
    return all((folder / split).is_dir() for split in SPLITS)


def install(archive: Archive, folder: Path) -> None:
    """Fetch the archive and unpack its splits into `folder`.

    The download is in `dataset.zip.part` until it is unpacked; a second call continues it. A
    split that is already there stays as it is.

    Args:
        archive: What to fetch.
        folder: Made if it is not there.

    Raises:
        DownloadError: The archive cannot be fetched, or is not the one expected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "dataset.zip.part"
    fetch(archive, part)
    unpack(part, folder)
    part.unlink()


class _UnfinishedError(Exception):
    """The server stopped before the end, or asked to try again later."""


_PASSING = (
    _UnfinishedError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


def fetch(archive: Archive, part: Path, *, pause: float = 1.0) -> None:
    """Download the rest of `part`, and check its hash.

    Args:
        archive: What to fetch.
        part: The file to complete; its folder exists.
        pause: Time before the second try, s; doubled before each further one.

    Raises:
        DownloadError: The server cannot be reached or refuses, or the bytes are wrong; wrong bytes
            are removed, so that the next call starts afresh.
    """
    by_hand = f"Or fetch it with a browser, save it as {part} and run the same command."
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            _append(archive, part)
            break
        except _PASSING as error:
            _log.warning("%s, try %d of %d: %s", archive.url, attempt + 1, _TRIES, error)
        except requests.RequestException as error:
            raise DownloadError(f"{archive.url} cannot be fetched: {error}. {by_hand}") from error
    else:
        raise DownloadError(
            f"{archive.url}: {_size(part):,} of {archive.size:,} bytes came in {_TRIES} tries. "
            "Check the connection (HTTPS_PROXY names a proxy) and run the same command again: it "
            f"continues from there. {by_hand}"
        )
    _check(archive, part)


def _append(archive: Archive, part: Path) -> None:
    """Request the rest of `part` once; a server that ignores Range sends everything again."""
    start = _size(part)
    if start >= archive.size:
        return
    # In a compressed transfer, Range would count compressed bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(archive.url, headers=headers, stream=True, timeout=_TIMEOUTS) as reply:
        if reply.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        if reply.status_code in _TRY_AGAIN | {HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}:
            raise _UnfinishedError(f"the server replied {reply.status_code} {reply.reason}")
        reply.raise_for_status()
        goes_on = reply.status_code == HTTPStatus.PARTIAL_CONTENT
        bar = Progress(
            total=archive.size,
            initial=start if goes_on else 0,
            unit="B",
            unit_scale=True,
        )
        with bar, part.open("ab" if goes_on else "wb") as file:
            for chunk in reply.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > archive.size:
                    return
    if _size(part) < archive.size:
        raise _UnfinishedError(f"the server stopped after {_size(part):,} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check(archive: Archive, part: Path) -> None:
    """Remove a file that is not the archive, and raise."""
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if (size := _size(part)) != archive.size or found != archive.sha256:
        part.unlink()
        raise DownloadError(
            f"{archive.url} is not the expected archive: {size:,} bytes with sha256 {found} "
            f"instead of {archive.size:,} with {archive.sha256}. It was removed: run the same "
            "command to fetch it afresh; if that ends the same, the publisher has changed it."
        )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the archive's splits into `folder`, each at once or not at all.

    Folders above a split in the archive are dropped; files outside the splits and files that macOS
    added are left out.

    Raises:
        DownloadError: An entry would leave the folder, or a split is missing; nothing is unpacked.
    """
    with (
        zipfile.ZipFile(archive) as zipped,
        tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch,
    ):
        entries = zipped.infolist()
        for entry in entries:
            _refuse_escape(entry)
        for entry in entries:
            inner = _path_in_split(entry.filename)
            if inner is not None and not entry.is_dir():
                target = Path(scratch) / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(entry) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
        for split in SPLITS:
            if not (Path(scratch) / split).is_dir():
                raise DownloadError(f"{archive} holds no {split}: it is not the FUNSD archive.")
        for split in SPLITS:
            if not (folder / split).exists():
                (Path(scratch) / split).rename(folder / split)


def _refuse_escape(entry: zipfile.ZipInfo) -> None:
    """Raise for an entry that could write outside the folder it is unpacked into."""
    # Windows' rules include those of POSIX, and drives and backslashes.
    path = PureWindowsPath(entry.filename)
    link = stat.S_ISLNK(entry.external_attr >> 16)
    if path.drive or path.root or ".." in path.parts or link:
        raise DownloadError(
            f"the archive's entry {entry.filename[:80]!r} leaves its folder or is a link: the "
            "archive is not safe and nothing was unpacked. Delete it."
        )


def _path_in_split(name: str) -> PurePosixPath | None:
    """Return the path from the split's name on; None for a file that is not part of the dataset."""
    parts = PurePosixPath(name).parts
    split = next((place for place, part in enumerate(parts) if part in SPLITS), None)
    if split is None or "__MACOSX" in parts or parts[-1] == ".DS_Store":
        return None
    return PurePosixPath(*parts[split:])
