"""The loops that serve what stands beside a coordinator, where it is configured: a schema registry,
a collector of spans and metrics. Only who has one pays for its libraries."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.loops.projector import Projector
from saga_coordinator.loops.registry_copy import RegistryCopy
from saga_coordinator.registry.adoption import Adoption
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import Store
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.clock import Clock
from saga_schemas.topics import Topics

Loop = Callable[[], Coroutine[Any, Any, None]]


class Parts(Protocol):
    """What they are made of: `saga_coordinator.wiring` has it."""

    settings: Settings
    store: Store
    lookout: Lookout
    definitions: DefinitionCache
    topics: Topics
    clock: Clock
    instruments: Instruments


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Makes them."""

    settings: Settings
    store: Store
    lookout: Lookout
    definitions: DefinitionCache
    topics: Topics
    cluster_id: str
    clock: Clock
    instruments: Instruments

    @classmethod
    def of(cls, parts: Parts, *, cluster_id: str) -> Outside:
        """Those of one instance."""
        return cls(
            settings=parts.settings,
            store=parts.store,
            lookout=parts.lookout,
            definitions=parts.definitions,
            topics=parts.topics,
            cluster_id=cluster_id,
            clock=parts.clock,
            instruments=parts.instruments,
        )

    def registry(self) -> list[Loop]:
        """None without a registry: the coordinator needs no other than itself."""
        settings = self.settings
        if settings.schema_registry_url is None:
            return []
        from saga_coordinator.registry.confluent_registry import ConfluentRegistry

        password = settings.schema_registry_password
        registry = ConfluentRegistry(
            settings.schema_registry_url,
            user=settings.schema_registry_user,
            password=None if password is None else password.get_secret_value(),
            timeout_s=settings.schema_registry_timeout_s,
        )
        self.definitions.elsewhere = Adoption(
            registry=registry, store=self.store, definitions=self.definitions, clock=self.clock, tenant=settings.tenant
        )
        copy = RegistryCopy(registry=registry, definitions=self.definitions, clock=self.clock, instruments=self.instruments)
        return [copy.run]

    def spans(self) -> list[Loop]:
        """None without a collector: then nothing is sampled either."""
        if self.settings.otlp_endpoint is None:
            return []
        from saga_coordinator.traces.export import OtlpCollector

        collector = OtlpCollector(self.settings.otlp_endpoint, self.settings.otlp_protocol, cluster_id=self.cluster_id)
        projector = Projector(
            store=self.store,
            lookout=self.lookout,
            definitions=self.definitions,
            collector=collector,
            topics=self.topics,
            clock=self.clock,
            instruments=self.instruments,
        )
        return [projector.run]

    def metrics(self) -> list[Loop]:
        """None where they go to nobody."""
        if not self.settings.exports_metrics:
            return []
        from saga_coordinator.loops.metric_export import metric_export

        return [metric_export(self.settings, self.instruments, self.clock).run]
