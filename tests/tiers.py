"""Which tests are slow, by what they use: commands, servers, measurements, many forms, Spark.

Slow is also what only repeats with other data what the standard tier has done once.

`-m "not slow"` is the standard tier, `-m "slow and not measures"` the rest. What is left to the
full tier takes minutes: suites of the benchmark, leaks, real LLMs, searches for prompts.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

# What a slow test uses: a name, or a name with what it belongs to.
SLOW = {
    "starts a command": {
        "mlflow_run",
        ".command",
        ".run",
        "subprocess.Popen",
        "predict_where",
        "collect_garbage",
    },
    "starts a server": {"served", "served_by_mlflow", "following", "echo_process", "llama"},
    "starts a browser": {"chromium"},
    "starts a database": {"cluster"},
    "measures": {"SUITES", "log_models", "tracemalloc", "setswitchinterval"},
    "reads many forms": {"funsd_training", "check_real_pages", "read_pool", "OnceReader"},
    "asks the Batch API": {"attach"},
    "needs Spark": {"spark"},
    "draws documents that take too much": {
        "HOSTILE_DOCUMENTS",
        "deflated_paths_pdf",
        "deflated_text_pdf",
        "remade",
    },
    "evaluates, trains or installs": {"log_model", "train_stages", "fetch_tiny_ocr"},
}
_SLOW = frozenset().union(*SLOW.values())
# One real run of each main path is of the standard tier; the main job itself is `main_run`.
STANDARD = {
    "entry_points/test_serve.py": {"url"},
    "entry_points/test_load.py": {
        "test_the_documented_snippets_run_beside_another_package_called_model"
    },
    "entry_points/test_predict.py": {"test_reads_a_folder_and_fails_only_the_bad_documents"},
    "entry_points/test_prompt_loop.py": {"loop"},
    "entry_points/test_fields.py": {"spoiled", "perfect"},
    "entry_points/training/test_stacking.py": {"trained"},
    "model/documents/test_hostile_documents.py": {"test_a_slow_pdf_does_not_hold_the_others"},
}
# Files whose slow tests take minutes, as suites of the benchmark do.
MINUTES = {
    "test_cluster.py",
    "test_compare_local.py",
    "test_create_users.py",
    "test_llm_peer.py",
    "test_optimize.py",
    "test_price.py",
    "test_processes.py",
    "test_prompt_loop_real.py",
    "test_serve_hostile.py",
    "test_serve_leaks.py",
    "test_serve_load.py",
    "test_serve_promotions.py",
    "test_simulation.py",
    "test_train.py",
    "test_true_fields.py",
}
_TESTS = Path(__file__).parent
# Methods of other libraries whose name is that of our `Project.run`.
_NO_COMMANDS = {"asyncio.run", "copy_context().run", "server.run"}


def is_slow(path: Path, test: str, fixtures: Iterable[str]) -> bool:
    """Tell whether a test uses what is slow, through its file's functions and fixtures too.

    Args:
        path: The test's file.
        test: Its function's name.
        fixtures: The names of all fixtures that it asks for.
    """
    return _reaches(_SLOW, path, test, fixtures)


def measures(path: Path, test: str, fixtures: Iterable[str]) -> bool:
    """Tell whether a slow test takes minutes; the arguments are those of `is_slow`."""
    return path.name in MINUTES or _reaches({"SUITES", "log_models"}, path, test, fixtures)


def _reaches(names: Collection[str], path: Path, test: str, fixtures: Iterable[str]) -> bool:
    uses = _uses(path)
    inside = path.relative_to(_TESTS).as_posix() if path.is_relative_to(_TESTS) else ""
    standard = STANDARD.get(inside, set())
    left, seen = [test, *fixtures], set[str]()
    while left:
        name = left.pop()
        if name in names:
            return True
        if name not in seen and name not in standard:
            left += uses[name]
        seen.add(name)
    return False


@cache
def _uses(path: Path) -> dict[str, set[str]]:
    """Return the names that each function and class of a file uses."""
    uses: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            uses[node.name] |= set(_names(node))
    return uses


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.arg):
        yield node.arg  # a fixture; its annotation uses nothing
        return
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute) and ast.unparse(node) not in _NO_COMMANDS:
        yield from (node.attr, f".{node.attr}", ast.unparse(node))
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in {"returns", "annotation"}:
                yield from _names(child)
