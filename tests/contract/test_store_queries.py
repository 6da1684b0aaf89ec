"""Queries on both databases: each gives the sagas that plain Python finds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as property_of
from sqlalchemy import func, select, text

from contract.store_rows import by_hand, claim, move, register, row_of, save, start_of
from saga_coordinator.archive.container import read_container, write_container
from saga_coordinator.archive.importing import import_entries
from saga_coordinator.query import Query, parse
from saga_coordinator.query.tree import Condition, FromNow, Instant, Lasting, Value
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import AttentionRow, ListFilter, QueryTooSlow, SagaRow, Store
from saga_coordinator.store.queries import QueryReads
from saga_coordinator.store.removal_port import FinishedOf, Leaving
from saga_coordinator.store.store_copy import copy_store
from saga_coordinator.store.writes import groups_of
from saga_schemas.ids import uuid7
from saga_schemas.labels import LabelValue
from saga_schemas.times import parse_us, to_datetime
from support.archived import NOON_US, archived, described
from support.queries import DAY_US, Line, conditions, holds, written

MINE = "default"
KEYS = ("o-1", "o-17", "o-1\u00e9", "O-1", "z", None)
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
LABELS: dict[str, tuple[Any, ...]] = {
    "customer": ("c-1", "c-10", "C-1", "\u00e9", "\U0001f600", 7.0, True),
    "total": (-1.5, 0.0, 2.0, 1e300, "2", False),
    "due": (Instant(0), Instant(NOON_US), Instant(NOON_US * 3), "never"),
    "vip": (True, False),
}
IDS = [uuid7(NOON_US + n, bytes([n]) * 10) for n in range(26)]
KNOWN: dict[str, tuple[Value, ...]] = {
    "id": (*IDS[::5], UUID(int=0)),
    "key": ("o-1", "o-17", "o-", "O", "o-1\u00e9", "nobody", "'; DROP TABLE saga; --", "%", "\U0001f600"),
    "definition": ("order", "refund", "ord", "none"),
    "version": (1, 2, 3, -1),
    "phase": ("SCHEDULED", "RUNNING", "COMPENSATING", "COMPLETED", "COMPENSATED", "FORCED"),
    "reason": ("silent", "stuck", "s", "x"),
    "started": (Instant(NOON_US), Instant(NOON_US + 2), Instant(NOON_US + 100 * DAY_US), FromNow(-DAY_US), FromNow(0)),
    "closed": (Instant(NOON_US + 1), Instant(NOON_US + DAY_US), FromNow(-DAY_US), FromNow(DAY_US)),
    "begins": (Instant(NOON_US), Instant(NOON_US + DAY_US), FromNow(-DAY_US), FromNow(0), FromNow(DAY_US)),
    "duration": (Lasting(0), Lasting(1_000), Lasting(DAY_US // 2), Lasting(DAY_US), Lasting(3_000 * DAY_US)),
    "trace": ("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
}
ASKED_OF_LABELS = {name: (*values, FromNow(DAY_US)) if name == "due" else values for name, values in LABELS.items()}


@dataclass
class Stored:
    store: Store
    lines: list[Line]

    async def listed(self, query: Query) -> list[UUID]:
        found, cursor = await self.store.list_sagas(ListFilter(tenant=MINE, query=query, limit=100))
        assert cursor is None
        return [one.id for one in found]

    def expected(self, condition: Condition, now_us: int) -> list[UUID]:
        return sorted((line.id for line in self.lines if holds(condition, line, now_us)), reverse=True)


@pytest.fixture
async def stored(store: Store, store_url: str) -> Stored:
    """Two dozen sagas of all kinds, and two that were imported."""
    definitions = [
        (await register(store, name, version), name, version) for name, version in product(("order", "refund"), (1, 2))
    ]
    lines = []
    for n in range(24):
        definition, name, version = definitions[n % 4]
        row = row_of(definition, business_key=key(n), started_at_us=NOON_US + n % 5, phase=phase_of(n))
        line = line_of(row, name, version, n)
        await begun(store, row, line)
        lines.append(await brought_on(store, row, line, n))
    lines += [await imported(store, n) for n in range(2)]
    stranger = row_of(await register(store, tenant="another"), tenant="another")
    await begun(store, stranger, replace(lines[0], definition="order", labels={"customer": "c-1", "vip": True}))
    return Stored(store, lines)


def phase_of(n: int) -> str:
    return "COMPENSATING" if n % 3 else "RUNNING" if n % 2 else "SCHEDULED"


def key(n: int) -> str | None:
    found = KEYS[n % len(KEYS)]
    return found if found is None or n < len(KEYS) else f"{found}-{n}"


def line_of(row: SagaRow, definition: str, version: int, n: int) -> Line:
    labels = {name: values[n % len(values)] for name, values in LABELS.items() if (n + len(name)) % 3}
    return Line(
        id=row.id,
        key=row.business_key,
        definition=definition,
        version=version,
        phase=row.phase,
        started=row.started_at_us,
        closed=row.closed_at_us,
        trace=row.trace_id,
        begins=row.wake_at_us if row.phase == "SCHEDULED" else None,
        labels=labels,
    )


async def begun(store: Store, row: SagaRow, line: Line) -> None:
    wanted = replace(claim(str(row.id), row.business_key, saga=row.id, definition=line.definition), tenant=row.tenant)
    async with store.transaction() as transaction:
        assert (await transaction.claim_starts([wanted]))[row.id].won
        await transaction.save([start_of(row, labels=tuple(stored_labels(line).items()))])


async def brought_on(store: Store, row: SagaRow, line: Line, n: int) -> Line:
    if n % 4 == 1:
        phase = ("COMPLETED", "COMPENSATED", "FORCED")[n % 3]
        closed = row.started_at_us + n * DAY_US // 10
        await save(store, move(row, phase=phase, wake_at_us=None, closed_at_us=closed))
        return replace(line, phase=phase, closed=closed, begins=None)
    if n % 4 == 2:
        reasons = ("silent", "stuck")[: 1 + (n > 12)]
        added = tuple(AttentionRow(saga_id=row.id, step="charge", reason=one, since_us=1, note="") for one in reasons)
        await save(store, move(row, phase=row.phase, more={"attention_added": added}))
        return replace(line, reasons=reasons)
    return line


async def imported(store: Store, n: int) -> Line:
    view = json.dumps({"labels": {"customer": "c-1", "due": "2026-11-01T00:00:00Z"}})
    entry = described(archived(NOON_US + n, key=f"i-{n}", id=IDS[24 + n]), view=view)
    await import_entries(store, read_container(write_container([entry])), tenant=MINE, who="ada", why="test")
    saga = entry.saga
    return Line(
        id=saga.row.id,
        key=saga.business_key,
        definition=saga.definition,
        version=saga.definition_version,
        phase=saga.phase,
        started=saga.started_at_us,
        closed=saga.closed_at_us,
        trace=saga.trace_id,
        imported=True,
        labels={"customer": "c-1", "due": Instant(parse_us("2026-11-01T00:00:00Z"))},
    )


def stored_labels(line: Line) -> dict[str, LabelValue]:
    return {name: to_datetime(value.us) if isinstance(value, Instant) else value for name, value in line.labels.items()}


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@property_of(condition=conditions(KNOWN, ASKED_OF_LABELS))
async def test_every_query_gives_what_plain_python_finds(stored: Stored, condition: Condition) -> None:
    query = parse(written(condition))
    assert query.condition == condition
    now_us = await stored.store.now_us()
    expected = stored.expected(condition, now_us)

    assert await stored.listed(query) == expected
    assert await stored.store.count_sagas(MINE, query, 1_000) == len(expected)
    own = [id for id in expected if not any(line.imported for line in stored.lines if line.id == id)]
    assert await stored.store.matching_ids(MINE, query, after=None, limit=100) == own


async def test_a_condition_is_never_more_than_a_value(stored: Stored, store_url: str) -> None:
    """What is asked for stands in no statement: it is bound."""
    for given in ("' OR '1'='1", "'; DELETE FROM saga_listing; --", '") OR 1=1 --', "\\", "%", "_", "$1", ":tenant", "?"):
        quoted = '"' + given.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for asked in (
            "key = {}",
            "key starts with {}",
            "definition in ({}, order)",
            "label.customer = {}",
            "reason = {}",
            "trace = {}",
        ):
            found = await stored.listed(parse(asked.format(quoted)))
            assert found == ([] if "order" not in asked else await stored.listed(parse("definition = order")))
    assert (await by_hand(store_url, "SELECT count(*) FROM saga_listing"))[0][0] == 25


async def test_lines_have_the_labels_that_they_were_started_with(stored: Stored) -> None:
    lines, _ = await stored.store.list_sagas(ListFilter(tenant=MINE, limit=100))
    assert {line.id: line.labels for line in lines} == {line.id: stored_labels(line) for line in stored.lines}
    some = [line for line in stored.lines if line.labels][:3]
    assert await stored.store.labels_of([line.id for line in some]) == {line.id: stored_labels(line) for line in some}
    assert await stored.store.labels_of([]) == {}


async def test_labels_go_with_their_saga(stored: Stored, store_url: str) -> None:
    saga = next(line for line in stored.lines if line.closed is not None and line.labels and not line.imported)
    shelf = int(saga.phase == "FORCED")
    which = FinishedOf(tenant=MINE, definition=saga.definition, version=saga.version, shelf=shelf, before_us=10**18)
    found = await stored.store.finished(which, after=None, limit=100)
    (finished,) = [one for one in found if one.id == saga.id]
    async with stored.store.transaction() as transaction:
        removed = await transaction.remove_sagas([Leaving(saga=finished, keys_until_us=None)])
    assert removed.sagas == (saga.id,)
    assert await stored.store.labels_of([saga.id]) == {}
    others = sum(len(line.labels) for line in stored.lines if line.id != saga.id)
    assert await by_hand(store_url, "SELECT count(*) FROM saga_label WHERE tenant = 'default'") == [(others,)]


async def test_a_copy_of_the_store_answers_the_same(stored: Stored, store_url: str, database_url: str, tmp_path: Path) -> None:
    to_postgres = stored.store.dialect == "sqlite"
    target = database_url if to_postgres else f"sqlite+aiosqlite:///{tmp_path / 'copy.sqlite'}"
    await stored.store.stop()
    copied = await copy_store(store_url, target)
    assert copied.rows["saga_label"] == sum(len(line.labels) for line in stored.lines) + 2
    copy = open_store(target)
    await copy.start()
    try:
        lines, _ = await copy.list_sagas(ListFilter(tenant=MINE, limit=100))
        assert {line.id: line.labels for line in lines} == {line.id: stored_labels(line) for line in stored.lines}
        for asked in ("label.vip = true", "label.total < 5", "label.due < now", 'label.customer starts with "c"'):
            query = parse(asked)
            expected = stored.expected(query.condition, await copy.now_us())
            assert [line.id for line in (await copy.list_sagas(ListFilter(tenant=MINE, query=query, limit=100)))[0]] == expected
    finally:
        await copy.stop()


def test_labels_are_written_with_their_saga_at_once_and_cost_nothing_where_there_are_none() -> None:
    plain, labelled = (start_of(row_of(1), labels=labels) for labels in ((), (("a", "x"), ("b", True))))
    (group,) = groups_of([plain], {})
    assert "saga_label" not in {write.statement.table for write in group}
    (group,) = groups_of([plain, labelled], {})
    (labels,) = (write.rows for write in group if write.statement.table == "saga_label")
    assert labels == [
        ("default", "a", labelled.row.id, "x", None, None, None),
        ("default", "b", labelled.row.id, None, None, True, None),
    ]


async def test_a_page_of_ids_follows_the_one_before(stored: Stored) -> None:
    query, seen = parse("open"), list[UUID]()
    while page := await stored.store.matching_ids(MINE, query, after=seen[-1] if seen else None, limit=4):
        seen += page
    assert seen == await stored.listed(query)
    assert len(seen) == 18


async def test_a_list_goes_on_where_its_page_ended(stored: Stored) -> None:
    wanted = ListFilter(tenant=MINE, query=parse("not open"), limit=3)
    first, cursor = await stored.store.list_sagas(wanted)
    second, _ = await stored.store.list_sagas(replace(wanted, cursor=cursor))
    found = [one.id for one in (*first, *second)]
    assert found == (await stored.listed(parse("not open")))[:6]


async def test_a_query_and_the_other_filters_both_hold(stored: Stored) -> None:
    wanted = ListFilter(tenant=MINE, query=parse("version = 2"), definition="order", phase="RUNNING")
    found, _ = await stored.store.list_sagas(wanted)
    assert [one.id for one in found] == await stored.listed(parse("version = 2 and definition = order and phase = RUNNING"))


async def test_a_count_ends_at_its_most(stored: Stored) -> None:
    assert await stored.store.count_sagas(MINE, None, 1_000) == 26
    assert await stored.store.count_sagas(MINE, None, 1_000, imported=False) == 24
    assert await stored.store.count_sagas(MINE, None, 5) == 6
    assert await stored.store.count_sagas(MINE, parse("open"), 5) == 6
    assert await stored.store.count_sagas(MINE, parse("not open"), 8) == 8
    assert await stored.store.count_sagas("nobody", parse("open"), 5) == 0


async def test_a_query_that_takes_too_long_is_given_up_and_the_store_goes_on(store: Store, store_url: str) -> None:
    assert isinstance(store, QueryReads)
    store.query_limit_s = 0.05
    endless = select(func.pg_sleep(20)) if store.dialect == "postgresql" else text(ENDLESS).columns()
    with pytest.raises(QueryTooSlow, match="took longer than"):
        await store._answers([endless], parse("open"))  # type: ignore[list-item]
    for _ in range(10):  # each of the connections is of use again
        assert await store.count_sagas(MINE, parse("open"), 5) == 0
    assert await store.now_us() > 0
