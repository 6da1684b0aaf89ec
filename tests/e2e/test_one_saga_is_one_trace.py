"""Five hundred sagas, a third of which fail at different places: each is one trace, whole and true,
in a real Jaeger."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from saga_cli.dev.jaeger import JaegerService
from saga_messaging.background import end_one
from saga_messaging.broker import Outgoing
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import StartHeaders
from support import shop, traces
from support.chaos import Chaos
from support.jaeger import JaegerClient, Trace
from support.orders import Fault, OpenCount, Order, Placing, all_final, some_orders
from support.processes import SagaProcess
from support.traces import Told

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("busy")]

ORDERS = 500
SEEN_WITHIN_S = 30.0
DOWN_S = 20.0
KILLS = 10
KILL_EVERY_S = 2.5
ALWAYS = 1_000
"""A rejection whose group is rolled back is asked for again, and counted once more."""
WAYS_TO_FAIL: Sequence[tuple[Fault, ...]] = (
    ({"step": "reserve", "kind": "reject", "times": ALWAYS, "ms": 0},),
    ({"step": "charge", "kind": "reject", "times": ALWAYS, "ms": 0},),
    ({"step": "ship", "kind": "reject", "times": ALWAYS, "ms": 0},),
    ({"step": "charge", "kind": "fail", "times": 2, "ms": 0}, {"step": "ship", "kind": "reject", "times": ALWAYS, "ms": 0}),
)
SLOW: tuple[Fault, ...] = tuple({"step": step, "kind": "delay", "times": 1, "ms": 1_200} for step in ("reserve", "charge"))


def a_third_fails(more: tuple[Fault, ...] = ()) -> list[Order]:
    orders = some_orders(ORDERS, rejected=0)
    failing = iter(WAYS_TO_FAIL[n % len(WAYS_TO_FAIL)] for n in range(ORDERS))
    return [
        Order(id=order.id, carrier=order.carrier, faults=(*more, *(next(failing) if n % 3 == 0 else ())))
        for n, order in enumerate(orders)
    ]


def a_shop(
    folder: Path, kafka: str, new_database: Callable[[], str], jaeger: JaegerService
) -> AbstractAsyncContextManager[shop.Shop]:
    """Two coordinators and two instances of each participant that all send their spans to this
    Jaeger."""
    return shop.opened(
        folder,
        kafka=kafka,
        new_database=lambda _: new_database(),
        topic_prefix=f"traces-{secrets.token_hex(4)}.",
        settings={
            "SAGA_OTLP_ENDPOINT": jaeger.otlp_grpc,
            "SAGA_JAEGER_URL": jaeger.query_url,
            "SAGA_KAFKA_SESSION_TIMEOUT_MS": "6000",
        },
    )


async def checked(client: JaegerClient, sagas: Sequence[Told], wrongs: Callable[[Told, Trace], Sequence[str]]) -> int:
    """How many are as they must be; asked again until all are, or the time is over.

    Prints what is wrong with the first others.
    """
    deadline = time.monotonic() + SEEN_WITHIN_S
    left = {saga.trace_id: (saga, ["no trace"]) for saga in sagas}
    while left:
        for trace_id, (saga, _) in list(left.items()):
            trace = await client.trace(trace_id)
            found = ["no trace"] if trace is None else list(wrongs(saga, trace))
            if found:
                left[trace_id] = (saga, found)
            else:
                del left[trace_id]
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.5)
    for saga, found in list(left.values())[:10]:
        print(f"  saga {saga.id} trace {saga.trace_id}: {'; '.join(found[:5])}")
    return len(sagas) - len(left)


async def one_trace_each(client: JaegerClient, sagas: Sequence[Told]) -> None:
    """No saga is told in a second trace as well, and no trace tells of two."""
    seen: dict[str, set[str]] = {}
    for trace in await client.find(traces.COORDINATOR, limit=4 * ORDERS):
        for span in trace.spans:
            if span.service == traces.COORDINATOR:
                seen.setdefault(str(span.tags["saga.id"]), set()).add(trace.trace_id)
    assert seen == {str(saga.id): {saga.trace_id} for saga in sagas}


async def test_each_of_five_hundred_traces_is_whole_and_true(
    tmp_path: Path,
    kafka_address: str,
    postgres_url: Callable[[], str],
    own_jaeger: Callable[..., JaegerService],
) -> None:
    jaeger = own_jaeger()
    client = JaegerClient(jaeger.query_url)
    async with a_shop(tmp_path, kafka_address, postgres_url, jaeger) as fleet:
        await fleet.start()
        await fleet.register()
        placing = Placing(fleet.servers)
        await placing.place_all(a_third_fails())
        ended = await all_final(fleet.database, 120)
        assert ended.counted["COMPENSATED"] >= ORDERS // 3
        sagas = await traces.told(fleet.database)
        assert len(sagas) == ORDERS

        def wrongs(saga: Told, trace: Trace) -> list[str]:
            return [
                *traces.wrongs_of_own_spans(saga, trace),
                *traces.wrongs_of_all_spans(saga, trace),
                *(f"{attempt} has no process span" for attempt in traces.not_processed(saga, trace)),
                *(f"{attempt} was processed twice" for attempt in traces.processed_twice_unsaid(trace)),
            ]

        right = await checked(client, sagas, wrongs)
        print(f"\n  {right} of {ORDERS}")
        assert right == ORDERS
        await one_trace_each(client, sagas)
        await _hanging(fleet, client)
        await _continued(fleet, client)
        await _exported_again(fleet, sagas[:: ORDERS // 5], client, own_jaeger())
        fleet.assert_alive()


async def _hanging(fleet: shop.Shop, client: JaegerClient) -> None:
    """A running saga is seen and named before it ends."""
    stuck = Order(id="hangs", carrier="post", faults=({"step": "charge", "kind": "hang", "times": 1, "ms": 0},))
    placing = Placing(fleet.servers)
    await placing.place_all([stuck])
    (saga_id,) = placing.placed
    async with httpx.AsyncClient(trust_env=False) as http:
        saga = (await http.get(f"{fleet.servers[0]}/v1/sagas/{saga_id}")).json()
    assert saga["closed_at"] is None
    trace = await client.wait_for(saga["trace_id"], lambda seen: bool(seen.named("reserve")))
    assert trace.span("started").tags["saga.definition"] == "order"
    assert not trace.named("order"), "its root comes at the end"


async def _continued(fleet: shop.Shop, client: JaegerClient) -> None:
    """A caller's trace goes on, whichever door the start came through."""
    for start in (_start_over_http, _start_on_kafka):
        trace_id, span = secrets.token_hex(16), secrets.token_hex(8)
        await start(fleet, some_orders(1, rejected=0)[0], f"00-{trace_id}-{span}-01")
        trace = await client.wait_for(trace_id, lambda seen: bool(seen.named("order")))
        root = trace.span("order")
        assert (root.parent_id, [each.span_id for each in trace.roots]) == (span, [root.span_id])


async def _start_over_http(fleet: shop.Shop, order: Order, traceparent: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            f"{fleet.servers[1]}/v1/sagas",
            json={"definition": "order", "input": order.input(1)},
            headers={"traceparent": traceparent},
        )
    assert answer.status_code == 201, answer.text


async def _start_on_kafka(fleet: shop.Shop, order: Order, traceparent: str) -> None:
    schema = Catalog(read_schemas(shop.DEMO / "schemas")).latest("shop.PlaceOrder")
    assert schema is not None
    headers = StartHeaders(
        message_id=order.id,
        source="/test",
        record="shop.PlaceOrder",
        tenant="default",
        definition="order",
        time_us=1,
        traceparent=traceparent,
    )
    value = encode(schema, order.input(1))
    record = Outgoing(topic=f"{fleet.topic_prefix}saga.start", key=order.id.encode(), value=value, headers=headers.encode())
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=fleet.kafka))
    await broker.start()
    producer = broker.producer()
    await producer.start()
    try:
        assert await producer.send_all([record], timeout_s=20) == [None]
    finally:
        await producer.stop()
        await broker.stop()


async def _exported_again(fleet: shop.Shop, sagas: Sequence[Told], client: JaegerClient, fresh: JaegerService) -> None:
    """A fresh Jaeger is given the identical spans of the coordinator."""
    for saga in sagas:
        await fleet.command("trace", "export", str(saga.id), "--otlp", fresh.otlp_grpc)
        there, here = await JaegerClient(fresh.query_url).trace(saga.trace_id), await client.trace(saga.trace_id)
        assert there is not None
        assert here is not None
        own = {span.span_id: span for span in here.spans if span.service == traces.COORDINATOR}
        assert {span.span_id: span for span in there.spans} == own


async def test_no_trace_loses_a_span_of_the_coordinator_though_everything_is_killed_and_jaeger_is_down(
    tmp_path: Path,
    kafka_address: str,
    postgres_url: Callable[[], str],
    own_jaeger: Callable[..., JaegerService],
) -> None:
    jaeger = own_jaeger(tmp_path / "jaeger")
    client = JaegerClient(jaeger.query_url)
    async with a_shop(tmp_path, kafka_address, postgres_url, jaeger) as fleet:
        await fleet.start()
        await fleet.register()
        count = OpenCount(fleet.database)
        chaos, placing, looking = Chaos(fleet, count), Placing(fleet.servers), asyncio.create_task(count.run())
        try:
            async with asyncio.timeout(300), asyncio.TaskGroup() as group:
                group.create_task(placing.pace(a_third_fails(SLOW), count, per_s=18, floor=60, limit_s=240))
                await count.reaches(lambda open_: open_ >= 30, 60, "enough orders open to begin")
                group.create_task(_kill_ten_times(chaos))
                group.create_task(_down_for_a_while(jaeger))
            await all_final(fleet.database, 120)
        finally:
            await end_one(looking)
            print(f"\n{chaos.report()}")
        assert len(chaos.kills()) == KILLS
        sagas = await traces.told(fleet.database)
        assert len(sagas) == ORDERS
        right = await checked(client, sagas, traces.wrongs_of_own_spans)
        print(f"\n  {right} of {ORDERS}: of the coordinator's own spans none lost, none doubled")
        assert right == ORDERS
        await one_trace_each(client, sagas)
        gaps = unsaid = 0
        for saga in sagas:
            trace = await client.trace(saga.trace_id)
            assert trace is not None
            gaps += len(traces.not_processed(saga, trace))
            unsaid += len(traces.processed_twice_unsaid(trace))
            orphans = [span for span in trace.roots if span.span_id != saga.root_id and span.kind == "consumer"]
            assert not orphans, f"{saga.id}: {orphans}"
        print(f"  {gaps} participants' spans lost with their process; each redelivery says that it is one")
        assert unsaid == 0


async def _kill_ten_times(chaos: Chaos) -> None:
    fleet = chaos.shop
    turn: Sequence[SagaProcess] = [
        process
        for each in zip(fleet.coordinators, *(fleet.instances(name) for name in shop.PARTICIPANTS), strict=True)
        for process in each
    ]
    async with asyncio.TaskGroup() as restarts:
        for number in range(KILLS):
            await asyncio.sleep(KILL_EVERY_S)
            process = turn[number % len(turn)]
            await chaos.kill(process, at_least=10)
            restarts.create_task(process.start())


async def _down_for_a_while(jaeger: JaegerService) -> None:
    await asyncio.sleep(5)
    jaeger.kill()
    await asyncio.sleep(DOWN_S)
    await asyncio.to_thread(jaeger.start)
