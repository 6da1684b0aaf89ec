"""Findings of files, as `lint` prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from saga_cli.output import Format, print_ids, print_json
from saga_coordinator.definitions import Finding, Severity

_SHOWN: Final = ("code", "severity", "file", "line", "column", "step", "message")


def show_findings(findings: Sequence[Finding], files: int, output: Format) -> None:
    """Print findings, and for people how many there are in how many files."""
    if output is Format.JSON:
        print_json([{name: getattr(finding, name) for name in _SHOWN} for finding in findings])
    elif output is Format.IDS:
        print_ids(finding.code for finding in findings)
    else:
        print_ids(findings)
        errors = sum(finding.severity is Severity.ERROR for finding in findings)
        print_ids([_sum(errors, len(findings) - errors, files)])


def _sum(errors: int, warnings: int, files: int) -> str:
    counted = [f"{errors} error{'s' * (errors != 1)}"] if errors or not warnings else []
    counted += [f"{warnings} warning{'s' * (warnings != 1)}"] if warnings else []
    return f"{', '.join(counted)} in {files} file{'s' * (files != 1)}{' (exit 1)' if errors else ''}"
