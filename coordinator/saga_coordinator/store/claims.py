"""Which starts win: each request id once for ever, each business key once while it is held.

Order keeps two batches from waiting for each other in a circle: first all request ids, then all
keys, each sorted; then the take-overs of closed sagas' keys, sorted. An insert that meets a
concurrent one waits for its transaction to end; the next statement sees the winner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import Executable, select, tuple_

from saga_coordinator.store import schema
from saga_coordinator.store import statements as sql
from saga_coordinator.store.dialect import AnyResult
from saga_coordinator.store.port import ClaimResult, StartClaim, StoreError
from saga_coordinator.store.statements import Write

_TRIES: Final = 5
Request = tuple[str, str, str]
Key = tuple[str, str, str]


class Database(Protocol):
    """What claims need of their transaction."""

    async def claim(self, requests: Write, keys: Write) -> tuple[int, int]: ...
    async def counted(self, writes: Sequence[Write]) -> list[int]: ...
    async def execute(self, statement: Executable) -> AnyResult: ...
    async def exists(self, ids: Sequence[UUID]) -> set[UUID]: ...
    async def keep(self, ids: Sequence[UUID]) -> dict[UUID, bool]: ...


def _request(claim: StartClaim) -> Request:
    return (claim.tenant, claim.source, claim.request_id)


def _key(claim: StartClaim) -> Key:
    return (claim.tenant, claim.business_key or "", claim.definition_name)


class _Removed(Exception):
    """A row that was met a moment ago is gone with its saga."""


class Claims:
    """The claims of one batch, in one transaction."""

    def __init__(self, database: Database, claims: Sequence[StartClaim], replace_closed: frozenset[UUID]) -> None:
        self._database = database
        self._claims = claims
        self._replace_closed = replace_closed
        self.at_once = False
        """Settled by the first statement: nothing was waited for since."""

    async def settle(self) -> dict[UUID, ClaimResult]:
        """What became of each.

        A saga that is no longer kept may be removed in between, with the request id or the key that
        a claim has just met. Then the claims are made once more; what they have won stays theirs.
        """
        for _ in range(_TRIES):
            try:
                return await self._settle()
            except _Removed:
                self.at_once = False
        raise StoreError("request ids or business keys that were refused as known are gone again and again")

    async def _settle(self) -> dict[UUID, ClaimResult]:
        ordered = sorted(self._claims, key=_request)
        keyed = _keyed(ordered)
        requests = Write(sql.INSERT_REQUEST, _request_rows(ordered))
        new_requests, new_keys = await self._database.claim(requests, _keys(keyed))
        if new_requests == len(ordered) and new_keys == len(keyed):
            self.at_once = True
            return {claim.saga_id: ClaimResult(won=True) for claim in ordered}
        if new_requests == len(ordered):
            fresh, held = ordered, await self._held(keyed)
        else:
            fresh = await self._fresh(ordered)
            held = await self._claim_keys(_keyed(fresh))
        await self._bind([(claim, held[claim.saga_id][0]) for claim in fresh if claim.saga_id in held])
        results = {claim.saga_id: ClaimResult(won=True) for claim in fresh}
        results |= {saga: ClaimResult(won=False, key_saga=holder, key_closed=closed) for saga, (holder, closed) in held.items()}
        return results | await self._known([claim for claim in self._claims if claim.saga_id not in results])

    async def _fresh(self, ordered: Sequence[StartClaim]) -> list[StartClaim]:
        """The claims whose request id nobody had."""
        bound = await self._requests(ordered)
        # A request bound to this very saga was either made just now or by an attempt that did
        # commit: then the saga exists.
        mine = [claim for claim in ordered if bound[_request(claim)][0] == claim.saga_id]
        started = await self._database.exists([claim.saga_id for claim in mine])
        return [claim for claim in mine if claim.saga_id not in started]

    async def _claim_keys(self, claims: Sequence[StartClaim]) -> dict[UUID, tuple[UUID, bool]]:
        """For the claims that found their key held: by which saga, and whether that is finished."""
        if not claims or await self._count(_keys(claims)) == len(claims):
            return {}
        return await self._held(claims)

    async def _held(self, claims: Sequence[StartClaim]) -> dict[UUID, tuple[UUID, bool]]:
        """The same, once the keys that were free are claimed."""
        holders = await self._holders(claims)
        lost = [claim for claim in claims if holders[_key(claim)][0] != claim.saga_id]
        await self._keep({holders[_key(claim)][0] for claim in lost})
        for claim in lost:
            holder, closed = holders[_key(claim)]
            if closed and claim.saga_id in self._replace_closed:
                await self._take_over(claim, holder)
                holders |= await self._holders([claim])
        return {claim.saga_id: holders[_key(claim)] for claim in lost if holders[_key(claim)][0] != claim.saga_id}

    async def _keep(self, holders: set[UUID]) -> None:
        """See that none is removed before this transaction ends: its key or requests would go with
        it, or this batch's would be left. All at once and before any take-over, so that whoever
        removes sagas never waits for us while we wait for them.
        """
        others = sorted(holders - {claim.saga_id for claim in self._claims})
        if others and len(await self._database.keep(others)) < len(others):
            raise _Removed

    async def _take_over(self, claim: StartClaim, holder: UUID) -> None:
        if await self._count(Write(sql.TAKE_KEY, [(*_key(claim), claim.saga_id, holder)])):
            await self._database.counted([Write(sql.INSERT_FORMER, [(*_key(claim), holder)])])

    async def _bind(self, lost: Sequence[tuple[StartClaim, UUID]]) -> None:
        if lost:
            rows = [(*_request(claim), holder) for claim, holder in lost]
            await self._database.counted([Write(sql.BIND_REQUEST, rows)])

    async def _known(self, claims: Sequence[StartClaim]) -> dict[UUID, ClaimResult]:
        """The repeats: read last, when requests of this batch are bound to the saga they came
        to."""
        if not claims:
            return {}
        bound = await self._requests(claims)
        found = {claim.saga_id: bound[_request(claim)] for claim in claims}
        return {id: ClaimResult(won=False, request_saga=saga, request_hash=body) for id, (saga, body) in found.items()}

    async def _requests(self, claims: Sequence[StartClaim]) -> dict[Request, tuple[UUID, bytes]]:
        t = schema.start_request
        names = (t.c.tenant, t.c.source, t.c.request_id)
        wanted = {_request(claim) for claim in claims}
        rows = await self._database.execute(select(*names, t.c.saga_id, t.c.body_hash).where(tuple_(*names).in_(wanted)))
        found = {(tenant, source, request): (saga, body) for tenant, source, request, saga, body in rows}
        return _complete(found, wanted)

    async def _holders(self, claims: Sequence[StartClaim]) -> dict[Key, tuple[UUID, bool]]:
        t, s = schema.saga_key, schema.saga
        own = {claim.saga_id for claim in self._claims}
        names = (t.c.tenant, t.c.business_key, t.c.definition_name)
        wanted = {_key(claim) for claim in claims}
        # A saga claimed in this transaction has no row yet: it is open. One that is removed was
        # finished, and its key is kept longer.
        joined = t.outerjoin(s, s.c.id == t.c.saga_id)
        query = select(*names, t.c.saga_id, s.c.id, s.c.closed_at).select_from(joined).where(tuple_(*names).in_(wanted))
        rows = await self._database.execute(query)
        found = {
            (tenant, key, name): (holder, closed_at is not None or (row is None and holder not in own))
            for tenant, key, name, holder, row, closed_at in rows
        }
        return _complete(found, wanted)

    async def _count(self, write: Write) -> int:
        return (await self._database.counted([write]))[0]


def new_claims(claims: Sequence[StartClaim]) -> list[Write]:
    """The same claims, where all of them are expected to win."""
    keyed = _keyed(claims)
    made = [Write(sql.NEW_REQUEST, _request_rows(sorted(claims, key=_request)))] if claims else []
    return [*made, Write(sql.NEW_KEY, _key_rows(keyed))] if keyed else made


def _request_rows(claims: Sequence[StartClaim]) -> list[tuple[Any, ...]]:
    return [(*_request(claim), claim.saga_id, claim.body_hash) for claim in claims]


def _key_rows(claims: Sequence[StartClaim]) -> list[tuple[Any, ...]]:
    return [(*_key(claim), claim.saga_id) for claim in claims]


def _keyed(claims: Sequence[StartClaim]) -> list[StartClaim]:
    return sorted((claim for claim in claims if claim.business_key is not None), key=_key)


def _keys(claims: Sequence[StartClaim]) -> Write:
    return Write(sql.INSERT_KEY, _key_rows(claims))


def _complete(found: dict[Request, Any], wanted: set[Request]) -> dict[Request, Any]:
    if len(found) != len(wanted):
        raise _Removed
    return found
