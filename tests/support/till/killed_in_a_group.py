"""A till in a process of its own, which is killed right behind the commit of a group, before any of
its replies leaves.

    python -m support.till.killed_in_a_group DATABASE_URL HANDLE KILLED_GROUP SAGA_ID...

Each saga's command is served once, by the in-memory broker. When all are answered the outcomes are
printed as one JSON object, by saga. `KILLED_GROUP` counts from 1; 0: none.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from uuid import UUID

from saga_messaging.memory import MemoryBroker
from saga_participant.delivery.group_transaction import Answers, Member
from saga_participant.delivery.groups import Groups
from saga_schemas.headers import decode_reply
from support.till.groups import KnownToBeQuick
from support.till.shop import make_till
from support.till.wire import REPLIES, command, send, until


def kill_behind(group: int) -> None:
    """The process ends when so many groups were committed and before the last one's replies."""
    answered = Groups._was_committed

    def killed(groups: Groups, members: list[Member], answers: list[Answers]) -> None:
        if groups.served + 1 == group:
            os.kill(os.getpid(), signal.SIGKILL)
        answered(groups, members, answers)

    setattr(Groups, "_was_committed", killed)  # noqa: B010


async def serve(database: str, handle: str, sagas: list[UUID]) -> dict[str, str]:
    broker, (till, _) = MemoryBroker(), make_till(database, handle=handle)
    async with till.served(broker):
        await until(lambda: till._service is not None)
        assert till._service is not None
        till._service.execution.groups.times = KnownToBeQuick()
        await send(broker, *map(command, sagas))
        await until(lambda: len(broker.records(REPLIES)) >= len(sagas))
        assert till._service.execution.groups.served
    return {str(reply.saga_id): reply.outcome.value for reply in map(decode_reply, (r.headers for r in broker.records(REPLIES)))}


if __name__ == "__main__":
    url, kind, killed_group, *sagas_given = sys.argv[1:]
    kill_behind(int(killed_group))
    print(json.dumps(asyncio.run(serve(url, kind, [UUID(each) for each in sagas_given]))))
