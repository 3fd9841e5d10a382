from __future__ import annotations

import hashlib
import io
import socket
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from data.download import Archive, fetch, install, is_unpacked, unpack
from data.errors import DownloadError

PATH = "/dataset.zip"

# As in the official archive: one folder around the splits, and what macOS added.
ENTRIES = {
    "dataset/training_data/annotations/a.json": b"{}",
    "dataset/training_data/images/a.png": bytes(range(256)) * 512,
    "dataset/testing_data/annotations/b.json": b"{}",
    "dataset/testing_data/images/b.png": b"b",
    "dataset/.DS_Store": b"x",
    "dataset/testing_data/.DS_Store": b"x",
    "__MACOSX/dataset/training_data/annotations/._a.json": b"x",
}

INSTALLED = {
    "training_data/annotations/a.json",
    "training_data/images/a.png",
    "testing_data/annotations/b.json",
    "testing_data/images/b.png",
}


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in entries:
            file.writestr(name, content)
    return buffer.getvalue()


BODY = zipped(*ENTRIES.items())
HALF = len(BODY) // 2


@pytest.fixture
def archive(httpserver: HTTPServer) -> Archive:
    return Archive(httpserver.url_for(PATH), len(BODY), hashlib.sha256(BODY).hexdigest())


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "dataset.zip.part"


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def serve(httpserver: HTTPServer, *answers: Callable[[Request], Response]) -> list[str | None]:
    """Give one answer a request, the last one for ever; return the Range headers as they come."""
    asked: list[str | None] = []

    def answer(request: Request) -> Response:
        asked.append(request.headers.get("Range"))
        return answers[min(len(asked), len(answers)) - 1](request)

    httpserver.expect_request(PATH).respond_with_handler(answer)
    return asked


def whole(request: Request) -> Response:
    """Ignore Range, as some servers do."""
    return Response(BODY)


def ranged(request: Request) -> Response:
    """Serve what is asked for."""
    response = Response(io.BytesIO(BODY), direct_passthrough=True)
    response.content_length = len(BODY)
    return response.make_conditional(request, accept_ranges=True, complete_length=len(BODY))


def cut_off(request: Request) -> Response:
    """Promise the whole file and close the connection half-way."""
    return Response(BODY[:HALF], headers={"Content-Length": str(len(BODY))})


def cut_off_unannounced(request: Request) -> Response:
    """End half-way without having said how long the file is."""
    return Response(iter([BODY[:HALF]]))


def replies(status: int) -> Callable[[Request], Response]:
    return lambda request: Response(b"no", status=status)


def test_the_splits_end_up_in_the_folder_and_nothing_else(
    httpserver: HTTPServer, archive: Archive, tmp_path: Path
) -> None:
    serve(httpserver, whole)
    folder = tmp_path / "data" / "funsd"
    assert not is_unpacked(folder)

    install(archive, folder)

    assert is_unpacked(folder)
    assert files_in(folder) == INSTALLED
    image = folder / "training_data/images/a.png"
    assert image.read_bytes() == ENTRIES["dataset/training_data/images/a.png"]


def test_a_fetch_goes_on_where_it_was_stopped(
    httpserver: HTTPServer, archive: Archive, part: Path
) -> None:
    asked = serve(httpserver, ranged)
    part.write_bytes(BODY[:HALF])

    fetch(archive, part)

    assert part.read_bytes() == BODY
    assert asked == [f"bytes={HALF}-"]


def test_a_server_that_ignores_the_range_sends_it_all_again(
    httpserver: HTTPServer, archive: Archive, part: Path
) -> None:
    serve(httpserver, whole)
    part.write_bytes(BODY[:HALF])

    fetch(archive, part)

    assert part.read_bytes() == BODY


def test_a_complete_part_is_not_asked_for_again(
    httpserver: HTTPServer, archive: Archive, part: Path
) -> None:
    asked = serve(httpserver, whole)
    part.write_bytes(BODY)

    fetch(archive, part)

    assert asked == []


@pytest.mark.parametrize("stop", [cut_off, cut_off_unannounced, replies(503), replies(429)])
def test_a_passing_failure_is_tried_again_from_where_it_stopped(
    httpserver: HTTPServer, archive: Archive, part: Path, stop: Callable[[Request], Response]
) -> None:
    asked = serve(httpserver, stop, ranged)

    fetch(archive, part, pause=0)

    assert part.read_bytes() == BODY
    assert len(asked) == 2


def test_a_body_that_never_ends_up_whole_is_kept_for_the_next_run(
    httpserver: HTTPServer, archive: Archive, part: Path
) -> None:
    asked = serve(httpserver, cut_off, replies(503))

    with pytest.raises(DownloadError, match=rf"{HALF:,} of {len(BODY):,} bytes .* continues from"):
        fetch(archive, part, pause=0)

    assert part.read_bytes() == BODY[:HALF]
    assert asked == [None, *[f"bytes={HALF}-"] * 3]


def test_a_range_past_the_end_starts_afresh(
    httpserver: HTTPServer, archive: Archive, part: Path
) -> None:
    asked = serve(httpserver, replies(416), whole)
    part.write_bytes(BODY[:HALF])

    fetch(archive, part, pause=0)

    assert part.read_bytes() == BODY
    assert asked == [f"bytes={HALF}-", None]


def test_a_refusal_is_final_and_names_the_status(
    httpserver: HTTPServer, archive: Archive, part: Path
) -> None:
    asked = serve(httpserver, replies(404))

    with pytest.raises(DownloadError, match=r"404.*with a browser, save it as .*zip\.part"):
        fetch(archive, part, pause=0)

    assert len(asked) == 1


def test_a_server_that_is_not_there_is_named_with_a_way_out(part: Path) -> None:
    with socket.socket() as bound_but_not_listening:
        bound_but_not_listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound_but_not_listening.getsockname()[1]}{PATH}"

        with pytest.raises(DownloadError, match=r"zip: 0 of 10 bytes.*connection.*browser"):
            fetch(Archive(url, size=10, sha256=""), part, pause=0)


def test_wrong_bytes_are_removed_so_that_the_next_run_starts_afresh(
    httpserver: HTTPServer, archive: Archive, part: Path
) -> None:
    serve(httpserver, whole)
    part.write_bytes(b"?" * len(BODY))

    with pytest.raises(DownloadError, match="is not the expected archive"):
        fetch(archive, part)
    assert not part.exists()

    fetch(archive, part)
    assert part.read_bytes() == BODY


def test_a_file_longer_than_expected_is_refused(
    httpserver: HTTPServer, archive: Archive, part: Path
) -> None:
    serve(httpserver, whole)

    with pytest.raises(DownloadError, match="is not the expected archive"):
        fetch(replace(archive, size=10), part)

    assert not part.exists()


def test_a_split_that_is_there_already_stays_as_it_is(
    httpserver: HTTPServer, archive: Archive, tmp_path: Path
) -> None:
    serve(httpserver, whole)
    mine = tmp_path / "training_data" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")

    install(archive, tmp_path)

    assert files_in(tmp_path) == {"training_data/notes.txt"} | {
        name for name in INSTALLED if name.startswith("testing_data")
    }


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3  # Unix: the high half of external_attr is the file's mode
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "entry",
    [
        "../training_data/x",
        "dataset/training_data/../../../x",
        "/training_data/x",
        "C:/training_data/x",
        "training_data\\..\\..\\x",
        "__MACOSX/../../x",
        link("training_data/x"),
    ],
    ids=lambda entry: entry if isinstance(entry, str) else "symbolic link",
)
def test_an_entry_that_leaves_the_folder_is_refused_and_nothing_unpacked(
    tmp_path: Path, entry: str | zipfile.ZipInfo
) -> None:
    folder = tmp_path / "funsd"
    folder.mkdir()
    evil = tmp_path / "evil.zip"
    evil.write_bytes(zipped(*ENTRIES.items(), (entry, b"/etc/passwd")))

    with pytest.raises(DownloadError, match="leaves its folder or is a link"):
        unpack(evil, folder)

    assert files_in(tmp_path) == {"evil.zip"}


def test_an_archive_without_a_split_is_refused_and_nothing_unpacked(tmp_path: Path) -> None:
    half = tmp_path / "half.zip"
    half.write_bytes(zipped(("dataset/training_data/images/a.png", b"a")))

    with pytest.raises(DownloadError, match="holds no testing_data"):
        unpack(half, tmp_path)

    assert files_in(tmp_path) == {"half.zip"}
