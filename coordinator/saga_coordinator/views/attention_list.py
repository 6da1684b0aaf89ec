"""Everything that needs a person: sagas by cause, and schedules, each with its way out.

`GET /v1/attention`, `saga list attention` and the console's page show it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.schedules.words import PAUSED_LONG_US, Need, all_needs
from saga_coordinator.store.port import AlikeAttention, Store
from saga_coordinator.views.inbox import InboxGroup, inbox
from saga_schemas.ids import saga_text
from saga_schemas.times import format_us

LINES: Final = 200
OF_EACH: Final = 10
RUNBOOK: Final = "docs/operations.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaInNeed:
    """One reason of one saga."""

    id: str
    key: str | None
    definition: str
    version: int
    step: str | None
    note: str | None
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseInNeed:
    """Sagas that need a person for one cause."""

    reason: str
    participant: str | None
    count: int
    since: str
    """Of the one that waits longest."""
    sentence: str
    way_out: str
    sagas: tuple[SagaInNeed, ...]
    """Those that wait longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInNeed:
    """Why a person should look at a schedule."""

    schedule: str
    reason: str
    """A code; docs/operations.md has them."""
    since: str
    sentence: str
    note: str | None
    way_out: str
    command: str
    """In a terminal; what stands in capitals is for the person to write."""
    runbook: str
    """The section that says more, as page#anchor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionList:
    """Everything that needs a person: many sagas first; of schedules, those first that do no
    work."""

    sagas: int
    schedules: int
    more_schedules: bool
    """There are more than are listed."""
    causes: tuple[CauseInNeed, ...]
    schedules_in_need: tuple[ScheduleInNeed, ...]


async def sagas_in_need(store: Store, definitions: DefinitionCache, tenant: str) -> list[InboxGroup]:
    """Read the sagas that need a person, by cause. Raises StoreError."""
    found = await store.alike_attention(tenant, of_each=OF_EACH, limit=LINES)
    return inbox(found, await _participants(definitions, found), OF_EACH)


async def schedules_in_need(store: Store, tenant: str) -> tuple[list[Need], bool]:
    """Read the schedules at which a person should look, and whether there are more. Raises
    StoreError."""
    rows = await store.schedules_in_need(tenant, paused_for_us=PAUSED_LONG_US, limit=LINES + 1)
    return all_needs(rows[:LINES], await store.now_us() if rows else 0), len(rows) > LINES


async def attention_list(store: Store, definitions: DefinitionCache, tenant: str) -> AttentionList:
    """Read both. Raises StoreError."""
    groups = await sagas_in_need(store, definitions, tenant)
    needs, more = await schedules_in_need(store, tenant)
    return AttentionList(
        sagas=sum(group.count for group in groups),
        schedules=len({need.name for need in needs}),
        more_schedules=more,
        causes=tuple(_cause(group) for group in groups),
        schedules_in_need=tuple(_schedule(need) for need in needs),
    )


def _cause(group: InboxGroup) -> CauseInNeed:
    return CauseInNeed(
        reason=group.reason,
        participant=group.participant,
        count=group.count,
        since=format_us(group.since_us),
        sentence=group.headline,
        way_out=group.way_out,
        sagas=tuple(_saga(line.attention) for line in group.lines),
    )


def _saga(one: AlikeAttention) -> SagaInNeed:
    return SagaInNeed(
        id=saga_text(one.saga_id),
        key=one.business_key,
        definition=one.definition,
        version=one.definition_version,
        step=one.step or None,
        note=one.note or None,
        since=format_us(one.since_us),
    )


def _schedule(need: Need) -> ScheduleInNeed:
    return ScheduleInNeed(
        schedule=need.name,
        reason=need.code,
        since=format_us(need.since_us),
        sentence=need.sentence,
        note=need.note or None,
        way_out=need.way_out,
        command=need.command,
        runbook=f"{RUNBOOK}#{need.anchor}",
    )


async def _participants(definitions: DefinitionCache, found: Sequence[AlikeAttention]) -> Callable[[AlikeAttention], str | None]:
    """Who has which step, by the definitions that this instance knows."""
    known: dict[tuple[str, int], dict[str, str]] = {}
    for name, version in {(one.definition, one.definition_version) for one in found}:
        row = definitions.find(name, version)
        if row is None:
            continue
        try:
            compiled = await definitions.get(row.id)
        except DefinitionMissing:
            continue
        known[name, version] = {step.name: step.participant for step in compiled.definition.steps}
    return lambda one: known.get((one.definition, one.definition_version), {}).get(one.step.partition("[")[0])
