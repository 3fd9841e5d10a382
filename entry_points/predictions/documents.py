"""The documents that predict is given: how they are found, named, and read from the disk."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from data.folder import IMAGE_SUFFIXES
from entry_points.command_line import cli

# The characters of a file name that a doc_id escapes. Python shows bytes that are not UTF-8 as
# the surrogates U+DC80 to U+DCFF (PEP 383).
_ESCAPED = re.compile(r"[\\\x00-\x1f\x7f-\x9f\udc80-\udcff]")

UNREADABLE, TOO_LARGE = "unreadable_file", "document_too_large"
OF_THE_FILE = (UNREADABLE, TOO_LARGE)
"""The error codes of documents whose content is not known."""

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class InputDocuments:
    """Files of one folder; hundreds of thousands take little more memory than their names.

    Attributes:
        folder: The folder that holds all of them.
        names: Their paths within it.
    """

    folder: Path
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, Path]]:
        """Yield (doc_id, path) of each."""
        return map(self.get, self.names)

    def get(self, name: str) -> tuple[str, Path]:
        """Return (doc_id, path) of one."""
        return doc_id_of(name), self.folder / name

    def without(self, doc_ids: Set[str]) -> InputDocuments:
        """Return the documents whose id is not in `doc_ids`."""
        if not doc_ids:
            return self
        left = [name for name in self.names if doc_id_of(name) not in doc_ids]
        return InputDocuments(self.folder, left)


def doc_id_of(name: str) -> str:
    r"""Return a path within a folder as a doc_id, which is safe to print and names one file.

    Bytes of control characters and backslashes, and bytes that are not UTF-8, are written as
    `\xNN`; the shell's `printf %b` turns that back into the path.
    """
    if name.isprintable() and "\\" not in name:  # nothing to escape: five times as fast
        return name
    return _ESCAPED.sub(_as_bytes, name)


def _as_bytes(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "surrogateescape"))


def find_documents(source: str) -> InputDocuments:
    """Find the documents of a file, a folder (with the folders in it) or a glob.

    Args:
        source: Relative paths are taken from the project.

    Returns:
        The documents in a fixed order. A folder that cannot be listed is one of them, so that
        its row reports the error.

    Raises:
        UsageError: There is no file that could be a document.
    """
    path = cli.in_project(source)
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a folder may not be entered
        found = InputDocuments(path, list(_walk(path)))
    elif os.path.isfile(path):  # noqa: PTH113 - the same
        found = InputDocuments(path.parent, [path.name])
    else:
        matches = glob.iglob(str(path), recursive=True)  # noqa: PTH207 - the pattern is absolute
        files = sorted(each for each in matches if not os.path.isdir(each))  # noqa: PTH112
        folder = os.path.commonpath({os.path.dirname(each) for each in files} or {"/"})  # noqa: PTH120
        names = [each.removeprefix(folder).removeprefix("/") for each in files]
        found = InputDocuments(Path(folder), names)
    if not found:
        raise cli.UsageError(
            f"{path} names no document: give a file, a folder or a glob of files with the "
            f"suffixes {' '.join(IMAGE_SUFFIXES)}."
        )
    return found


def _walk(root: Path) -> Iterator[str]:
    """Yield the documents below a folder; links to folders are not followed."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                names = sorted(
                    each.name + "/" * each.is_dir(follow_symlinks=False) for each in entries
                )
        except OSError as error:
            if not folder:
                raise cli.UsageError(f"{root} cannot be listed: {error.strerror}.") from error
            yield folder.removesuffix("/")
            continue
        for name in names:
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122 - a Path is slow
                yield folder + name
        waiting += [folder + name for name in reversed(names) if name.endswith("/")]


@dataclass(frozen=True)
class Unread:
    """Why a file was not read.

    Attributes:
        code: The `error_code` of its row.
        reason: The `error`: what is wrong, and what to do about it.
    """

    code: str
    reason: str


def open_document(path: Path) -> int | Unread:
    """Open a regular file, or a link to one, for reading; never wait for a writer.

    Returns:
        The open file's descriptor, which the caller closes.
    """
    name = doc_id_of(path.name)[:80]
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        return _unreadable(name, error)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return Unread(UNREADABLE, f"{name} is not a regular file: give a file, or remove it.")


def read_document(path: Path, max_bytes: int) -> bytes | Unread:
    """Read a regular file, or a link to one; never wait for a writer or read without end.

    Args:
        path: The file.
        max_bytes: Largest file that the extractor accepts; a larger one is not kept.
    """
    name = doc_id_of(path.name)[:80]
    file = open_document(path)
    if isinstance(file, Unread):
        return file
    try:
        stated = os.fstat(file).st_size
        data = bytearray()
        # A file may grow while it is read, and files in /proc have no size.
        if stated <= max_bytes:
            while left := max_bytes + 1 - len(data):
                if not (piece := os.read(file, min(_PIECE_BYTES, left))):
                    break
                data += piece
        if max(stated, len(data)) > max_bytes:
            size = f"{stated:,} bytes, " if stated > max_bytes else ""
            return Unread(
                TOO_LARGE,
                f"{name} has {size}more than max_document_bytes={max_bytes:,}: give a smaller "
                "file, or log an extractor with a larger limit.",
            )
        return bytes(data)
    except OSError as error:
        return _unreadable(name, error)
    finally:
        os.close(file)


def _unreadable(name: str, error: OSError) -> Unread:
    return Unread(
        UNREADABLE,
        f"{name} cannot be read ({error.strerror}): check that it exists and may be read.",
    )
