"""What the entry points take and print: words for values, files, no password, no escapes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from docs.make_reference import build_parser
from entry_points import log
from entry_points.command_line import cli, flags
from entry_points.command_line.flags import read_settings
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
        read_settings(text)
    assert "s3cret" not in str(refused.value)


def test_a_table_shows_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    cli.print_table([(f"a{ESCAPES}", "1")], ("form", "pairs"))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"  form{' ' * (len(SHOWN) - 3)}  pairs", f"  a{SHOWN}      1"]


def test_ctrl_c_ends_a_command_without_a_stack_trace(capsys: pytest.CaptureFixture[str]) -> None:
    @cli.reports()
    def main(argv: Sequence[str] | None = None) -> int:
        raise KeyboardInterrupt

    assert main() == 130
    assert capsys.readouterr().err.startswith("\nStopped: the result is not complete.")


def test_an_error_shows_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    @cli.reports()
    def main(argv: Sequence[str] | None = None) -> int:
        raise cli.UsageError(f"the file {ESCAPES}\ncannot be read")

    assert main() == 2
    assert capsys.readouterr().err == (
        f"error: the file {SHOWN.replace(chr(92) + 'n', chr(10))}\ncannot be read\n"
    )


@pytest.mark.parametrize(
    ("flag", "text", "value"),
    [
        pytest.param("limit", "all", None, id="no-limit"),
        pytest.param("limit", "3", 3, id="limit-3"),
        pytest.param("max-cost", "none", None, id="no-ceiling"),
        pytest.param("max-cost", "0.0", 0.0, id="ceiling-0"),
        pytest.param("cache", "none", "", id="no-cache"),
        pytest.param("llm", "auto", "", id="the-default-llm"),
        pytest.param("without", "none", (), id="without-none"),
        pytest.param("without", "a,b", ("a", "b"), id="without-two"),
        pytest.param("settings", "none", "none", id="no-settings"),
    ],
)
def test_a_flag_is_handed_on_as_it_was_given(flag: str, text: str, value: Any):
    args = flags.parser("", flag).parse_args([f"--{flag}={text}"])
    assert getattr(args, flag.replace("-", "_")) == value
    assert flags.flags_of(args, [flag]) == {flag: text}


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        pytest.param("--limit=", "it is empty: give a whole number from 1, or all", id="int"),
        pytest.param("--limit=ten", "'ten' is not a whole number from 1", id="no-int"),
        pytest.param("--limit=0", "'0' is not a whole number from 1", id="limit-0"),
        pytest.param("--max-cost=1,5", "'1,5' is not an amount from 0: give an amount", id="usd"),
        pytest.param("--max-cost=-1", "'-1' is not an amount from 0", id="negative-usd"),
        pytest.param("--max-cost=nan", "'nan' is not an amount from 0", id="usd-nan"),
        pytest.param("--cache=", "it is empty: give a text, or none", id="text"),
        pytest.param("--dataset=", "it is empty: give a value", id="no-word"),
        pytest.param("--model-uri=forms/3", "'forms/3' is not a URI: give models:/", id="uri"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_give(
    flag: str, said: str, capsys: pytest.CaptureFixture[str]
):
    parser = flags.parser("", "limit", "max-cost", "cache", "dataset", "model-uri")
    with pytest.raises(SystemExit):
        parser.parse_args([flag])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("entry_point", "flag", "too_little"),
    [
        pytest.param("serve", "workers", "0", id="no-worker"),
        pytest.param("serve", "max-requests", "0", id="no-request"),
        pytest.param("serve", "timeout", "0", id="no-time"),
        pytest.param("serve", "shutdown-s", "-1", id="no-shutdown"),
        pytest.param("predict", "max-concurrency", "0", id="no-page-at-once"),
        pytest.param("predict", "batch-requests", "0", id="empty-batch"),
        pytest.param("predict", "poll-s", "-1", id="negative-pause"),
        pytest.param("predict", "poll-s", "inf", id="endless-pause"),
        pytest.param("optimize", "examples", "-1", id="negative-examples"),
        pytest.param("promote", "max-drop", "nan", id="any-drop"),
        pytest.param("promote", "max-cost-ratio", "nan", id="any-cost"),
        pytest.param("compare", "repeats", "0", id="no-repeat"),
        pytest.param("benchmark", "repeats", "0", id="no-measurement"),
    ],
)
def test_a_number_that_would_do_nothing_or_harm_is_refused_at_once(
    entry_point: str, flag: str, too_little: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exited:
        build_parser(entry_point).parse_args([f"--{flag}={too_little}"])
    assert exited.value.code == 2
    said = capsys.readouterr().err
    assert f"argument --{flag}: '{too_little}' is not a" in said
    assert "number of at least" in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("s.json", '{"max_size": 900, "seed": null}', id="json"),
        pytest.param("s.yaml", "# smaller\nmax_size: 900\nseed: null\n", id="yaml"),
        pytest.param("s.yml", "{max_size: 900, seed: }", id="yml"),
    ],
)
def test_settings_stand_in_a_file(tmp_path: Path, name: str, text: str):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert read_settings(str(file)) == {"max_size": 900, "seed": None}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read .No such file.*: name a file that exists", id="missing"),
        pytest.param(b"a: 1\nb: [2\n", "s.yaml, line 3 is not YAML", id="syntax"),
        pytest.param(b"a: 1\n\tb: 2\n", "s.yaml, line 2 is not YAML", id="tab"),
        pytest.param(b"- max_size\n", "s.yaml is not a JSON object", id="list"),
        pytest.param(b"", "s.yaml is not a JSON object", id="empty"),
        pytest.param(b"a: 2026-01-01\n", "date is not JSON serializable.*needs quotes", id="date"),
        pytest.param(b"a: \xff\n", "s.yaml, which is not UTF-8", id="not-utf-8"),
        pytest.param(b"a: \x01\n", "cannot be read .*unacceptable character", id="control"),
        pytest.param(b"a: !!python/name:os.system\n", "line 1 is not YAML", id="python-tag"),
    ],
)
def test_a_file_that_is_no_settings_is_refused(tmp_path: Path, content: bytes | None, said: str):
    file = tmp_path / "s.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(cli.UsageError, match=f"(?s){said}"):
        read_settings(str(file))


def test_json_in_a_file_is_named_with_its_line(tmp_path: Path):
    file = tmp_path / "s.json"
    file.write_text('{"a": 1,\n"b" 2}', encoding="utf-8")
    with pytest.raises(cli.UsageError, match=r"s\.json.*line 2"):
        read_settings(str(file))
