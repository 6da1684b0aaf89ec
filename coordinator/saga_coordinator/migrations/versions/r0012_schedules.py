"""Schedules: their documents, their ticks, backfills, and stored calendars of days."""

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import BytewiseWords, Flag, Id, Number, Words

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _schedule()
    _version()
    _tick()
    _tick_range()
    _backfill()
    _day_calendar()


def _words(name: str, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, Words, nullable=nullable)


def _number(name: str, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, Number, nullable=nullable, autoincrement=False)


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"{table}_{name}"))


def _index(name: str, table: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    rows = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, postgresql_where=rows, sqlite_where=rows)


def _schedule() -> None:
    op.create_table(
        "schedule",
        sa.Column("id", Id(), nullable=False),
        _words("tenant"),
        sa.Column("name", BytewiseWords, nullable=False),
        _number("created_at"),
        _words("document"),
        sa.Column("uses_calendars", Flag, nullable=False),
        _number("version"),
        _words("status"),
        _number("cursor"),
        _words("cursor_local", True),
        *(_number(name, True) for name in ("next_at", "fire_at", "wake_at")),
        _number("runs"),
        _number("previous", True),
        *(_number(name) for name in ("fired", "queued", "skipped", "missed", "failed", "failures")),
        _number("succeeded_at", True),
        _number("success_due_at", True),
        _words("attention", True),
        _words("attention_note", True),
        _number("attention_since", True),
        _number("paused_at", True),
        _words("paused_by", True),
        _words("paused_why", True),
        _number("changed_at"),
        _number("ticks_from"),
        sa.PrimaryKeyConstraint("id", name="schedule_pkey"),
        sa.UniqueConstraint("tenant", "name", name="schedule_tenant_name_key"),
        _check("schedule", "status", "status IN ('active', 'paused', 'ended', 'deleted')"),
        _check("schedule", "levels", "version >= 1 AND runs >= 0 AND failures >= 0"),
        _check("schedule", "counts", "fired >= 0 AND queued >= 0 AND skipped >= 0 AND missed >= 0 AND failed >= 0"),
        _check("schedule", "next", "(next_at IS NULL) = (fire_at IS NULL)"),
        _check("schedule", "attention", "(attention IS NULL) = (attention_since IS NULL)"),
        _check("schedule", "paused", "status <> 'paused' OR (paused_at IS NOT NULL AND paused_by IS NOT NULL)"),
        sqlite_strict=True,
        postgresql_with={"fillfactor": 70},
    )
    _index("schedule_wake", "schedule", ["tenant", "wake_at", "id"], "status <> 'deleted' AND wake_at IS NOT NULL")


def _version() -> None:
    op.create_table(
        "schedule_version",
        sa.Column("schedule_id", Id(), nullable=False),
        _number("version"),
        _words("document"),
        _words("who"),
        _words("why"),
        _number("at"),
        sa.PrimaryKeyConstraint("schedule_id", "version", name="schedule_version_pkey"),
        _check("schedule_version", "version", "version >= 1"),
        sqlite_strict=True,
    )


def _tick() -> None:
    op.create_table(
        "schedule_tick",
        sa.Column("schedule_id", Id(), nullable=False),
        _number("at"),
        _words("source"),
        _number("version"),
        _words("outcome"),
        _words("reason", True),
        _words("note", True),
        sa.Column("saga_id", Id(), nullable=True),
        _words("overlap", True),
        _number("decided_at"),
        _number("fired_at", True),
        _words("phase", True),
        _number("ended_at", True),
        sa.PrimaryKeyConstraint("schedule_id", "at", name="schedule_tick_pkey"),
        _check("schedule_tick", "source", "source IN ('calendar', 'trigger', 'backfill')"),
        _check("schedule_tick", "outcome", "outcome IN ('fired', 'queued', 'skipped', 'missed', 'failed')"),
        _check("schedule_tick", "version", "version >= 1"),
        _check("schedule_tick", "fired", "outcome <> 'fired' OR (saga_id IS NOT NULL AND fired_at IS NOT NULL)"),
        _check("schedule_tick", "phase", "phase IS NULL OR outcome = 'fired'"),
        _check("schedule_tick", "ended", "ended_at IS NULL OR phase IS NOT NULL"),
        sqlite_strict=True,
        postgresql_with={"fillfactor": 90},
    )
    running = "outcome = 'fired' AND phase IS NULL"
    _index("schedule_tick_running", "schedule_tick", ["schedule_id", "at", "saga_id"], running)
    _index("schedule_tick_queued", "schedule_tick", ["schedule_id", "at"], "outcome = 'queued'")
    _index("schedule_tick_saga", "schedule_tick", ["saga_id"], "outcome = 'fired'")


def _tick_range() -> None:
    op.create_table(
        "schedule_tick_range",
        sa.Column("schedule_id", Id(), nullable=False),
        _number("first"),
        _number("last"),
        _number("count"),
        _words("outcome"),
        _words("reason"),
        _words("note", True),
        sa.Column("saga_id", Id(), nullable=True),
        _number("decided_at"),
        sa.PrimaryKeyConstraint("schedule_id", "first", "decided_at", name="schedule_tick_range_pkey"),
        _check("schedule_tick_range", "outcome", "outcome IN ('skipped', 'missed')"),
        _check("schedule_tick_range", "extent", "count >= 1 AND first <= last"),
        sqlite_strict=True,
    )


def _backfill() -> None:
    op.create_table(
        "schedule_backfill",
        sa.Column("id", Id(), nullable=False),
        _words("tenant"),
        sa.Column("schedule_id", Id(), nullable=False),
        _number("from"),
        _number("until"),
        _words("overlap"),
        _number("per_minute"),
        _number("found"),
        _words("who"),
        _words("why"),
        _number("created_at"),
        _number("place"),
        _number("next_at"),
        _words("status"),
        *(_number(name) for name in ("fired", "known", "skipped", "failed")),
        _number("ended_at", True),
        _words("stopped_by", True),
        _words("stopped_why", True),
        sa.PrimaryKeyConstraint("id", name="schedule_backfill_pkey"),
        _check("schedule_backfill", "status", "status IN ('running', 'done', 'stopped')"),
        _check("schedule_backfill", "ended", "(ended_at IS NULL) = (status = 'running')"),
        _check("schedule_backfill", "stopped", "(stopped_by IS NOT NULL) = (status = 'stopped')"),
        _check("schedule_backfill", "extent", '"from" <= until AND per_minute >= 1'),
        _check("schedule_backfill", "counts", "found >= 0 AND fired >= 0 AND known >= 0 AND skipped >= 0 AND failed >= 0"),
        sqlite_strict=True,
        postgresql_with={"fillfactor": 50},
    )
    _index("schedule_backfill_running", "schedule_backfill", ["schedule_id"], "status = 'running'", unique=True)
    op.create_index("schedule_backfill_schedule", "schedule_backfill", ["schedule_id", "id"])


def _day_calendar() -> None:
    op.create_table(
        "day_calendar",
        _words("tenant"),
        sa.Column("name", BytewiseWords, nullable=False),
        _number("version"),
        _words("document"),
        _words("who"),
        _words("why"),
        _number("at"),
        sa.PrimaryKeyConstraint("tenant", "name", "version", name="day_calendar_pkey"),
        _check("day_calendar", "version", "version >= 1"),
        sqlite_strict=True,
    )
