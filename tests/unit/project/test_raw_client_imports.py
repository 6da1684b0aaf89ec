"""The raw client proves docs/wire.md only if it knows nothing of our code."""

from __future__ import annotations

import ast
import sys

from support.paths import TESTS

RAW_CLIENT = TESTS / "integration" / "test_raw_client.py"
ALLOWED = {"aiokafka", "fastavro", "pytest"} | sys.stdlib_module_names


def imported(source: str) -> set[str]:
    """The top-level names of everything that is imported, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
        elif isinstance(node, ast.Name) and node.id == "__import__":
            found.add("__import__")
    return {name if name.startswith(".") else name.partition(".")[0] for name in found}


def test_the_raw_client_imports_only_aiokafka_fastavro_and_the_standard_library() -> None:
    assert imported(RAW_CLIENT.read_text(encoding="utf-8")) <= ALLOWED
    assert "importlib" not in imported(RAW_CLIENT.read_text(encoding="utf-8"))


def test_any_other_import_would_be_seen() -> None:
    for source in (
        "import saga_schemas.ids",
        "def f():\n    from support import x",
        "from . import conftest",
        "__import__('saga')",
    ):
        assert not imported(source) <= ALLOWED, source
