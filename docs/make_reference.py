"""Writes MLproject and the reference pages from the code: `python -m docs.make_reference`.

The settings come from `ExtractorConfig`, the parameters from each entry point's parser, the prose
of an error code from error_codes.toml. Tests compare the files, and these codes, with the code.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

import yaml

from entry_points import ROOT
from entry_points.command_line import flags
from ocr_extractor.config import ExtractorConfig

DOCS = ROOT / "docs"

_WIDTH = 80  # characters; MLproject's lines are broken after it

_GENERATED = "<!-- Made by `python -m docs.make_reference`: edit that script or the code. -->"

# In the order of use, which is that of MLproject and of docs/entry-points.md.
ENTRY_POINTS = (
    "main",
    "preview",
    "download",
    "register_prompt",
    "register_dataset",
    "log",
    "evaluate",
    "compare",
    "improve",
    "promote",
    "rollback",
    "history",
    "predict",
    "optimize",
    "label",
    "review",
    "train",
    "serve",
    "webhook",
    "monitor",
    "benchmark",
    "test",
)

_MLPROJECT = """\
# Made by `python -m docs.make_reference` from the parsers in entry_points/: edit those.
# `python -m entry_points.<name> --help` and docs/entry-points.md explain the parameters.
"""

_SETTINGS = """\
A setting is given when the model is logged, and can be replaced when it is loaded or served:

| when | how |
| --- | --- |
| logging (`main`, `log`, `compare`) | `-P settings='{"max_size": 1500}'`, `-P settings=my.yaml` |
| loading | `mlflow.pyfunc.load_model(uri, model_config={"max_size": 1500})` |
| serving, Spark | `SERVING_MODEL_CONFIG='{"max_size": 1500}'` in the environment |

`my.yaml` (or `.yml`, `.json`) holds the same keys and values: `max_size: 1500`.

A wrong type, a value out of range, or an unknown name in `-P settings` or `SERVING_MODEL_CONFIG` is
an error that lists the known settings. An unknown name that is given to `load_model` never reaches
the model: MLflow drops it, with a warning that lists the known names."""

_ERRORS = """\
A document that cannot be read has an `error_code` and a sentence in `error`; the other documents of
the call are not affected. `partial` is true if the row has pairs although something failed. The
codes are stable; the sentences may change."""

_ENTRY_POINTS = """\
Every entry point runs with `mlflow run . --env-manager uv -e <name> -P <parameter>=<value>`.
Without `-e`, `main` runs. Inside an [environment that has the packages](CONTRIBUTING.md#set-up),
`python -m entry_points.<name> --<parameter> <value>` does the same in the project's folder; there,
a parameter's name has hyphens instead of underscores, and `--help` lists them. Relative paths start
at the project's folder.

A value is never empty. In place of one, some parameters take a word: `none` is nothing, `all` is
everything, and `auto` is what the meaning says. A `model_uri` has a scheme: `models:/...`,
`runs:/...`, or `file:///...` for a folder."""

_VARIABLES = (
    (
        "`OPENAI_API_KEY`, `OPENAI_API_KEY_FILE`",
        "The LLM's API key, or a file that holds it. See [engines](engines.md#keys).",
    ),
    ("`OPENAI_BASE_URL`", "The server, where the setting `base_url` is empty."),
    (
        "`AZURE_OPENAI_ENDPOINT`, `AZURE_OPENAI_API_KEY`, `OPENAI_API_VERSION`",
        "An Azure deployment.",
    ),
    ("`SERVING_MODEL_CONFIG`", "Settings of a served model, as a JSON object."),
    (
        "`MLFLOW_TRACKING_URI`",
        "The tracking store. Without it: `mlflow.db` in the folder where the command starts.",
    ),
    ("`MLFLOW_TRACE_SAMPLING_RATIO`", "The share of documents that get a trace, [0, 1]."),
    (
        "`MLFLOW_MODEL_CATALOG_URI`",
        "If empty, MLflow asks no server for a price that its list lacks when it stores a trace.",
    ),
    (
        "`MLFLOW_DISABLE_TELEMETRY`",
        "If `true`, MLflow does not tell its maintainers about its use.",
    ),
    ("`OMP_NUM_THREADS`", "The cores that OCR may use. Spark sets it from `spark.task.cpus`."),
)

_EXIT_CODES = (
    ("0", "Everything was done."),
    (
        "1",
        "`promote`: the gate does not let the candidate through. `evaluate`: no document was read. "
        "`benchmark`: a suite failed. `webhook`: the test delivery did not arrive. Any command: an "
        "unexpected error, with a stack trace.",
    ),
    (
        "2",
        "A parameter, a setting, a file or the registry needs attention. The message is one "
        "sentence that says what to do.",
    ),
    ("3", "`predict`: some documents failed. They are listed; the others are written."),
    (
        "4, 5",
        "`monitor`: the verdict is `look` or `worse`. The run is complete; its report says why.",
    ),
    ("130", "The command was stopped with Ctrl-C. `predict` keeps what is finished."),
)

# What the docstring leaves to the documentation, by setting.
_NOTES = {
    "engine": "`-P engine=` sets it.",
    "prompt_uri": "`-P prompt=` sets it.",
    "follow_alias": "Every row names the version that read it. "
    "See [prompts](prompts.md#follow-an-alias).",
    "llm": "`-P llm=` sets it. With Azure, it is the name of the deployment.",
    "base_url": "It is logged with the model. See [engines](engines.md#servers).",
    "page_input": "See [engines](engines.md#text-only-llms).",
    "ocr_quality": "Only a model that was logged with `fast` can use `fast`. "
    "See [engines](engines.md#the-local-engine).",
    "include_blank": "An LLM returns blank fields if its prompt asks for them. "
    "See [engines](engines.md#blank-fields).",
    "grounding": "See [engines](engines.md#grounding).",
    "with_pairs": "See [fields](fields.md).",
    "repair": "See [fields](fields.md).",
    "accept_at": "See [fields](fields.md).",
    "escalate_below": "See [fields](fields.md#the-llm-for-doubtful-documents-only).",
    "temperature": "It is not sent to an LLM that refuses it.",
    "stream": "Streaming costs 12 ms more CPU time a page.",
    "max_concurrency": "`-P max_concurrency=` sets it.",
    "cache": "`evaluate` and `predict` set it. See [predict](predict.md#cost).",
    "price_factor": "`predict -P mode=batch` sets 0.5.",
    "max_size": "Pages are never enlarged.",
    "trace_content": "`metadata` also keeps page images, document text and answers out of the "
    "files that `evaluate` logs.",
    "max_document_s": "Later pages fail with `document_timeout`; pages that were read are kept.",
    "max_documents": "A call with more documents is refused as a whole.",
}


def settings_page() -> str:
    """Return docs/settings.md."""
    meanings = _attributes(ExtractorConfig.__doc__ or "")
    rows = [
        (
            f"`{name}`",
            _type_of(field.annotation) + _range_of(field.metadata),
            "required" if field.is_required() else f"`{json.dumps(field.default)}`",
            f"{meanings[name].removesuffix('.')}. {_NOTES.get(name, '')}".rstrip(),
        )
        for name, field in ExtractorConfig.model_fields.items()
    ]
    settings = _table(("setting", "type", "default", "meaning"), rows)
    variables = _table(("variable", "meaning"), _VARIABLES)
    return _page("Settings", _SETTINGS, settings, "## Environment variables", variables)


def errors_page() -> str:
    """Return docs/errors.md."""
    parts = [_ERRORS]
    for section in error_sections():
        rows = [(f"`{code['name']}`", code["cause"], code["do"]) for code in section["code"]]
        parts += [f"## {section['title']}", section["introduction"]]
        parts.append(_table(("code", "cause", "what to do"), rows))
    exits = _table(("exit code", "meaning"), _EXIT_CODES)
    return _page("Error codes", *parts, "## Exit codes of commands", exits)


def entry_points_page() -> str:
    """Return docs/entry-points.md."""
    parts = [_ENTRY_POINTS]
    for name in ENTRY_POINTS:
        parser = build_parser(name)
        rows = [
            (
                f"`{flag.dest}`",
                "required" if flag.required else f"`{flag.default}`",
                _help(flag.help, flag.choices),
            )
            for flag in flags_of(parser)
        ]
        parts += [f"## {name}", parser.description or ""]
        parts.append(_table(("parameter", "default", "meaning"), rows))
    return _page("Entry points and their parameters", *parts)


def mlproject() -> str:
    """Return MLproject: the parameters, defaults and commands of the parsers.

    Of MLflow's parameter types only `uri` checks anything that is of use. `float` is not checked,
    and `path` looks in the folder where `mlflow run` starts, not in the project.
    """
    entry_points = {}
    for name in ENTRY_POINTS:
        flags = flags_of(build_parser(name))
        passed = [f"{flag.option_strings[0]} {{{flag.dest}}}" for flag in flags]
        command = " ".join([f"python -m entry_points.{name}", *passed])
        parameters = {flag.dest: _parameter(flag) for flag in flags}
        entry_points[name] = {"parameters": parameters, "command": command}
    project = {
        "name": "ocr-form-extractor",
        "python_env": "python_env.yaml",
        "entry_points": entry_points,
    }
    text = yaml.safe_dump(project, sort_keys=False, default_flow_style=None, width=_WIDTH)
    return _MLPROJECT + re.sub(r"^(  \w+:)$", r"\n\1", text, flags=re.MULTILINE)


def _parameter(flag: argparse.Action) -> dict[str, str]:
    declared = {"type": "uri" if flag.type is flags.model_uri else "string"}
    # MLflow asks for a parameter that has no default.
    return declared if flag.required else declared | {"default": str(flag.default)}


def build_parser(entry_point: str) -> argparse.ArgumentParser:
    """Return the parser of an entry point."""
    module = importlib.import_module(f"entry_points.{entry_point}")
    parser: argparse.ArgumentParser = module.build_parser()
    return parser


def flags_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the flags of a parser, without --help."""
    # argparse has no public list of them.
    return [flag for flag in parser._actions if flag.dest != "help"]


def error_sections() -> list[dict[str, Any]]:
    """Return the sections of docs/errors.md: title, introduction, and codes with their prose."""
    text = (DOCS / "error_codes.toml").read_text(encoding="utf-8")
    sections: list[dict[str, Any]] = tomllib.loads(text)["section"]
    return sections


PAGES = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "entry-points.md": entry_points_page,
}


def raised_codes() -> set[str]:
    """Return every error code that a constant in model/ or entry_points/ names."""
    codes: set[str] = set()
    for room in ("model", "entry_points"):
        for path in sorted((ROOT / room).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                codes |= set(_codes_of(node))
    return codes


_CODE = re.compile("[a-z]+[0-9]*(?:_[a-z0-9]+)*")
# The row's errors take their code first, the HTTP error takes it last or by name.
_CODE_FIRST = {"DocumentError", "InputError", "LimitError", "EngineError", "CompletionError"}


def _codes_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in _CODE_FIRST:
            yield from _constant(first)
        case ast.Call(func=ast.Name(id="HttpError"), args=[_, _, code, *_]):
            yield from _constant(code)
        case ast.FunctionDef(
            name="__init__", args=ast.arguments(args=[*names], defaults=[*values])
        ):
            if names[-1].arg == "code" and values:  # HttpError's default
                yield from _constant(values[-1])
        case ast.keyword(arg="code", value=code):
            yield from _constant(code)
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "error_code":
                    found = {code for part in ast.walk(value) for code in _constant(part)}
                    yield from found - {"error_code"}  # a row's own, passed on
        case ast.Tuple(elts=[code, ast.Constant(value=str(advice))]) if " " in advice:
            yield from (each for each in _constant(code) if "_" in each)
        case ast.Assign(targets=[ast.Name(id="NOT_BEGUN")], value=code):
            yield from _constant(code)


def _constant(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and _CODE.fullmatch(str(node.value)):
        yield str(node.value)


def _attributes(docstring: str) -> dict[str, str]:
    """Return the texts of a Google docstring's section Attributes, by name."""
    section = docstring.partition("Attributes:")[2]
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", section, re.MULTILINE)
    # Settings are written as JSON.
    return {name: " ".join(text.split()).replace("None", "`null`") for name, text in found}


def _type_of(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in get_args(annotation))
    names = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    names |= {dict: "object"}
    parts: Sequence[Any] = get_args(annotation) or (annotation,)
    return " or ".join(names[get_origin(part) or part] for part in parts)


def _range_of(metadata: Iterable[Any]) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    limits = [
        f"{sign} {getattr(each, name):,g}"
        if getattr(each, name) < 1e6
        else f"{sign} {getattr(each, name):,}"
        for each in metadata
        for name, sign in signs.items()
        if hasattr(each, name)
    ]
    return f", {' and '.join(limits)}" if limits else ""


def _help(text: str | None, choices: Iterable[str] | None) -> str:
    said = (text or "").replace("|", "or").replace("<", "&lt;").replace("%%", "%")
    return said + (f"; one of {', '.join(f'`{each}`' for each in choices)}" if choices else "")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def _page(title: str, *parts: str) -> str:
    return "\n\n".join(filter(None, [f"# {title}", _GENERATED, *parts])) + "\n"


def main() -> int:
    """Write MLproject and every page."""
    (ROOT / "MLproject").write_text(mlproject(), encoding="utf-8")
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
