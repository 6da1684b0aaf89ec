"""The application over a coordinator that does as the test says; nothing listens on a port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_coordinator.archive.whereabouts import Whereabouts
from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.definitions.retention import FOREVER, Terms
from saga_coordinator.engine.waiting import Held
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.retention.purge import Purged
from saga_coordinator.starts.requests import StartRequest, StartResult
from saga_coordinator.store.pause_port import PauseScope
from saga_coordinator.store.port import LostEffect, SagaRow
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.views.deliveries import Delivery
from saga_coordinator.views.entries import EntryWriter
from saga_coordinator.views.overview import Overview, overview
from saga_coordinator.views.participant_detail import ParticipantDetail
from saga_coordinator.views.situation import Window
from saga_schemas.topics import Topics
from support.saga_rows import SAGA, saga_row
from support.schedules import SchedulesInMemory
from support.situations import situation
from unit.coordinator.api.many_acts import AT_US, ScriptedManyActs

OTHER = UUID("019b0000-0000-7000-8000-000000000002")
UNKNOWN = UUID("019b0000-0000-7000-8000-00000000ffff")


@dataclass
class ScriptedStore:
    """Holds the sagas a test puts in; `raises` is what reading does instead."""

    sagas: dict[UUID, SagaRow] = field(default_factory=lambda: {SAGA: saga_row(), OTHER: saga_row(OTHER, tenant="another")})
    lost: list[LostEffect] = field(default_factory=list)
    raises: Exception | None = None
    wanted: list[object] = field(default_factory=list)
    count: int = 0
    clock_us: int = AT_US

    async def saga(self, saga_id: UUID) -> SagaRow | None:
        self._fail()
        return self.sagas.get(saga_id)

    async def imported(self, tenant: str, ids: list[UUID]) -> dict[UUID, Any]:
        self._fail()
        return {}

    async def list_sagas(self, wanted: object) -> tuple[list[Any], str | None]:
        self._fail()
        self.wanted.append(wanted)
        return [], None

    async def count_sagas(self, tenant: str, query: object, most: int) -> int:
        self._fail()
        self.wanted.append(query)
        return min(self.count, most + 1)

    async def definitions(self, tenant: str) -> list[Any]:
        self._fail()
        return []

    async def schemas(self) -> list[Any]:
        self._fail()
        return []

    async def open_definition_ids(self) -> set[int]:
        return set()

    async def lost_effects(self, tenant: str, *, settled: bool) -> list[LostEffect]:
        self._fail()
        return [one for one in self.lost if settled or one.settled_at_us is None]

    async def dead_letter(self, letter: UUID) -> None:
        self._fail()

    async def now_us(self) -> int:
        self._fail()
        return self.clock_us

    def _fail(self) -> None:
        if self.raises is not None:
            raise self.raises


KEPT_FOREVER = Terms.of(FOREVER, None, None, FOREVER)


@dataclass
class Settings:
    tenant: str = "default"
    jaeger_url: str | None = None
    console_prefix: str = ""
    trace_sample_on_failure: bool = False
    retention: Terms = KEPT_FOREVER
    horizon: HorizonTerms = field(
        default_factory=lambda: HorizonTerms(restore_window_ms=604_800_000, clock_skew_ms=300_000, interval_ms=600_000)
    )

    def shown(self) -> list[tuple[str, str]]:
        return []


class ScriptedCoordinator(ScriptedManyActs, SchedulesInMemory):
    """Every act does what the test says: raises, or is noted."""

    def __init__(self) -> None:
        super().__init__()
        store: Any = ScriptedStore()
        self.store = store
        self.definitions = DefinitionCache(store, "default")
        self.settings = Settings()
        self.topics = Topics()
        self.entries = EntryWriter(
            store=store, definitions=self.definitions, cluster_id="c", jaeger_url=None, failed_are_exported=False
        )
        self.whereabouts: Whereabouts | None = None
        self.instruments = Instruments()
        self.raises: Exception | None = None
        self.created = True
        self.starts: list[StartRequest] = []
        self.traces_ignored = 0
        self.acts: list[tuple[object, ...]] = []
        self.unready: list[str] = []
        self.noted: list[str] = []
        self.purged: Purged | None = None
        self.recovery: Recovering | None = None
        self.left: Mapping[str, int] = {}
        self.lost_effects: Any = ScriptedActs(self)

    async def start(self, request: StartRequest) -> StartResult:
        self._fail()
        self.starts.append(request)
        return StartResult(saga_id=SAGA, created=self.created)

    async def cancel(self, saga_id: UUID, reason: str, actor: str) -> None:
        self._fail()
        self.acts.append(("cancel", saga_id, reason, actor))

    async def retry_step(self, saga_id: UUID, step: str, reason: str, actor: str) -> None:
        self._fail()
        self.acts.append(("retry", saga_id, step, reason, actor))

    async def waive_step(self, saga_id: UUID, step: str, evidence: str, actor: str, unsafe: bool) -> None:
        self._fail()
        self.acts.append(("waive", saga_id, step, evidence, actor, unsafe))

    async def pause(self, saga_id: UUID, reason: str, actor: str) -> None:
        self._fail()
        self.acts.append(("pause", saga_id, reason, actor))

    async def resume(self, saga_id: UUID, reason: str, actor: str) -> None:
        self._fail()
        self.acts.append(("resume", saga_id, reason, actor))

    async def terminate(self, saga_id: UUID, reason: str, actor: str) -> None:
        self._fail()
        self.acts.append(("terminate", saga_id, reason, actor))

    async def restart(self, saga_id: UUID, reason: str, actor: str) -> StartResult:
        self._fail()
        self.acts.append(("restart", saga_id, reason, actor))
        return StartResult(saga_id=SAGA, created=self.created)

    async def change_limits(self, saga_id: UUID, step: str, changes: Mapping[str, int], reason: str, actor: str) -> None:
        self._fail()
        self.acts.append(("limits", saga_id, step, dict(changes), reason, actor))

    async def move_start(self, saga_id: UUID, start_at_us: int, reason: str, actor: str) -> None:
        self._fail()
        self.acts.append(("move_start", saga_id, start_at_us, reason, actor))

    async def pause_scope(self, scope: PauseScope, name: str, reason: str, actor: str) -> None:
        self._fail()
        self.acts.append(("pause", scope, name, reason, actor))

    async def resume_scope(self, scope: PauseScope, name: str, reason: str, actor: str) -> None:
        self._fail()
        self.acts.append(("resume", scope, name, reason, actor))

    async def pauses(self) -> list[Held]:
        return [Held(scope="participant", name="payment", since_us=1, who="ada", why="the bank is down")]

    async def wait_closed(self, saga_id: UUID, timeout_s: float) -> SagaRow | None:
        self._fail()
        return await self.store.saga(saga_id)  # type: ignore[no-any-return]

    async def purge(
        self, definition: str, version: int | None, before: str, *, dry_run: bool, who: str, why: str
    ) -> Purged | None:
        self._fail()
        self.acts.append(("purge", definition, version, before, dry_run, who, why))
        return self.purged

    def notes(self) -> list[str]:
        return self.noted

    async def ready(self) -> list[str]:
        return self.unready

    def trace_ignored(self) -> None:
        self.traces_ignored += 1

    def delivery(self) -> Delivery:
        return Delivery()

    def recovering(self) -> Recovering | None:
        return self.recovery

    def unswept(self) -> Mapping[str, int]:
        return self.left

    def lag(self) -> Mapping[str, int]:
        return {}

    async def overview(self, window: Window) -> Overview:
        self._fail()
        return overview(replace(situation(), window=window))

    async def participant(self, name: str, window: Window) -> ParticipantDetail | None:
        self._fail()
        return None

    @property
    def stopping(self) -> bool:
        return False

    async def no_consumer(self) -> Mapping[str, str]:
        return {}

    def _fail(self) -> None:
        if self.raises is not None:
            raise self.raises


class ScriptedActs:
    """What is done about lost effects, in the same way."""

    def __init__(self, coordinator: ScriptedCoordinator) -> None:
        self._coordinator = coordinator

    def __getattr__(self, act: str) -> Any:
        async def noted(*effect: object, **how: object) -> None:
            if self._coordinator.raises is not None:
                raise self._coordinator.raises
            self._coordinator.acts.append((act, *effect, how))

        return noted


@pytest.fixture
def coordinator() -> ScriptedCoordinator:
    return ScriptedCoordinator()


@pytest.fixture
async def http(coordinator: ScriptedCoordinator) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sees an unexpected exception as an exception, unless the application answered
    it."""
    transport = httpx.ASGITransport(create_app(coordinator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        yield client


START = {"definition": "order", "input": {"order_id": "o-17"}}
