"""What tests of several rooms share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from hypothesis import settings
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from tests.tiers import is_slow, measures

# `mlflow run -e test` names its own run and store, and whoever runs the tests may have a key for a
# paid LLM: neither is for the tests.
_NOT_FOR_TESTS = (
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_TRACKING_URI",
    "OPENAI_",
    "AZURE_",
)
for _name in [name for name in os.environ if name.startswith(_NOT_FOR_TESTS)]:
    del os.environ[_name]
# Prices are taken from MLflow's wheel: no test needs the network.
os.environ["MLFLOW_MODEL_CATALOG_URI"] = ""

# A busy machine is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

MakeOnce = Callable[[str, Callable[[Path], None]], Path]


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        used = item.path, item.originalname, item.fixturenames
        if is_slow(*used):
            item.add_marker("slow")
        if measures(*used):
            item.add_marker("measures")


@pytest.fixture(scope="session")
def funsd_training() -> Path:
    """Return FUNSD's training split; FUNSD_DIR names the folder that holds training_data/."""
    folder = os.environ.get("FUNSD_DIR")
    if not folder:
        pytest.skip("FUNSD_DIR is not set: the download entry point fetches FUNSD")
    return Path(folder) / "training_data"


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Return what fills a folder that all workers share, the first time that one needs it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def once(name: str, fill: Callable[[Path], None]) -> Path:
        folder, is_filled = shared / f"once-{name}", shared / f"once-{name}.filled"
        with (shared / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_filled.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
                folder.mkdir()
                fill(folder)
                is_filled.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def empty_store(make_once: MakeOnce) -> Path:
    """An MLflow database to copy: making its tables takes seconds. Nobody writes to this one."""

    def fill(folder: Path) -> None:
        SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "mlruns"))

    return make_once("store", fill) / "mlflow.db"


@pytest.fixture
def track_at() -> Iterator[Callable[[str], None]]:
    """Return what sets the tracking URI for a test, whatever other tests have set for theirs."""
    before = mlflow.get_tracking_uri()
    yield mlflow.set_tracking_uri
    mlflow.set_tracking_uri(before)


def copy_project(source: Path, target: Path) -> None:
    """Copy a folder with an MLflow database; the copy's artifacts and files are its own."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    with contextlib.closing(sqlite3.connect(target / "mlflow.db")) as store, store:
        tables = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for _, column, *_ in store.execute(f"PRAGMA table_info({table})").fetchall():
                store.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?1, ?2)"
                    f" WHERE typeof({column}) = 'text' AND instr({column}, ?1)",
                    [str(source), str(target)],
                )
