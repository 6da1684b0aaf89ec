"""A process that removes finished sagas until none is left, to be killed in the middle:
`python -m support.removing DATABASE ARCHIVE`.

It says a line before its first batch. Its archive is a file with one saga id a line, synced before
anything is removed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from saga_coordinator.archive.port import ArchivedSaga
from saga_coordinator.definitions.retention import Terms
from saga_coordinator.retention.removal import Removal
from saga_coordinator.store.open import open_store
from saga_coordinator.store.removal_port import FinishedOf

AT_ONCE = 7


class FileArchive:
    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="ascii")  # noqa: SIM115 - as long as the process

    async def keep(self, sagas: Sequence[ArchivedSaga]) -> None:
        for saga in sagas:
            self._file.write(f"{saga.row.id} {len(saga.journal)}\n")
        self._file.flush()
        os.fsync(self._file.fileno())


async def main(url: str, archive: str) -> None:
    store = open_store(url)
    await store.start()
    removal = Removal(store, FileArchive(archive))
    terms = Terms.of(1, None, None, 1)
    which = FinishedOf(tenant="default", definition="order", version=1, shelf=0, before_us=10**18)
    print("removing", flush=True)
    while found := await store.finished(which, after=None, limit=AT_ONCE):
        await removal.take("remove", found, terms)
    await store.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
