"""What the parts of a transaction need of the whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable

from saga_coordinator.store.dialect import AnyResult


class TransactionPart(ABC):
    """A part of a transaction, in a file of its own."""

    @property
    @abstractmethod
    def now_us(self) -> int: ...

    @property
    @abstractmethod
    def _dialect(self) -> str: ...

    @abstractmethod
    async def execute(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> AnyResult: ...
