"""What a start means: its definition, its input, its business key, and the saga it would begin.

Nothing is stored here. What a `Prepared` start can still lose is its claims
(`starts/execution.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple
from uuid import UUID

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine import ENGINE_REV
from saga_coordinator.engine.definition import MappingFailed
from saga_coordinator.engine.delaying import AHEAD_MOST_US, START_TOO_FAR, TOO_FAR
from saga_coordinator.engine.encoding import FORMAT
from saga_coordinator.engine.state import Phase
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.starts.requests import (
    DEFINITION_INACTIVE,
    DEFINITION_UNKNOWN,
    INPUT_INVALID,
    KEY_MISMATCH,
    LABELS_INVALID,
    StartRefused,
    StartRequest,
)
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import SagaRow, StartClaim
from saga_coordinator.traces.sampling import Sampling
from saga_messaging.clock import Clock
from saga_schemas.codec import encode
from saga_schemas.errors import EncodingFailed, PlainInvalid
from saga_schemas.labels import LabelValue
from saga_schemas.limits import LABELS
from saga_schemas.plain import from_plain
from saga_schemas.record_class import record

LOOK_AGAIN_S: Final = 0.2


class Identity(NamedTuple):
    """Which saga a start begins."""

    saga_id: UUID
    recovered: bool = False
    """It may have begun before, in a database that was lost."""


@record
class Prepared:
    """A start that makes sense: only its claims can still be lost."""

    claim: StartClaim
    row: SagaRow
    compiled: CompiledDefinition
    input: bytes
    on_open: str
    on_closed: str
    recovered: bool = False
    """The saga may have begun before, in a database that was lost."""
    labels: tuple[tuple[str, LabelValue], ...] = ()
    restarted_from: str | None = None
    """Id of the finished saga that a person restarts."""
    start_at_us: int | None = None
    """When it is to begin; None, or a time that has passed: at once."""

    @property
    def alone(self) -> bool:
        """A start that may be refused by its claim must be able to roll back by itself."""
        return self.on_open == "reject"

    def with_id(self, saga_id: UUID) -> Prepared:
        """The same start of a new saga, with another id. Its trace stays."""
        claim, row = replace(self.claim, saga_id=saga_id), replace(self.row, id=saga_id)
        return replace(self, claim=claim, row=row, recovered=False)


class StartPreparation:
    """Prepares starts from every door."""

    def __init__(self, *, definitions: DefinitionCache, clock: Clock, incarnation: Callable[[], int], sampling: Sampling) -> None:
        self._definitions = definitions
        self._clock = clock
        self._incarnation = incarnation
        self._sampling = sampling
        self._looking = asyncio.Lock()
        self._looked_at_s = -LOOK_AGAIN_S
        """When the last look that succeeded began."""

    async def prepare(self, request: StartRequest, identity: Identity | None = None) -> Prepared:
        """Find the definition, and check the request's input and key against it.

        `identity`: of the saga; None: a new one.

        Raises:
            StartRefused: The start makes no sense.
        """
        definition_id, compiled = await self.definition(request.definition, request.version)
        try:
            value = from_plain(compiled.input_schema, request.input)
            framed = encode(compiled.input_schema, value)
        except PlainInvalid as wrong:
            raise StartRefused(INPUT_INVALID, _detail(wrong), _where(wrong)) from None
        except EncodingFailed as wrong:
            raise StartRefused(INPUT_INVALID, wrong.detail, {"field": wrong.path}) from None
        return self.prepare_framed(request, definition_id, compiled, framed, identity)

    async def definition(
        self, name: str, version: int | None, *, asked_at_s: float | None = None
    ) -> tuple[int, CompiledDefinition]:
        """The definition that a start is for, with its id.

        Args:
            name: Its name.
            version: The version asked for; None: the active one.
            asked_at_s: When the start came in, in monotonic seconds; now by default.

        Raises:
            StartRefused: There is none.
        """
        row = self._definitions.find(name, version)
        if row is None:  # somebody may have registered or activated it a moment ago
            await self._look_again(self._clock.monotonic_s() if asked_at_s is None else asked_at_s)
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

    async def _look_again(self, asked_at_s: float) -> None:
        """Return after a look that began later than the start came in.

        What was registered before the start came in must be found, on any instance. All who wait
        share one look, and there are at most five a second, however many starts name what does not
        exist.
        """
        async with self._looking:
            if self._looked_at_s > asked_at_s:
                return
            await self._clock.sleep(max(0.0, self._looked_at_s + LOOK_AGAIN_S - self._clock.monotonic_s()))
            began_s = self._clock.monotonic_s()
            await self._definitions.refresh()
            self._looked_at_s = began_s

    def prepare_framed(
        self,
        request: StartRequest,
        definition_id: int,
        compiled: CompiledDefinition,
        framed: bytes,
        identity: Identity | None = None,
    ) -> Prepared:
        """Check a request whose input is framed already, under the schema that the definition pins.

        Raises:
            StartRefused: The business key or a label is wrong, or the start time too far ahead.
        """
        key = _business_key(compiled, framed, request.key)
        labels = _labels(compiled, framed, request.labels)
        now_us = self._clock.unix_us()
        saga_id, recovered = identity or Identity(new_id(now_us))
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
                incarnation=self._incarnation(),
                state=b"",
                state_version=0,
                facts_print=0,
                business_key=key,
                wake_at_us=None,
                trace_id=trace.trace_id,
                parent_span=trace.parent_span,
                trace_flags=trace.flags,
                tracestate=trace.tracestate,
                baggage=trace.baggage,
                max_expiry_us=0,
                started_at_us=now_us,
                closed_at_us=None,
            ),
            compiled=compiled,
            input=framed,
            on_open=request.on_open,
            on_closed=request.on_closed,
            recovered=recovered,
            labels=labels,
            start_at_us=_start_at_us(request, now_us),
        )


def _start_at_us(request: StartRequest, now_us: int) -> int | None:
    if request.start_at_us is not None and request.start_at_us - now_us > AHEAD_MOST_US:
        raise StartRefused(START_TOO_FAR, TOO_FAR)
    return request.start_at_us


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


def _labels(compiled: CompiledDefinition, framed: bytes, given: Mapping[str, LabelValue]) -> tuple[tuple[str, LabelValue], ...]:
    """Those that the definition computes, and those given beside them."""
    if not given and not compiled.document.labels:
        return ()
    try:
        computed = compiled.labels(framed)
    except MappingFailed as failure:
        raise StartRefused(LABELS_INVALID, f"the definition's labels give no values: {failure.detail}") from None
    for name in compiled.document.labels or ():
        if name in given and given[name] != computed.get(name):
            raise StartRefused(LABELS_INVALID, f"{name}: the label given is not the one the definition computes from this input")
    if len(found := {**computed, **given}) > LABELS:
        raise StartRefused(LABELS_INVALID, f"a saga has at most {LABELS} labels, those included that its definition computes")
    return tuple(sorted(found.items()))


def body_hash(*parts: bytes) -> bytes:
    """Over what was asked for; parts cannot run into each other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.digest()


def _detail(wrong: PlainInvalid) -> str:
    first, *others = (problem.said for problem in wrong.problems)
    return f"the input does not fit: {first}" if not others else f"the input does not fit in {len(wrong.problems)} places"


def _where(wrong: PlainInvalid) -> dict[str, Any]:
    """`errors` only where there are several: the detail names a single one."""
    errors = [{"field": problem.path, "expected": problem.expected, "said": problem.said} for problem in wrong.problems]
    return {"field": wrong.path, "expected": wrong.expected} | ({"errors": errors} if len(errors) > 1 else {})
