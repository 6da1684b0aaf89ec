"""Starting sagas: what a start means, checked; and batches of starts, from HTTP and from `saga.start`, in one transaction.

A start is idempotent twice over: per request id always, per business key while it is held. Both are rows inserted before the saga in the
same transaction, in sorted order, so two instances that start the same thing meet at the row and one of them sees the other's saga.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.plan import Batch
from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine import ENGINE_REV
from saga_coordinator.engine.definition import MappingFailed
from saga_coordinator.engine.encoding import FORMAT
from saga_coordinator.engine.events import Env, Start
from saga_coordinator.engine.state import Phase
from saga_coordinator.failures import comes_again
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.sagas.work import FoldContext, SagaWork
from saga_coordinator.starts.requests import (
    DEFINITION_INACTIVE,
    DEFINITION_UNKNOWN,
    INPUT_INVALID,
    KEY_HELD,
    KEY_MISMATCH,
    REQUEST_REUSED,
    StartRefused,
    StartRequest,
    StartResult,
)
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import ClaimFirst, ClaimResult, SagaRow, StartClaim
from saga_coordinator.traces.sampling import Sampling
from saga_messaging.clock import Clock
from saga_schemas.codec import encode
from saga_schemas.errors import EncodingFailed, PlainInvalid
from saga_schemas.frozen import frozen
from saga_schemas.plain import from_plain

LOOK_AGAIN_S = 0.2


@frozen
class Prepared:
    """A start that makes sense: only its claims can still be lost."""

    claim: StartClaim
    row: SagaRow
    compiled: CompiledDefinition
    input: bytes
    on_open: str
    on_closed: str

    @property
    def alone(self) -> bool:
        """A start that may be refused by its claim must be able to roll back by itself."""
        return self.on_open == "reject"


class Starts:
    """Prepares starts and carries them out."""

    def __init__(
        self,
        *,
        committer: Committer,
        definitions: DefinitionCache,
        context: FoldContext,
        clock: Clock,
        incarnation: int,
        sampling: Sampling,
    ) -> None:
        self._committer = committer
        self._definitions = definitions
        self._context = context
        self._clock = clock
        self._incarnation = incarnation
        self._sampling = sampling
        self._looking = asyncio.Lock()
        self._looked_at = -LOOK_AGAIN_S
        """When the last look that succeeded began."""

    # --- what a start means --------------------------------------------------------------------------------------------

    async def prepare(self, request: StartRequest) -> Prepared:
        """Raises StartRefused."""
        definition_id, compiled = await self.definition(request.definition, request.version)
        try:
            value = from_plain(compiled.input_schema, request.input)
            framed = encode(compiled.input_schema, value)
        except PlainInvalid as wrong:
            raise StartRefused(INPUT_INVALID, _said(wrong), _where(wrong)) from None
        except EncodingFailed as wrong:
            raise StartRefused(INPUT_INVALID, wrong.detail, {"field": wrong.path}) from None
        return self.prepared(request, definition_id, compiled, framed)

    async def definition(
        self, name: str, version: int | None, *, asked_at: float | None = None
    ) -> tuple[int, CompiledDefinition]:
        """The version asked for, else the active one; `asked_at` (monotonic, now by default) is when the start came in.

        Raises StartRefused.
        """
        row = self._definitions.find(name, version)
        if row is None:  # somebody may have registered or activated it a moment ago
            await self._look_again(self._clock.monotonic_s() if asked_at is None else asked_at)
            row = self._definitions.find(name, version)
        if row is None:
            raise self._not_found(name, version)
        try:
            return row.id, await self._definitions.get(row.id)
        except DefinitionMissing as missing:
            raise StartRefused(DEFINITION_UNKNOWN, str(missing)) from None

    def _not_found(self, name: str, version: int | None) -> StartRefused:
        if not self._definitions.knows(name):
            return StartRefused(DEFINITION_UNKNOWN, "no such definition is registered: `saga def list` shows those that are")
        if version is not None:
            known = ", ".join(str(row.version) for row in self._definitions.rows() if row.name == name)
            return StartRefused(DEFINITION_UNKNOWN, f"{name} has no version {version}; registered are {known[:200]}")
        return StartRefused(DEFINITION_INACTIVE, f"no version of {name} is active: run `saga def activate {name} VERSION`")

    async def _look_again(self, asked_at: float) -> None:
        """Returns after a look that began later than the start came in: what was registered before must be found, on any instance.
        All who wait share one, and there are at most five a second, however many starts name what does not exist."""
        async with self._looking:
            if self._looked_at > asked_at:
                return
            await self._clock.sleep(max(0.0, self._looked_at + LOOK_AGAIN_S - self._clock.monotonic_s()))
            began = self._clock.monotonic_s()
            await self._definitions.refresh()
            self._looked_at = began

    def prepared(self, request: StartRequest, definition_id: int, compiled: CompiledDefinition, framed: bytes) -> Prepared:
        """With the input framed under the pinned schema. Raises StartRefused."""
        key = _business_key(compiled, framed, request.key)
        now = self._clock.unix_us()
        saga_id = new_id(now)
        trace = self._sampling.begin(saga_id, request.trace, request.baggage)
        name = compiled.definition.name
        return Prepared(
            claim=StartClaim(
                saga_id=saga_id,
                tenant=request.tenant,
                source=request.source,
                request_id=request.request_id,
                body_hash=request.body_hash,
                definition_name=name,
                business_key=key,
            ),
            row=SagaRow(
                id=saga_id,
                tenant=request.tenant,
                definition_id=definition_id,
                version=0,
                phase=Phase.RUNNING.value,
                engine_rev=ENGINE_REV,
                state_format=FORMAT,
                incarnation=self._incarnation,
                state=b"",
                business_key=key,
                wake_at=None,
                trace_id=trace.trace_id,
                parent_span=trace.parent_span,
                trace_flags=trace.flags,
                tracestate=trace.tracestate,
                baggage=trace.baggage,
                max_expiry=0,
                started_at=now,
                closed_at=None,
            ),
            compiled=compiled,
            input=framed,
            on_open=request.on_open,
            on_closed=request.on_closed,
        )

    # --- carrying them out -----------------------------------------------------------------------------------------------

    async def carry_out(self, starts: Sequence[Prepared]) -> list[StartResult | Exception]:
        """One transaction for all that cannot be refused by their claim, one for each of the others. Raises StoreError.

        A start that makes the database refuse its rows, or meets a bug, gets that as its own answer: it costs no other start its own.
        """
        results: dict[UUID, StartResult | Exception] = {}
        together = [start for start in starts if not start.alone]
        alone = [start for start in starts if start.alone]
        try:
            results |= await self._run(together)
        except Exception as error:
            if not comes_again(error):
                raise
            alone = [*together, *alone]
        for start in alone:
            results[start.claim.saga_id] = await self._alone(start)
        return [results[start.claim.saga_id] for start in starts]

    async def _alone(self, start: Prepared) -> StartResult | Exception:
        try:
            return (await self._run([start]))[start.claim.saga_id]
        except Exception as error:
            if not comes_again(error):
                raise
            return error

    async def _run(self, starts: Sequence[Prepared]) -> dict[UUID, StartResult | StartRefused]:
        if not starts:
            return {}
        async with self._committer.batch(claims_of(starts)) as batch:
            return self.begin(batch, starts)

    def begin(self, batch: Batch, starts: Sequence[Prepared]) -> dict[UUID, StartResult | StartRefused]:
        """Start the winners in this batch, whose transaction began with `claims_of(starts)`.

        Returns:
            What became of each start, by the id of its saga.

        Raises:
            StartRefused: The claim of one that is alone is refused: all is rolled back.
        """
        env = Env(now=batch.tx.now)
        results: dict[UUID, StartResult | StartRefused] = {}
        for start in starts:
            saga_id = start.claim.saga_id
            claimed = batch.tx.claimed[saga_id]
            if claimed.won:
                batch.works.append(self._begin(start, env))
                results[saga_id] = StartResult(saga_id=saga_id, created=True)
            else:
                results[saga_id] = _lost(start, claimed)
        return results

    def _begin(self, start: Prepared, env: Env) -> SagaWork:
        row = start.row
        work = SagaWork.begin(row, start.compiled, self._context, started_at=env.now)
        event = Start(id=str(row.id), tenant=row.tenant, key=row.business_key, input=start.input, incarnation=row.incarnation)
        work.apply(event, env)
        return work


def claims_of(starts: Sequence[Prepared]) -> ClaimFirst:
    """What the transaction that carries them out begins with."""
    takes_over = [start.claim.saga_id for start in starts if start.on_closed == "allow"]
    return ClaimFirst([start.claim for start in starts], takes_over)


def _lost(start: Prepared, result: ClaimResult) -> StartResult | StartRefused:
    if result.request_saga is not None:
        if result.request_hash != start.claim.body_hash:
            return StartRefused(REQUEST_REUSED, "this request id was used before with another body: use a fresh one")
        return StartResult(saga_id=result.request_saga, created=False)
    assert result.key_saga is not None, "a claim is won, or lost to a request, or lost to a key"
    if not result.key_closed and start.on_open == "reject":
        raise StartRefused(KEY_HELD, "an open saga holds this business key", {"saga_id": str(result.key_saga)})
    return StartResult(saga_id=result.key_saga, created=False)


def _business_key(compiled: CompiledDefinition, framed: bytes, given: str | None) -> str | None:
    try:
        computed = compiled.business_key(framed)
    except MappingFailed as failure:
        raise StartRefused(INPUT_INVALID, f"the definition's key gives no value: {failure.detail}", {"field": "key"}) from None
    if not compiled.has_key:
        return given
    if given is not None and given != computed:
        raise StartRefused(KEY_MISMATCH, "the given key is not the one the definition computes from this input")
    return computed


def body_hash(*parts: bytes) -> bytes:
    """Over what was asked for; parts cannot run into each other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.digest()


def _said(wrong: PlainInvalid) -> str:
    first, *others = (problem.said for problem in wrong.problems)
    return f"the input does not fit: {first}" if not others else f"the input does not fit in {len(wrong.problems)} places"


def _where(wrong: PlainInvalid) -> dict[str, Any]:
    """`errors` only where there are several: one is told by the detail."""
    errors = [{"field": problem.path, "expected": problem.expected, "said": problem.said} for problem in wrong.problems]
    return {"field": wrong.path, "expected": wrong.expected} | ({"errors": errors} if len(errors) > 1 else {})
