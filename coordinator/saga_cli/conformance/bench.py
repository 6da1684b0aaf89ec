"""What a check has at hand: what it was given, the line, and what can be done from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from saga_cli.conformance.given import Given, Patience
from saga_cli.conformance.line import Line, Sideways
from saga_cli.conformance.messages import Composer


class Outside(Protocol):
    """Commands of the machine that the check was given."""

    @property
    def counts_effects(self) -> bool: ...

    @property
    def kills(self) -> bool: ...

    async def count_effects(self, saga_id: str, unique: str) -> list[int]: ...

    async def kill(self) -> None: ...

    async def start(self) -> None: ...


@dataclass(kw_only=True)
class Bench:
    """The tools of one check."""

    given: Given
    composer: Composer
    line: Line
    outside: Outside | None = None

    @property
    def patience(self) -> Patience:
        return self.given.patience

    @property
    def sideways(self) -> Sideways:
        """Only for cases with Need.PARTITIONS."""
        assert self.line.sideways is not None
        return self.line.sideways

    @property
    def outside_or_fail(self) -> Outside:
        """Only for cases with Need.KILL."""
        assert self.outside is not None
        return self.outside
