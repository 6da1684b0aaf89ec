"""What cases work with: sagas to make, and all that was said so far."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from uuid import UUID

from saga_cli.conformance.bench import Bench
from saga_cli.conformance.findings import Exchange, Need
from saga_cli.conformance.given import Part
from saga_cli.conformance.saga import TestedSaga
from saga_schemas.ids import uuid7

_NEED_OF_PART = {part: Need[part.name] for part in Part if part is not Part.ACTION}


@dataclass(kw_only=True)
class Stage(Bench):
    """One check of one participant."""

    sagas: list[TestedSaga] = field(default_factory=list)

    def saga(self, *, spoiled: bool = False) -> TestedSaga:
        """A new saga."""
        made = TestedSaga(bench=self, id=uuid7(time.time_ns() // 1000, os.urandom(10)), spoiled=spoiled)
        self.sagas.append(made)
        return made

    def saga_of(self, saga_id: UUID) -> TestedSaga:
        """The saga of this id, made when it is first asked for."""
        known = (saga for saga in self.sagas if saga.id == saga_id)
        found = next(known, None)
        if found is None:
            found = TestedSaga(bench=self, id=saga_id)
            self.sagas.append(found)
        return found

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
