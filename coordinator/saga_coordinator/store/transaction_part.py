"""What the parts of a transaction need of the whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

from sqlalchemy import Executable, func, select

from saga_coordinator.store.dialect import AnyResult
from saga_coordinator.store.statements import Statement

_ADDING: Final = 0x5A70
"""Advisory locks of whoever adds a row to a table with a bound."""


class Adding(IntEnum):
    """Tables with a bound on their rows."""

    BATCH = 0
    CONFIRMATION = 1
    SCHEDULE = 2


class TransactionPart(ABC):
    """A part of a transaction, in a file of its own."""

    @property
    @abstractmethod
    def now_us(self) -> int: ...

    @property
    @abstractmethod
    def _dialect(self) -> str: ...

    @abstractmethod
    async def execute(
        self, statement: Executable, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None
    ) -> AnyResult: ...

    @abstractmethod
    async def _put(self, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> None:
        """Let rows of a hot statement wait for the next flush."""

    async def _alone(self, adding: Adding) -> None:
        """Nobody else adds a row meanwhile, so that the bound on their number holds."""
        if self._dialect == "postgresql":
            await self.execute(select(func.pg_advisory_xact_lock(_ADDING, int(adding))))
