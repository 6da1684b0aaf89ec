"""A finding of `lint`: what is wrong, where, and what to do.

What a code means stands in `codes.CODES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from saga_coordinator.definitions.codes import CODES
from saga_coordinator.definitions.tree import Node

MAX_FINDINGS = 200
"""A file with more is told so, instead of being answered with a book."""
_SHOWN_CHARS = 80


class Severity(StrEnum):
    """An error forbids registration; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with a definition."""

    code: str
    severity: Severity
    file: str
    line: int
    """From 1; 0 where the definition did not come from a file."""
    column: int
    step: str | None
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        step = f"step {self.step}: " if self.step is not None else ""
        return f"{place}  {self.severity}  {self.code}  {step}{self.message}"


class DefinitionInvalid(ValueError):
    """A definition with errors; `findings` has all of them."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


@dataclass(slots=True)
class Report:
    """Collects findings while a definition is checked."""

    file: str
    findings: list[Finding] = field(default_factory=list)

    def add(self, code: str, node: Node | None, message: str, *, step: str | None = None) -> None:
        self.findings.append(
            Finding(
                code=code,
                severity=Severity.WARNING if CODES[code].warning else Severity.ERROR,
                file=self.file,
                line=0 if node is None else node.line,
                column=0 if node is None or not node.line else node.column,
                step=step,
                message=message,
            )
        )

    def sorted(self) -> tuple[Finding, ...]:
        """By place; at most MAX_FINDINGS, of which the last then says how many there are."""
        ordered = sorted(self.findings, key=lambda one: (one.line, one.column, one.code, one.message))
        if len(ordered) <= MAX_FINDINGS:
            return tuple(ordered)
        left = len(ordered) - MAX_FINDINGS
        last = ordered[MAX_FINDINGS - 1]
        more = Finding(
            code="S012",
            severity=Severity.ERROR,
            file=self.file,
            line=last.line,
            column=last.column,
            step=None,
            message=f"{left + 1} more findings are not shown; mend these first",
        )
        return (*ordered[: MAX_FINDINGS - 1], more)


def shown(text: object) -> str:
    """A piece of the file as a message may show it: one line, printable, short."""
    plain = "".join(char if char.isprintable() else "�" for char in str(text))
    return plain if len(plain) <= _SHOWN_CHARS else plain[: _SHOWN_CHARS - 1] + "…"


def errors_of(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that forbid registration."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)


def any_error(findings: Iterable[Finding]) -> bool:
    """Whether some finding forbids registration."""
    return any(finding.severity is Severity.ERROR for finding in findings)
