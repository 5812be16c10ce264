"""sayso.nn needs NumPy and nothing else."""

import ast
import sys
from pathlib import Path

import sayso.nn


def test_nn_imports_numpy_only() -> None:
    allowed = {"numpy", *sys.stdlib_module_names}
    for path in Path(sayso.nn.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path.name} imports relatively"
                modules = [node.module or ""]
            else:
                continue
            for module in modules:
                assert module.partition(".")[0] in allowed or module.startswith("sayso.nn"), f"{path.name}: {module}"
