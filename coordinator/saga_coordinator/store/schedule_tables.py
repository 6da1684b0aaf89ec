"""The tables of schedules: documents, ticks, backfills, and stored calendars of days."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint, UniqueConstraint

from saga_coordinator.store.columns import BytewiseWords, Flag
from saga_coordinator.store.schedule_records import BackfillStatus, ScheduleStatus, TickOutcome, TickSource
from saga_coordinator.store.table_parts import id_, number, table, where, words


def _among(column: str, values: Iterable[str]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(one)) for one in values)})", name=column)


schedule = table(
    "schedule",
    id_(),
    words("tenant"),
    Column("name", BytewiseWords, nullable=False),
    number("created_at"),
    words("document"),
    Column("uses_calendars", Flag, nullable=False),
    number("version"),
    words("status"),
    number("cursor"),
    words("cursor_local", nullable=True),
    number("next_at", nullable=True),
    number("fire_at", nullable=True),
    number("wake_at", nullable=True),
    number("runs"),
    number("previous", nullable=True),
    number("fired"),
    number("queued"),
    number("skipped"),
    number("missed"),
    number("failed"),
    number("failures"),
    number("succeeded_at", nullable=True),
    number("success_due_at", nullable=True),
    words("attention", nullable=True),
    words("attention_note", nullable=True),
    number("attention_since", nullable=True),
    number("paused_at", nullable=True),
    words("paused_by", nullable=True),
    words("paused_why", nullable=True),
    number("changed_at"),
    number("ticks_from"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("tenant", "name"),
    _among("status", ScheduleStatus),
    CheckConstraint("version >= 1 AND runs >= 0 AND failures >= 0", name="levels"),
    CheckConstraint("fired >= 0 AND queued >= 0 AND skipped >= 0 AND missed >= 0 AND failed >= 0", name="counts"),
    CheckConstraint("(next_at IS NULL) = (fire_at IS NULL)", name="next"),
    CheckConstraint("(attention IS NULL) = (attention_since IS NULL)", name="attention"),
    CheckConstraint("status <> 'paused' OR (paused_at IS NOT NULL AND paused_by IS NOT NULL)", name="paused"),
    fill=70,
)
# Serves the loop, which asks every second for those that have something to do.
Index(
    "schedule_wake",
    schedule.c.tenant,
    schedule.c.wake_at,
    schedule.c.id,
    **where("status <> 'deleted' AND wake_at IS NOT NULL"),
)

schedule_version = table(
    "schedule_version",
    id_("schedule_id"),
    number("version"),
    words("document"),
    words("who"),
    words("why"),
    number("at"),
    PrimaryKeyConstraint("schedule_id", "version"),
    CheckConstraint("version >= 1", name="version"),
)

# One row for each tick that was decided by itself. Its key is what makes an instant fire once.
schedule_tick = table(
    "schedule_tick",
    id_("schedule_id"),
    number("at"),
    words("source"),
    number("version"),
    words("outcome"),
    words("reason", nullable=True),
    words("note", nullable=True),
    id_("saga_id", nullable=True),
    words("overlap", nullable=True),
    number("decided_at"),
    number("fired_at", nullable=True),
    words("phase", nullable=True),
    number("ended_at", nullable=True),
    PrimaryKeyConstraint("schedule_id", "at"),
    _among("source", TickSource),
    _among("outcome", TickOutcome),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("outcome <> 'fired' OR (saga_id IS NOT NULL AND fired_at IS NOT NULL)", name="fired"),
    CheckConstraint("phase IS NULL OR outcome = 'fired'", name="phase"),
    CheckConstraint("ended_at IS NULL OR phase IS NOT NULL", name="ended"),
    fill=90,
)
_T = schedule_tick.c
# Serves the loop: ticks whose sagas run, as far as they know. There are few.
Index(
    "schedule_tick_running",
    _T.schedule_id,
    _T.at,
    postgresql_include=["saga_id"],
    **where("outcome = 'fired' AND phase IS NULL"),
)
# Serves the loop: ticks that wait.
Index("schedule_tick_queued", _T.schedule_id, _T.at, **where("outcome = 'queued'"))
# Serves `tick_of_saga`.
Index("schedule_tick_saga", _T.saga_id, **where("outcome = 'fired'"))

# Ticks in a row that did not start, for one reason: downtime of a year is one row.
schedule_tick_range = table(
    "schedule_tick_range",
    id_("schedule_id"),
    number("first"),
    number("last"),
    number("count"),
    words("outcome"),
    words("reason"),
    words("note", nullable=True),
    id_("saga_id", nullable=True),
    number("decided_at"),
    PrimaryKeyConstraint("schedule_id", "first", "decided_at"),
    _among("outcome", (TickOutcome.SKIPPED, TickOutcome.MISSED)),
    CheckConstraint("count >= 1 AND first <= last", name="extent"),
)

schedule_backfill = table(
    "schedule_backfill",
    id_(),
    words("tenant"),
    id_("schedule_id"),
    number("from"),
    number("until"),
    words("overlap"),
    number("per_minute"),
    number("found"),
    words("who"),
    words("why"),
    number("created_at"),
    number("place"),
    number("next_at"),
    words("status"),
    number("fired"),
    number("known"),
    number("skipped"),
    number("failed"),
    number("ended_at", nullable=True),
    words("stopped_by", nullable=True),
    words("stopped_why", nullable=True),
    PrimaryKeyConstraint("id"),
    _among("status", BackfillStatus),
    CheckConstraint("(ended_at IS NULL) = (status = 'running')", name="ended"),
    CheckConstraint("(stopped_by IS NOT NULL) = (status = 'stopped')", name="stopped"),
    CheckConstraint('"from" <= until AND per_minute >= 1', name="extent"),
    CheckConstraint("found >= 0 AND fired >= 0 AND known >= 0 AND skipped >= 0 AND failed >= 0", name="counts"),
    fill=50,
)
# At most one runs of a schedule; also how the loop finds it.
Index("schedule_backfill_running", schedule_backfill.c.schedule_id, unique=True, **where("status = 'running'"))
# Serves the list of a schedule's.
Index("schedule_backfill_schedule", schedule_backfill.c.schedule_id, schedule_backfill.c.id)

day_calendar = table(
    "day_calendar",
    words("tenant"),
    Column("name", BytewiseWords, nullable=False),
    number("version"),
    words("document"),
    words("who"),
    words("why"),
    number("at"),
    PrimaryKeyConstraint("tenant", "name", "version"),
    CheckConstraint("version >= 1", name="version"),
)
