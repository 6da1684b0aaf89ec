"""What cases work with: sagas to make, limits, and what can be done to the participant from
outside."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Protocol

from saga_cli.conformance.case import Exchange, Need
from saga_cli.conformance.given import Given, Part, Patience
from saga_cli.conformance.line import Line, Sideways
from saga_cli.conformance.messages import Composer
from saga_cli.conformance.saga import TestedSaga
from saga_schemas.ids import uuid7


class Outside(Protocol):
    """Commands of the machine that the check was given."""

    @property
    def counts_effects(self) -> bool: ...

    @property
    def kills(self) -> bool: ...

    async def count_effects(self, saga_id: str, unique: str) -> list[int]: ...

    async def kill(self) -> None: ...

    async def start(self) -> None: ...


_NEED_OF_PART = {Part.REJECT: Need.REJECT, Part.FAIL: Need.FAIL, Part.ACCEPT: Need.ACCEPT, Part.COMPENSATION: Need.COMPENSATION}


@dataclass(kw_only=True)
class Stage:
    """One check of one participant."""

    given: Given
    composer: Composer
    line: Line
    outside: Outside | None = None
    sagas: list[TestedSaga] = field(default_factory=list)

    @property
    def patience(self) -> Patience:
        return self.given.patience

    @property
    def sideways(self) -> Sideways:
        """Only for cases with Need.PARTITIONS."""
        assert self.line.sideways is not None
        return self.line.sideways

    def saga(self, *, spoiled: bool = False) -> TestedSaga:
        """A new saga."""
        made = TestedSaga(stage=self, id=uuid7(time.time_ns() // 1000, os.urandom(10)), spoiled=spoiled)
        self.sagas.append(made)
        return made

    def missing(self) -> set[Need]:
        """What was not given."""
        lacking = {need for part, need in _NEED_OF_PART.items() if part not in self.given.bodies}
        if self.outside is None or not self.outside.kills:
            lacking.add(Need.KILL)
        if self.outside is None or not self.outside.counts_effects:
            lacking.add(Need.EFFECTS)
        if self.line.sideways is None:
            lacking.add(Need.PARTITIONS)
        return lacking

    def exchanges(self) -> list[Exchange]:
        """Every reply so far."""
        return [exchange for saga in self.sagas for exchange in saga.exchanges()]
