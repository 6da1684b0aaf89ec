"""Who may use the kit's session, and for what: the rule behind every `db` (guarded.py).

While the handler runs, everybody who was given its `db` may use it, but nobody may end the
transaction. When the handler has ended, only the kit may. What was left behind (a task, a
reference, a cursor) is refused, since the session commits next and then serves another command. The
kit is told apart by the run that its code is part of (handler_run.py): none, or that of the code
that opened the transaction.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NoReturn

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from saga_participant.handling.handler_run import RUNNING

_KEY: Final = "saga_participant_guard"
_SPACE: Final = r"(?>(?:\s|--[^\n]*\n|/\*.*?\*/|;)*)"
"""What may stand in front of a statement.

Atomic: with several ways to read it, 25 comments take minutes.
"""
_ENDS: Final = re.compile(
    _SPACE
    + r"(?:commit|end|abort|begin|start\s+transaction|prepare\s+transaction|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b))\b",
    re.IGNORECASE | re.DOTALL,
)
"""A savepoint is the handler's own.

A COMMIT behind another statement of the same text is found at `save`.
"""
_LEAVES: Final = re.compile(
    _SPACE + r"(?:set\s+(?!local\b|constraints\b|transaction\b)|reset\b|listen\b|prepare\b|load\b|discard\b|deallocate\b"
    r"|create\s+(?:(?:global|local)\s+)?temp(?:orary)?\b)",
    re.IGNORECASE | re.DOTALL,
)
_LEAVES_INSIDE: Final = re.compile(r"pg_advisory_lock|pg_try_advisory_lock|set_config\s*\(|with\s+hold", re.IGNORECASE)
"""What a transaction's end does not take back of a PostgreSQL session."""
_CHANGES: Final = re.compile(_SPACE + r"set\b|.*;(?!" + _SPACE + r"\Z)", re.IGNORECASE | re.DOTALL)
"""Behind a semicolon a COMMIT would not be seen.

A semicolon within a literal is taken for one, too.
"""
_LONGEST_CACHED: Final = 4096


ENDED: Final = "a handler's db was used after the handler had ended; await what uses it before returning"


class StatementEffect(Enum):
    """What a handler's statement does beside its work."""

    NOTHING = "nothing"
    ENDS_TRANSACTION = "ends the transaction"
    CHANGES_SESSION = "changes the session"
    """It leaves something in the session that the end of the transaction does not take back."""
    CHANGES_TRANSACTION = "changes the transaction"
    """It changes how the rest of the transaction goes, or may: it is a SET, or more than one
    statement.
    """


def effect_of(statement: str) -> StatementEffect:
    """The effect of a statement, by its text."""
    return _cached_effect(statement) if len(statement) <= _LONGEST_CACHED else _effect(statement)


def _effect(statement: str) -> StatementEffect:
    if _ENDS.match(statement):
        return StatementEffect.ENDS_TRANSACTION
    if _LEAVES.match(statement) or _LEAVES_INSIDE.search(statement):
        return StatementEffect.CHANGES_SESSION
    return StatementEffect.CHANGES_TRANSACTION if _CHANGES.match(statement) else StatementEffect.NOTHING


_cached_effect: Final = lru_cache(maxsize=512)(_effect)
"""Reading a statement of 370 characters takes 18 us and one of 3,500 takes 170 us, of some 900 us
that a command costs its participant; remembered, 0.2 us. A handler's statements are the same each
time.
"""


class TransactionIsOurs(RuntimeError):
    """A handler tried to end the transaction it was given.

    The barrier row, the effect and the reply commit together, by the kit.
    """


class HandlerHasEnded(RuntimeError):
    """A handler's `db` was used when the handler had ended: by a task it left behind, or through a
    reference that was kept.
    """


class WantsItsOwnTransaction(RuntimeError):
    """A handler's statement would change the transaction that it shares with other commands.

    It is rolled back, and the handler is run again in a transaction of its own.
    """


def refuse(what: str) -> NoReturn:
    raise TransactionIsOurs(
        f"{what} on a handler's db: the kit commits barrier row, effect and reply together; just return or raise"
    )


class Guard:
    """Of one transaction."""

    __slots__ = ("_before", "_kit", "_runs", "_streams", "lent", "shared", "spoilt", "torn", "unshareable", "uses")

    def __init__(self) -> None:
        self._kit = RUNNING.get()
        self._streams: list[Any] = []
        self._runs: set[object] = set()
        self._before: set[object] = set()
        """The runs that use the session while it is lent, and those that used it while it was lent
        before.

        An action and its compensation may share a transaction.
        """
        self.lent = False
        """A handler has it."""
        self.spoilt = False
        """The handler changed the session for good: it is not used again."""
        self.torn = False
        """SQLAlchemy was told to end the transaction, and was stopped: for it alone the transaction
        is over.
        """
        self.shared = False
        """Several commands share the transaction."""
        self.unshareable = False
        """A handler wanted to change a transaction that is shared."""
        self.uses = 0
        """How often handlers have used the session."""

    def used(self) -> None:
        """Raises when the handler has ended."""
        self.uses += 1
        run = RUNNING.get()
        if not self.lent or run in self._before:
            raise HandlerHasEnded(ENDED)
        if run is not None:
            self._runs.add(run)

    def asked(self, statement: object) -> None:
        """Before a statement of the handler's."""
        self.used()
        if isinstance(statement, str):
            effect = effect_of(statement)
            if effect is StatementEffect.ENDS_TRANSACTION:
                refuse("execute(COMMIT, ROLLBACK or BEGIN)")
            if self.shared and effect is not StatementEffect.NOTHING:
                self.unshareable = True
                raise WantsItsOwnTransaction("this statement needs a transaction of its own: the command is served again, alone")
            self.spoilt = self.spoilt or effect is StatementEffect.CHANGES_SESSION

    @contextlib.contextmanager
    def lending(self) -> Iterator[None]:
        """For as long as the handler runs."""
        self.lent = True
        try:
            yield
        finally:
            self.lent = False
            self._before |= self._runs
            self._runs.clear()

    async def close_streams(self) -> None:
        """Close the cursors that the handler left open.

        They would be read on in the middle of somebody else's statement. On SQLite they would keep
        the connection at an old state of the database, and from writing.
        """
        streams, self._streams = self._streams, []
        for cursor in streams:
            with contextlib.suppress(Exception):
                await greenlet_spawn(cursor.close)

    def _is_kits(self) -> bool:
        return not self.lent and RUNNING.get() is self._kit

    # SQLAlchemy's events: they see what goes past `db` too, through a session, a synchronous
    # connection or a transaction object.

    def watch(self, connection: AsyncConnection) -> None:
        """From now on SQLAlchemy asks for what is done on this connection."""
        assert connection.sync_connection is not None
        connection.sync_connection.execution_options(**{_KEY: self})

    def before_statement(self, cursor: Any, statement: str) -> None:
        if not self._is_kits():
            self.asked(statement)
            if getattr(cursor, "server_side", False):
                self._streams.append(cursor)

    def before_end(self, name: str) -> None:
        if not self._is_kits():
            self.spoilt = self.torn = True
            self.used()
            refuse(f"{name}()")


class Watch:
    """Asks the guards, for as long as the engine is a participant's."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._listeners = (
            (engine.sync_engine, "before_cursor_execute", self._statement),
            (engine.sync_engine, "commit", self._commit),
            (engine.sync_engine, "rollback", self._rollback),
        )
        for listener in self._listeners:
            event.listen(*listener)

    def stop(self) -> None:
        for listener in self._listeners:
            event.remove(*listener)

    def _statement(self, connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        guard: Guard | None = connection.get_execution_options().get(_KEY)
        if guard is not None:
            guard.before_statement(cursor, statement)

    def _commit(self, connection: Connection) -> None:
        guard: Guard | None = connection.get_execution_options().get(_KEY)
        if guard is not None:
            guard.before_end("commit")

    def _rollback(self, connection: Connection) -> None:
        guard: Guard | None = connection.get_execution_options().get(_KEY)
        if guard is not None:
            guard.before_end("rollback")
