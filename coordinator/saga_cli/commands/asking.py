"""A question before an act that cannot be taken back."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def sure(question: str, yes: bool) -> None:
    """Ask, unless it was said already.

    Raises:
        CommandFailed: Nobody can be asked here (exit 2), or the answer is no (exit 5).
    """
    from saga_cli.exits import CommandFailed, ExitCode

    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed("nothing was done: add --yes, or run it on a terminal", ExitCode.USAGE)
    if not typer.confirm(question, default=False, err=True):
        raise CommandFailed("nothing was done", ExitCode.REFUSED)
