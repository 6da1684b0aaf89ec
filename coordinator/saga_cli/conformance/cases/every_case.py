"""All cases, in the order of reports."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from saga_cli.conformance.case import Case
from saga_cli.conformance.cases.barrier import cell_cases
from saga_cli.conformance.cases.echo import ECHO_CASES


def every_case() -> list[Case]:
    """The whole check."""
    return [*ECHO_CASES, *cell_cases()]


def chosen(cases: Sequence[Case], patterns: Sequence[str]) -> list[Case]:
    """Those whose names match one of the patterns (`barrier.done.*`); without patterns all."""
    return [case for case in cases if not patterns or any(fnmatchcase(case.name, pattern) for pattern in patterns)]
