"""Reports functions above 60 lines and files above 400 in our packages; `# long: reason` on the first line exempts one.

For a function the comment stands on its `def` line, for a file on line 1. Exit 1 when there is a finding.
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


def main(roots: list[Path]) -> int:
    found = [line for root in roots for path in sorted(root.rglob("*.py")) for line in findings(path)]
    for line in found:
        print(line)
    print(f"{len(found)} too long" if found else "sizes are within the limits")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]] or [ROOT / root for root in SOURCE_ROOTS]))
