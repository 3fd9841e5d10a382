"""A followed prompt moves with its alias, and stays where the alias gives nothing usable."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow.genai import register_prompt, set_prompt_alias

from ocr_extractor.following import FollowedPrompt
from ocr_extractor.prompt import load_prompt


def follow(tmp_path: Path, refresh_s: float = 0.0) -> FollowedPrompt:
    """Pin the first version, to which `production` points, and follow the alias."""
    first = register_prompt("p", "Read. {{ additional_rules }}")
    set_prompt_alias("p", "production", first.version)
    return FollowedPrompt(load_prompt("prompts:/p/1", tmp_path / "no-snapshot"), refresh_s)


def move(template: str | list[dict[str, str]]) -> None:
    set_prompt_alias("p", "production", register_prompt("p", template).version)


def told(followed: FollowedPrompt) -> tuple[str, str]:
    current = followed.current()
    return current.uri, current.source


def test_it_moves_with_its_alias_forth_and_back(store: Path, tmp_path: Path) -> None:
    followed = follow(tmp_path)
    assert told(followed) == ("prompts:/p/1", "registry")
    move("Read slowly. {{ additional_rules }}")
    assert told(followed) == ("prompts:/p/2", "registry")
    assert followed.current().render() == "Read slowly."
    set_prompt_alias("p", "production", 1)
    assert told(followed) == ("prompts:/p/1", "registry")


def test_between_two_lookups_it_stays(store: Path, tmp_path: Path) -> None:
    followed = follow(tmp_path, refresh_s=3600.0)
    assert told(followed) == ("prompts:/p/1", "registry")
    move("Read slowly. {{ additional_rules }}")
    assert told(followed) == ("prompts:/p/1", "registry")


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("Without the rules.", id="lost a variable"),
        pytest.param("{{ additional_rules }} {{ page }}", id="an unknown variable"),
        pytest.param("{% if additional_rules %}", id="broken"),
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


def test_without_its_registry_the_last_good_one_stays(
    store: Path, tmp_path: Path, empty_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    followed = follow(tmp_path)
    assert told(followed) == ("prompts:/p/1", "registry")
    here = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{empty_store}")
    assert told(followed) == ("prompts:/p/1", "last_good")
    assert "prompts:/p@production cannot be used, prompts:/p/1 stays" in caplog.text
    mlflow.set_tracking_uri(here)
    assert told(followed) == ("prompts:/p/1", "registry")
