"""The benchmark measures, logs and prints; how fast anything is, no test says."""

from __future__ import annotations

import io
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from PIL import Image

from entry_points import ROOT, benchmark
from entry_points.benchmark import SUITES
from entry_points.benchmarks.accuracy import AS_GIVEN, DISTORTIONS
from entry_points.benchmarks.environment import Environment, SuiteError, distinct_pages, with_text
from entry_points.benchmarks.hostile_inputs import AnswerCounts
from entry_points.benchmarks.measurements import Measurement, plot_ratios
from entry_points.benchmarks.models import log_models
from entry_points.benchmarks.overhead import request_of_ours
from entry_points.command_line.cli import UsageError
from ocr_extractor.documents.encoding import is_plain_png
from tests.entry_points.conftest import SAMPLES, Project
from tests.entry_points.reviewing.browser import chromium_or_skip
from tests.llm_servers.completions import KEY

SCALE = 0.001
OF_THE_COMMAND = "overhead"


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("benchmark"), SAMPLES, repeats=1, scale=SCALE)


def test_the_command_prints_and_logs_a_table(project: Project) -> None:
    done = project.command("benchmark", suite=OF_THE_COMMAND, repeats=1, scale=SCALE)
    assert done.returncode == 0, done.stdout
    assert "document to request" in done.stdout
    assert KEY not in done.stdout
    [run] = project.client.search_runs(["0"], "tags.machine LIKE '%cores%'")
    assert run.data.metrics["overhead/document_to_request/cpu_ms_a_page"] > 0
    files = {file.path for file in project.client.list_artifacts(run.info.run_id)}
    assert {"benchmark.json", "benchmark.png"} <= files


@pytest.fixture(scope="module")
def models(env: Environment) -> dict[str, str]:
    return log_models(env)


@pytest.fixture
def no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Suite startup would have uv build an environment of a gigabyte."""
    for program in ("bash", "git"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("name", sorted(SUITES.keys() - {OF_THE_COMMAND}))
def test_every_other_suite_runs(
    name: str, env: Environment, models: dict[str, str], request: pytest.FixtureRequest
) -> None:
    if name == "startup":
        if not (ROOT / ".git").exists():
            pytest.skip("it clones the repository")
        request.getfixturevalue("no_uv")
    if name == "review":
        chromium_or_skip()
    lines = SUITES[name](env, models)
    assert lines
    assert all(math.isfinite(line.ours.median) for line in lines)


@pytest.mark.filterwarnings("ignore:For backward compatibility:DeprecationWarning")  # MLflow's
def test_a_suite_that_fails_costs_no_other(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Measurement.once("predict", "MB", 1.0)

    def fails(*_: object) -> list[Measurement]:
        raise UsageError("no server")

    monkeypatch.setitem(SUITES, "serving", fails)
    monkeypatch.setitem(SUITES, "memory", lambda *_: [line])
    with mlflow.start_run():
        measured = benchmark.benchmark(["serving", "memory"], env)
        assert measured == ([replace(line, suite="memory")], ["Suite serving failed: no server"])
        with pytest.raises(UsageError, match="Suite serving failed: no server"):
            benchmark.benchmark(["serving"], env)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--scale", "0"), "--scale is 0.0: give more than 0; 1 is all."),
        (("--scale", "nan"), "--scale is nan: give more than 0; 1 is all."),
    ],
    ids=["scale", "no number"],
)
def test_nothing_to_measure_is_refused(
    flags: tuple[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(flags) == 2
    assert capsys.readouterr().err == f"error: {told}\n"


def test_the_request_that_is_measured_shows_the_page() -> None:
    [page] = distinct_pages(SAMPLES, 1)
    body = request_of_ours()(page)
    assert b'"image_url": {"url": "data:image/png;base64,' in body
    assert b'"json_schema"' in body
    assert len(body) > len(page)


def test_copies_of_a_page_are_what_they_are_called() -> None:
    page = Image.new("RGB", (300, 400), "white")
    page.paste("black", (0, 0, 30, 30))
    copies = {name: distort(page) for name, distort in DISTORTIONS.items()}
    assert copies[AS_GIVEN] == page
    sizes = {name: copies[f"turned by {name}"].size for name in (90, 180, 270)}
    assert sizes == {90: (400, 300), 180: (300, 400), 270: (400, 300)}
    assert copies["turned by 90"].getpixel((10, 290)) == (0, 0, 0)
    assert copies["skewed by +5"].getpixel((0, 0)) == (255, 255, 255)
    assert copies["skewed by +5"].size == copies["skewed by -5"].size > page.size
    assert copies["low contrast"].convert("L").getextrema() == (135, 185)
    assert copies["photographed"].size == (390, 480)
    assert copies["photographed"].getpixel((0, 0)) == (120, 90, 60)
    assert copies["photographed"].convert("L").crop((195, 240, 196, 241)).tobytes()[0] > 180


def test_pages_are_distinct_and_sent_as_they_are() -> None:
    pages = list(distinct_pages(SAMPLES, 40))
    assert len(set(pages)) == 40
    assert all(is_plain_png(page) for page in pages)


def test_a_page_with_text_is_the_same_picture_and_must_be_encoded_anew() -> None:
    [page] = distinct_pages(SAMPLES, 1)
    named = with_text(page)
    assert not is_plain_png(named)
    with Image.open(io.BytesIO(named)) as image, Image.open(io.BytesIO(page)) as plain:
        image.load()
        assert image.info["Software"] == "scanner"
        assert image.tobytes() == plain.tobytes()


def test_pages_are_written_once_and_more_of_them_when_more_are_needed(tmp_path: Path) -> None:
    env = Environment(tmp_path, SAMPLES, repeats=1, scale=1.0)
    assert len(list(env.pages(2).iterdir())) == 2
    written = {path: path.stat().st_mtime_ns for path in env.pages(2).iterdir()}
    assert {path: path.stat().st_mtime_ns for path in env.pages(1).iterdir()} == written
    assert len(list(env.pages(3).iterdir())) == 3
    assert env.pages(1, anew=True) != env.pages(1)


def test_a_dataset_without_png_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no PNG file"):
        list(distinct_pages(tmp_path, 1))


@pytest.mark.parametrize(
    ("status", "is_wrong"),
    [("200", False), ("413", False), ("503", False), ("504", False), ("500", True), ("502", True)],
)
def test_only_an_overload_may_be_answered_with_a_5xx(status: str, is_wrong: bool) -> None:
    tally, lines = AnswerCounts(), [Measurement.once("good pages", "pages", 1.0)]
    tally.note_answer("broken JSON", status, b'{"error_code": "server_busy"}')
    assert tally.counts[f"answer {status}"] == tally.counts["error server_busy"] == 1
    if not is_wrong:
        assert tally.check(lines) == lines
        return
    with pytest.raises(SuiteError, match=f"broken JSON was answered with {status}") as caught:
        tally.check(lines)
    assert caught.value.lines == lines


def test_a_child_that_fails_says_why(env: Environment) -> None:
    with pytest.raises(UsageError, match="FileNotFoundError"):
        env.run(["python", "-c", "open('none')"])


def test_a_childs_environment_has_no_key_and_no_run_of_the_user(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://example.invalid")
    monkeypatch.setenv("MLFLOW_RUN_ID", "0")
    environment = env.variables()
    assert KEY not in environment.values()
    assert not {"AZURE_OPENAI_ENDPOINT", "MLFLOW_RUN_ID"} & environment.keys()
    assert environment["MLFLOW_TRACKING_URI"] != mlflow.get_tracking_uri()
    assert str(ROOT) in environment["PYTHONPATH"]


_WITH_A_SERVER = """
import sys
from pathlib import Path
from entry_points.benchmarks.environment import Environment
from entry_points.command_line.ending import unwind_on_sigterm

unwind_on_sigterm()
env = Environment(Path(sys.argv[1]), Path(), 1, 1.0)
with env.process(["sleep", "600"]) as server:
    print(server.pid, flush=True)
    server.wait()
"""


def test_sigterm_leaves_no_server_behind(env: Environment) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WITH_A_SERVER, str(env.folder)],
        env=env.variables(),
        stdout=subprocess.PIPE,
        text=True,
    ) as benchmark:
        assert benchmark.stdout is not None
        server = int(benchmark.stdout.readline())
        benchmark.terminate()
        assert benchmark.wait(timeout=60) == 143
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def test_the_plot_has_a_bar_for_each_line_that_is_compared() -> None:
    two = replace(Measurement.once("two", "ms", 1.0, "them", 2.0), suite="suite")
    alone = Measurement.once("alone", "ms", 1.0)
    [axes] = plot_ratios([two, alone]).axes
    [bar] = axes.patches
    assert bar.get_extents().width > 0
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "suite: two, ms\nagainst them"
    ]
