"""What deciding and writing costs the coordinator: one order saga of the demo, from its start to
its end, without any I/O.

A saga is a start and three replies, one in ten is rejected at ship and compensated: each event is
opened as a batch opens it, decided, and written as rows and messages, as `sagas/work.py` and
`batch/plan.py` do. CPU of this process a saga, the least and the median of the rounds.

    .venv/bin/python benchmarks/transitions.py [--rounds 60] [--tree ../before --tree .]

Several `--tree` are compared, see trees.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

from trees import Costs, main

SAGAS = 60
"""In a round."""


def sagas() -> Iterator[None]:
    """Each step plays one round."""
    from dataclasses import replace

    import saga_demo
    from saga_coordinator.batch.plan import facts_bytes_after, saga_write
    from saga_coordinator.definitions import compile_definition, lint
    from saga_coordinator.engine.events import Env, Reply, Start
    from saga_coordinator.engine.facts import CommandSent, Fact
    from saga_coordinator.sagas.messages import Outbound
    from saga_coordinator.sagas.work import FoldContext, SagaWork
    from saga_coordinator.store.identifiers import new_id
    from saga_coordinator.store.port import SagaRow
    from saga_coordinator.traces.sampling import Sampling
    from saga_schemas.catalog import Catalog
    from saga_schemas.codec import encode
    from saga_schemas.files import read_schemas
    from saga_schemas.outcomes import Kind, Outcome
    from saga_schemas.records import EMPTY_BYTES
    from saga_schemas.token import TokenKeys
    from saga_schemas.topics import Topics

    demo = Path(saga_demo.__file__).parent
    catalog = Catalog(read_schemas(demo / "schemas"))
    compiled = compile_definition(lint((demo / "order.saga.yaml").read_text(), "order.saga.yaml", catalog).required(), catalog)
    keys = TokenKeys.parse("one:" + "6b" * 32)
    outbound = Outbound(topics=Topics(), keys=keys, cluster_id="c")
    context = FoldContext(outbound=outbound, empty=EMPTY_BYTES, new_id=new_id, sampling=Sampling(0.0))

    def payload(record: str, **fields: object) -> bytes:
        schema = catalog.latest(f"shop.{record}")
        assert schema is not None
        return encode(schema, fields)

    order = {
        "customer": "c-1",
        "account": "a-1",
        "sku": "sku-1",
        "quantity": 1,
        "total": 1250,
        "address": "1 Main Street",
        "faults": [],
    }
    replies = {
        "reserve": payload("StockReserved", reservation_id="res-1"),
        "charge": payload("CardCharged", charge_id="chg-1"),
        "ship": payload("CarrierBooked", parcel_id="pcl-1"),
    }
    fresh = SagaRow(
        id=UUID(int=0),
        tenant="default",
        definition_id=1,
        version=0,
        phase="RUNNING",
        engine_rev=1,
        state_format=1,
        incarnation=1,
        state=b"",
        state_version=0,
        facts_print=0,
        business_key=None,
        wake_at_us=None,
        trace_id="a" * 32,
        parent_span=None,
        trace_flags=0,
        tracestate=None,
        baggage=None,
        max_expiry_us=0,
        started_at_us=0,
        closed_at_us=None,
    )

    def answer(sent: CommandSent, version: int, rejected: bool) -> Reply:
        undone = sent.kind is Kind.COMPENSATION
        outcome = Outcome.UNDONE if undone else Outcome.REJECTED if rejected and sent.step == "ship" else Outcome.SUCCEEDED
        return Reply(
            step=sent.step,
            kind=sent.kind,
            run=sent.run,
            attempt=sent.attempt,
            incarnation=1,
            version=version,
            outcome=outcome,
            code="no_carrier" if outcome is Outcome.REJECTED else None,
            payload=replies[sent.step] if outcome is Outcome.SUCCEEDED else None,
        )

    def play(number: int) -> None:
        now = time.time_ns() // 1000
        saga_id = new_id(now)
        given = payload("PlaceOrder", order_id=f"o-{number}", carrier="ups", **order)
        work = SagaWork.begin(replace(fresh, id=saga_id, business_key=f"o-{number}"), compiled, context, started_at_us=now)
        facts: tuple[Fact, ...] = work.apply(
            Start(id=str(saga_id), tenant="default", key=f"o-{number}", input=given, incarnation=1), Env(now_us=now)
        )
        while True:
            write = saga_write(work, now)
            assert write is not None
            assert work.saga is not None
            context.states.wrote(write.row, work.saga, facts_bytes_after(work, write))
            if work.saga.final:
                break
            version = work.saga.version
            sent = [fact for fact in facts if isinstance(fact, CommandSent)]
            state = context.states.of(write.row)
            assert state is not None
            work = SagaWork.of(write.row, compiled, context, state)
            facts = ()
            for command in sent:
                facts += work.apply(answer(command, version, number % 10 == 0), Env(now_us=now))

    while True:
        for number in range(SAGAS):
            play(number)
        yield


def rounds() -> Callable[[], Costs]:
    """Plays a round."""
    playing = sagas()

    def play() -> Costs:
        began = time.process_time()
        next(playing)
        return {"a saga": (time.process_time() - began) / SAGAS * 1e6}

    return play


if __name__ == "__main__":
    main(__file__, __doc__, rounds, rounds=60)
