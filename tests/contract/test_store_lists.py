"""Lists, figures, definitions, schemas, dead letters, controls and instances: what people and
gauges read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from contract.store_rows import LATER, apply, by_hand, claim, end, new_id, register, row_of, save, start, start_of
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import (
    AttentionRow,
    DeadLetter,
    Figures,
    InboxEvent,
    InstanceState,
    ListFilter,
    OrphanReply,
    SagaRow,
    SchemaCollision,
    Store,
    StoreError,
)
from saga_schemas.ids import uuid7
from support.coordinators import opened
from support.orders import until

MINE = ListFilter(tenant="default")


async def ids_of(store: Store, wanted: ListFilter) -> list[UUID]:
    return [one.id for one in (await store.list_sagas(wanted))[0]]


async def seven_sagas(store: Store) -> list[SagaRow]:
    """Oldest first: five orders, of which the last two ended, and two refunds, of which one needs a
    person."""
    order, refund = await register(store), await register(store, "refund", 3)
    rows = [row_of(order) for _ in range(5)] + [row_of(refund) for _ in range(2)]
    await start(store, *rows)
    await save(store, end(rows[3]), end(rows[4], "COMPENSATED"))
    reason = AttentionRow(saga_id=rows[6].id, step="charge", reason="silent", since_us=1, note="")
    await apply(store, rows[6].id, more={"attention_added": (reason,)})
    return rows


# -- lists


async def test_the_sagas_of_some_definitions_come_in_pages(store: Store) -> None:
    rows = await seven_sagas(store)
    ids, order = [row.id for row in rows], rows[0].definition_id
    assert await store.saga_ids("default", [order], after=None, limit=3) == ids[:3]
    assert await store.saga_ids("default", [order], after=ids[2], limit=3) == ids[3:5]
    assert await store.saga_ids("default", [order, rows[6].definition_id], after=ids[4], limit=3) == ids[5:]
    assert await store.saga_ids("default", [], after=None, limit=3) == []
    assert await store.saga_ids("other", [order], after=None, limit=3) == []


async def test_a_reader_reads_beside_whoever_serves_and_writes_nothing(store: Store, store_url: str) -> None:
    rows = await seven_sagas(store)
    reader = open_store(store_url, reader="a-reader")
    await reader.start()
    try:
        assert set(await reader.sagas([row.id for row in rows])) == {row.id for row in rows}
        with pytest.raises(StoreError, match=r"read.?only"):
            await reader.note("scope", "default", {"name": "value"}, who="me", why="to see")
        await store.note("scope", "default", {"name": "value"}, who="me", why="to see")
        assert await reader.control("scope", "default") == {"name": "value"}
    finally:
        await reader.stop()


async def test_lists_are_newest_first_and_filter(store: Store) -> None:
    rows = await seven_sagas(store)
    ids = [row.id for row in rows]
    assert await ids_of(store, MINE) == ids[::-1]
    assert await ids_of(store, replace(MINE, definition="refund")) == [ids[6], ids[5]]
    assert await ids_of(store, replace(MINE, phase="COMPENSATED")) == [ids[4]]
    assert await ids_of(store, replace(MINE, phase="RUNNING", definition="order")) == [ids[2], ids[1], ids[0]]
    assert await ids_of(store, replace(MINE, attention=True)) == [ids[6]]
    assert await ids_of(store, replace(MINE, attention=False, definition="refund")) == [ids[5]]
    assert await ids_of(store, ListFilter(tenant="other")) == []


async def test_a_line_of_a_list_tells_what_a_person_needs(store: Store) -> None:
    rows = await seven_sagas(store)
    line = (await store.list_sagas(replace(MINE, attention=True)))[0][0]
    assert (line.definition, line.definition_version, line.phase, line.version) == ("refund", 3, "RUNNING", 2)
    assert line.attention == ("charge: silent",)
    assert (line.trace_id, line.started_at_us, line.closed_at_us) == (rows[6].trace_id, 1, None)
    ended = (await store.list_sagas(replace(MINE, phase="COMPLETED")))[0][0]
    assert (ended.phase, ended.closed_at_us, ended.attention) == ("COMPLETED", 2, ())


async def test_pages_follow_each_other_without_gap_or_repeat(store: Store) -> None:
    rows = await seven_sagas(store)
    seen: list[UUID] = []
    cursor = None
    for _ in range(4):
        page, cursor = await store.list_sagas(replace(MINE, limit=2, cursor=cursor))
        seen += [one.id for one in page]
        # A saga that starts meanwhile is newer than every page to come.
        await start(store, row_of(1))
    assert seen == [row.id for row in rows][::-1]
    assert cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "*" * 22, "ab" * 40, "é", "\x00", "AAAA"])
async def test_a_bad_cursor_is_a_value_error(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.list_sagas(replace(MINE, cursor=cursor))


async def test_an_unknown_phase_is_a_value_error(store: Store) -> None:
    with pytest.raises(ValueError, match="phase"):
        await store.list_sagas(replace(MINE, phase="BROKEN"))


async def test_sagas_are_found_by_their_key_in_their_tenant_and_definition(store: Store) -> None:
    definition = await register(store)
    mine, other = claim("r-1", "o-17"), claim("r-2", "o-17", definition="refund")
    async with store.transaction() as transaction:
        await transaction.claim_starts([mine, other])
        rows = [row_of(definition, id=one.saga_id, business_key="o-17") for one in (mine, other)]
        await transaction.save([start_of(row) for row in rows])
    assert {one.id for one in await store.sagas_by_key("default", "o-17", None)} == {mine.saga_id, other.saga_id}
    assert [one.id for one in await store.sagas_by_key("default", "o-17", "order")] == [mine.saga_id]
    assert await store.sagas_by_key("elsewhere", "o-17", None) == []
    assert await store.sagas_by_key("default", "o-18", None) == []


async def test_the_figures_of_an_empty_store_are_zero(store: Store) -> None:
    figures = await store.figures()
    assert figures == Figures(
        sagas_by_phase={},
        outbox_depth=0,
        outbox_oldest_at_us=None,
        wakeup_earliest_due_us=None,
        attention_by_reason={},
        dead_letters=0,
        inbox=0,
        spans_due=0,
        spans_oldest_at_us=None,
        now_us=figures.now_us,
    )
    assert figures.now_us <= await store.now_us()


async def test_figures_count_open_sagas_by_definition_and_phase(store: Store) -> None:
    await seven_sagas(store)
    figures = await store.figures()
    assert figures.sagas_by_phase == {("order", "RUNNING"): 3, ("refund", "RUNNING"): 2}
    assert (sum(figures.attention_by_reason.values()), figures.wakeup_earliest_due_us) == (1, LATER)


# -- definitions and schemas


async def test_a_definition_is_registered_once_and_never_changed(store: Store) -> None:
    first = await register(store)
    assert await register(store) == first
    async with store.transaction() as transaction:
        other = await transaction.add_definition(
            hash="another", tenant="default", name="order", version=1, document=b"{1}", reader_schemas={}, now_us=1
        )
    assert other is None
    (stored,) = await store.definitions("default")
    assert (stored.document, stored.reader_schemas, stored.active) == (b"{}", {"shop.Reserved": 7}, False)
    assert stored.registered_at_us > 0
    assert await store.definition_rows([first, 4711]) == [stored]
    assert await store.definition_rows([]) == []
    assert await store.definitions("other") == []


async def test_at_most_one_version_of_a_name_is_active(store: Store) -> None:
    await register(store)
    await register(store, version=2)
    await register(store, "refund")
    for version in (1, 2, 2):
        async with store.transaction() as transaction:
            assert await transaction.activate("default", "order", version)
    async with store.transaction() as transaction:
        assert not await transaction.activate("default", "order", 3)
        assert not await transaction.activate("other", "order", 1)
    assert [(one.name, one.version) for one in await store.definitions("default") if one.active] == [("order", 2)]


async def test_concurrent_activations_leave_one_active(store: Store) -> None:
    for version in (1, 2, 3):
        await register(store, version=version)

    async def activate(version: int) -> bool:
        async with store.transaction() as transaction:
            return await transaction.activate("default", "order", version)

    assert all(await asyncio.gather(*(activate(version) for version in (1, 2, 3, 2, 1))))
    assert len([one for one in await store.definitions("default") if one.active]) == 1


async def test_open_sagas_pin_their_definitions(store: Store) -> None:
    old, new = await register(store), await register(store, version=2)
    running, ended = row_of(old), row_of(new)
    await start(store, running, ended)
    assert await store.open_definition_ids() == {old, new}
    await save(store, end(ended))
    assert await store.open_definition_ids() == {old}


async def test_schemas_are_numbered_by_subject_and_collisions_refused(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.add_schemas([(2**31 + 5, "shop.A", b"a1"), (2**31 + 6, "shop.A", b"a2"), (2**31 + 7, "shop.B", b"b1")])
        await transaction.add_schemas([(2**31 + 5, "shop.A", b"a1")])
    assert [(one.subject, one.version, one.document) for one in await store.schemas()] == [
        ("shop.A", 1, b"a1"),
        ("shop.A", 2, b"a2"),
        ("shop.B", 1, b"b1"),
    ]

    async def collide() -> None:
        async with store.transaction() as transaction:
            await transaction.add_schemas([(1, "shop.C", b"c1"), (2**31 + 5, "shop.A", b"other")])

    with pytest.raises(SchemaCollision, match=r"shop\.A"):
        await collide()
    assert len(await store.schemas()) == 3


# -- dead letters, orphans, audit, controls


def letter(at: int, **changed: object) -> DeadLetter:
    made = DeadLetter(
        id=new_id(),
        consumer="replies",
        topic="saga.reply.order",
        partition=0,
        offset=at,
        at_us=at,
        reason="magic",
        detail="byte 0 is 7",
        key=None,
        value=b"\x07",
        headers=b"[]",
        relayed=False,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


async def test_the_dead_letters_of_one_key_come_newest_first_and_only_so_old(store: Store) -> None:
    second = 1_000_000
    letters = [letter(n, id=made_at(n * second), key=b"one" if n % 2 else b"other") for n in range(1, 8)]
    async with store.transaction() as transaction:
        await transaction.add_dead_letters([*letters, letter(9, key=None)])
    assert await store.dead_letters_of(b"one", since_us=3 * second, limit=10) == [letters[6], letters[4], letters[2]]
    assert await store.dead_letters_of(b"one", since_us=3 * second, limit=2) == [letters[6], letters[4]]
    assert await store.dead_letters_of(b"nobody", since_us=0, limit=2) == []


async def test_the_unread_replies_of_some_sagas_are_found(store: Store) -> None:
    ours, other = new_id(), new_id()
    second = 1_000_000
    key = str(ours).encode()
    letters = [
        letter(1, id=made_at(second), key=key, reason="unknown_schema"),
        letter(2, id=made_at(2 * second), key=key, reason="schema_mismatch"),
        letter(3, id=made_at(3 * second), key=str(other).encode(), reason="unknown_schema"),
        letter(4, id=made_at(4 * second), key=key, reason="unknown_schema"),
    ]
    async with store.transaction() as transaction:
        await transaction.add_dead_letters(letters)
    async with store.transaction() as transaction:
        assert await transaction.unread_replies([ours, new_id()], since_us=0) == [letters[0], letters[3]]
        assert await transaction.unread_replies([ours], since_us=2 * second) == [letters[3]]


def made_at(us: int) -> UUID:
    return uuid7(us, bytes(10))


async def test_dead_letters_are_listed_newest_first_and_relayed_once_oldest_first(store: Store) -> None:
    letters = [letter(1, key=b"k"), letter(2, value=None), letter(3)]
    async with store.transaction() as transaction:
        await transaction.add_dead_letters(letters)
        await transaction.add_dead_letters([])
    assert await store.dead_letters(before=None, limit=10) == letters[::-1]
    assert await store.dead_letters(before=letters[2].id, limit=1) == [letters[1]]
    assert await store.unrelayed_dead_letters(after=None, limit=10) == letters
    assert await store.unrelayed_dead_letters(after=letters[0].id, limit=1) == [letters[1]]
    assert await store.dead_letter(letters[1].id) == letters[1]
    assert await store.dead_letter(new_id()) is None
    async with store.transaction() as transaction:
        await transaction.mark_relayed([letters[0].id, letters[2].id])
        await transaction.mark_relayed([])
    assert await store.unrelayed_dead_letters(after=None, limit=10) == [letters[1]]
    assert (await store.figures()).dead_letters == 3


async def test_a_letter_that_was_relayed_at_once_is_not_owed(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.add_dead_letters([letter(1, relayed=True)])
    assert await store.unrelayed_dead_letters(after=None, limit=10) == []


async def test_orphans_and_audits_are_kept(store: Store, store_url: str) -> None:
    orphan = OrphanReply(id=new_id(), saga_id=new_id(), at_us=1, topic="t", partition=0, offset=9, headers=b"[]", value=None)
    async with store.transaction() as transaction:
        await transaction.add_orphans([orphan])
        await transaction.add_orphans([])
        for act in ("cancel", "waive"):
            await transaction.add_audit(tenant="default", act=act, target=str(orphan.saga_id), who="ops", why="test", at_us=5)
    assert await by_hand(store_url, "SELECT topic, part FROM orphan_reply") == [("t", 0)]
    assert await by_hand(store_url, "SELECT act, who FROM audit ORDER BY id") == [("cancel", "ops"), ("waive", "ops")]


async def test_a_control_is_set_and_set_again(store: Store) -> None:
    for value in ("on", "off"):
        async with store.transaction() as transaction:
            await transaction.set_control(scope="definition", tenant="default", name="order", value=value, who="ops", why="test")
    assert await store.control("definition", "default") == {"order": "off"}
    assert await store.control("saga", "default") == {}


# -- the store itself and its instances


async def test_a_store_has_an_id_of_its_own_that_stays(store: Store, store_url: str) -> None:
    meta = await store.meta()
    assert len(meta.cluster_id) == 36
    assert (meta.incarnation, meta.feature_level) == (1, 1)
    assert (meta.token_key is not None) == (store.dialect == "sqlite")
    await store.set_kafka_cluster("kafka-1")
    await store.stop()
    again = open_store(store_url)
    await again.start()
    assert await again.meta() == replace(meta, kafka_cluster_id="kafka-1")
    await again.stop()


async def test_a_live_instance_keeps_its_name_and_a_stale_one_loses_it(store: Store, store_url: str) -> None:
    assert await store.claim_instance("a", stale_s=60)
    assert await store.claim_instance("a", stale_s=60), "the same process refreshes it"
    # Another process, as the row shows it.
    await by_hand(store_url, "UPDATE instance SET token = 'another'")
    assert not await store.claim_instance("a", stale_s=60)
    await store.release_instance("a")
    assert await by_hand(store_url, "SELECT name FROM instance") == [("a",)], "not ours to release"
    await by_hand(store_url, "UPDATE instance SET seen_at = seen_at - 61000000")
    assert await store.claim_instance("a", stale_s=60)
    await store.release_instance("a")
    assert await by_hand(store_url, "SELECT name FROM instance") == []


async def test_a_name_is_free_as_soon_as_the_process_that_had_it_is_gone(store: Store, store_url: str) -> None:
    """Whether it said farewell or was killed."""
    assert await store.claim_instance("a", stale_s=3600)
    if store.dialect == "postgresql":
        async with opened(store_url) as successor:
            assert not await successor.claim_instance("a", stale_s=3600), "it lives"
    await store.stop()
    async with opened(store_url) as successor:

        async def is_free() -> bool:
            return await successor.claim_instance("a", stale_s=3600)

        await until(is_free, 30, "the server has seen that the connections are closed")
        assert [one.name for one in await successor.instances()] == ["a"]
        if store.dialect == "postgresql":
            await store.start()
            assert not await store.claim_instance("a", stale_s=3600), "it has lost its name"


async def test_an_instance_says_what_it_does_and_since_when(store: Store, store_url: str) -> None:
    await store.claim_instance("a", stale_s=60)
    (seen,) = await store.instances()
    assert (seen.name, seen.state, seen.feature_level) == ("a", None, 1)
    since = seen.since_us
    assert since is not None
    said = InstanceState(roles=("api", "timers"), problems=("timers: failed", "x" * 9_000))
    await by_hand(store_url, "UPDATE instance SET seen_at = seen_at - 1000000")
    assert await store.claim_instance("a", stale_s=60, state=said)
    (seen,) = await store.instances()
    assert seen.state == InstanceState(roles=("api", "timers"), problems=("timers: failed", "x" * 500))
    assert seen.since_us == since, "the process is the same"
    await by_hand(store_url, "UPDATE instance SET token = 'another', seen_at = 1, since = 1")
    assert await store.claim_instance("a", stale_s=60)
    (seen,) = await store.instances()
    assert seen.since_us is not None and seen.since_us >= since, "another process has taken the name over"
    assert seen.state is None
    await by_hand(store_url, "UPDATE instance SET since = NULL")
    assert (await store.instances())[0].since_us is None, "of a release that does not say so"


async def test_made_names_are_forgotten_an_hour_after_their_process_was_seen(store: Store, store_url: str) -> None:
    for name in ("a", "~old", "~young"):
        await store.claim_instance(name, stale_s=60)
    await by_hand(store_url, "UPDATE instance SET seen_at = seen_at - 3601000000 WHERE name <> '~young'")
    await store.forget_instances()
    assert [one.name for one in await store.instances()] == ["a", "~young"]


async def test_what_stands_beside_a_saga_is_read_at_once(store: Store, store_url: str) -> None:
    row = row_of(await register(store))
    await start(store, row)
    event = InboxEvent(id=new_id(), saga_id=row.id, kind="reply", body=b"{}")
    async with store.transaction() as transaction:
        await transaction.put_inbox([event])
    standing = await store.standing(row.id)
    assert (standing.due_at_us, standing.listed_phase, standing.inbox) == (LATER, "RUNNING", 1)
    assert standing.inbox_oldest_us == (event.id.int >> 80) * 1000
    assert (standing.attention, standing.listed_attention) == (0, 0)
    nothing = await store.standing(new_id())
    assert (nothing.due_at_us, nothing.listed_phase, nothing.inbox, nothing.inbox_oldest_us) == (None, None, 0, None)
