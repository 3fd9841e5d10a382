"""Predict through the Batch API: the same rows, each paid for once, whatever the server does."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.pyfunc import PyFuncModel
from PIL import Image
from werkzeug import Response

from entry_points.batching.plan import BATCH_SETTINGS, BatchPlan, plan_of
from entry_points.batching.rounds import read_in_batches
from entry_points.batching.state import BatchState, Shard
from entry_points.command_line.cli import UsageError
from entry_points.logged_models.calls import predict_rows
from entry_points.logged_models.loading import load_extractor
from entry_points.predict import PredictTask, build_parser, predict
from entry_points.predictions.documents import find_documents
from entry_points.predictions.tally import PredictResult
from tests.entry_points.conftest import Done, Project
from tests.llm_servers.batches import BatchApi, Ending, attach, cut, disorder, expire, fail, lose
from tests.llm_servers.completions import KEY, PAIRS, completion
from tests.model.sample_documents import encoded

PRICES = {"input_price": 1.0, "output_price": 10.0}
PARAMS = {"additional_rules": "", "pages": ""}
COST = (1300 * 1.0 + 42 * 10.0) / 1e6 / 2


@pytest.fixture(scope="module")
def attached(project: Project) -> BatchApi:
    return attach(project.llm)


@pytest.fixture
def batches(
    project: Project, main_run: Done, attached: BatchApi, monkeypatch: pytest.MonkeyPatch
) -> BatchApi:
    """The files and batches of the project's LLM, which gives `PAIRS` for every page."""
    monkeypatch.setattr(project.llm, "answer", None)
    monkeypatch.setattr(project.llm, "requests", [])
    attached.reset()
    return attached


@pytest.fixture
def inbox(project: Project, tmp_path: Path) -> Path:
    """A folder of six documents, two of them the same, and one that is none."""
    good = (project.dataset / "images" / "fax-01.png").read_bytes()
    for number in range(6):
        # What follows the last chunk of a PNG is not looked at, but makes another document.
        (tmp_path / f"{number}.png").write_bytes(good + b"%d" % (number % 5))
    (tmp_path / "bad.png").write_bytes(good[:9000])
    return tmp_path


def load(**settings: Any) -> PyFuncModel:
    return load_extractor("models:/ocr-extractor@champion", **BATCH_SETTINGS, **PRICES, **settings)


@pytest.fixture(scope="module")
def model(project: Project, main_run: Done) -> Iterator[PyFuncModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setenv("OPENAI_BASE_URL", project.llm.base_url)
        loaded = load()
        yield loaded
        loaded.unwrap_python_model().flush_traces(60)


def plan(folder: Path, **changes: Any) -> BatchPlan:
    bounds = {"max_requests": 50_000, "max_bytes": 10**8, "poll_s": 0.0, "cancel": False}
    return BatchPlan(state=folder / "out.jsonl.batches", **(bounds | changes))


def run(
    folder: Path,
    model: PyFuncModel,
    *,
    pages: str = "",
    retry_errors: bool = False,
    **changes: Any,
) -> PredictResult:
    """Predict as the command does."""
    with mlflow.tracing.context(enabled=False):
        task = PredictTask(
            model=model,
            params=PARAMS | {"pages": pages},
            max_concurrency=4,
            max_cost=None,
            retry_errors=retry_errors,
            batches=plan(folder, **changes),
        )
        return predict(task, find_documents(f"{folder}/*.png"), folder / "out.jsonl")


def lines(folder: Path) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert len({row["doc_id"] for row in rows}) == len(rows)
    return {row["doc_id"]: row for row in rows}


def assert_all_read(folder: Path) -> None:
    """The six documents have their pairs, the seventh its error; nothing is left behind."""
    rows = lines(folder)
    assert rows.pop("bad.png")["error_code"] == "damaged_document"
    assert sorted(rows) == [f"{number}.png" for number in range(6)]
    for row in rows.values():
        assert row["error_code"] is None
        assert [(p["question"], p["answer"]) for p in row["pairs"]] == [
            (pair["question"], pair["answer"]) for pair in PAIRS
        ]
    assert not (folder / "out.jsonl.batches").exists()


def test_rows_are_those_of_predict_at_half_the_price(
    inbox: Path, batches: BatchApi, model: PyFuncModel, capsys: pytest.CaptureFixture[str]
):
    run(inbox, model)
    assert_all_read(inbox)
    row = lines(inbox)["0.png"]
    assert row["cost"] == pytest.approx(COST)
    assert (row["attempts"], row["input_tokens"], row["output_tokens"]) == (1, 1300, 42)
    assert len(batches.paid) == 6
    assert batches.llm.requests == []  # nothing was asked for at the full price
    assert batches.files == {}  # no page is left at the server
    assert "batch_0 completed: 6 of 6 requests answered." in capsys.readouterr().out


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(expire(2), id="expired after two"),
        pytest.param(expire(0), id="expired before any"),
        pytest.param(lose(3), id="three lines are missing"),
        pytest.param(disorder, id="backwards, doubled, unreadable"),
        pytest.param(fail("invalid_file", "Try again."), id="failed"),
    ],
)
def test_what_a_batch_does_not_bring_is_asked_for_again(
    inbox: Path, batches: BatchApi, model: PyFuncModel, ending: Ending
):
    batches.endings = [ending]
    run(inbox, model)
    assert_all_read(inbox)
    assert sorted(set(batches.paid)) == sorted(batches.paid)


def test_a_request_is_not_asked_for_without_end(inbox: Path, batches: BatchApi, model: PyFuncModel):
    batches.endings = [lose(6)] * 9
    outcome = run(inbox, load(max_retries=2))
    assert len(batches.batches) == 3
    assert set(outcome.read.errors) == {"batch_unanswered", "damaged_document"}
    assert "no batch brought an answer" in outcome.read.failed[-1]["error"]
    assert not (inbox / "out.jsonl.batches").exists()


def test_single_requests_are_refused_and_repeated_as_in_predict(
    inbox: Path, batches: BatchApi, model: PyFuncModel, monkeypatch: pytest.MonkeyPatch
):
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        asked_before = len(batches.batches) > 2
        return completion(json.dumps({"pairs": PAIRS}) if asked_before else "no JSON")

    monkeypatch.setattr(batches.llm, "answer", answer)
    monkeypatch.setattr(batches.llm, "unsupported", ("temperature",))
    run(inbox, load())
    assert_all_read(inbox)
    row = lines(inbox)["0.png"]
    assert (row["attempts"], row["cost"]) == (2, pytest.approx(2 * COST))


def test_batches_are_bounded_by_requests_and_by_bytes(
    inbox: Path, batches: BatchApi, model: PyFuncModel
):
    run(inbox, model, max_requests=4)
    assert asked(batches) == [4, 2]
    longest = max(len(line) for file in batches.begun for line in file.splitlines())
    (inbox / "out.jsonl").unlink()
    batches.reset()
    run(inbox, model, max_bytes=int(longest * 2.5))
    assert asked(batches) == [2, 2, 2]
    assert_all_read(inbox)


def asked(batches: BatchApi) -> list[int]:
    """Return how many requests each batch had."""
    return [content.count(b"\n") for content in batches.begun]


def test_the_first_batch_begins_before_the_last_document_is_opened(
    inbox: Path, batches: BatchApi, model: PyFuncModel
):
    def replace_the_last(batch_id: str) -> None:
        if len(batches.begun) == 1:
            (inbox / "5.png").write_bytes((inbox / "1.png").read_bytes() + b"new")

    batches.revoked, batches.on_begin = True, replace_the_last
    with pytest.raises(UsageError):
        run(inbox, model, max_requests=2)
    batches.revoked = False
    run(inbox, model)
    assert_all_read(inbox)
    assert asked(batches) == [2, 2, 2]  # the new document was opened once, and paid for once


def test_a_batch_that_finds_the_queue_full_waits_for_another(
    inbox: Path, batches: BatchApi, model: PyFuncModel, capsys: pytest.CaptureFixture[str]
):
    batches.endings = [fail("token_limit_exceeded", "Enqueued token limit reached.")]
    run(inbox, model, max_requests=3)
    assert_all_read(inbox)
    assert batches.begun == [batches.begun[0], batches.begun[1], batches.begun[0]]
    assert "batch_0 waits: Enqueued token limit reached." in capsys.readouterr().out


def test_uploads_and_downloads_that_break_are_made_again(
    inbox: Path, batches: BatchApi, model: PyFuncModel, caplog: pytest.LogCaptureFixture
):
    busy = Response("{}", 503, {"retry-after-ms": "1"})
    batches.uploads = [cut, *[lambda _: busy] * 5]  # more than the SDK repeats
    batches.downloads = [Response(iter([b'{"custom_id": ']), headers={"Content-Length": "99"})]
    run(inbox, model)
    assert_all_read(inbox)
    assert len(batches.paid) == 6
    assert "The batches' server: HTTP 503" in caplog.text
    assert "A batch's file was cut off" in caplog.text


def test_the_same_command_goes_on_after_it_was_stopped(
    inbox: Path, batches: BatchApi, model: PyFuncModel
):
    batches.revoked = True
    with pytest.raises(UsageError, match="does not accept the API key"):
        run(inbox, model)
    assert list(lines(inbox)) == ["bad.png"]
    batches.revoked = False
    run(inbox, model)
    assert_all_read(inbox)
    assert asked(batches) == [6]


def test_answers_are_kept_until_their_row_is_written(
    inbox: Path, batches: BatchApi, model: PyFuncModel
):
    with mlflow.tracing.context(enabled=False):
        reads = {str(number): reading(model, inbox / f"{number}.png") for number in range(6)}
        rows = read_in_batches(model, plan(inbox), reads.items(), lambda read: read())
        next(rows)
        del rows  # before the row was written
        again = list(read_in_batches(model, plan(inbox), reads.items(), lambda read: read()))
    assert len(again) == 6
    assert asked(batches) == [6]


def reading(model: PyFuncModel, path: Path) -> Callable[[], dict[str, Any]]:
    return lambda: predict_rows(model, [(path.name, path.read_bytes())], PARAMS)[0]


@pytest.mark.parametrize("cancel", [False, True], ids=["batch", "cancel"])
def test_answers_stop_mode_now_until_their_row_is_known_to_be_written(
    inbox: Path, batches: BatchApi, model: PyFuncModel, cancel: bool
):
    run(inbox, model)
    # As if the process was killed after it had written the row and before it forgot the answers.
    scope = lines(inbox)["0.png"]["document_key"] + ".0"
    with BatchState(plan(inbox).state) as state:
        shard = Shard("name", "file", attempted=True, batch_id="batch")
        state.add(shard, [("request", scope)])
        state.keep(shard, [("request", "[200, {}]")])
        state.close(shard, None)
    flags = build_parser().parse_args(["--output", str(inbox / "out.jsonl")])
    with pytest.raises(UsageError, match="has answers of batches, which are paid for"):
        plan_of(flags, inbox / "out.jsonl")
    run(inbox, model, cancel=cancel)
    assert plan_of(flags, inbox / "out.jsonl") is None
    assert_all_read(inbox)
    assert asked(batches) == [6]


def test_a_kill_while_a_batch_is_begun_pays_for_nothing_twice(
    project: Project, inbox: Path, batches: BatchApi, model: PyFuncModel
):
    def kill(batch_id: str) -> None:
        command.kill()
        command.wait()

    batches.on_begin = kill
    flags = ["--input", str(inbox), "--output", str(inbox / "out.jsonl"), "--cache=none"]
    command = subprocess.Popen(
        [sys.executable, "-m", "entry_points.predict", *flags, "--mode", "batch"],
        cwd=project.folder,
        env=project.environment | {"MLFLOW_TRACKING_URI": project.tracking_uri},
    )
    assert command.wait(300) == -signal.SIGKILL
    run(inbox, model)
    assert_all_read(inbox)
    assert len(batches.paid) == 6
    assert asked(batches) == [6]


def test_what_was_cancelled_is_kept_and_the_rest_asked_for_later(
    inbox: Path, batches: BatchApi, model: PyFuncModel
):
    batches.revoked, batches.looks = True, -1
    with pytest.raises(UsageError):
        run(inbox, model, max_requests=3)
    batches.revoked = False
    flags = ["--output", str(inbox / "out.jsonl")]
    with pytest.raises(UsageError, match="-P mode=cancel ends them"):
        plan_of(build_parser().parse_args(flags), inbox / "out.jsonl")

    outcome = run(inbox, model, cancel=True)

    assert (outcome.read.documents, outcome.left) == (2, 4)  # a cancelled batch has read its first
    assert plan_of(build_parser().parse_args(flags), inbox / "out.jsonl") is None
    batches.looks = 1
    run(inbox, model)
    assert_all_read(inbox)
    assert asked(batches) == [3, 3, 4]
    assert len(batches.paid) == 6


def test_cancel_removes_no_line_and_needs_the_parameters_of_the_batches(
    inbox: Path, batches: BatchApi, model: PyFuncModel
):
    batches.revoked, batches.looks = True, -1
    with pytest.raises(UsageError):
        run(inbox, model)
    batches.revoked = False
    before = (inbox / "out.jsonl").read_bytes()
    with pytest.raises(UsageError, match="asked with another model, other parameters"):
        run(inbox, model, pages="1", cancel=True)
    assert (inbox / "out.jsonl").read_bytes() == before
    outcome = run(inbox, model, retry_errors=True, cancel=True)
    assert (outcome.read.documents, outcome.left) == (1, 5)
    assert (inbox / "out.jsonl").read_bytes().startswith(before)


def test_a_batch_that_was_refused_is_begun_later_or_dropped_by_cancel(
    inbox: Path, batches: BatchApi, model: PyFuncModel
):
    refusal = Response('{"error": {"message": "No."}}', 403, content_type="application/json")
    for start in range(2):
        batches.begins = [refusal]
        with pytest.raises(UsageError, match="HTTP 403"):
            run(inbox, model)
        assert run(inbox, model, cancel=start == 0).left == (6 if start == 0 else 0)
    assert_all_read(inbox)
    assert asked(batches) == [6]


def test_through_the_real_command(
    project: Project, inbox: Path, batches: BatchApi, model: PyFuncModel
):
    mlflow.flush_trace_async_logging()  # of the tests before
    seen = len(mlflow.search_traces(locations=["0"], return_type="list"))
    done = project.command(
        "predict",
        input=inbox,
        output=inbox / "out.csv",
        mode="batch",
        batch_requests=4,
        poll_s=0.1,
    )
    assert done.returncode == 3, done.stdout
    assert "6 of 7 documents read." in done.stdout
    assert len((inbox / "out.csv").read_text().splitlines()) == 8
    assert asked(batches) == [4, 2]
    assert not (inbox / "out.csv.jsonl.batches").exists()
    traces = mlflow.search_traces(locations=["0"], return_type="list")
    assert len(traces) - seen == 6
    assert {trace.info.state for trace in traces[:6]} == {"OK"}


def test_a_document_that_asks_for_something_new_each_time_is_given_up(
    tmp_path: Path, batches: BatchApi, model: PyFuncModel
):
    widths = itertools.count(100)

    def read() -> dict[str, Any]:
        png = encoded(Image.new("L", (next(widths), 50), 255), "PNG")
        return predict_rows(model, [("a.png", png)], PARAMS)[0]

    with mlflow.tracing.context(enabled=False):
        [row] = read_in_batches(model, plan(tmp_path), [("a", None)], lambda _: read())
    assert (row["error_code"], len(batches.paid)) == ("batch_unanswered", 20)


def test_a_ceiling_cannot_be_kept(inbox: Path):
    flags = build_parser().parse_args(["--mode", "batch", "--max-cost", "1"])
    with pytest.raises(UsageError, match="give --max-cost or --mode batch"):
        plan_of(flags, inbox / "out.jsonl")
