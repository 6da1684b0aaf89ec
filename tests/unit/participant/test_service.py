"""A participant at work on the in-memory broker: what goes in, what comes out, and what each
failure on the way makes of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from saga_messaging.background import end
from saga_messaging.broker import BrokerError, TopicPartition
from saga_messaging.memory import MemoryBroker
from saga_messaging.reading import ReadingWatch
from saga_participant import Participant
from saga_participant.consuming.command_loop import CommandLoop
from saga_participant.outcomes import Unavailable
from saga_participant.service import Service
from saga_schemas.codec import decode
from saga_schemas.headers import decode_reply
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.records import Failure, read_own
from support.till.shop import Told, make_till
from support.till.wire import CATALOG, COMMANDS, DEAD, REPLIES, command, new_saga, records, replies, send, until, with_header


@asynccontextmanager
async def serving(broker: MemoryBroker, till: Participant) -> AsyncIterator[Service]:
    async with till.served(broker):
        service = till._service
        assert service is not None
        yield service


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def made() -> tuple[Participant, Told]:
    return make_till()


@pytest.fixture
def till(made: tuple[Participant, Told]) -> Participant:
    return made[0]


async def lag(broker: MemoryBroker) -> int:
    return sum((await broker.group_lag("saga.till", [COMMANDS])).values())


async def test_a_reply_echoes_its_command_and_carries_the_handlers_record(broker: MemoryBroker, till: Participant) -> None:
    sent = command(attempt=3, version=17, origin_traceparent=f"00-{'a' * 32}-{'c' * 16}-01")
    async with serving(broker, till):
        await send(broker, sent)
        (reply,) = await replies(broker, 1)
        record = broker.records(REPLIES)[0]
    theirs = dict(sent.headers)
    assert record.key == sent.key
    assert (reply.outcome, reply.record, reply.kind, reply.run, reply.attempt) == (
        Outcome.SUCCEEDED,
        "till.Taken",
        Kind.ACTION,
        1,
        3,
    )
    assert (reply.causation_id, reply.token, reply.version) == (theirs["ce_id"].decode(), "opaque", 17)
    assert reply.origin_traceparent == theirs["ce_traceparent"].decode()
    assert record.value is not None
    assert decode(record.value, CATALOG).value == {"receipt": "r-1"}


async def test_commands_of_many_sagas_are_all_answered_and_their_offsets_committed(
    broker: MemoryBroker, till: Participant
) -> None:
    sagas = [new_saga() for _ in range(40)]
    async with serving(broker, till):
        await send(broker, *(command(saga) for saga in sagas), *(command(saga, Kind.COMPENSATION) for saga in sagas))
        heard = await replies(broker, 80)
    assert sorted(reply.outcome for reply in heard) == [Outcome.SUCCEEDED] * 40 + [Outcome.UNDONE] * 40
    assert await lag(broker) == 0


async def until_committed(broker: MemoryBroker) -> None:
    async with asyncio.timeout(60):
        while await lag(broker):  # noqa: ASYNC110  # what a broker has committed tells nobody
            await asyncio.sleep(0.01)


async def test_what_was_read_before_is_not_read_again_after_a_restart(broker: MemoryBroker, till: Participant) -> None:
    async with serving(broker, till):
        await send(broker, command())
        await replies(broker, 1)
    async with serving(broker, till) as service:
        await send(broker, command())
        await replies(broker, 2)
        assert service.metrics.commands == 1


async def test_unreadable_with_readable_headers_is_unsupported(broker: MemoryBroker, till: Participant) -> None:
    good = command()
    bad = [
        replace(good, value=b"garbage"),
        replace(command(), value=None),
        replace(command(), key=b"somebody else's"),
        with_header(command(), "ce_sagaprotocol", b"2"),
        with_header(command(), "ce_sagakind", b"signal"),
        with_header(command(), "ce_sagakind", b"COMPENSATION"),
        with_header(command(), "ce_type", b"till.Nothing"),
        with_header(command(kind=Kind.COMPENSATION), "ce_sagakind", b"action"),
    ]
    async with serving(broker, till):
        await send(broker, *bad, command())
        found = await records(broker, REPLIES, len(bad) + 1)
    kinds = [dict(record.headers)["ce_sagaoutcome"] for record in found]
    assert sorted(kinds) == [b"SUCCEEDED"] + [b"UNSUPPORTED"] * len(bad)
    echoed = {dict(record.headers)["ce_sagakind"] for record in found}
    assert {b"signal", b"COMPENSATION"} <= echoed, "the kind is echoed as it was sent"
    assert broker.records(DEAD) == []


async def test_what_cannot_be_answered_is_dead_lettered_with_the_reason_and_the_next_is_served(
    broker: MemoryBroker, till: Participant
) -> None:
    headless = replace(command(), headers=(("mine", b"1"),))
    binary = with_header(command(), "ce_id", b"\xff")
    async with serving(broker, till) as service:
        await send(broker, headless, binary, command())
        await replies(broker, 1)
        letters = await records(broker, DEAD, 2)
        assert sum(service.metrics.dead_letters.values()) == 2
    reasons = {dict(letter.headers)["saga_dlq_reason"] for letter in letters}
    assert reasons == {b"header_missing", b"header_invalid"}
    assert {letter.value for letter in letters} == {headless.value, binary.value}
    assert await lag(broker) == 0


async def test_a_command_that_expired_in_the_first_year_is_expired_and_one_that_never_does_is_served(
    broker: MemoryBroker, till: Participant
) -> None:
    async with serving(broker, till):
        for expiry in (b"0001-01-01T00:00:00Z", b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:60Z"):
            await send(broker, with_header(command(), "ce_expirytime", expiry))
        heard = await replies(broker, 3)
    assert sorted(reply.outcome for reply in heard) == [Outcome.EXPIRED, Outcome.EXPIRED, Outcome.SUCCEEDED]


async def test_what_cannot_be_read_is_dead_lettered_and_stepped_over(broker: MemoryBroker, till: Participant) -> None:
    await broker.ensure_topics([COMMANDS, DEAD])
    sent = command()
    for number in range(6):
        broker.append_unreadable(TopicPartition(COMMANDS, number), "unreadable_batch", known=sent, offsets=4)
    async with serving(broker, till) as service:
        letters = await records(broker, DEAD, 6)
        await send(broker, command())
        (reply,) = await replies(broker, 1)
        await until(lambda: not service.workers.in_hand)
        assert service.metrics.dead_letters["unreadable_batch"] == len(letters)
    assert {dict(letter.headers)["saga_dlq_reason"] for letter in letters} == {b"unreadable_batch"}
    assert {letter.value for letter in letters} == {sent.value}
    assert reply.outcome is Outcome.SUCCEEDED
    assert await lag(broker) == 0


async def test_a_partition_that_ends_with_a_marker_is_read_to_its_end(broker: MemoryBroker, till: Participant) -> None:
    async with serving(broker, till) as service:
        await send(broker, command())
        await replies(broker, 1)
        for number in range(6):
            broker.leave_gap(TopicPartition(COMMANDS, number), 2)
        async with asyncio.timeout(30):
            while await lag(broker):  # noqa: ASYNC110  # only asking again can tell
                await asyncio.sleep(0.02)
        consumer, service.loop._watch = service.loop._consumer, ReadingWatch(0)
        await service.loop.look()
        await service.loop.look()
        assert (service.metrics.unread, service.loop._consumer) == ("", consumer)
        assert not service.loop._replace


async def test_a_participant_whose_commands_an_open_transaction_holds_is_not_ready(
    broker: MemoryBroker, till: Participant
) -> None:
    async with serving(broker, till) as service:
        await send(broker, command())
        await replies(broker, 1)
        await until(lambda: not service.workers.in_hand)
        held = broker.records(COMMANDS)[0].source
        broker.hold(held, 1)
        broker.append_to(held, command())
        service.loop._watch = ReadingWatch(0)
        await service.loop.look()
        assert service.metrics.unread == f"{COMMANDS}/{held.partition} waits for a producer's open transaction to end"
        assert till._health.page("/readyz").status == 503
        assert not service.loop._replace
        broker.hold(held, None)
        await replies(broker, 2)
        await until(lambda: not service.workers.in_hand)
        await service.loop.look()
        assert till._health.page("/readyz").status == 200


async def test_a_dead_letter_nobody_takes_holds_nothing_up(broker: MemoryBroker, till: Participant) -> None:
    async with serving(broker, till):
        broker.faults.refuse = 1
        await send_despite(broker, replace(command(), headers=()))
        await until(lambda: broker.faults.refuse == 0)
        await send(broker, command())
        await replies(broker, 1)
    assert await lag(broker) == 0


async def send_despite(broker: MemoryBroker, record: object) -> None:
    """Sent although the broker refuses the next record: that one is not for us."""
    refuse, broker.faults.refuse = broker.faults.refuse, 0
    await send(broker, record)  # type: ignore[arg-type]
    broker.faults.refuse = refuse


async def test_a_reply_that_was_not_acknowledged_is_sent_again_before_the_offset_moves(
    broker: MemoryBroker, till: Participant
) -> None:
    async with serving(broker, till) as service:
        await send(broker, command())
        broker.faults.lose = 2
        (reply,) = await replies(broker, 1)
        assert reply.outcome is Outcome.SUCCEEDED
        assert service.metrics.outcomes["SUCCEEDED"] == 1
    assert await lag(broker) == 0


async def test_while_kafka_is_away_nothing_is_committed_and_afterwards_everything_is_answered(
    broker: MemoryBroker, made: tuple[Participant, Told]
) -> None:
    till, told = made
    async with serving(broker, till):
        await send(broker, command())

        async def cut() -> None:
            broker.faults.unreachable = True

        told.during = cut
        await until(lambda: broker.faults.unreachable)
        told.during = None
        broker.faults.unreachable = False
        assert await lag(broker) == 1
        await replies(broker, 1)
    assert await lag(broker) == 0


async def test_a_reply_the_broker_will_never_take_is_given_up_loudly(
    broker: MemoryBroker, till: Participant, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(broker, till) as service:
        await send(broker, command())
        broker.faults.refuse = 4
        await until(lambda: service.metrics.refused_replies == 1)
        await send(broker, command())
        await replies(broker, 1)
    assert "given up" in caplog.text
    assert await lag(broker) == 0


async def test_topics_that_are_deleted_in_the_middle_are_made_again_and_read_from_their_beginning(
    broker: MemoryBroker, till: Participant
) -> None:
    async with serving(broker, till) as service:
        sagas = [new_saga() for _ in range(20)]
        await send(broker, *(command(saga) for saga in sagas))
        await replies(broker, 20)
        await until_committed(broker)
        await broker.delete_topics([COMMANDS, REPLIES, DEAD])
        await service.watch.look()
        await send(broker, *(command(saga) for saga in sagas))  # as many again: the offsets alone do not tell the topics apart
        assert len(await replies(broker, 20)) == 20


async def test_a_database_that_is_away_costs_no_attempt(
    broker: MemoryBroker, till: Participant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(broker, till) as service:
        begin = service.execution.database.begin
        away = [Unavailable("away"), Unavailable("away")]

        def sometimes(*, bare: bool) -> object:
            if away:
                raise away.pop()
            return begin(bare=bare)

        monkeypatch.setattr(service.execution.database, "begin", sometimes)
        await send(broker, command())
        (reply,) = await replies(broker, 1)
        assert (reply.outcome, service.metrics.unavailable) == (Outcome.SUCCEEDED, 2)


async def test_a_graceful_stop_finishes_what_is_in_hand(broker: MemoryBroker, made: tuple[Participant, Told]) -> None:
    till, told = made
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()

    told.during = slow
    stop = asyncio.Event()
    serving_it = asyncio.ensure_future(till.serve(broker, stop=stop))
    await send(broker, command())
    await begun.wait()
    stop.set()
    go_on.set()
    await serving_it
    assert [decode_reply(record.headers).outcome for record in broker.records(REPLIES)] == [Outcome.SUCCEEDED]
    assert await lag(broker) == 0


async def test_a_command_in_hand_when_the_process_ends_comes_again_and_its_effect_stays_single(
    broker: MemoryBroker, tmp_path: object
) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path}/till.sqlite"
    till, told = make_till(database)
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    told.during = hang
    killed = asyncio.ensure_future(till.serve(broker))
    await send(broker, command())
    await begun.wait()
    await end((killed,))
    told.during = None
    async with serving(broker, till):
        (reply,) = await replies(broker, 1)
    assert reply.outcome is Outcome.SUCCEEDED


async def test_a_rejection_carries_code_and_message(broker: MemoryBroker, till: Participant) -> None:
    async with serving(broker, till):
        await send(broker, command(mode="reject"))
        (reply,) = await replies(broker, 1)
        value = broker.records(REPLIES)[0].value
    assert (reply.outcome, reply.record) == (Outcome.REJECTED, "saga.v1.Failure")
    assert value is not None
    assert read_own(value, Failure) == Failure(code="no", message="not today")


async def test_an_answer_given_later_is_sent(broker: MemoryBroker, made: tuple[Participant, Told]) -> None:
    from support.till.shop import Taken

    till, told = made
    async with serving(broker, till):
        await send(broker, command(mode="accept"))
        await replies(broker, 1)
        async with till.answering(told.steps[0].ref) as (_, answer):
            answer(Taken(receipt="late"))
        heard = await replies(broker, 2)
    assert sorted(reply.outcome for reply in heard) == [Outcome.IN_PROGRESS, Outcome.SUCCEEDED]
    assert {reply.seq for reply in heard} == {1, None}


async def test_without_an_sdk_the_commands_own_trace_goes_out_again_and_into_what_the_handler_sends(
    broker: MemoryBroker, made: tuple[Participant, Told]
) -> None:
    till, told = made
    sent_on: dict[str, str] = {}

    async def call_somebody() -> None:
        TraceContextTextMapPropagator().inject(sent_on)

    told.during = call_somebody
    sent = command(tracestate="one=1, two=2")
    async with serving(broker, till):
        await send(broker, sent)
        await replies(broker, 1)
    theirs, ours = dict(sent.headers), dict(broker.records(REPLIES)[0].headers)
    assert {name: ours[name] for name in ("traceparent", "tracestate")} == {
        name: theirs[name] for name in ("traceparent", "tracestate")
    }
    assert sent_on["traceparent"].encode() == theirs["traceparent"]


async def test_with_an_sdk_the_process_span_is_the_commands_child_and_the_replys_parent(broker: MemoryBroker) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    till, _ = make_till(tracer_provider=provider)
    saga = new_saga()
    async with serving(broker, till):
        await send(broker, command(saga, mode="reject"), command(saga, attempt=2))
        heard = await replies(broker, 2)
        await until(lambda: len(exporter.get_finished_spans()) == 2)
    spans = exporter.get_finished_spans()
    assert {(span.name, span.kind) for span in spans} == {("process till.Take", SpanKind.CONSUMER)}
    assert all(span.parent is not None and f"{span.parent.span_id:016x}" == "b" * 16 for span in spans)
    assert [span.attributes and span.attributes["saga.duplicate"] for span in spans] == [False, True]
    assert [span.attributes and span.attributes["saga.outcome"] for span in spans] == ["REJECTED", "REJECTED"]
    assert {reply.traceparent and reply.traceparent.split("-")[2] for reply in heard} == {
        f"{span.context.span_id:016x}" for span in spans if span.context
    }


async def test_health_and_metrics_are_served_and_nothing_else(broker: MemoryBroker, till: Participant) -> None:
    port: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving_it = asyncio.ensure_future(till.serve(broker, stop=stop, health_port=0, ready=port.set_result))
    where = await port
    assert where is not None
    await send(broker, command())
    await replies(broker, 1)
    pages = {path: await get(where, path) for path in ("/healthz", "/readyz", "/metrics", "/etc/passwd")}
    stop.set()
    await serving_it
    assert {path: page.split(" ", 2)[1] for path, page in pages.items()} == {
        "/healthz": "200",
        "/readyz": "200",
        "/metrics": "200",
        "/etc/passwd": "404",
    }
    assert 'saga_participant_replies_total{participant="till",outcome="SUCCEEDED"} 1' in pages["/metrics"]


async def get(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    page = (await reader.read()).decode()
    writer.close()
    return page


async def test_lifespan_needs_kafkas_address(till: Participant, monkeypatch: pytest.MonkeyPatch) -> None:
    from saga_messaging.errors import ConfigurationError

    monkeypatch.delenv("SAGA_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    with pytest.raises(ConfigurationError, match="SAGA_KAFKA_BOOTSTRAP_SERVERS"):
        async with till.lifespan():
            pass


class Pages:
    """The health pages of a till that is being served."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def status(self, path: str) -> str:
        return (await get(self.port, path)).split(" ", 2)[1]

    async def ready(self, said: str) -> None:
        """Once this is what `/readyz` says."""
        async with asyncio.timeout(30):
            while said not in await get(self.port, "/readyz"):  # noqa: ASYNC110  # a page tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def with_pages(broker: MemoryBroker, till: Participant) -> AsyncIterator[Pages]:
    port: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving_it = asyncio.ensure_future(till.serve(broker, stop=stop, health_port=0, ready=port.set_result))
    where = await port
    assert where is not None
    try:
        yield Pages(where)
    finally:
        stop.set()
        await serving_it


async def test_a_participant_whose_commands_all_wait_for_the_database_is_not_ready_and_says_why(
    broker: MemoryBroker, till: Participant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_pages(broker, till) as pages:
        await pages.ready("ok")
        assert till._service is not None
        database = till._service.execution.database
        begin = database.begin

        def away(*, bare: bool) -> object:
            raise Unavailable("away")

        monkeypatch.setattr(database, "begin", away)
        await send(broker, command())
        await pages.ready("503 Service Unavailable")
        await pages.ready("waiting for the database")
        assert await pages.status("/healthz") == "200"
        monkeypatch.setattr(database, "begin", begin)
        await replies(broker, 1)
        await pages.ready("ok")


async def test_a_participant_that_finishes_nothing_is_not_ready_and_says_so(
    broker: MemoryBroker, made: tuple[Participant, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    till, told = made
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()

    told.during = slow
    async with with_pages(broker, till) as pages:
        await send(broker, command())
        await begun.wait()
        await pages.ready("ok")
        assert till._service is not None
        metrics = till._service.metrics
        monkeypatch.setattr(metrics, "finished_at_s", metrics.finished_at_s - 100_000)
        await pages.ready("none was finished")
        go_on.set()
        await replies(broker, 1)
        await pages.ready("ok")


async def test_a_bug_in_a_handler_is_told_with_its_frames_and_without_its_text(
    broker: MemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    till, told = make_till()
    told.modes.append("break")
    async with serving(broker, till):
        await send(broker, command())
        await replies(broker, 1)
    (line,) = [record.getMessage() for record in caplog.records if " failed: " in record.getMessage()]
    assert re.search(r"shop\.py:\d+ misbehave < shop\.py:\d+ take", line), line
    assert "4111 1111" not in line


async def test_a_stop_finishes_what_is_in_hand_although_the_consumer_has_just_failed(
    broker: MemoryBroker, made: tuple[Participant, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    till, told = made
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()

    async def fails(*_: object) -> None:
        raise BrokerError("gone")

    told.during = slow
    async with serving(broker, till) as service:
        await send(broker, command())
        await begun.wait()
        monkeypatch.setattr(CommandLoop, "_round", fails)
        await until(lambda: not service.metrics.reading)
        asyncio.get_running_loop().call_later(0.2, go_on.set)
    assert len(broker.records(REPLIES)) == 1
