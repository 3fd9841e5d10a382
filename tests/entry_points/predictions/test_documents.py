"""Whatever lies in a folder, predict names it, and reads only what it can read to its end."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entry_points.predictions.documents import Unread, doc_id_of, find_documents, read_document

MOST = 1000


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def gone(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(6_000_000_000)


def without_size(path: Path) -> None:
    path.symlink_to("/proc/self/smaps")  # its size is 0


@pytest.mark.parametrize(
    ("make", "code", "reason"),
    [
        pytest.param(fifo, "unreadable_file", "not a regular file", id="fifo"),
        pytest.param(endless, "unreadable_file", "not a regular file", id="endless"),
        pytest.param(folder, "unreadable_file", "not a regular file", id="folder"),
        pytest.param(gone, "unreadable_file", "No such file", id="dangling link"),
        pytest.param(sparse, "document_too_large", "6,000,000,000 bytes", id="sparse"),
        pytest.param(without_size, "document_too_large", "has more than", id="more than its size"),
    ],
)
def test_a_file_that_cannot_be_read_to_its_end_is_told_at_once(
    tmp_path: Path, make, code: str, reason: str
):
    path = tmp_path / "a.png"
    make(path)
    read = read_document(path, MOST)
    assert isinstance(read, Unread)
    assert read.code == code
    assert reason in read.reason


@pytest.mark.parametrize("size", [0, 1, MOST])
def test_a_file_is_read_up_to_the_limit_and_through_a_link(tmp_path: Path, size: int):
    (tmp_path / "a.png").write_bytes(b"x" * size)
    (tmp_path / "link.png").symlink_to("a.png")
    assert read_document(tmp_path / "link.png", MOST) == b"x" * size


def test_a_name_that_no_text_holds_comes_back_and_is_read(tmp_path: Path):
    names = [b"caf\xe9.png", "café.png".encode(), b"a\x1b[31m\n.png", rb"back\xe9.png", b"50%.png"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    found = dict(find_documents(str(tmp_path)))
    assert sorted(found) == sorted(
        [r"caf\xe9.png", "café.png", r"a\x1b[31m\x0a.png", r"back\x5cxe9.png", "50%.png"]
    )
    for doc_id, path in found.items():
        shell = subprocess.run(
            ["bash", "-c", 'printf %b "$1"', "-", doc_id], capture_output=True, check=True
        )
        assert shell.stdout == read_document(path, MOST)


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_a_doc_id_can_be_written_and_names_one_file(name: bytes):
    doc_id = doc_id_of(os.fsdecode(name))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", doc_id)
    back = re.sub(
        rb"\\x([0-9a-f]{2})", lambda byte: bytes.fromhex(byte[1].decode()), doc_id.encode()
    )
    assert back == name


def test_folders_are_gone_through_in_order_and_links_to_them_are_not_followed(tmp_path: Path):
    for name in ("b/2.png", "b/1.PDF", "a/c/x.png", "z.png", "b.png/in.png", ".png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    assert find_documents(str(tmp_path)).names == [
        "z.png",
        "a/c/x.png",
        "b.png/in.png",
        "b/1.PDF",
        "b/2.png",
    ]


def test_a_folder_that_cannot_be_listed_is_a_document_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "a.png").touch()
    deep = tmp_path / "deep"
    deep.mkdir()
    here = os.open(deep, os.O_RDONLY)
    for _ in range(25):  # longer than a path may be
        os.mkdir("n" * 200, dir_fd=here)
        below = os.open("n" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    *_, unlisted = find_documents(str(tmp_path))
    assert find_documents(str(tmp_path)).names[0] == "a.png"
    assert isinstance(read_document(unlisted[1], MOST), Unread)


def test_a_glob_takes_what_is_no_regular_file_too(tmp_path: Path):
    fifo(tmp_path / "a.png")
    folder(tmp_path / "b.png")
    assert find_documents(f"{tmp_path}/*.png").names == ["a.png"]
