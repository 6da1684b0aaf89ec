"""What an archive keeps of a saga says what the view of the stored saga says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from saga_coordinator.archive.container import read_container, write_container
from saga_coordinator.engine.events import WakeUp
from saga_coordinator.inbound.dead_letters import encode_headers
from saga_coordinator.inbound.refused_replies import LOOKED_BACK_US
from saga_coordinator.inbound.reply_envelope import CONSUMER
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.port import AttentionRow, DeadLetter, JournalRow
from saga_coordinator.views import step_history
from saga_coordinator.views.entries import EntryWriter
from saga_coordinator.views.saga import SagaView
from saga_coordinator.views.step_history import read_journal, shown_part
from saga_schemas.headers.names import ATTEMPT, KIND, RUN, STEP
from saga_schemas.outcomes import Outcome
from support.saga_rows import SAGA, saga_row
from unit.coordinator.api.stored import Stored, started


def finished() -> Stored:
    """A saga whose first command was never answered, and whose second was refused."""
    stored = started().happens(WakeUp(), after_s=400).answered("reserve", Outcome.REJECTED)
    assert stored.row.closed_at_us is not None
    return stored


async def shown(stored: Stored) -> Any:
    return TypeAdapter(SagaView).dump_python(await stored.view(), mode="json")


async def kept(stored: Stored, journal: list[int] | None = None) -> Any:
    """The view that an archive keeps, without its journal."""
    store: Any = stored
    definitions = DefinitionCache(store, "default")
    await definitions.refresh_schemas()
    writer = EntryWriter(store=store, definitions=definitions, cluster_id="c", jaeger_url=None, failed_are_exported=False)
    (entry,) = read_container(write_container([await writer.stored(stored.row)]))
    view = json.loads(entry.view)
    expected = [record.version for record in stored.records] if journal is None else journal
    assert [record["version"] for record in view.pop("journal")] == expected
    return view


async def test_the_view_is_the_one_of_the_stored_saga() -> None:
    stored = finished()
    stored.attention = [
        AttentionRow(saga_id=SAGA, step="charge", reason="silent", since_us=1, note="n"),
        AttentionRow(saga_id=SAGA, step="reserve", reason="stuck", since_us=2, note=""),
    ]

    stored.labels = {"customer": "c-1", "due": datetime(2026, 11, 1, tzinfo=UTC), "count": 3.0, "vip": True}

    kept_view = await kept(stored)
    assert kept_view == await shown(stored)
    assert kept_view["labels"] == {"customer": "c-1", "due": "2026-11-01T00:00:00.000000Z", "count": 3, "vip": True}


@pytest.mark.parametrize("age_us", [0, LOOKED_BACK_US - 1, LOOKED_BACK_US + 1])
async def test_a_reply_that_was_refused_lately_is_in_it(age_us: int) -> None:
    stored = finished()
    headers = encode_headers(((STEP, b"reserve"), (KIND, b"action"), (RUN, b"1"), (ATTEMPT, b"1")))
    letter = DeadLetter(
        id=UUID(int=7), consumer=CONSUMER, topic="t", partition=0, offset=1, at_us=stored.clock_us - age_us, reason="bad_headers",
        detail="", key=str(SAGA).encode(), value=b"", headers=headers,
        relayed=True,
    )  # fmt: skip
    stored.letters = [letter]

    view = await kept(stored)

    assert view == await shown(stored)
    assert ("answered, refused: bad_headers" in str(view)) == (age_us < LOOKED_BACK_US)


async def test_a_saga_whose_definition_is_gone_is_kept_all_the_same() -> None:
    stored = finished()
    stored.without_definition = True

    view = await kept(stored)

    assert view == await shown(stored)
    assert view["definition"] is None


@given(
    sizes=st.lists(st.integers(0, 9), max_size=30), records=st.integers(1, 12), size=st.integers(1, 40), page=st.integers(1, 5)
)
async def test_of_a_long_journal_the_same_part_is_shown(sizes: list[int], records: int, size: int, page: int) -> None:
    rows = [
        JournalRow(saga_id=SAGA, version=n, at_us=n, kind="reply", engine_rev=1, format=2, facts=b"x" * length)
        for n, length in enumerate(sizes, start=1)
    ]

    class Journal:
        async def journal(self, saga_id: UUID, *, after: int, limit: int) -> list[JournalRow]:
            return rows[after : after + limit]

    store: Any = Journal()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_HEAD_RECORDS", records), ("_HEAD_BYTES", size), ("_PAGE", page)):
            patch.setattr(step_history, name, value)
        assert shown_part(rows) == await read_journal(store, saga_row(version=len(rows)))
