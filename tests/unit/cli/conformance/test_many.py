"""`saga participant check` on a participant whose handler is for many: nobody sees a difference."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from saga_cli.conformance.case import Status
from saga_cli.conformance.cases.every_case import chosen, every_case
from saga_cli.conformance.check import check
from saga_cli.conformance.given import Body, Given, Part, Patience
from saga_messaging.memory import MemoryBroker
from saga_participant.delivery.execution import Execution
from saga_schemas.files import read_schemas
from saga_schemas.topics import Topics
from support.till.groups import effects_of, serving
from support.till.many import make_many
from support.till.shop import SCHEMAS

PATIENCE: Final = Patience(start_s=60, reply_s=60, later_s=60, quiet_s=0.1, stray_s=0.2)
BODIES: Final = {
    part: Body(record="till.GiveBack" if part is Part.COMPENSATION else "till.Take", fields={"amount": 1, "mode": mode})
    for part, mode in {Part.ACTION: "", Part.REJECT: "no", Part.FAIL: "later", Part.COMPENSATION: ""}.items()
}


class Counter:
    """Counts its effects; kills nobody."""

    counts_effects = True
    kills = False

    def __init__(self, execution: Execution) -> None:
        self._engine = execution.database.engine

    async def count_effects(self, saga_id: str, unique: str) -> list[int]:
        found = await effects_of(self._engine, [UUID(saga_id)])
        return [found[saga_id, "take"], found[saga_id, "give back"]]

    async def kill(self) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError


async def test_a_handler_for_many_passes_every_case_of_work_that_is_answered_at_once(sqlite_url: str) -> None:
    broker, (till, calls) = MemoryBroker(), make_many(sqlite_url)
    async with serving(till, broker) as service:
        found = await check(
            broker,
            Topics(),
            Given(participant="till", bodies=BODIES, patience=PATIENCE),
            chosen(every_case(), []),
            schemas=read_schemas(SCHEMAS),
            outside=Counter(service.execution),
        )
    assert {one.case.name: one.seen for one in found if one.status is Status.FAILED} == {}
    assert len([one for one in found if one.status is Status.PASSED]) > 200
    assert max(calls.sizes) > 1, "some of its cases come together"
