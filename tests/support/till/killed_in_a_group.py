"""A till in a process of its own, which is killed right behind the commit of a group, before any of
its replies leaves.

    python -m support.till.killed_in_a_group TILL DATABASE_URL HANDLE KILLED_GROUP SAGA_ID...

`TILL` is `one` or `many`: how many commands its handler takes. Each saga's command is served once,
by the in-memory broker. When all are answered the outcomes are printed as one JSON object, by saga.
`KILLED_GROUP` counts from 1; 0: none.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from uuid import UUID

from saga_messaging.memory import MemoryBroker
from saga_participant import Participant
from saga_participant.delivery.group_transaction import Answers, Member
from saga_participant.delivery.groups import Groups
from saga_schemas.headers import decode_reply
from support.till.groups import KnownToBeQuick
from support.till.many import make_many
from support.till.shop import make_till
from support.till.wire import REPLIES, command, send, until


def kill_behind(group: int) -> None:
    """The process ends when so many groups were committed and before the last one's replies."""
    answered = Groups._was_committed

    def killed(groups: Groups, members: list[Member], answers: Mapping[Member, Answers]) -> None:
        if groups.served + 1 == group:
            os.kill(os.getpid(), signal.SIGKILL)
        answered(groups, members, answers)

    setattr(Groups, "_was_committed", killed)  # noqa: B010


async def serve(till: Participant, sagas: list[UUID]) -> dict[str, str]:
    broker = MemoryBroker()
    async with till.served(broker):
        await until(lambda: till._service is not None)
        assert till._service is not None
        till._service.execution.groups.times = KnownToBeQuick()
        await send(broker, *map(command, sagas))
        await until(lambda: len(broker.records(REPLIES)) >= len(sagas))
        assert till._service.execution.groups.served
    return {str(reply.saga_id): reply.outcome.value for reply in map(decode_reply, (r.headers for r in broker.records(REPLIES)))}


if __name__ == "__main__":
    till_given, url, kind, killed_group, *sagas_given = sys.argv[1:]
    kill_behind(int(killed_group))
    made, _ = make_many(url, handle=kind) if till_given == "many" else make_till(url, handle=kind)
    print(json.dumps(asyncio.run(serve(made, [UUID(each) for each in sagas_given]))))
