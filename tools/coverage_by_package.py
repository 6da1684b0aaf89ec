"""Prints how much of each folder of the packages the tests have run, from the data that `make
coverage` leaves in `.coverage`.

A folder counts its own modules; those below it have lines of their own.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).resolve().parents[1]


def counted() -> dict[str, tuple[int, int]]:
    """Statements and missed ones, by folder."""
    coverage = Coverage()
    coverage.load()
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for name in coverage.get_data().measured_files():
        _, statements, _, missing, _ = coverage.analysis2(name)
        folder = Path(name).relative_to(ROOT).parent.relative_to(Path(name).relative_to(ROOT).parts[0]).as_posix()
        before = counts[folder]
        counts[folder] = (before[0] + len(statements), before[1] + len(missing))
    return counts


def main() -> None:
    counts = counted()
    total = (sum(statements for statements, _ in counts.values()), sum(missed for _, missed in counts.values()))
    width = max(map(len, counts))
    print(f"{'folder':{width}}  statements  missed  covered")
    for folder, (statements, missed) in [*sorted(counts.items()), ("total", total)]:
        print(f"{folder:{width}}  {statements:10}  {missed:6}  {100 * (1 - missed / statements) if statements else 100:6.1f}%")


if __name__ == "__main__":
    main()
