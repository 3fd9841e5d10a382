"""Aliases are looked up behind requests: the prompt's on an event, the model's by the parent."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from entry_points.serving.app import FollowedAlias
from entry_points.serving.registered_alias import RegisteredAlias
from entry_points.serving.webhooks import MODEL_ALIAS, PROMPT_ALIAS, AliasEvent
from tests.waiting import wait_for

OURS = AliasEvent(PROMPT_ALIAS, "p", "production", "1")


class CountingExtractor:
    """An extractor whose lookups are counted, and end when they may."""

    def __init__(self) -> None:
        self.lookups = 0
        self.may_end = threading.Event()
        self.model_config = {"prompt_uri": "prompts:/p/3", "follow_alias": True}

    def unwrap_python_model(self) -> CountingExtractor:
        return self

    def followed_prompt(self) -> tuple[str, str]:
        self.lookups += 1
        assert self.may_end.wait(60)
        return "prompts:/p/3", "registry"


def take(extractor: CountingExtractor, *events: AliasEvent) -> None:
    """Take events while a lookup cannot end; then let all end."""

    async def run() -> None:
        alias = FollowedAlias(extractor)  # type: ignore[arg-type]
        for event in events:
            alias.take(event)
            await asyncio.sleep(0.05)
        extractor.may_end.set()
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("event", "lookups"),
    [
        (OURS, 1),
        (AliasEvent(PROMPT_ALIAS, "q", "production", "1"), 0),
        (AliasEvent(PROMPT_ALIAS, "p", "staging", "1"), 0),
        (AliasEvent(MODEL_ALIAS, "p", "production", "1"), 0),
    ],
    ids=["ours", "another prompt", "another alias", "a model"],
)
def test_only_an_event_about_the_followed_alias_starts_a_lookup(
    event: AliasEvent, lookups: int
) -> None:
    extractor = CountingExtractor()
    take(extractor, event)
    assert extractor.lookups == lookups


def test_a_model_that_follows_none_looks_nothing_up() -> None:
    extractor = CountingExtractor()
    extractor.model_config["follow_alias"] = False
    take(extractor, OURS)
    assert not extractor.lookups


def test_events_during_a_lookup_start_one_more() -> None:
    extractor = CountingExtractor()
    take(extractor, *[OURS] * 5)
    assert extractor.lookups == 2


def look_up(alias: RegisteredAlias) -> str:
    """Return the version that the alias names, or why that is not known."""

    async def run() -> str:
        try:
            return await alias.model_uri()
        except LookupError as error:
            return str(error)

    return asyncio.run(run())


def test_an_alias_of_the_registry_gives_a_version(
    tmp_path: Path, empty_store: Path, track_at: Callable[[str], None]
) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    track_at(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    client.create_registered_model("m")
    for _ in range(2):
        client.create_model_version("m", str(tmp_path))
    alias = RegisteredAlias("m", "champion")
    assert "champion" in look_up(alias)  # is not there
    client.set_registered_model_alias("m", "champion", "2")
    assert look_up(alias) == "models:/m/2"


def test_without_a_thread_for_it_a_lookup_fails_and_the_next_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    alias = RegisteredAlias("m", "champion")
    assert [look_up(alias) for _ in "ab"] == ["can't start new thread"] * 2


def test_a_registry_that_hangs_has_one_lookup(
    monkeypatch: pytest.MonkeyPatch, track_at: Callable[[str], None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        track_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        alias = RegisteredAlias("m", "champion", timeout_s=0.1)

        async def twice() -> list[Any]:
            return [await asyncio.gather(alias.model_uri(), return_exceptions=True) for _ in "ab"]

        said = [str(error) for [error] in asyncio.run(twice())]
        assert said == ["the registry did not answer within 0.1 s"] * 2
        lookups = [each for each in threading.enumerate() if each.name == "ask-registry"]
        assert len(lookups) == 1
    [lookup] = lookups
    wait_for(lambda: not lookup.is_alive())
