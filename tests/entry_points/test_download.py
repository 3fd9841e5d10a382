from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from data.download import SPLITS, Archive
from entry_points.download import download
from tests.data.annotations import write


@pytest.fixture
def archive(httpserver: HTTPServer, tmp_path: Path) -> Archive:
    for split in SPLITS:
        write(tmp_path / "dataset" / split, "a", [])
    zipped = Path(shutil.make_archive(str(tmp_path / "dataset"), "zip", tmp_path, "dataset"))
    body = zipped.read_bytes()
    httpserver.expect_oneshot_request("/dataset.zip").respond_with_data(body)
    return Archive(httpserver.url_for("/dataset.zip"), len(body), hashlib.sha256(body).hexdigest())


def test_the_terms_come_before_the_fetch_and_the_next_command_after(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "funsd"

    download(output, archive)

    said = capsys.readouterr().out
    assert said.index("non-commercial") < said.index("fetching") < said.index("1 forms in")
    assert said.endswith(f"-e preview -P dataset={output / 'training_data'}\n")


def test_what_is_there_is_not_fetched_again(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "funsd"
    download(output, archive)
    capsys.readouterr()

    download(output, archive)

    assert "already there" in capsys.readouterr().out
