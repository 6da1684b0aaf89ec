"""Sagas as one batch works on them, without a database."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from saga_coordinator.definitions import compile_definition, lint
from saga_coordinator.engine.events import Env, Reply, Start
from saga_coordinator.sagas.messages import Outbound
from saga_coordinator.sagas.work import FoldContext, SagaWork
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import SagaRow
from saga_coordinator.traces.sampling import Sampling
from saga_messaging.broker import Outgoing
from saga_schemas.codec import encode
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.records import EMPTY_BYTES
from saga_schemas.token import TokenKeys
from saga_schemas.topics import Topics
from support.coordinators import TOKEN_KEYS
from support.scripted import catalog_of

DEFINITION = """
saga: two
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Do}
  - {name: two, participant: one, command: t.Do, compensation: none}
"""
NOW = 1_700_000_000_000_000
CATALOG = catalog_of("t.Input", "t.Do")
COMPILED = compile_definition(lint(DEFINITION, "two.saga.yaml", CATALOG).required(), CATALOG)


class BreakableOutbound(Outbound):
    """Makes messages; when told, meets a bug."""

    broken = False

    def message(self, *given: Any, **more: Any) -> Outgoing:
        if self.broken:
            raise AssertionError("a bug")
        return super().message(*given, **more)


def a_context() -> FoldContext:
    outbound = BreakableOutbound(topics=Topics(), keys=TokenKeys.parse(TOKEN_KEYS), cluster_id="c")
    return FoldContext(outbound=outbound, empty=EMPTY_BYTES, new_id=new_id, sampling=Sampling(0.0))


def started(context: FoldContext, number: int = 1, *, message_id: str = "start-1") -> SagaWork:
    """A saga that has begun in this batch: its first command waits for the commit.

    `message_id` is the start's.
    """
    row = SagaRow(
        id=UUID(f"0190a000-0000-7000-8000-{number:012}"),
        tenant="default",
        definition_id=1,
        version=0,
        phase="RUNNING",
        engine_rev=1,
        state_format=1,
        incarnation=1,
        state=b"",
        state_version=0,
        facts_print=0,
        business_key=None,
        wake_at_us=None,
        trace_id="a" * 32,
        parent_span=None,
        trace_flags=0,
        tracestate=None,
        baggage=None,
        max_expiry_us=0,
        started_at_us=NOW,
        closed_at_us=None,
    )
    schema = CATALOG.latest("t.Input")
    assert schema is not None
    work = SagaWork.begin(row, COMPILED, context, started_at_us=NOW)
    given = encode(schema, {"id": "x"})
    begun = Start(id=str(row.id), tenant="default", key=None, input=given, incarnation=1, message_id=message_id)
    work.apply(begun, Env(now_us=NOW))
    return work


def done(step: str, *, message_id: str | None = None) -> Reply:
    """The step's first action succeeded."""
    return Reply(
        step=step,
        kind=Kind.ACTION,
        run=1,
        attempt=1,
        incarnation=1,
        version=1,
        outcome=Outcome.SUCCEEDED,
        message_id=message_id,
    )
