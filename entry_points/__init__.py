"""The commands: one module for each entry point, run as `python -m entry_points.<name>`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The one place that makes the travelling package importable; see the import contracts in
# pyproject.toml for the entry points that must not use it.
sys.path.insert(0, str(ROOT / "model"))
