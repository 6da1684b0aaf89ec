"""Answers of a process that serves no commands: sent by it at once, and said in the log where they
are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from saga_messaging.errors import ConfigurationError
from saga_messaging.memory import MemoryBroker
from saga_participant import Participant
from saga_participant.consuming import answer_sender
from saga_schemas.headers import decode_reply
from saga_schemas.outcomes import Kind, Outcome
from support.till.shop import Taken, make_till
from support.till.wire import REPLIES, command, new_saga, replies, send


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
async def waiting(broker: MemoryBroker, tmp_path: Path) -> AsyncIterator[tuple[Participant, str]]:
    """A web process's participant, and the reference of work that another process of the same
    service accepted."""
    database = f"sqlite+aiosqlite:///{tmp_path}/till.sqlite"
    serving, told = make_till(database)
    saga = new_saga()
    async with serving.served(broker):
        await send(broker, command(saga, mode="accept"), command(saga, Kind.RESOLVE, attempt=2))
        await replies(broker, 2)
    web, _ = make_till(database)
    yield web, told.steps[0].ref
    await web.close()


@pytest.fixture(autouse=True)
def no_kafka_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGA_KAFKA_BOOTSTRAP_SERVERS", raising=False)


async def test_an_answer_and_its_progress_are_sent_at_once_by_a_process_that_serves_nothing(
    broker: MemoryBroker, waiting: tuple[Participant, str]
) -> None:
    web, ref = waiting
    async with web.sending(broker=broker):
        await web.progress(ref, "3 of 5")
        news = decode_reply(broker.records(REPLIES)[-1].headers)
        assert (news.outcome, news.seq, news.kind, news.attempt) == (Outcome.IN_PROGRESS, 2, Kind.RESOLVE, 2)
        async with web.answering(ref) as (_, answer):
            answer(Taken(receipt="r-1"))
        end = decode_reply(broker.records(REPLIES)[-1].headers)
    assert (end.outcome, end.kind, end.attempt) == (Outcome.SUCCEEDED, Kind.RESOLVE, 2)
    assert end.source.startswith("till/")


async def test_without_kafka_in_the_environment_the_answer_is_recorded_and_the_log_says_so(
    waiting: tuple[Participant, str], caplog: pytest.LogCaptureFixture
) -> None:
    web, ref = waiting
    async with web.answering(ref) as (_, answer):
        answer(Taken(receipt="r-1"))
    assert "an answer is not sent by this process (SAGA_KAFKA_BOOTSTRAP_SERVERS is not set" in caplog.text
    assert "goes out when the coordinator asks again" in caplog.text
    with pytest.raises(ConfigurationError, match="SAGA_KAFKA_BOOTSTRAP_SERVERS"):
        async with web.sending():
            pass


async def test_while_kafka_is_away_the_block_is_left_in_time_and_the_answer_follows(
    broker: MemoryBroker,
    waiting: tuple[Participant, str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web, ref = waiting
    monkeypatch.setattr(answer_sender, "SENT_WITHIN_S", 0.05)
    before = len(broker.records(REPLIES))
    async with web.sending(broker=broker):
        broker.faults.unreachable = True
        async with asyncio.timeout(20):
            await web.progress(ref, "1 of 5")
        assert "Kafka has not taken an answer" in caplog.text
        broker.faults.unreachable = False
        await replies(broker, before + 1)
    assert len(broker.records(REPLIES)) == before + 1


async def test_no_more_answers_wait_for_kafka_than_the_bound(
    broker: MemoryBroker,
    waiting: tuple[Participant, str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web, ref = waiting
    monkeypatch.setattr(answer_sender, "SENT_WITHIN_S", 0.01)
    monkeypatch.setattr(answer_sender, "MOST_WAITING", 2)
    before = len(broker.records(REPLIES))
    broker.faults.unreachable = True
    async with web.sending(broker=broker):
        for note in "abc":
            await web.progress(ref, note)
        assert "2 answers wait for Kafka already" in caplog.text
    assert "2 were waiting for Kafka at its end" in caplog.text
    broker.faults.unreachable = False
    assert len(broker.records(REPLIES)) == before
