"""`saga watch`: one saga, live, until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.commands.sagas import SagaReference
from saga_cli.exits import CommandFailed, ExitCode
from saga_cli.output import Format

if TYPE_CHECKING:
    from saga_cli.client import Client
    from saga_cli.show.watching import Watched

POLL_S: Final = 1
"""How long the coordinator holds an answer back while the saga is open."""
AWAY_S: Final = 600.0
"""A coordinator that is away for so long is not waited for any more."""
_RETRY_S: Final = 1.0
_RECORDS: Final = 500


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "watch",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples("saga watch o-17", "saga watch order/o-17 --all", "saga watch o-17 -o json"),
    )(watch)


def watch(
    saga: SagaReference,
    all_records: Annotated[bool, typer.Option("--all", help="Begin with what has happened so far.")] = False,
    wait: Annotated[
        float | None, typer.Option("--wait", min=0, metavar="S", help="Stop after so many seconds; exit 75.", show_default=False)
    ] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Follow a saga until it ends: what happens, in words, and what it waits for.

    Exits 0 when it ended COMPLETED, 3 when it ended otherwise. A coordinator that restarts is
    waited for, up to ten minutes. -o json prints one object a line.
    """
    from saga_cli.client import Client
    from saga_cli.show.watching import watched

    if output is Format.IDS:
        raise typer.BadParameter("what happens has no ids: table or json", param_hint="-o")

    with Client(server) as client:
        saga_id = client.saga_id(saga)
        phase = _Watching(client, saga_id, watched(output)).until_end(all_records=all_records, wait_s=wait)
    if phase is None:
        raise CommandFailed(f"{saga_id} goes on after {wait:g} s", ExitCode.WAIT_OVER)
    if phase != "COMPLETED":
        raise typer.Exit(ExitCode.NOT_COMPLETED)


class _Watching:
    def __init__(self, client: Client, saga_id: str, shown: Watched) -> None:
        self._client, self._path, self._shown = client, f"/v1/sagas/{saga_id}", shown

    def until_end(self, *, all_records: bool, wait_s: float | None) -> str | None:
        """Return the phase in which it ended; None: the wait is over."""
        from saga_cli.client import FINAL_PHASES

        until_s = None if wait_s is None else time.monotonic() + wait_s
        saga = self._client.get(self._path)
        self._shown.begin(saga)
        after = 0 if all_records else int(saga["version"])
        while True:
            after = self._tell_records(after)
            if saga["phase"] in FINAL_PHASES:
                self._shown.end(saga)
                return str(saga["phase"])
            self._shown.waits(saga)
            if until_s is not None and time.monotonic() >= until_s:
                return None
            saga = self._asked(partial(self._client.get, self._path, wait_s=POLL_S))

    def _tell_records(self, after: int) -> int:
        while True:
            page = self._asked(partial(self._client.get, f"{self._path}/journal", {"after": after, "limit": _RECORDS}))
            for record in page["items"]:
                self._shown.record(record)
                after = int(record["version"])
            if page["next"] is None:
                return after

    def _asked(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer, however long the coordinator takes to come back."""
        given_up_s = time.monotonic() + AWAY_S
        away = False
        while True:
            try:
                answer = ask()
            except CommandFailed as failed:
                if failed.code is not ExitCode.NO_SERVER or time.monotonic() >= given_up_s:
                    raise
                if not away:
                    self._shown.away(str(failed))
                away = True
                time.sleep(_RETRY_S)
            else:
                if away:
                    self._shown.back()
                return answer
