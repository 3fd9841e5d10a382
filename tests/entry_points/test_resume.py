"""Predict goes on where it was stopped: nothing lost, nothing twice, nothing paid for again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PosixPath
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from mlflow.pyfunc import PyFuncModel

from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.predict import PredictTask, predict
from entry_points.predictions.documents import InputDocuments, find_documents
from entry_points.predictions.output import KEY
from entry_points.predictions.tally import PredictResult
from tests.entry_points.conftest import Done, Project
from tests.llm_servers.completions import FORM
from tests.llm_servers.faulty import FaultyLlm, answer, slow
from tests.waiting import wait_for

Answer = Callable[[str, bytes], dict[str, Any]]


class Model:
    """Answers as a logged extractor does, with what a function says."""

    model_config = {"max_document_bytes": 1_000_000}  # noqa: RUF012 - as MLflow's

    def __init__(
        self,
        answer: Answer | None = None,
        version: str = "v1",
        followed: tuple[str, str] | None = None,
    ) -> None:
        self.metadata = SimpleNamespace(model_uuid=version)
        self.read: list[str] = []
        self._followed = followed
        self._answer = answer or (lambda doc_id, content: {})

    def unwrap_python_model(self) -> Model:
        return self

    def estimate(self, documents: list[bytes], output_tokens_per_page: float) -> SimpleNamespace:
        cost = len(documents) * (0.01 + output_tokens_per_page / 1000)
        return SimpleNamespace(pages=len(documents), input_tokens=None, cost=cost)

    def followed_prompt(self) -> tuple[str, str] | None:
        return self._followed

    def predict(self, frame: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
        [(doc_id, content)] = frame[["doc_id", "image"]].itertuples(index=False)
        self.read.append(doc_id)
        row = {"doc_id": doc_id, "pairs": [], "error_code": None, "error": None}
        row |= {"attempts": 1, "cache_hits": 0, "cost": 0.01, "page_count": 1}
        row |= {"input_tokens": 60, "output_tokens": 40}
        row["prompt_uri"] = self._followed[0] if self._followed else "prompts:/p/1"
        return pd.DataFrame([row | self._answer(doc_id, content)], dtype=object)


def run(model: Model, folder: Path, **changes: Any) -> PredictResult:
    settings: dict[str, Any] = {"params": {}, "max_concurrency": 4, "max_cost": None}
    settings |= {"retry_errors": False, "model": cast("PyFuncModel", model)} | changes
    return predict(PredictTask(**settings), find_documents(f"{folder}/*.png"), folder / "out.jsonl")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(f"document {number}".encode())
    return tmp_path


def fail(*names: str) -> Answer:
    error = {"error_code": "timeout", "error": "Try again."}
    return lambda doc_id, content: error if doc_id in names else {}


def test_finished_documents_are_not_read_again(inbox: Path):
    run(Model(), inbox)
    again = Model()
    outcome = run(again, inbox)
    assert again.read == []
    assert outcome.skipped.documents == len(lines(inbox)) == 6


class Folder(PosixPath):
    """Counts the paths that are made of it: of 200,000 documents they take a second each time."""

    made = 0

    def __truediv__(self, name: Any) -> Any:
        Folder.made += 1
        return Path(self, name)


def test_the_first_page_does_not_wait_for_a_path_of_each_document(tmp_path: Path):
    documents = InputDocuments(Folder(tmp_path), [f"{number:04}.png" for number in range(500)])
    made: list[int] = []

    def note(doc_id: str, content: Any) -> dict[str, Any]:
        made.append(Folder.made)
        return {}

    model = Model(note)
    settings: dict[str, Any] = {"params": {}, "max_concurrency": 4, "max_cost": None}
    settings |= {"retry_errors": False, "model": cast("PyFuncModel", model)}
    predict(PredictTask(**settings), documents, tmp_path / "out.jsonl")
    assert len(made) == 500
    assert made[0] < 100  # those of the estimate's sample, and of the first pages


def test_a_document_is_known_by_its_content_not_by_its_name(inbox: Path):
    run(Model(), inbox)
    (inbox / "0.png").rename(inbox / "renamed.png")
    (inbox / "1.png").write_bytes(b"another document")
    again = Model()
    run(again, inbox)
    assert again.read == ["1.png"]
    assert sorted(row["doc_id"] for row in lines(inbox)) == [f"{n}.png" for n in range(6)]


def test_two_documents_of_the_same_content_both_have_a_row(inbox: Path):
    (inbox / "0.png").write_bytes(b"document 1")
    run(Model(), inbox)
    again = Model()
    assert run(again, inbox).skipped.documents == 6
    assert again.read == []


@pytest.mark.parametrize("change", ["model", "additional_rules", "pages"])
def test_another_configuration_replaces_the_lines(inbox: Path, change: str):
    run(Model(), inbox)
    before = {row[KEY] for row in lines(inbox)}
    again = Model(version="v2" if change == "model" else "v1")
    run(again, inbox, params={} if change == "model" else {change: "2"})
    assert len(again.read) == len(lines(inbox)) == 6
    assert before.isdisjoint(row[KEY] for row in lines(inbox))


FIRST, SECOND = ("prompts:/p/1", "registry"), ("prompts:/p/2", "registry")


def test_a_prompt_that_its_alias_names_now_replaces_the_lines_of_another(inbox: Path):
    run(Model(followed=FIRST), inbox)
    run(moved := Model(followed=SECOND), inbox)
    run(again := Model(followed=SECOND), inbox)
    assert (len(moved.read), again.read, len(lines(inbox))) == (6, [], 6)


def test_an_alias_that_moves_meanwhile_leaves_those_read_before_to_the_next_start(inbox: Path):
    late = {"prompt_uri": "prompts:/p/2"}
    run(Model(lambda doc_id, _: late if doc_id > "3" else {}, followed=FIRST), inbox)
    run(again := Model(followed=SECOND), inbox)
    assert sorted(again.read) == ["0.png", "1.png", "2.png"]
    assert {row["prompt_uri"] for row in lines(inbox)} == {"prompts:/p/2"}


def test_an_alias_that_cannot_be_looked_up_stops_before_it_costs(inbox: Path):
    without = Model(followed=("prompts:/p/1", "last_good"))
    run(without, inbox)
    before = lines(inbox)
    with pytest.raises(UsageError, match="alias cannot be resolved"):
        run(without, inbox)
    assert (len(without.read), lines(inbox)) == (6, before)


def test_failed_documents_are_read_again_when_asked(inbox: Path):
    first = run(Model(fail("2.png", "4.png")), inbox)
    assert [row["doc_id"] for row in first.read.failed] in (["2.png", "4.png"], ["4.png", "2.png"])
    asleep = Model()
    assert run(asleep, inbox).failed == 2
    assert asleep.read == []
    again = Model()
    assert run(again, inbox, retry_errors=True).failed == 0
    assert sorted(again.read) == ["2.png", "4.png"]
    assert len(lines(inbox)) == 6


def test_an_estimate_is_printed_before_and_uses_what_was_measured(
    inbox: Path, capsys: pytest.CaptureFixture[str]
):
    run(Model(fail("0.png", "1.png")), inbox)
    run(Model(), inbox, retry_errors=True)
    run(Model(), inbox)
    first, again = capsys.readouterr().out.splitlines()
    assert first == (
        "Estimate: 6 pages, input tokens unknown, cost 0.0600 USD, without what the LLM writes."
    )
    assert again == "Estimate: 2 pages, input tokens unknown, cost 0.1000 USD."


def test_a_half_line_is_removed(inbox: Path):
    run(Model(), inbox)
    output = inbox / "out.jsonl"
    data = output.read_bytes()
    output.write_bytes(data[:-20])
    again = Model()
    run(again, inbox)
    assert len(again.read) == 1
    assert len(lines(inbox)) == 6


def test_lines_of_other_documents_stay(inbox: Path):
    run(Model(), inbox)
    for path in inbox.glob("[0-3].png"):
        path.unlink()
    run(Model(version="v2"), inbox)
    assert len(lines(inbox)) == 6


@pytest.mark.parametrize("content", ["notes\n", '{"doc_id": "a"}\n', "[1]\n", "1\n"])
def test_a_file_of_somebody_else_is_left_alone(inbox: Path, content: str):
    (inbox / "out.jsonl").write_text(content)
    with pytest.raises(UsageError, match="was not written by predict"):
        run(Model(), inbox)
    assert (inbox / "out.jsonl").read_text() == content


def test_max_cost_stops_before_it_is_crossed(inbox: Path):
    model = Model()
    outcome = run(model, inbox, max_cost=0.035)
    assert (outcome.read.documents, outcome.left) == (3, 3)
    assert outcome.read.usd <= 0.035
    assert run(Model(), inbox).left == 0
    assert len(lines(inbox)) == 6


def test_max_cost_needs_a_price(inbox: Path):
    with pytest.raises(UsageError, match="input_price"):
        run(Model(lambda doc_id, content: {"cost": None}), inbox, max_cost=1.0)
    assert len(lines(inbox)) == 1


# KILLS_SEED chooses the moments of the kills.
SEED = int(os.environ.get("KILLS_SEED", "1"))

# Forks a process that predicts, and kills it at a moment it cannot know, again and again: some
# time after it was started, or after it has finished a line.
KILLS = """
import os, random, signal, sys, time
from pathlib import Path, PosixPath
from tests.entry_points.test_resume import Model, run

folder, seed = Path(sys.argv[1]), int(sys.argv[2])
random.seed(seed)

def slow(doc_id, content):
    time.sleep(random.uniform(0.0, 0.02))
    return {"pairs": [{"question": doc_id, "answer": "x" * random.randrange(20_000)}]}

def finished():
    path = folder / "out.jsonl"
    return path.read_bytes().count(b"\\n") if path.exists() else 0

for number in range(50):
    before = finished()
    child = os.fork()
    if child == 0:
        run(Model(slow), folder)
        os._exit(0)
    while number % 2 and finished() == before < 300:
        time.sleep(0.01)
    time.sleep(random.uniform(0.0, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print("finished", finished(), flush=True)
"""


def test_fifty_kills_lose_nothing_and_write_nothing_twice(tmp_path: Path):
    for number in range(300):
        (tmp_path / f"{number}.png").write_bytes(b"%d" % number)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'model'}"}
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path), str(SEED)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    counts = [int(count) for count in re.findall(r"finished (\d+)$", done.stdout, re.MULTILINE)]
    assert len(counts) == 50
    assert counts == sorted(counts), f"finished lines were lost (seed {SEED})"
    assert len(set(counts)) > 3, "the kills came too early to tell anything"

    run(Model(), tmp_path)

    names = [row["doc_id"] for row in lines(tmp_path)]
    assert sorted(names) == sorted(f"{number}.png" for number in range(300))


@pytest.fixture(scope="module")
def eight(project: Project) -> Path:
    """A folder of eight documents."""
    folder = project.folder / "eight"
    folder.mkdir()
    good = (project.dataset / "images" / "fax-01.png").read_bytes()
    for number in range(8):
        # What follows the last chunk of a PNG is not looked at, but makes another document.
        (folder / f"{number}.png").write_bytes(good + b"%d" % number)
    return folder


def stop(project: Project, flags: list[str], output: Path, how: signal.Signals, llm: str) -> int:
    """Stop the command by a signal when two documents are finished; return its exit code."""
    environment = project.environment | {"MLFLOW_TRACKING_URI": project.tracking_uri}
    # A shell that starts the tests in the background has them and their children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = subprocess.Popen(
        [sys.executable, *flags], cwd=project.folder, env=environment | {"OPENAI_BASE_URL": llm}
    )

    def two_are_finished() -> bool:
        assert command.poll() is None
        return output.exists() and output.read_bytes().count(b"\n") >= 2

    wait_for(two_are_finished)
    command.send_signal(how)
    try:
        return command.wait(120)
    finally:
        command.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_command_goes_on_after_it_was_stopped(
    project: Project, main_run: Done, eight: Path, how: signal.Signals
):
    output = project.folder / f"{how.name}.jsonl"
    flags = ["-m", "entry_points.predict", "--input", str(eight), "--output", str(output)]
    flags += ["--cache=none", "--max-concurrency=2"]
    with FaultyLlm() as llm:
        llm.script = [answer(FORM)] * 2
        llm.always = slow(600, pieces=0)  # Ctrl-C does not wait for requests in flight
        code = stop(project, flags, output, how, llm.base_url)
    assert code == (130 if how is signal.SIGINT else -how)
    finished = output.read_bytes().count(b"\n")

    done = project.run(*flags, MLFLOW_TRACKING_URI=project.tracking_uri)

    assert done.returncode == 0, done.stdout
    assert f"{finished} of them were there already." in done.stdout
    names = [json.loads(line)["doc_id"] for line in output.read_text().splitlines()]
    assert sorted(names) == [f"{number}.png" for number in range(8)]
