"""Reports functions above 60 lines, files above 400 and crowded folders in our packages.

`# long: reason` exempts a function (on its `def` line) or a file (on line 1). A crowded folder has
no exemption: its modules move into packages. Exit 1 when there is a finding.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE_ROOTS = ("schemas", "messaging", "coordinator", "participants")
FUNCTION_LIMIT = 60
FILE_LIMIT = 400
MODULE_LIMITS = {"coordinator/saga_coordinator": 8, "participants/saga_participant": 12}
"""Modules beside the packages of a folder, `__init__.py` included."""
EXEMPT = re.compile(r"#\s*long:\s*\S")


def findings(path: Path) -> Iterator[str]:
    """What is too long in one file, as `path:line: what`."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) > FILE_LIMIT and not EXEMPT.search(lines[0]):
        yield f"{path}:1: file of {len(lines)} lines (limit {FILE_LIMIT})"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LIMIT and not EXEMPT.search(lines[node.lineno - 1]):
                yield f"{path}:{node.lineno}: function {node.name} of {length} lines (limit {FUNCTION_LIMIT})"


def crowded() -> Iterator[str]:
    """The folders with more modules than their limit, as `folder: what`."""
    for folder, limit in MODULE_LIMITS.items():
        count = len(list((ROOT / folder).glob("*.py")))
        if count > limit:
            yield f"{folder}: {count} modules beside its packages (limit {limit})"


def main(roots: list[Path]) -> int:
    found = [line for root in roots for path in sorted(root.rglob("*.py")) for line in findings(path)]
    found += crowded()
    for line in found:
        print(line)
    print(f"{len(found)} too long" if found else "sizes are within the limits")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]] or [ROOT / root for root in SOURCE_ROOTS]))
