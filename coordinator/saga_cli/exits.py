"""Exit codes that scripts may rely on, and the error that carries a message and a code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `saga`."""

    OK = 0
    FINDINGS = 1
    """Findings, or a check that failed."""
    USAGE = 2
    NOT_COMPLETED = 3
    """`--wait` ended other than COMPLETED."""
    NOT_FOUND = 4
    """Not found, or ambiguous."""
    REFUSED = 5
    NO_SERVER = 69
    WAIT_OVER = 75
    CONFIGURATION = 78
    INTERRUPTED = 130


class CommandFailed(Exception):
    """A command failed.

    The message says what to do and is printed unchanged on stderr; `code` is the exit code.
    """

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code
