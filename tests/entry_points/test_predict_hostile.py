"""What a folder, a disk or a second process does costs a row or a sentence, never the run."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
from mlflow.pyfunc import PyFuncModel

from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.logged_models.calls import write_traces
from entry_points.predictions.output import KEY
from tests.entry_points.conftest import Done, Project
from tests.entry_points.predictions.test_documents import endless, fifo, sparse
from tests.entry_points.test_resume import Model, fail, lines, run
from tests.llm_servers.faulty import FaultyLlm, slow
from tests.waiting import wait_for


def missing(doc_id: str, content: bytes | None) -> dict[str, Any]:
    """Answer as the extractor does."""
    return {} if content else {"error_code": "missing_image", "error": "Send the document's bytes."}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    fifo(tmp_path / "fifo.png")
    endless(tmp_path / "endless.png")
    sparse(tmp_path / "sparse.png")
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"a")
    (tmp_path / "\x1b[31m.png").write_bytes(b"b")
    return tmp_path


def test_a_hostile_folder_costs_rows_and_is_gone_on_with(hostile: Path):
    run(Model(missing), hostile)
    assert {row["doc_id"]: row["error_code"] for row in lines(hostile)} == {
        "fifo.png": "unreadable_file",
        "endless.png": "unreadable_file",
        "sparse.png": "document_too_large",
        r"caf\xe9.png": None,
        r"\x1b[31m.png": None,
    }
    run(again := Model(missing), hostile)
    assert again.read == []
    assert len(lines(hostile)) == 5


def test_a_file_that_can_be_read_now_is_read(hostile: Path):
    run(Model(missing), hostile)
    (hostile / "fifo.png").unlink()
    (hostile / "fifo.png").write_bytes(b"c")
    run(again := Model(missing), hostile)
    assert again.read == ["fifo.png"]
    assert len(lines(hostile)) == 5


def test_the_row_of_an_unreadable_file_does_not_stand_for_another(hostile: Path):
    run(Model(missing), hostile)
    (hostile / "fifo.png").rename(hostile / "renamed.png")
    run(again := Model(missing), hostile)
    assert again.read == ["renamed.png"]


def test_lines_that_two_runs_have_written_are_made_one(tmp_path: Path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"%d" % number)
    run(Model(fail("1.png")), tmp_path)
    output = tmp_path / "out.jsonl"
    output.write_bytes(output.read_bytes() * 2)
    run(again := Model(), tmp_path, retry_errors=True)
    assert again.read == ["1.png"]
    assert sorted(row["doc_id"] for row in lines(tmp_path)) == ["0.png", "1.png", "2.png"]


# Predicts as the command does, where no file may have more than so many bytes.
LIMITED = """
import resource, sys
from pathlib import Path
from entry_points.command_line import cli
from entry_points.command_line.ending import end_with
from tests.entry_points.test_resume import Model, run

limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
end_with(cli.reports()(lambda argv: bool(run(Model(), Path(sys.argv[1])).failed)))
"""


def test_a_full_disk_is_a_sentence_and_what_is_written_is_gone_on_with(tmp_path: Path):
    for number in range(20):
        (tmp_path / f"{number:02}.png").write_bytes(b"%d" % number)
    full = predict_where(tmp_path, LIMITED, "1000")
    assert full.returncode == 2
    [message] = full.stderr.splitlines()[-1:]
    assert message.startswith(f"error: --output is {tmp_path}/out.jsonl, which cannot be written")
    assert message.endswith("free space and give the same command again.")
    written = (tmp_path / "out.jsonl").read_bytes()
    assert len(written) == 1000  # a piece of a line at its end
    run(again := Model(), tmp_path)
    assert len(again.read) == 20 - written.count(b"\n")
    assert len({row["doc_id"] for row in lines(tmp_path)}) == len(lines(tmp_path)) == 20


def predict_where(folder: Path, script: str, *arguments: str) -> Done:
    return subprocess.run(
        [sys.executable, "-c", script, str(folder), *arguments],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'model'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_full_disk_needs_no_room_to_drop_a_piece(tmp_path: Path):
    (tmp_path / "0.png").write_bytes(b"0")
    run(Model(), tmp_path)
    output = tmp_path / "out.jsonl"
    whole = output.read_bytes()
    output.write_bytes(whole + whole[:50])
    done = predict_where(tmp_path, LIMITED, "0")
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == whole


def test_an_output_that_vanishes_is_told(tmp_path: Path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"%d" % number)

    def vanish(doc_id: str, content: bytes | None) -> dict[str, Any]:
        (tmp_path / "out.jsonl").unlink(missing_ok=True)
        return {}

    with pytest.raises(UsageError, match=r"out\.jsonl, which cannot be written"):
        run(Model(vanish), tmp_path)


class Forgetful(Model):
    """Remembers no document, and says the same of all."""

    # A file is read in pieces up to this size; how many files are read at once varies.
    model_config = {"max_document_bytes": 1000}  # noqa: RUF012 - as MLflow's

    def predict(self, frame: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
        row = super().predict(frame, params)
        if len(self.read) >= 10:
            self.read.clear()
            gc.collect()  # a document leaves 16 kB that Python would let pile up
        return row


# Prints the most bytes that Python's objects take while empty documents are read, twice.
MEASURED = """
import gc
import sys
import tracemalloc
from pathlib import Path
from tests.entry_points.test_predict_hostile import Forgetful, missing, run

for folder in map(Path(sys.argv[1]).joinpath, ("warm", "few", "many")):
    gc.freeze()
    tracemalloc.start()
    for _ in range(2):
        run(Forgetful(missing), folder)
    print(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
"""


def test_a_document_more_takes_little_memory(tmp_path: Path):
    for name, documents in {"warm": 50, "few": 200, "many": 1200}.items():
        (tmp_path / name).mkdir()
        for number in range(documents):
            (tmp_path / name / f"document-{number:06}.png").touch()
    done = predict_where(tmp_path, MEASURED)  # alone: threads of other tests would be counted
    assert done.returncode == 0, done.stderr
    _, few, many = (int(line) for line in done.stdout.splitlines() if line.isdigit())
    assert (many - few) / 1000 < 150e6 / 199_000


def test_the_second_command_is_told_and_the_first_is_not_disturbed(
    project: Project, main_run: Done
):
    page = str(project.dataset / "images" / "fax-01.png")
    output = project.folder / "both.parquet"
    flags = ["-m", "entry_points.predict", "--input", page, "--output", str(output), "--cache=none"]
    environment = project.environment | {"MLFLOW_TRACKING_URI": project.tracking_uri}
    with FaultyLlm() as llm:
        llm.always = slow(600, pieces=0)
        first = subprocess.Popen(
            [sys.executable, *flags],
            cwd=project.folder,
            env=environment | {"OPENAI_BASE_URL": llm.base_url},
        )
        try:
            lock = project.folder / "both.parquet.jsonl.lock"
            wait_for(lambda: first.poll() is not None or (lock.exists() and lock.stat().st_size))
            assert first.poll() is None
            second = project.run(*flags, MLFLOW_TRACKING_URI=project.tracking_uri)
            assert second.returncode == 2
            assert f"which another predict is writing (process {first.pid} on " in second.stdout
        finally:
            first.kill()
            first.wait()
    assert project.run(*flags, MLFLOW_TRACKING_URI=project.tracking_uri).returncode == 0
    assert not lock.exists()


def test_the_command_takes_any_name_and_writes_through_a_link(project: Project, main_run: Done):
    folder, elsewhere = project.folder / "names", project.folder / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    good = (project.dataset / "images" / "fax-01.png").read_bytes()
    (folder / os.fsdecode(b"\xe9.png")).write_bytes(good)
    (folder / "\x1b[31m\n.png").touch()
    fifo(folder / "fifo.png")
    link = project.folder / "link.csv"
    link.symlink_to(elsewhere / "out.csv")
    flags = ("-m", "entry_points.predict", "--cache=none", "--input", str(folder))
    for _ in range(2):
        done = project.run(*flags, "--output", str(link), MLFLOW_TRACKING_URI=project.tracking_uri)
        assert done.returncode == 3, done.stdout
        assert r"failed: \x1b[31m\x0a.png: empty_document" in done.stdout
        assert "failed: fifo.png: unreadable_file: fifo.png is not a regular file" in done.stdout
        assert "1 of 3 documents read." in done.stdout
        assert "\x1b[31m" not in done.stdout
    assert link.is_symlink()
    rows = [json.loads(line) for line in (elsewhere / "out.csv.jsonl").read_text().splitlines()]
    assert {row["doc_id"] for row in rows if row[KEY]} == {
        r"\xe9.png",
        r"\x1b[31m\x0a.png",
        "fifo.png",
    }
    assert {path.name for path in elsewhere.iterdir()} == {"out.csv", "out.csv.jsonl"}


def test_the_command_ends_in_time_whatever_waits(tmp_path: Path):
    script = """
import atexit, threading
from entry_points.command_line.ending import end_with

threading.Thread(target=threading.Event().wait).start()
atexit.register(threading.Event().wait)
print("read", end="")
end_with(lambda: 3, within_s=0.5)
"""
    done = predict_where(tmp_path, script)
    assert (done.returncode, done.stdout) == (3, "read")


class Store:
    """Takes so many of the traces that wait, each time that they are written."""

    def __init__(self, waiting: int, takes: int) -> None:
        self._waiting = waiting
        self._takes = takes

    def unwrap_python_model(self) -> Store:
        return self

    def flush_traces(self, timeout_s: float) -> int:
        self._waiting = max(0, self._waiting - self._takes)
        return self._waiting

    def unwritten_traces(self) -> dict[str, int]:
        return {"the tracking store": self._waiting} if self._waiting else {}


def test_a_slow_tracking_store_gets_all_traces_and_a_dead_one_is_left(
    capsys: pytest.CaptureFixture[str],
):
    write_traces(cast("PyFuncModel", Store(100, takes=1)))
    assert "not written" not in capsys.readouterr().out
    write_traces(cast("PyFuncModel", Store(100, takes=0)))
    assert capsys.readouterr().out.splitlines()[-1] == (
        "100 traces were not written: the tracking store did not take them."
    )
