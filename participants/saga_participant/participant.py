"""The public class: a named participant, its handlers, and the ways to run it.

    payment = Participant("payment", database="postgresql+asyncpg://…", schemas="schemas/")

    @payment.action
    async def charge(command: ChargeCard, db: AsyncConnection, step: Step) -> CardCharged: ...

Nothing is read or opened before it is served (`serve`, `lifespan`, `saga participant run
module:object`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from opentelemetry.trace import TracerProvider
from sqlalchemy.ext.asyncio import AsyncEngine

from saga_messaging.broker import Broker, BrokerError
from saga_messaging.clock import Clock, SystemClock
from saga_messaging.errors import ConfigurationError
from saga_messaging.kafka import KafkaBroker
from saga_messaging.patience import START_PATIENCE_S, Patience, StoppedWaiting, kafka_may_come
from saga_participant.answering import Answering
from saga_participant.arguments import (
    check_callback,
    check_database,
    check_group,
    check_limit_s,
    check_name,
    read_directories,
    read_keys,
)
from saga_participant.background_serving import in_background, set_by_signals
from saga_participant.database.database import Database
from saga_participant.database.tables_at_start import OnStart, check_driver, see_to_tables
from saga_participant.database.transactions import HANDLER_LIMIT_S, LARGEST_GROUP
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.execution import Execution
from saga_participant.handling.contracts import contracts_of
from saga_participant.handling.registry import build_registry
from saga_participant.service import Service
from saga_participant.settings import ParticipantSettings
from saga_participant.telemetry.health import Health, health_server, router
from saga_participant.telemetry.metrics import Metrics
from saga_schemas.asyncapi import participant_document
from saga_schemas.topics import Topics

ASIDE_PATIENCE_S: Final = 8.0
"""For a database that is away when an answer is given by a process that serves nothing."""

_LOG: Final = logging.getLogger("saga_participant")
D = TypeVar("D")


class Participant(Answering):
    """A service that takes part in sagas. Nothing is opened before it is served.

    Args:
        name: The participant's name: `[a-z][a-z0-9-]{0,62}`. Its topics are named for it.
        database: An `AsyncEngine` of the service, or a SQLAlchemy URL. PostgreSQL (asyncpg) or
            SQLite (aiosqlite).
        schemas: One directory of `.avsc` files, or several.
        create_table: Whether to make `saga_barrier` and `saga_horizon` at the start where they are
            missing. With False a missing table is a ConfigurationError.
        on_start: Called with the engine before anything else is done with it, for the service's own
            tables.
        on_stop: Called at the end.
        handler_limit_s: How long a handler may take.
        group: The most commands that share a transaction, 1 to 32. They are of different sagas or
            steps, and wait at the same time. 1: each command has a transaction of its own.
        tracer_provider: OpenTelemetry's, for the `process` spans. None is the process's own.
        announcement_keys: What `saga token announcement-keys` prints: announcements that are not
            signed are refused then. `SAGA_ANNOUNCEMENT_KEYS` goes before it.

    Raises:
        ConfigurationError: An argument is of the wrong kind. The text says what to write.

    Example:
        ```python
        payment = Participant(
            "payment", database="sqlite+aiosqlite:///payment.db", schemas="schemas/"
        )

        @payment.action
        async def charge(command: ChargeCard, db: AsyncConnection, step: Step) -> CardCharged: ...
        ```
    """

    def __init__(
        self,
        name: str,
        *,
        database: AsyncEngine | str,
        schemas: str | Path | Sequence[str | Path],
        create_table: bool = True,
        on_start: OnStart | None = None,
        on_stop: Callable[[], Awaitable[None]] | None = None,
        handler_limit_s: float = HANDLER_LIMIT_S,
        group: int = LARGEST_GROUP,
        tracer_provider: TracerProvider | None = None,
        announcement_keys: str | None = None,
    ) -> None:
        check_database(database)
        check_limit_s(handler_limit_s)
        check_group(group, LARGEST_GROUP)
        check_callback("on_start", on_start)
        check_callback("on_stop", on_stop)
        super().__init__(check_name(name))
        self._target = database
        self._directories = read_directories(schemas)
        self._create_table = create_table
        self._on_start = on_start
        self._on_stop = on_stop
        self._limit_s = handler_limit_s
        self._group = group
        self._tracer_provider = tracer_provider
        self._announcement_keys = read_keys("announcement_keys", announcement_keys)
        self._execution: Execution | None = None
        self._health = Health(name)

    def _served(self) -> bool:
        return self._execution is not None

    async def prepare(self, patience: Patience | None = None) -> Execution:
        """Check the handlers against the schemas, open the database, and see to the tables.

        Args:
            patience: How long a database that is not up yet is waited for.

        Returns:
            What serves the commands.

        Raises:
            ConfigurationError: Something does not fit. The text says what to change.
        """
        if self._execution is not None:
            return self._execution
        registry = build_registry(self._handlers, self._directories)
        database = Database(self._target, self._limit_s)
        await check_driver(database, registry)
        await see_to_tables(
            self.name,
            database,
            on_start=self._on_start,
            create_table=self._create_table,
            patience=patience or Patience(ASIDE_PATIENCE_S, clock=SystemClock()),
        )
        if self._execution is not None:  # prepared meanwhile: by an answer given while a start waits
            await database.close()
        else:
            self._execution = Execution(registry, database, Calls(registry, self._limit_s), largest_group=self._group)
        return self._execution

    async def serve(
        self,
        broker: Broker,
        *,
        stop: asyncio.Event | None = None,
        health_port: int | None = None,
        instance: str | None = None,
        topic_prefix: str = "",
        clock: Clock | None = None,
        ready: Callable[[int | None], None] = lambda port: None,
        waiting: Callable[[], None] = lambda: None,
        start_patience_s: float = START_PATIENCE_S,
    ) -> None:
        """Serve commands until `stop` is set, or until cancelled. The broker stays the caller's.

        Args:
            broker: Where commands come from and replies go.
            stop: When it is set, commands in hand are finished first.
            health_port: For `/healthz`, `/readyz`, `/metrics` on 127.0.0.1. 0 is any free port.
            instance: Static group membership under this name.
            topic_prefix: Before the name of every topic.
            clock: Time; for tests.
            ready: Called with the health port when commands are served.
            waiting: Called when a database or a Kafka that is not up yet has to be waited for.
            start_patience_s: How long it is waited for.

        Raises:
            ConfigurationError: Before the first command: something cannot be used. The text says
                what.
        """
        clock, stop, metrics = clock or SystemClock(), stop or asyncio.Event(), Metrics(self.name)
        patience = Patience(start_patience_s, clock=clock, stop=stop, waiting=waiting)
        metrics.waits_for = lambda: patience.reason
        self._health.begun(metrics)
        try:
            async with health_server(self._health, health_port) as port:
                service = await self._assembled(broker, clock, metrics, patience, instance, topic_prefix)
                try:
                    await service.run(stop, ready=lambda: self._ready(broker, instance, port, ready))
                finally:
                    self._service = None
                    await self.close()
        except StoppedWaiting:
            self._health.ended(None)
        except BaseException as error:
            self._health.ended(error)
            raise
        else:
            self._health.ended(None)

    def _ready(self, broker: Broker, instance: str | None, port: int | None, ready: Callable[[int | None], None]) -> None:
        address = "" if port is None else f"; http://127.0.0.1:{port}/healthz"
        _LOG.info("%s: serving its commands on %s%s%s", self.name, broker, f" as {instance}" if instance else "", address)
        ready(port)

    async def _assembled(
        self, broker: Broker, clock: Clock, metrics: Metrics, patience: Patience, instance: str | None, topic_prefix: str
    ) -> Service:
        """The parts of the service, with what they need. Nothing is started."""
        execution = await self.prepare(patience)
        try:
            await patience.wait_for(str(broker), broker.start, passing=kafka_may_come)
        except BaseException as error:
            await self.close()
            if isinstance(error, BrokerError):
                raise ConfigurationError(f"{self.name}: Kafka cannot be used: {error}") from error
            raise
        self._service = Service.assemble(
            name=self.name,
            execution=execution,
            broker=broker,
            clock=clock,
            topics=Topics(topic_prefix),
            instance=instance,
            metrics=metrics,
            tracer_provider=self._tracer_provider,
            announcement_keys=self._announcement_keys,
        )
        return self._service

    async def run(
        self, environ: Mapping[str, str] | None = None, *, health_port: int | None = None, instance: str | None = None
    ) -> None:
        """Serve as the environment says until SIGINT or SIGTERM, then stop gracefully.

        Args:
            environ: `SAGA_KAFKA_...`, `SAGA_TOPIC_PREFIX`, `SAGA_INSTANCE`, `SAGA_LOG_...`. None is
                the process's own.
            health_port: As for `serve`.
            instance: As for `serve`; it goes before `SAGA_INSTANCE`.

        Raises:
            ConfigurationError: A setting or something it names cannot be used.
        """
        environ = os.environ if environ is None else environ
        settings = ParticipantSettings.from_env(environ, instance=instance)
        settings.configure_logs(environ, alone=True)
        with set_by_signals() as stop:
            await self.serve_as(settings, stop=stop, health_port=health_port)

    async def serve_as(self, settings: ParticipantSettings, *, stop: asyncio.Event, health_port: int | None = None) -> None:
        """Serve on Kafka as the settings say, until `stop` is set."""
        broker, self._announcement_keys = KafkaBroker(settings.kafka), settings.announcement_keys or self._announcement_keys
        try:
            await self.serve(broker, stop=stop, health_port=health_port, **settings.serving)
        finally:
            await broker.stop()

    def routes(self, prefix: str = "") -> Any:
        """Routes `/healthz`, `/readyz` and `/metrics`, for the application around the participant.

        `/healthz` fails once serving has ended with an error, `/readyz` while no commands are read.

        Args:
            prefix: Before each path, as "/payment".

        Returns:
            FastAPI's `APIRouter`; with Starlette alone a `Router`.

        Raises:
            ConfigurationError: Neither of them is installed.

        Example:
            ```python
            app.include_router(payment.routes())
            app = Starlette(routes=payment.routes().routes)
            ```
        """
        return router(self._health, prefix)

    def asyncapi(self, *, topic_prefix: str = "", version: str = "1") -> dict[str, Any]:
        """The AsyncAPI 3 document of this participant, for JSON: its topics and its messages.

        It is made from the handlers and the schemas. No database and no Kafka is asked.

        Args:
            topic_prefix: As for `serve`.
            version: The service's own, as the document says it.

        Raises:
            ConfigurationError: A handler does not fit its schemas.

        Example:
            ```python
            Path("payment.asyncapi.json").write_text(json.dumps(payment.asyncapi(), indent=2))
            ```
        """
        contracts = contracts_of(build_registry(self._handlers, self._directories))
        return participant_document(self.name, contracts, topics=Topics(topic_prefix), version=version)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Serve while an application runs. Settings come from the environment, as for `run`.

        Logs are configured from it too, unless the application has configured its own.

        Args:
            app: Given by FastAPI and Starlette. Nothing is done with it.

        Raises:
            ConfigurationError: Before the block: a setting or something it names cannot be used.

        Example:
            ```python
            app = FastAPI(lifespan=payment.lifespan)
            ```
        """
        settings = ParticipantSettings.from_env(os.environ)
        settings.configure_logs(os.environ, alone=False)
        broker, self._announcement_keys = KafkaBroker(settings.kafka), settings.announcement_keys or self._announcement_keys
        try:
            async with self.served(broker, **settings.serving):
                yield
        finally:
            await broker.stop()

    @contextlib.asynccontextmanager
    async def served(
        self,
        broker: Broker,
        *,
        instance: str | None = None,
        topic_prefix: str = "",
        clock: Clock | None = None,
        start_patience_s: float = START_PATIENCE_S,
    ) -> AsyncIterator[None]:
        """Serve in the background for as long as the block runs, then stop gracefully.

        The block begins once commands are served, or once a database or a Kafka has to be waited
        for: so an application listens meanwhile. If serving ends later on, that is logged, shown by
        `routes()`, and raised at the block's end.

        Args:
            broker: As for `serve`, and so are the others.
            instance: Static group membership under this name.
            topic_prefix: Before the name of every topic.
            clock: Time; for tests.
            start_patience_s: How long a database or a Kafka that is not up yet is waited for.

        Raises:
            ConfigurationError: Before the block: something cannot be used.
        """

        def serve(stop: asyncio.Event, begun: Callable[[], None]) -> Coroutine[Any, Any, None]:
            return self.serve(
                broker,
                stop=stop,
                instance=instance,
                topic_prefix=topic_prefix,
                clock=clock,
                ready=lambda port: begun(),
                waiting=begun,
                start_patience_s=start_patience_s,
            )

        async with in_background(self.name, serve):
            yield

    @contextlib.asynccontextmanager
    async def on(self, database: AsyncEngine | str) -> AsyncIterator[Execution]:
        """Prepare on another database for as long as the block runs: for tests (testing.py)."""
        await self.close()
        before, self._target = self._target, database
        try:
            yield await self.prepare()
        finally:
            await self.close()
            self._target = before

    async def close(self) -> None:
        """Close what `prepare` opened. An engine that was given stays open."""
        sending, self._sending = self._sending, None
        if sending is not None:
            await sending.close()
        execution, self._execution = self._execution, None
        if execution is None:
            return
        if self._on_stop is not None:
            await self._on_stop()
        await execution.database.close()
