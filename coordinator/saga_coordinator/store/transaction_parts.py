"""All parts of a transaction that have files of their own."""

from __future__ import annotations

from saga_coordinator.store.batches import BatchWrites
from saga_coordinator.store.horizon import HorizonWrites
from saga_coordinator.store.inbox import InboxWrites
from saga_coordinator.store.pausing import PauseWrites
from saga_coordinator.store.saved_views import SavedViewWrites
from saga_coordinator.store.scheduling import ScheduleWrites
from saga_coordinator.store.sweeps import SweepWrites


class TransactionParts(SweepWrites, HorizonWrites, PauseWrites, BatchWrites, SavedViewWrites, ScheduleWrites, InboxWrites):
    """What a transaction does about all that is not one saga's own."""
