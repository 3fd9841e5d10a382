"""Prompts are rendered without surprises, and a model loads them with or without its registry."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities.model_registry import PromptVersion

from ocr_extractor.errors import PromptError
from ocr_extractor.prompts.prompt import Prompt, check_replacement, load_prompt, write_snapshot
from ocr_extractor.prompts.template import check_template

SHIPPED = Path(__file__).parents[3] / "model" / "prompts" / "ocr-question-answer.md"
SHIPPED_FOR_FIELDS = SHIPPED.with_name("ocr-fields.md")
PLAIN = "Read the form. {{ additional_rules }} {{ocr_text}}"
BLOCKS = (
    "Read the form."
    "{% if additional_rules %} Rules: {{ additional_rules }}{% endif %}"
    "{% if ocr_text %} Text: {{ ocr_text }}{% endif %}"
)
FIELDS = "Read {{ fields }}. {{ additional_rules }}"
RECEIPT: dict[str, Any] = {
    "title": "Receipt",
    "type": "object",
    "properties": {
        "total": {"type": "number", "description": "What was paid, in € {{ ocr_text }}"},
        "date": {"type": "string", "format": "date", "x-labels": ["日付", "Größe {% if 1 %}"]},
    },
}


def version(template: str, schema: dict[str, Any] | None = None) -> PromptVersion:
    return PromptVersion("p", 1, template, response_format=schema)  # type: ignore[abstract]  # it is not, at run time


def prompt(template: str, schema: dict[str, Any] | None = None) -> Prompt:
    return Prompt("prompts:/p/1", version(template, schema), "snapshot")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (PLAIN, "Read the form. Dates are ISO. TO: Ann"),
        (BLOCKS, "Read the form. Rules: Dates are ISO. Text: TO: Ann"),
        ("No variables.\n", "No variables."),
    ],
)
def test_both_kinds_of_template_are_filled_in(template: str, expected: str) -> None:
    rendered = prompt(template).render(additional_rules="Dates are ISO.", ocr_text="TO: Ann")
    assert rendered == expected


@pytest.mark.parametrize("template", [PLAIN, BLOCKS])
def test_without_values_nothing_is_left_of_the_variables(template: str) -> None:
    assert prompt(template).render() == "Read the form."


@pytest.mark.parametrize("template", [PLAIN, BLOCKS])
@pytest.mark.parametrize(
    "rules",
    [
        "{{ ocr_text }}",
        "{{ additional_rules }}",
        "{% if 1 %}{{ 7 * 7 }}{% endif %}",
        r"\1 \d \g<0> \u0041 C:\new",
        "<b>&amp;</b> 'single' \"double\"",
        "電話 {curly} {0} %s $HOME",
    ],
)
def test_rules_reach_the_llm_letter_by_letter(template: str, rules: str) -> None:
    rendered = prompt(template).render(additional_rules=rules, ocr_text="SECRET")
    assert rules in rendered
    assert rendered.count("SECRET") == 1


def test_the_shipped_template_names_the_rules_only_where_there_are_some() -> None:
    template = SHIPPED.read_text(encoding="utf-8")
    check_template(template)
    plain = prompt(template).render()
    assert "Rules for these forms" not in plain
    assert "{" not in plain
    assert prompt(template).render(additional_rules="Dates are ISO.") == (
        f"{plain}\n\nRules for these forms:\nDates are ISO."
    )


@pytest.mark.parametrize("template", [FIELDS, "{% if 1 %}Read {{ fields }}.{% endif %}"])
def test_the_description_of_the_fields_is_filled_in_letter_by_letter(template: str) -> None:
    read = prompt(template, RECEIPT)
    assert read.schema
    described = read.schema.describe()
    rendered = read.render(additional_rules="{{ fields }}", ocr_text="SECRET")
    assert f"Read {described}." in rendered
    assert rendered.count('"total"') == 1
    assert "{{ ocr_text }}" in rendered
    assert "SECRET" not in rendered


def test_the_shipped_template_for_fields_names_them() -> None:
    read = prompt(SHIPPED_FOR_FIELDS.read_text(encoding="utf-8"), RECEIPT)
    read.check()
    assert read.schema
    assert read.schema.describe() in read.render()


@pytest.mark.parametrize(
    ("template", "schema", "reason"),
    [
        pytest.param(FIELDS, None, "there is no schema", id="fields without a schema"),
        pytest.param(PLAIN, RECEIPT, "put {{ fields }} where", id="a schema without fields"),
        pytest.param(
            "{% if fields %}Read.{% endif %}",
            RECEIPT,
            "put {{ fields }}",
            id="asked for, not shown",
        ),
        pytest.param(
            FIELDS,
            RECEIPT | {"properties": {"total": {"type": "number", "minimum": 0}}},
            "Its schema cannot be used: #/properties/total .* minimum",
            id="an unsupported schema",
        ),
        pytest.param(FIELDS, {"type": "json_object"}, "Its schema", id="no schema at all"),
    ],
)
@pytest.mark.parametrize("source", ["registry", "snapshot"])
def test_template_and_schema_that_do_not_fit_do_not_load(
    store: Path,
    tmp_path: Path,
    template: str,
    schema: dict[str, Any] | None,
    reason: str,
    source: str,
) -> None:
    if source == "registry":
        mlflow.genai.register_prompt("p", template, response_format=schema)
    else:
        write_snapshot(version(template, schema), tmp_path / "prompt")
    with pytest.raises(PromptError, match=rf"prompts:/p/1 cannot be used\. .*{reason}"):
        load_prompt("prompts:/p/1", tmp_path / "prompt")


def test_a_template_in_the_place_of_another_keeps_its_fields() -> None:
    check_replacement("Read slowly {{ fields }}. {{ additional_rules }}", prompt(FIELDS, RECEIPT))
    with pytest.raises(PromptError, match=r"put \{\{ fields \}\} where"):
        check_replacement("Read. {{ additional_rules }}", prompt(FIELDS, RECEIPT))
    with pytest.raises(PromptError, match="there is no schema"):
        check_replacement(FIELDS, prompt(PLAIN))


@pytest.mark.parametrize("template", [PLAIN, BLOCKS, "No variables."])
def test_templates_that_can_be_filled_in_are_taken(template: str) -> None:
    check_template(template)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("Read {{ page }}.", "uses page"),
        ("{{ b }} {{ a }} {{ ocr_text }}", "uses a, b, which"),
        ("{% if form %}Read.{% endif %}", "uses form"),
        ("{% for rule in rules %}{{ rule }}{% endfor %}", "has a loop"),
        ("{% if ocr_text %}Read.", "not valid Jinja"),
        ("{% bogus %}", "not valid Jinja"),
        ("{% include 'other.md' %}", "has another template"),
        ("Read {{ ocr_text | upper }}.", "not filled in"),
        ("Read {{ ocr_text", "not filled in"),
    ],
)
def test_templates_that_cannot_are_refused(template: str, reason: str) -> None:
    with pytest.raises(PromptError, match=reason):
        check_template(template)


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    folder = tmp_path / "prompt"
    write_snapshot(version("The copy. Größe {{ additional_rules }}"), folder)
    return folder


def test_the_registry_comes_first(store: Path, snapshot: Path) -> None:
    registered = mlflow.genai.register_prompt("p", PLAIN)
    loaded = load_prompt(f"prompts:/p/{registered.version}", snapshot)
    assert (loaded.source, loaded.uri) == ("registry", "prompts:/p/1")
    assert loaded.render() == "Read the form."


@pytest.mark.parametrize("gone", ["no such prompt", "no such version", "no database"])
def test_without_the_registry_the_snapshot_is_used_and_a_warning_logged(
    gone: str, store: Path, snapshot: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if gone == "no such version":
        mlflow.genai.register_prompt("catalog.schema.gone", PLAIN)
    if gone == "no database":
        (store / "broken.db").write_bytes(b"no database at all" * 1000)
        mlflow.set_tracking_uri(f"sqlite:///{store / 'broken.db'}")
    loaded = load_prompt("prompts:/catalog.schema.gone/7", snapshot)
    assert (loaded.source, loaded.uri) == ("snapshot", "prompts:/catalog.schema.gone/7")
    assert loaded.render(additional_rules="x") == "The copy. Größe x"
    [warning] = [
        record for record in caplog.records if record.name == "ocr_extractor.prompts.prompt"
    ]
    assert warning.levelname == "WARNING"
    assert "prompts:/catalog.schema.gone/7" in warning.getMessage()


@pytest.mark.parametrize("source", ["registry", "snapshot"])
def test_template_and_schema_come_from_one_place_in_the_order_of_the_fields(
    store: Path, tmp_path: Path, source: str
) -> None:
    write_snapshot(version(FIELDS, RECEIPT), tmp_path / "prompt")
    if source == "registry":
        mlflow.genai.register_prompt("p", f"Newer. {FIELDS}", response_format=RECEIPT)
    loaded = load_prompt("prompts:/p/1", tmp_path / "prompt")
    assert loaded.source == source
    assert loaded.render().startswith("Newer." if source == "registry" else "Read")
    assert loaded.schema
    assert (loaded.schema.document, list(loaded.schema.leaves())) == (RECEIPT, ["total", "date"])


def test_a_registry_that_does_not_answer_is_given_up(
    store: Path,
    snapshot: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mlflow.set_tracking_uri(f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        loaded = load_prompt("prompts:/p/1", snapshot, timeout_s=0.3)
        assert time.monotonic() - started < 30
    assert loaded.source == "snapshot"
    assert "no answer within 0.3 s" in caplog.text


def test_a_chat_prompt_is_refused(store: Path, snapshot: Path) -> None:
    mlflow.genai.register_prompt("chat", [{"role": "system", "content": "Read the form."}])
    with pytest.raises(PromptError, match="chat prompt"):
        load_prompt("prompts:/chat/1", snapshot)


@pytest.mark.parametrize("source", ["registry", "snapshot"])
def test_a_template_that_cannot_be_rendered_safely_does_not_load(
    store: Path, snapshot: Path, source: str
) -> None:
    hostile = "{% for i in range(99999) %}x{% endfor %}"
    if source == "registry":
        mlflow.genai.register_prompt("p", hostile)
    else:
        shutil.rmtree(snapshot)
        write_snapshot(version(hostile), snapshot)
    with pytest.raises(PromptError, match=r"prompts:/p/1 cannot be used\. Line 1 .* has a loop"):
        load_prompt("prompts:/p/1", snapshot)


def test_loading_writes_nothing_into_the_run_and_keeps_no_process_alive(
    store: Path, snapshot: Path
) -> None:
    mlflow.genai.register_prompt("p", PLAIN)
    before = set(threading.enumerate())
    with mlflow.start_run() as run:
        load_prompt("prompts:/p/1", snapshot)
    assert [each for each in threading.enumerate() if not each.daemon and each not in before] == []
    assert "mlflow.linkedPrompts" not in mlflow.get_run(run.info.run_id).data.tags
