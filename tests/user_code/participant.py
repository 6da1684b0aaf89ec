"""A user's module: a participant is made, run, and told its answers later.

Checked as tests/unit/project/test_user_types.py says.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

from fastapi import FastAPI
from opentelemetry.trace import TracerProvider
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from starlette.applications import Starlette

from saga_messaging.kafka import KafkaBroker
from saga_messaging.memory import MemoryBroker
from saga_messaging.settings import KafkaSettings
from saga_participant import AnswerRefused, Participant, Rejected, Unavailable, create_tables
from saga_participant.settings import ParticipantSettings


class Taken(BaseModel):
    receipt: str


# --- made -----------------------------------------------------------------------------------------


async def make_tables(engine: AsyncEngine) -> None:
    await create_tables(engine)
    async with engine.begin() as db:
        await create_tables(db)


async def say_goodbye() -> None: ...


def made(engine: AsyncEngine, provider: TracerProvider) -> list[Participant]:
    return [
        Participant("till", database="sqlite+aiosqlite://", schemas="schemas"),
        Participant("till", database=engine, schemas=Path("schemas"), create_table=False, handler_limit_s=5),
        Participant("till", database=engine, schemas=["own", Path("shared")], on_start=make_tables, on_stop=say_goodbye),
        Participant("till", database=engine, schemas="schemas", tracer_provider=provider),
    ]


def made_wrongly(engine: AsyncEngine) -> None:
    Participant("till", database=engine)  # type: ignore[call-arg]
    Participant("till", engine, "schemas")  # type: ignore[call-arg]
    Participant("till", database=None, schemas="schemas")  # type: ignore[arg-type]
    Participant("till", database=engine, schemas="schemas", on_start=say_goodbye)  # type: ignore[arg-type]
    Participant("till", database=engine, schemas="schemas", handler_limit=5)  # type: ignore[call-arg]


# --- run ------------------------------------------------------------------------------------------

till = Participant("till", database="sqlite+aiosqlite://", schemas="schemas")

inside_fastapi = FastAPI(lifespan=till.lifespan)
inside_fastapi.include_router(till.routes())
inside_fastapi.include_router(till.routes("/till"))
inside_starlette = Starlette(lifespan=till.lifespan, routes=till.routes().routes)
only_answering = FastAPI(lifespan=till.sending)


@asynccontextmanager
async def lifespan_of_ones_own(app: FastAPI) -> AsyncIterator[None]:
    async with till.lifespan(app):
        yield


async def run() -> None:
    await till.run()
    await till.run({"SAGA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}, health_port=8711, instance="till-1")
    await till.run(health_port="8711")  # type: ignore[arg-type]


async def serve() -> None:
    settings = ParticipantSettings.from_env({"SAGA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}, instance="till-1")
    assert_type(settings.kafka, KafkaSettings)
    assert_type(settings.instance, str | None)
    assert_type(settings.start_patience_s, float)
    stop = asyncio.Event()
    await till.serve(KafkaBroker(settings.kafka), stop=stop, health_port=0, ready=print)
    await till.serve_as(settings, stop=stop)
    async with till.served(MemoryBroker(), topic_prefix="test."):
        stop.set()
    await till.serve(settings)  # type: ignore[arg-type]


# --- answers given later --------------------------------------------------------------------------


async def decided(ref: str) -> None:
    async with till.answering(ref, db=AsyncConnection) as (db, answer):
        assert_type(db, AsyncConnection)
        answer(Taken(receipt="r-1"))
    async with till.answering(ref, db=AsyncSession) as (session, answer):
        assert_type(session, AsyncSession)
        answer(Rejected("refused_by_clerk"))
    async with till.answering(ref) as (untyped, answer):
        assert_type(untyped, Any)
        answer()
    try:
        await till.progress(ref, "3 of 5")
        await till.progress(ref, "4 of 5", lease=timedelta(hours=1))
    except (AnswerRefused, Unavailable):
        return
    async with till.sending():
        await till.progress(ref, "5 of 5")


async def decided_wrongly(ref: str) -> None:
    async with till.answering(ref) as (_, answer):
        answer("yes")  # type: ignore[arg-type]
        answer({"receipt": "r-1"})  # type: ignore[arg-type]
        await answer(Taken(receipt="r-1"))  # type: ignore[func-returns-value, misc]
    await till.progress(ref)  # type: ignore[call-arg]
    await till.progress(ref, "3 of 5", lease=60)  # type: ignore[arg-type]
    async with till.answering(ref, db="connection") as (_, answer):  # type: ignore[call-overload]
        answer()
