"""A saga from what is stored of it: its state as it was at some version, and the journal since.

The journal has every transition's facts, and folding them gives the state (S8). So the state itself
is written only when the facts since the last time outweigh it (`STATE_AFTER_BYTES`); a saga of a
few steps ends before. `facts_print` tells whether a state that somebody remembers is the one that
the row stands for: equal prints, equal journals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from saga_coordinator.engine.encoding import UnreadableState, decode_saga, read_facts
from saga_coordinator.engine.facts import evolve
from saga_coordinator.engine.state import Saga
from saga_coordinator.store.port import JournalRow, SagaRow, Store

STATE_AFTER_BYTES: Final = 8 * 1024
"""Facts that have gathered since the stored state, from which on it is written again; more where
that state is larger. Reading a saga so costs twice its state at most, or twice this.
"""
_PRINT_BYTES: Final = 8
_PAGE: Final = 200


def facts_print(before: int, facts: bytes) -> int:
    """The fingerprint of a journal, from the one before its last record and that record's facts."""
    digest = hashlib.blake2b(facts, digest_size=_PRINT_BYTES, key=before.to_bytes(_PRINT_BYTES, signed=True))
    return int.from_bytes(digest.digest(), signed=True)


def state_is_due(facts_bytes: int, stored: bytes) -> bool:
    """Whether the state is to be written again, with so many bytes of facts since."""
    return facts_bytes >= max(STATE_AFTER_BYTES, len(stored))


def stored_saga(row: SagaRow, journal: Sequence[JournalRow]) -> Saga:
    """The saga at the row's version.

    Args:
        row: The saga's row.
        journal: Its journal records after `state_version`, in order.

    Raises:
        UnreadableState: The state or a record cannot be read, or a record is missing.
    """
    saga = decode_saga(str(row.id), row.state, row.state_format) if row.state_version else None
    if [record.version for record in journal] != list(range(row.state_version + 1, row.version + 1)):
        raise UnreadableState(f"the journal of saga {row.id} lacks records that its state is made from")
    for record in journal:
        saga = _evolved(saga, record)
    assert saga is not None, "a row has a version, so there is a state or a record"
    return saga


def _evolved(saga: Saga | None, record: JournalRow) -> Saga:
    try:
        return evolve(saga, read_facts(record))
    except (AssertionError, LookupError, TypeError, ValueError) as error:
        where = f"journal record {record.version} of saga {record.saga_id}"
        raise UnreadableState(f"{where} does not follow from what stands before it: {type(error).__name__}") from error


async def read_saga(store: Store, row: SagaRow) -> Saga:
    """The saga at the row's version, read outside of any transaction.

    Raises:
        UnreadableState: It cannot be read.
        StoreError: The database cannot.
    """
    journal: list[JournalRow] = []
    after = row.state_version
    while after < row.version:
        page = await store.journal(row.id, after=after, limit=min(_PAGE, row.version - after))
        journal += page
        if not page:
            break
        after = page[-1].version
    return stored_saga(row, journal)
