"""What a logged extractor requires: all that its code imports, as it was installed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

import mlflow
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.log import travelling, travelling_requirements
from tests.entry_points.conftest import Done, Project


def imported_modules(folder: Path) -> set[str]:
    """Return the top-level modules of others that code imports, within functions too."""
    own = {path.name.removesuffix(".py") for path in folder.iterdir()}
    names = {
        name for path in folder.rglob("*.py") for name in _imports(ast.parse(path.read_text()))
    }
    return {name.partition(".")[0] for name in names} - own - sys.stdlib_module_names


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)


def unmet(requirements: list[str]) -> set[str]:
    """Return the modules that the extractor imports, and no requirement brings exactly as it is."""
    pins = {
        canonicalize_name(name): pin for name, _, pin in (r.partition("==") for r in requirements)
    }
    installed = packages_distributions()
    return {
        module
        for module in imported_modules(ROOT / "model")
        if not any(
            pins.get(canonicalize_name(name)) == version(name) for name in installed.get(module, [])
        )
    }


def test_all_that_the_extractor_imports_is_required_as_installed():
    assert len(imported_modules(ROOT / "model")) > 10
    assert unmet(travelling_requirements()) == set()


def test_imports_within_functions_and_of_parts_are_found(tmp_path: Path):
    (tmp_path / "own.py").write_text(
        "import os, own, xml.dom\nfrom . import a\ndef f():\n  import cv2.typing as b\n"
        "  from PIL.Image import open\n"
    )
    assert imported_modules(tmp_path) == {"cv2", "PIL"}


def test_python_env_lists_what_travels_first_and_allows_what_is_installed():
    text = (ROOT / "python_env.yaml").read_text(encoding="utf-8")
    first, marker, _ = text.partition("  # for the entry points\n")
    assert marker
    listed = [Requirement(each) for each in yaml.safe_load(first)["dependencies"]]
    assert [each.name for each in listed] == travelling()
    assert [each.name for each in listed if version(each.name) not in each.specifier] == []


def test_a_logged_model_has_them(project: Project, main_run: Done):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", project.tracking_uri)
        path = mlflow.artifacts.download_artifacts("models:/ocr-extractor/1/requirements.txt")
    requirements = Path(path).read_text(encoding="utf-8").split()
    assert unmet(requirements) == set()
    assert set(requirements) == set(travelling_requirements())


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UsageError, match="needs the package mlflow, which is not installed"):
        travelling_requirements()
