"""What the entry points take and print: no password goes on, no control character comes out."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from entry_points import cli, log
from entry_points.comparing.processes import require_key

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\r\n\x00\udcff"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\r\n\x00\udcff"
URLS = ["http://me:s3cret@host/v1", "http://host/v1?key=s3cret", "me:s3cret@host"]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("engine", ["openai", "local"])
def test_a_password_is_refused_before_anything_is_logged_or_started(
    url: str, engine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "abc123")
    settings = json.dumps({"base_url": url})
    assert log.main(["--engine", engine, "--settings", settings]) == 2
    printed = capsys.readouterr()
    assert "OPENAI_API_KEY" in printed.err
    assert "mlflow runs delete --run-id abc123" in printed.err
    assert "s3cret" not in printed.out + printed.err


@pytest.mark.parametrize("url", URLS)
def test_a_password_reaches_no_command_line(url: str) -> None:
    with pytest.raises(cli.UsageError, match="OPENAI_API_KEY") as refused:
        require_key({"engine": "local", "base_url": url})
    assert "s3cret" not in str(refused.value)


def test_a_flag_that_does_not_exist_is_named_without_its_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        log.main(["--base_url", "http://me:s3cret@host/v1", ESCAPES])
    said = capsys.readouterr().err
    assert "--base_url http://***@host/v1" in said
    assert SHOWN in said


@pytest.mark.parametrize("text", ['["s3cret"]', '"s3cret"', "{s3cret", "[" * 10**5])
def test_settings_that_are_no_object_are_not_shown(text: str) -> None:
    with pytest.raises(cli.UsageError, match="--settings is") as refused:
        cli.read_settings(text)
    assert "s3cret" not in str(refused.value)


def test_a_table_shows_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    cli.print_table([(f"a{ESCAPES}", "1")], ("form", "pairs"))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"  form{' ' * (len(SHOWN) - 3)}  pairs", f"  a{SHOWN}      1"]


def test_an_error_shows_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    @cli.reports()
    def main(argv: Sequence[str] | None = None) -> int:
        raise cli.UsageError(f"the file {ESCAPES}\ncannot be read")

    assert main() == 2
    assert capsys.readouterr().err == (
        f"error: the file {SHOWN.replace(chr(92) + 'n', chr(10))}\ncannot be read\n"
    )
