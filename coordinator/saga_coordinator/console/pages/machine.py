"""The machine: whether this instance is well, what waits, how far Kafka is read, what is removed,
and the settings that matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.health_routes import metrics
from saga_coordinator.console.console import Console
from saga_coordinator.console.routing import PageRoute
from saga_coordinator.store.listing import COUNTED_MOST
from saga_coordinator.store.port import SPANS_DUE_MOST, Figures, Position
from saga_coordinator.telemetry import catalog
from saga_schemas.record_class import record

TOPICS: Final = 100
_LATE_US: Final = 10_000_000


@record
class Waits:
    """What waits in one table."""

    what: str
    count: int
    most: int
    """It is counted up to here."""
    oldest_at_us: int | None
    late: bool
    meaning: str


@record
class Reading:
    """How far one topic is applied."""

    topic: str
    offsets: Sequence[int]
    """The next one of each partition that is read, in their order."""
    caught_up_at_us: int | None
    """When the last of them was; None: not all have ever been."""


async def show(console: Console, request: Request) -> Response:
    """All of it."""
    coordinator, store = console.coordinator, console.coordinator.store
    figures = await store.figures()
    participants = sorted(await coordinator.definitions.participants())
    topics = [coordinator.topics.start, *(coordinator.topics.reply(name) for name in participants)]
    read = reading((await store.positions(topics)).values())
    horizon = await store.horizon(coordinator.settings.tenant)
    return await console.page(
        request,
        "machine.html",
        section="machine",
        title="Machine",
        live="list",
        problems=await coordinator.ready(),
        notes=coordinator.notes(),
        recovering=coordinator.recovering(),
        waits=waits(figures),
        topics=read[:TOPICS],
        topics_left_out=max(0, len(read) - TOPICS),
        horizon=horizon,
        retention_lag_ms=_retention_lag_ms(console),
        audit_since_us=await store.oldest("audit", coordinator.settings.tenant),
        letters_since_us=await store.oldest("dead_letter", coordinator.settings.tenant),
        settings=coordinator.settings.shown(),
        meta=await store.meta(),
        dialect=store.dialect,
    )


def waits(figures: Figures) -> list[Waits]:
    """What waits, each with whether it waits too long."""
    now_us, due_us = figures.now_us, figures.wakeup_earliest_due_us
    outbox_us, spans_us = figures.outbox_oldest_at_us, figures.spans_oldest_at_us
    return [
        Waits(
            what="outbox",
            count=figures.outbox_depth,
            most=COUNTED_MOST,
            oldest_at_us=outbox_us,
            late=outbox_us is not None and now_us - outbox_us > _LATE_US,
            meaning="messages that Kafka has not acknowledged yet",
        ),
        Waits(
            what="timers",
            count=0 if due_us is None or due_us > now_us else 1,
            most=1,
            oldest_at_us=due_us,
            late=due_us is not None and now_us - due_us > _LATE_US,
            meaning="the earliest time at which a saga is looked at",
        ),
        Waits(
            what="inbox",
            count=figures.inbox,
            most=COUNTED_MOST,
            oldest_at_us=None,
            late=False,
            meaning="events left for sagas that were busy",
        ),
        Waits(
            what="spans",
            count=figures.spans_due,
            most=SPANS_DUE_MOST,
            oldest_at_us=spans_us,
            late=spans_us is not None and now_us - spans_us > 6 * _LATE_US,
            meaning="transitions whose spans are not exported yet",
        ),
        Waits(
            what="dead letters",
            count=figures.dead_letters,
            most=COUNTED_MOST,
            oldest_at_us=None,
            late=False,
            meaning="records that could not be read, and are kept",
        ),
    ]


def reading(positions: Iterable[Position]) -> list[Reading]:
    """By topic."""
    by_topic: dict[str, list[Position]] = {}
    for one in sorted(positions, key=lambda one: (one.topic, one.partition)):
        by_topic.setdefault(one.topic, []).append(one)
    found = []
    for topic, parts in by_topic.items():
        times = [one.caught_up_at_us for one in parts if one.caught_up_at_us is not None]
        caught_up = min(times) if len(times) == len(parts) else None
        found.append(Reading(topic=topic, offsets=[one.next_offset for one in parts], caught_up_at_us=caught_up))
    return found


def _retention_lag_ms(console: Console) -> float:
    """For how long what is removed next has been due, where this instance removes."""
    registry = console.coordinator.instruments.registry.restricted_registry([catalog.RETENTION_LAG.name])
    return sum(sample.value for metric in registry.collect() for sample in metric.samples) * 1000


async def show_metrics(console: Console, request: Request) -> Response:
    """What `/metrics` answers, for people whose proxy lets them come to the console only."""
    return await metrics(console.coordinator, request)


ROUTES = [PageRoute(path="/machine", handler=show), PageRoute(path="/metrics", handler=show_metrics)]
