"""monitor over `mlflow server`: it reads traces and pages, writes its run, and deletes old ones."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import pytest
import requests
import sqlalchemy
from mlflow.entities import Experiment, Run, Trace
from mlflow.pyfunc.context import Context, set_prediction_context

from entry_points import review
from entry_points.monitor import main
from entry_points.predictions.documents import find_documents
from entry_points.predictions.output import read_rows
from tests.entry_points.monitoring.production import (
    EVALUATED,
    NAME,
    TEMPLATE,
    Production,
    StatedEngine,
    page,
    pages,
)
from tests.entry_points.stack.conftest import ADMIN, BUCKET, PRODUCTION, WORK, Person, Team

URI = f"models:/{NAME}@champion"
# Nothing like it was evaluated, so that it needs a person more than any other.
DOUBTFUL = page(40)
READ = 14  # documents of production


@dataclass(frozen=True)
class Stack:
    """Where production is watched, and by whom.

    Attributes:
        has_logins: Whether users have rights.
        logged_in: Be somebody in this process.
        database: The address of the server's database.
        bucket: The address of the bucket that holds the artifacts.
    """

    has_logins: bool
    logged_in: Callable[[str], AbstractContextManager[object]]
    database: str
    bucket: str

    def attachments(self) -> int:
        """Count the pages of production's traces in the bucket."""
        with self.logged_in(ADMIN):
            prefix = urlsplit(production().artifact_location).path.lstrip("/") + "/traces/"
        listed = requests.get(self.bucket, params={"prefix": prefix}, timeout=60).text
        return listed.count("/artifacts/attachments/")

    def tables_that_name(self, ids: set[str]) -> set[str]:
        """Return the database's tables in which one of the ids stands."""
        engine = sqlalchemy.create_engine(self.database)
        found = set()
        with engine.connect() as connection:
            for table in sqlalchemy.inspect(engine).get_table_names():
                row = sqlalchemy.text(f'SELECT CAST(t AS TEXT) FROM "{table}" t')
                texts = connection.execute(row).scalars().all()
                if any(each in text for text in texts for each in ids):
                    found.add(table)
        engine.dispose()
        return found


@pytest.fixture(scope="module")
def patch(empty_store: Path) -> Iterator[pytest.MonkeyPatch]:
    """Change this process for the module; what is active does not outlive it."""
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")  # traces are there at once
        yield patch
    mlflow.clear_active_model()
    mlflow.set_tracking_uri(f"sqlite:///{empty_store}")
    mlflow.set_experiment(experiment_id="0")
    mlflow.set_tracking_uri(before)


@pytest.fixture(
    scope="module", params=["through the server, with logins", "directly from the S3 store"]
)
def stack(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch, s3: str) -> Stack:
    if request.param.startswith("through"):
        team: Team = request.getfixturevalue("team")
        mlflow.set_tracking_uri(team.server.uri)
        return Stack(True, team.logged_in, team.database, team.bucket)
    person: Person = request.getfixturevalue("direct")
    for name, value in person.environment.items():
        if name.startswith(("AWS_", "MLFLOW_S3_")):
            patch.setenv(name, value)
    mlflow.set_tracking_uri(person.tracking_uri)
    database: str = request.getfixturevalue("direct_database")
    return Stack(False, lambda _: nullcontext(), database, f"{s3}/{BUCKET}")


def production() -> Experiment:
    return mlflow.set_experiment(PRODUCTION)


def traces() -> list[Trace]:
    """Return those of production."""
    found: Any = mlflow.search_traces([production().experiment_id], return_type="list")
    return list(found)


def runs(which: str) -> list[Run]:
    """Return those of people."""
    found: Any = mlflow.search_runs(
        experiment_names=[WORK], filter_string=which, output_format="list"
    )
    return list(found)


def command(stack: Stack, who: str, *flags: str) -> tuple[int, str]:
    """Let somebody give the command; return its exit code, and what it has printed."""
    printed = io.StringIO()
    with stack.logged_in(who), redirect_stdout(printed), redirect_stderr(printed):
        mlflow.set_experiment(WORK)
        return main([f"--model-uri={URI}", *flags]), printed.getvalue()


@dataclass(frozen=True)
class Watched:
    """What monitor made of production.

    Attributes:
        code: Its exit code.
        printed: What it has printed.
        needs: The folder for review.
    """

    code: int
    printed: str
    needs: Path


@pytest.fixture(scope="module")
def watched(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """The ML engineer watches a model that was promoted on an evaluation; a scanner turns pale."""
    with stack.logged_in("ml-engineer"):
        mlflow.set_experiment(WORK)
        mlflow.genai.register_prompt("p", TEMPLATE)
        extractor = Production.begin()
        evaluation = set_prediction_context(Context(request_id="evaluated", is_evaluate=True))
        with mlflow.start_run() as run, evaluation:
            extractor.read(pages(EVALUATED, "evaluated"), StatedEngine())
        extractor.promote_on(run.info.run_id)
    with stack.logged_in(ADMIN):
        production()
        extractor.read(pages(READ - 1, ink=160), StatedEngine())
        extractor.read({"doubtful.png": DOUBTFUL}, StatedEngine(confidence=0.1))
    needs = tmp_path_factory.mktemp("watched") / "needs"
    flags = ("--since=1h", "--most=1", f"--output={needs}")
    return Watched(*command(stack, "ml-engineer", *flags), needs)


def test_the_run_and_its_page_are_on_the_server(watched: Watched, stack: Stack) -> None:
    assert watched.code == 4
    assert f"Compared with {EVALUATED} documents of run " in watched.printed
    assert f"version 1, p/1: {READ} documents" in watched.printed
    with stack.logged_in("ml-engineer"):
        [run] = runs(f"attributes.run_name = 'monitor {NAME}/1'")
        page = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/monitor.html")
        address = f"/#/experiments/{production().experiment_id}/traces?"
    assert run.data.tags["verdict"] == "look"
    assert run.data.metrics["documents"] == READ
    assert f'href="{mlflow.get_tracking_uri()}{address}' in page
    assert f"{mlflow.get_tracking_uri()}/#/experiments/" in watched.printed


def test_the_documents_that_need_a_person_come_out_of_the_store(
    watched: Watched, tmp_path: Path
) -> None:
    rows = {row["doc_id"]: row for row in read_rows(watched.needs / "predictions.jsonl")}
    found = find_documents(str(watched.needs / "documents"))
    opened = review.review(rows, dict(found), found.folder, tmp_path / "labelled", "")
    assert opened.ids == ["doubtful.png"]
    assert opened.pages.content("doubtful.png") == DOUBTFUL


def test_old_traces_and_their_pages_are_gone_from_both_stores(
    watched: Watched, stack: Stack
) -> None:
    with stack.logged_in(ADMIN):
        ids = {trace.info.trace_id for trace in traces()}
    assert len(ids) == stack.attachments() == READ
    retain = ("--since=none", "--keep-days=0")
    code, printed = command(stack, "ml-engineer", *retain)
    assert (code, printed.splitlines()[0].partition(" (")[0]) == (
        0,
        f"{READ} traces older than 0 days",
    )
    if stack.has_logins:
        code, printed = command(stack, "ml-engineer", *retain, "--delete=true")
        assert code == 2
        assert "lacks the right MANAGE on the experiment: the tracking server refused" in printed
        assert stack.attachments() == READ
    code, printed = command(stack, ADMIN, *retain, "--delete=true")
    assert (code, f"\n{READ} traces deleted.\n{EVALUATED} others stay" in printed) == (0, True)
    with stack.logged_in(ADMIN):
        assert traces() == []
    assert stack.attachments() == 0
    # What MLflow leaves: which prompt version each trace was read with.
    assert stack.tables_that_name(ids) == {"entity_associations"}
