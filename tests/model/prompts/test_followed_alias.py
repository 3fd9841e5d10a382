"""A followed prompt moves with its alias, and stays where the alias gives nothing usable."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities.model_registry import PromptVersion
from mlflow.genai import register_prompt, set_prompt_alias
from mlflow.prompt.constants import RESPONSE_FORMAT_TAG_KEY

from ocr_extractor.prompts.followed_alias import FollowedPrompt
from ocr_extractor.prompts.prompt import Prompt, Registry, load_prompt, write_snapshot
from tests.loopback import LoopbackServer
from tests.waiting import wait_for

FIELDS = "Read {{ fields }}."


def follow(
    tmp_path: Path,
    refresh_s: float = 0.0,
    template: str = "Read. {{ additional_rules }}",
    schema: dict[str, Any] | None = None,
) -> FollowedPrompt:
    """Pin the first version, to which `production` points, and follow the alias."""
    first = register_prompt("p", template, response_format=schema)
    set_prompt_alias("p", "production", first.version)
    pinned = load_prompt("prompts:/p/1", tmp_path / "no-snapshot")
    return FollowedPrompt(pinned, refresh_s, Registry())


def move(template: str | list[dict[str, str]], schema: dict[str, Any] | None = None) -> None:
    version = register_prompt("p", template, response_format=schema)
    set_prompt_alias("p", "production", version.version)


def schema(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}}


def told(followed: FollowedPrompt) -> tuple[str, str]:
    """Look the alias up; return what is used then."""
    return uri_and_source(followed.refreshed())


def lookups() -> list[threading.Thread]:
    """Return the threads that ask a registry now."""
    return [thread for thread in threading.enumerate() if thread.name == "ask-registry"]


@pytest.fixture(autouse=True)
def end_of_lookups() -> Iterator[None]:
    """Let no lookup of one test be counted in another."""
    yield
    for lookup in lookups():
        lookup.join(60)


def uri_and_source(prompt: Prompt) -> tuple[str, str]:
    return prompt.uri, prompt.source


def use_until(followed: FollowedPrompt, expected: tuple[str, str]) -> None:
    """Use the prompt, as pages do, until it is another one."""
    wait_for(lambda: uri_and_source(followed.current()) == expected)


def test_it_moves_with_its_alias_forth_and_back(store: Path, tmp_path: Path) -> None:
    followed = follow(tmp_path)
    assert told(followed) == ("prompts:/p/1", "registry")
    move("Read slowly. {{ additional_rules }}")
    assert told(followed) == ("prompts:/p/2", "registry")
    assert followed.current().render() == "Read slowly."
    set_prompt_alias("p", "production", 1)
    assert told(followed) == ("prompts:/p/1", "registry")


def test_it_is_looked_up_again_as_it_is_used(store: Path, tmp_path: Path) -> None:
    followed = follow(tmp_path)
    assert uri_and_source(followed.current()) == ("prompts:/p/1", "registry")
    move("Read slowly. {{ additional_rules }}")
    use_until(followed, ("prompts:/p/2", "registry"))


def test_between_two_lookups_it_stays(store: Path, tmp_path: Path) -> None:
    followed = follow(tmp_path, refresh_s=3600.0)
    move("Read slowly. {{ additional_rules }}")
    for _ in range(100):
        assert uri_and_source(followed.current()) == ("prompts:/p/1", "registry")


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("Without the rules.", id="lost a variable"),
        pytest.param("{{ additional_rules }} {{ page }}", id="an unknown variable"),
        pytest.param("{% if additional_rules %}", id="broken"),
        pytest.param("{{ additional_rules }}{% if 1 %}{{ 1/0 }}{% endif %}", id="arithmetic"),
        pytest.param(
            "{% if ocr_text %}{{ ocr_text.index('Total') }}{% endif %}{{ additional_rules }}",
            id="a call that fails for some pages",
        ),
        pytest.param(
            "{{ additional_rules }}" + "{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3,
            id="nested loops",
        ),
        pytest.param(
            "{{ additional_rules }}" + "{% if 1 %}" * 4000 + "{% endif %}" * 4000,
            id="deep recursion",
        ),
        pytest.param([{"role": "user", "content": "{{ additional_rules }}"}], id="chat"),
    ],
)
def test_a_version_that_cannot_be_used_leaves_the_last_good_one(
    store: Path, tmp_path: Path, template: str | list[dict[str, str]]
) -> None:
    followed = follow(tmp_path)
    move("Read slowly. {{ additional_rules }}")
    assert told(followed) == ("prompts:/p/2", "registry")
    move(template)
    assert told(followed) == ("prompts:/p/2", "last_good")
    move("Better. {{ additional_rules }}")
    assert told(followed) == ("prompts:/p/4", "registry")


def leaves(followed: FollowedPrompt) -> list[str]:
    schema = followed.current().schema
    assert schema is not None
    return list(schema.leaves())


def test_the_alias_may_bring_another_schema(store: Path, tmp_path: Path) -> None:
    followed = follow(tmp_path, template=FIELDS, schema=schema("total"))
    move(FIELDS, schema("total", "date"))
    assert told(followed) == ("prompts:/p/2", "registry")
    assert leaves(followed) == ["total", "date"]
    assert '"date"' in followed.current().render()


@pytest.mark.parametrize(
    ("template", "document", "reason"),
    [
        pytest.param("{{ fields }}", {"type": "json_object"}, "Its schema cannot", id="broken"),
        pytest.param(
            "{{ fields }}",
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}},
            "#/properties/a of the schema has pattern",
            id="unsupported",
        ),
        pytest.param("Read.", None, "It has no schema, and the pinned", id="dropped"),
        pytest.param("{{ fields }}", None, "there is no schema", id="dropped, but for its place"),
        pytest.param("Read.", schema("a"), "has no place for the schema's fields", id="no place"),
    ],
)
def test_a_schema_that_cannot_be_used_leaves_the_last_good_version(
    store: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    template: str,
    document: dict[str, Any] | None,
    reason: str,
) -> None:
    followed = follow(tmp_path, template=FIELDS, schema=schema("total"))
    move(template, document)
    assert told(followed) == ("prompts:/p/1", "last_good")
    assert leaves(followed) == ["total"]
    assert "prompts:/p/2 cannot be used, prompts:/p/1 stays: " in caplog.text
    assert reason in caplog.text
    move(FIELDS, schema("date"))
    assert told(followed) == ("prompts:/p/3", "registry")


@pytest.mark.parametrize(
    ("tag", "reason"),
    [("{", "there is no such version"), ("[1]", "The schema is [1]: write a JSON Schema of type")],
)
def test_a_tag_that_holds_no_schema_leaves_the_last_good_version(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, tag: str, reason: str
) -> None:
    followed = follow(tmp_path, template=FIELDS, schema=schema("total"))
    move(FIELDS, schema("date"))
    mlflow.MlflowClient().set_prompt_version_tag("p", "2", RESPONSE_FORMAT_TAG_KEY, tag)
    assert told(followed) == ("prompts:/p/1", "last_good")
    assert reason in caplog.text
    move(FIELDS, schema("date"))
    assert told(followed) == ("prompts:/p/3", "registry")


def test_a_schema_where_there_was_none_leaves_the_last_good_version(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    followed = follow(tmp_path)
    move("{{ fields }} {{ additional_rules }}", schema("total"))
    assert told(followed) == ("prompts:/p/1", "last_good")
    assert "It has a schema, and the pinned version has none." in caplog.text


def test_without_its_registry_the_last_good_one_stays(
    store: Path, tmp_path: Path, empty_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    followed = follow(tmp_path)
    here = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{empty_store}")
    for _ in range(3):
        assert told(followed) == ("prompts:/p/1", "last_good")
    [record] = caplog.records
    assert "prompts:/p@production cannot be used, prompts:/p/1 stays" in record.getMessage()
    mlflow.set_tracking_uri(here)
    assert told(followed) == ("prompts:/p/1", "registry")


def test_a_database_that_is_gone_is_said_in_one_line(
    store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    followed = follow(tmp_path)
    with sqlite3.connect(store / "mlflow.db") as database:
        database.execute("ALTER TABLE registered_models RENAME TO moved")
    with showing_warnings():
        for _ in range(20):
            assert told(followed) == ("prompts:/p/1", "last_good")
    [line] = capfd.readouterr().err.splitlines()
    assert "prompts:/p@production cannot be used" in line


@contextlib.contextmanager
def showing_warnings() -> Iterator[None]:
    """Let a process show its log, as one does that has set up nothing."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


class SlowRegistry:
    """A registry over HTTP that answers when it may; version 2 is what `production` names.

    Attributes:
        uri: Its address.
        may_answer: Set while it answers.
        paths: What it was asked.
    """

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.paths: list[str] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.paths.append(self.path)
                registry.may_answer.wait(60)
                tags = {"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": TEMPLATE}
                listed = [{"key": key, "value": value} for key, value in tags.items()]
                entity = {"name": "p", "version": "2", "tags": listed}
                body = json.dumps({"registered_model": entity, "model_version": entity}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = LoopbackServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def registry(store: Path) -> Iterator[SlowRegistry]:
    slow = SlowRegistry()
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(slow.uri)
    yield slow
    slow.may_answer.set()
    for lookup in lookups():
        lookup.join(60)
    slow.close()
    mlflow.set_tracking_uri(before)


TEMPLATE = "Read. {{ additional_rules }}"
PINNED = Prompt("prompts:/p/1", PromptVersion("p", 1, TEMPLATE), "registry")  # type: ignore[abstract]


def test_a_registry_that_hangs_holds_no_page_and_one_thread(
    registry: SlowRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ocr_extractor")
    registry.may_answer.set()
    followed = FollowedPrompt(PINNED, refresh_s=0.0, registry=Registry(), timeout_s=1.0)
    use_until(followed, ("prompts:/p/2", "registry"))
    registry.may_answer.clear()
    use_until(followed, ("prompts:/p/2", "last_good"))
    asked = len(registry.paths)
    began = time.process_time()
    for _ in range(10_000):
        assert uri_and_source(followed.current()) == ("prompts:/p/2", "last_good")
    assert time.process_time() - began < 5
    assert (len(registry.paths), len(lookups())) == (asked, 1)
    registry.may_answer.set()
    use_until(followed, ("prompts:/p/2", "registry"))
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "WARNING", "INFO"]
    assert "no answer within 1 s" in caplog.text


def test_loading_waits_for_a_registry_that_hangs_with_one_thread(
    registry: SlowRegistry, tmp_path: Path
) -> None:
    write_snapshot(PINNED.version, tmp_path / "prompt")
    asked = Registry()
    pinned = load_prompt("prompts:/p/1", tmp_path / "prompt", asked, timeout_s=0.2)
    followed = FollowedPrompt(pinned, refresh_s=0.0, registry=asked, timeout_s=0.2)
    for _ in range(100):
        assert uri_and_source(followed.current()) == ("prompts:/p/1", "snapshot")
    assert (len(registry.paths), len(lookups())) == (1, 1)
    registry.may_answer.set()
    use_until(followed, ("prompts:/p/2", "registry"))
