"""Who is served together: commands that wait at the same time share a transaction.

The first that comes leads: it lets the others that are there come, takes as many as fit, serves
them, and wakes the next to lead. Nobody waits for a command that is not there yet. How many fit is
learnt: the handlers of a group may take BUDGET_S together, by what they took before; a group that
was rolled back halves the size of the next ones, and each that was not lets it grow by one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from saga_participant.barrier.entry import ReceivedCommand
from saga_participant.database.database import Database
from saga_participant.database.errors import Fate, fate
from saga_participant.database.transactions import LARGEST_GROUP
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.group_transaction import (
    BUDGET_S,
    Answers,
    Member,
    NotTogether,
    Told,
    Torn,
    free,
    serve_group,
)
from saga_participant.delivery.invocation import HandlerResult
from saga_participant.handling.handler_time import HandlerTime
from saga_participant.handling.registry import Route
from saga_participant.telemetry.command_log import log_of
from saga_participant.telemetry.error_location import one_line
from saga_schemas.outcomes import Kind

TRIES: Final = 3
"""Transactions that a group may take, each with a command less. Then they are served one by one."""
_LAST_RUNS: Final = 8
"""Of a handler, by which the next are judged."""

_LOG: Final = logging.getLogger("saga_participant")


@dataclass(slots=True)
class HandlerTimes:
    """What each handler takes for one command, by its name: of a call for many, the command's
    share."""

    last_us: dict[str, deque[int]] = field(default_factory=dict)
    alone: set[str] = field(default_factory=set)
    """Handlers whose statements change a transaction, or whose work is accepted."""

    def took(self, handler: str, time_us: int) -> None:
        """Learn from a run."""
        self.last_us.setdefault(handler, deque(maxlen=_LAST_RUNS)).append(time_us)

    def take_for_quick(self, handler: str) -> None:
        """Whatever it took before: for tests (testing.py)."""
        self.last_us[handler] = deque([0], maxlen=_LAST_RUNS)

    def of(self, route: Route | None) -> float | None:
        """What it is expected to take, in seconds.

        None: it is served alone. It takes too long for two of it, or nobody knows yet. The shortest
        of its last runs decides: others waited for their turn, too.
        """
        if route is None:
            return 0.0
        last_us = self.last_us.get(route.handler.name)
        if last_us is None or route.handler.external or route.handler.name in self.alone:
            return None
        return sum(last_us) / len(last_us) / 1_000_000 if 2 * min(last_us) <= BUDGET_S * 1_000_000 else None


@dataclass(slots=True, kw_only=True)
class Groups:
    """The groups of one participant."""

    database: Database
    calls: Calls
    bare: bool
    """No handler wants SQLAlchemy."""
    largest: int = LARGEST_GROUP
    """The most commands in a group. 1: there are no groups."""
    times: HandlerTimes = field(default_factory=HandlerTimes)
    served: int = 0
    """Groups that were committed."""
    served_commands: int = 0
    rolled_back: int = 0
    """Groups that were not."""
    _most: int = field(init=False)
    """The most commands in a group at present."""
    _waiting: deque[Member] = field(default_factory=deque)
    _leaders: int = 0
    _gathering: bool = False
    """One of the leaders has not taken its group yet."""

    def __post_init__(self) -> None:
        self._most = self.largest

    async def deliver(self, command: ReceivedCommand, time: HandlerTime) -> Answers | None:
        """Serve a command together with others that wait.

        Returns:
            Its answers. None: nothing was done, it is to be served alone.
        """
        route = self.calls.route(command)
        if self.largest == 1 or (route is None and command.headers.kind is not Kind.RESOLVE) or self.times.of(route) is None:
            return None
        member = Member(command=command, route=route, time=time, context=copy_context())
        self._waiting.append(member)
        self._appoint()
        try:
            while (told := await member.told) is Told.LEAD:
                member.wait_again()
                await self._lead()
        except BaseException:
            self._leave(member)
            raise
        return None if told is Told.ALONE else told

    def counts(self) -> tuple[int, int, int]:
        """Groups that were committed, the commands in them, groups that were rolled back."""
        return self.served, self.served_commands, self.rolled_back

    def took(self, command: ReceivedCommand, time: HandlerTime) -> None:
        """Learn from what a command's handler took, with others or alone."""
        route = self.calls.route(command)
        if route is not None and time.us is not None:
            self.times.took(route.handler.name, time.us)

    def _appoint(self) -> None:
        """Tell the first that waits to lead, if a group may begin."""
        if self._waiting and not self._gathering and self._leaders < self.database.groups_at_once:
            self._gathering, self._leaders = True, self._leaders + 1
            self._waiting[0].told.set_result(Told.LEAD)

    def _leave(self, member: Member) -> None:
        """Its worker is being ended: who comes behind it goes on."""
        if member.told.done() and not member.told.cancelled() and member.told.result() is Told.LEAD:
            self._gathering, self._leaders = False, self._leaders - 1
        if member in self._waiting:
            self._waiting.remove(member)
        self._appoint()

    async def _lead(self) -> None:
        try:
            await asyncio.sleep(0)  # what was polled together comes in one turn of the loop
        except BaseException:
            self._gathering, self._leaders = False, self._leaders - 1
            raise
        group = self._take()
        self._gathering = False
        self._appoint()
        try:
            await self._serve(group)
        finally:
            for member in group:
                if member not in self._waiting:
                    member.tell(Told.ALONE)
            self._leaders -= 1
            self._appoint()

    def _take(self) -> list[Member]:
        """As many of those that wait longest as fit, never two of one row."""
        group: list[Member] = []
        rows: set[tuple[UUID, str]] = set()
        expected_s = 0.0
        while self._waiting and len(group) < self._most:
            following = self._waiting[0]
            row = following.command.headers.saga_id, following.command.headers.step
            expected_s += self.times.of(following.route) or 0.0
            if group and (expected_s > BUDGET_S or row in rows):
                break
            rows.add(row)
            group.append(self._waiting.popleft())
        return group

    async def _serve(self, group: list[Member]) -> None:
        """Whoever is not told its answers here is served alone."""
        for _ in range(TRIES):
            if len(group) < 2:
                return
            try:
                answers = await self._transaction(group)
            except NotTogether as apart:
                self._was_rolled_back()
                self._learn(apart)
                if _is_collision(apart.result):
                    return
                group = [member for member in group if member not in apart.members]
                for member in apart.members:
                    member.tell(Told.ALONE)
            except Torn as torn:
                self._was_rolled_back()
                await self._repair(group, torn)
                return
            except Exception as error:  # each finds out by itself what became of it: its row tells
                self._was_rolled_back()
                _LOG.info("a group of %d commands was rolled back, they are served alone: %s", len(group), one_line(error))
                return
            else:
                self._was_committed(group, answers)
                return

    async def _transaction(self, group: list[Member]) -> dict[Member, Answers]:
        async with self.database.begin(bare=self.bare) as transaction:
            async with asyncio.timeout(self.calls.transaction_limit_s):
                answers = await serve_group(transaction, group, self.calls)
            await transaction.commit()
        return answers

    async def _repair(self, group: list[Member], torn: Torn) -> None:
        """Whose handlers ran is not answered: nobody knows what is committed. The others are
        served, alone.
        """
        for member in torn.ran:
            log_of(member.command.headers).error("no reply: a handler ended the transaction of %d commands", len(group))
            member.tell(())
        async with self.database.begin(bare=self.bare) as transaction:
            await free(transaction, torn.unserved)
            await transaction.commit()

    def _was_committed(self, group: list[Member], answers: Mapping[Member, Answers]) -> None:
        self.served += 1
        self.served_commands += len(answers)
        self._most = min(self._most + 1, self.largest)
        for member, own in answers.items():
            member.tell(own)
        self._waiting.extendleft(reversed([member for member in group if not member.told.done()]))

    def _was_rolled_back(self) -> None:
        self.rolled_back += 1
        self._most = max(self._most // 2, 2)

    def _learn(self, apart: NotTogether) -> None:
        route = apart.members[0].route
        if route is not None and apart.for_good:
            self.times.alone.add(route.handler.name)


def _is_collision(result: HandlerResult | None) -> bool:
    return result is not None and result.error is not None and fate(result.error) is Fate.COLLISION
