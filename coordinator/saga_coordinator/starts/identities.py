"""Which saga a start from Kafka or of a schedule begins: the same record, read again, or the same
tick begins the same saga.

After a restore the coordinator reads records again, and comes to ticks again, whose sagas it has
lost. Such a saga begins
again under the id that it had. Its steps ask again, and the participants answer from their rows: as
if the backup had been taken right after the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.starts.preparation import Identity
from saga_coordinator.store.port import StartIds, Store
from saga_coordinator.store.recovery import EPOCH_US
from saga_schemas.ids import started_id
from saga_schemas.record_class import record

_MS_MOST: Final = 2**48 - 1


@record
class StartedBy:
    """A record, or a tick of a schedule, that asks for a saga."""

    timestamp_ms: int
    tenant: str
    source: str
    message_id: str


@record
class Identified:
    """What a start is to do."""

    identity: Identity | None = None
    """Begin this saga; None: one with a new id."""
    adopted: UUID | None = None
    """Nothing but be known as the start of this saga, which a person has adopted."""


class StartIdentities:
    """Finds them for one poll of records."""

    def __init__(self, *, store: Store, tenant: str, incarnation: Callable[[], int], skew_ms: int, made_at_ms: int) -> None:
        """Prepare.

        Args:
            store: Knows which ids are taken.
            tenant: Whose starts they are.
            incarnation: The database's.
            skew_ms: By so much a producer's clock may be ahead of the database's.
            made_at_ms: When the store was made: replies of no older saga are missed.
        """
        self._store = store
        self._tenant = tenant
        self._incarnation = incarnation
        self._skew_ms = skew_ms
        self._made_at_ms = made_at_ms

    async def of(self, starts: Sequence[StartedBy]) -> list[Identified]:
        """In their order. Raises StoreError."""
        ids = [id_of(start) for start in starts]
        wanted = {id for id in ids if id is not None}
        if not wanted:
            return [Identified() for _ in starts]
        known = await self._store.start_ids(self._tenant, wanted)
        allowed = Allowed(
            from_ms=max(known.starts_from_ms, known.removed_until_ms + 1, self._made_at_ms),
            until_ms=known.now_us // 1000 + self._skew_ms,
            again_until_ms=restored_at_ms(self._incarnation()) + self._skew_ms,
        )
        return identified(starts, ids, known, allowed)


@record
class Allowed:
    """Times of records that may give ids."""

    from_ms: int
    until_ms: int
    again_until_ms: int
    """A saga of up to then may have begun before a restore."""


def identified(starts: Sequence[StartedBy], ids: Sequence[UUID | None], known: StartIds, allowed: Allowed) -> list[Identified]:
    """Pure. An id goes to the first of several records that would give it."""
    used: set[UUID] = set()
    found: list[Identified] = []
    for start, id in zip(starts, ids, strict=True):
        if id in known.adopted:
            found.append(Identified(adopted=id))
        elif id is None or id in known.taken or id in used or not allowed.from_ms <= start.timestamp_ms <= allowed.until_ms:
            found.append(Identified())
        else:
            used.add(id)
            found.append(Identified(identity=Identity(id, recovered=start.timestamp_ms <= allowed.again_until_ms)))
    return found


def restored_at_ms(incarnation: int) -> int:
    """When `saga recover` made this incarnation, or later; long ago where it never did."""
    return EPOCH_US // 1000 + (incarnation + 1) * 1000


def id_of(start: StartedBy) -> UUID | None:
    """The id that it gives its saga; None for a record without a time."""
    if not 0 < start.timestamp_ms <= _MS_MOST:
        return None
    return started_id(start.timestamp_ms, start.tenant, start.source, start.message_id)
