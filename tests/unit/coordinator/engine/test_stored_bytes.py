"""The stored bytes of every fact and of a whole state, as the formats of this release write
them."""

from __future__ import annotations

from dataclasses import fields

from saga_coordinator.engine.copying import changed, values_of
from saga_coordinator.engine.encoding import BITS, decode_facts, decode_saga, encode_facts, encode_saga
from saga_coordinator.engine.facts import (
    Acted,
    Announced,
    CommandSent,
    EffectLeft,
    Fact,
    PhaseChanged,
    ReplySeen,
    SagaChanged,
    Started,
    StepChanged,
)
from saga_coordinator.engine.state import Kept, Phase, Saga, Status, StepState, StuckFrom
from saga_schemas.outcomes import Kind, Outcome

STEP = StepState(
    status=Status.STUCK_BACK,
    run=2,
    asking=Kind.COMPENSATION,
    attempt=3,
    sent=frozenset({Kind.ACTION, Kind.COMPENSATION, Kind.RESOLVE}),
    dispatched=True,
    known=True,
    evidence=frozenset(word for word in Outcome if word in BITS),
    spent=4,
    undo_spent=5,
    reasks=6,
    progress=7,
    asked_at_us=8,
    silent_since_us=9,
    probed_at_us=10,
    skew_us=11,
    due_at_us=12,
    heartbeat_at_us=13,
    stuck_from=StuckFrom.UNDO,
    waiving=True,
    answered=False,
    hold="paused",
    attention="undo_failed",
    code="C",
    message="m",
    command=b"command",
    reply=Kept(version=14, size=15),
)
SAGA = Saga(
    id="s",
    tenant="t",
    definition="hash",
    key="k",
    version=16,
    phase=Phase.COMPENSATED,
    incarnation=2,
    recovered=True,
    recovering=True,
    input=b"input",
    steps={"a": STEP, "b": StepState()},
    reason="deadline",
    started_at_us=17,
    deadline_at_us=18,
    closed_at_us=19,
    announced=20,
    attention="reply_from_the_future",
    paused_at_us=21,
    paused_by="ann",
    paused_why="the bank is down",
    limits={"a": {"attempts": 5}},
    restarted_from="s0",
    pauses_counted_us=22,
    start_at_us=23,
    begun_at_us=24,
)
FACTS: list[Fact] = [
    Started(
        id="s", tenant="t", definition="hash", key="k", input=b"input", incarnation=1, steps=("a", "b"), at_us=1, deadline_at_us=2
    ),
    PhaseChanged(row="21", phase=Phase.COMPENSATED, reason="deadline", at_us=3),
    StepChanged(step="a", row="9", changes=dict(values_of(STEP))),
    SagaChanged(
        row="22",
        changes={name: value for name, value in values_of(SAGA).items() if name not in {"id", "steps", "input"}},
    ),
    CommandSent(
        step="a",
        row="1",
        kind=Kind.ACTION,
        run=1,
        attempt=2,
        participant="p",
        record="r.v1.R",
        payload=b"payload",
        expiry_at_us=4,
        at_us=5,
        due_at_us=6,
        status=Status.ASKED,
        probe=True,
        causation_id="start-1",
    ),
    ReplySeen(
        step="a",
        kind=Kind.ACTION,
        run=1,
        attempt=2,
        outcome=Outcome.SUCCEEDED,
        code="C",
        message="m",
        payload=b"reply",
        keep=True,
        causation_id="s/1/0",
        taken_at_us=7,
        handler_us=8,
    ),
    Announced(event="attention", sequence=1, phase=Phase.RUNNING, step="a", reason="no_answer", causation_id="reply-1"),
    Acted(act="waive", actor="me", reason="because", step="a"),
    EffectLeft(step="a", effect="may_stay"),
]

STORED_FACTS = (
    b"["
    b'["started","s","t","hash","k","aW5wdXQ=",1,["a","b"],1,2],'
    b'["phase","21","COMPENSATED","deadline",3],'
    b'["step","a","9",{"status":"stuck_back","run":2,"asking":"compensation","attempt":3,'
    b'"sent":7,"dispatched":true,"known":true,"evidence":31,"spent":4,"undo_spent":5,"reasks":6,"progress":7,'
    b'"asked_at":8,"silent_since":9,"probed_at":10,"skew_us":11,"due_at":12,"heartbeat_at":13,"stuck_from":"undo",'
    b'"waiving":true,"answered":false,"hold":"paused","attention":"undo_failed","code":"C","message":"m",'
    b'"command":"Y29tbWFuZA==","reply":{"version":14,"size":15}}],'
    b'["saga","22",{"tenant":"t","definition":"hash","key":"k","version":16,"phase":"COMPENSATED",'
    b'"incarnation":2,"recovered":true,"recovering":true,"reason":"deadline","started_at":17,"deadline_at":18,'
    b'"closed_at":19,"announced":20,"attention":"reply_from_the_future",'
    b'"paused_at":21,"paused_by":"ann","paused_why":"the bank is down",'
    b'"limits":{"a":{"attempts":5}},"restarted_from":"s0","pauses_counted":22,"start_at":23,"begun_at":24}],'
    b'["command","a","1","action",1,2,"p","r.v1.R","cGF5bG9hZA==",4,5,6,"asked",true,"start-1"],'
    b'["reply","a","action",1,2,"SUCCEEDED","C","m","cmVwbHk=",true,"s/1/0",7,8],'
    b'["announced","attention",1,"RUNNING","a","no_answer","reply-1"],'
    b'["acted","waive","me","because","a"],'
    b'["left","a","may_stay"]'
    b"]"
)
STORED_SAGA = (
    b'{"tenant":"t","definition":"hash","key":"k","version":16,"phase":"COMPENSATED","incarnation":2,'
    b'"recovered":true,"recovering":true,"input":"aW5wdXQ=","reason":"deadline","started_at":17,"deadline_at":18,'
    b'"closed_at":19,"announced":20,"attention":"reply_from_the_future",'
    b'"paused_at":21,"paused_by":"ann","paused_why":"the bank is down",'
    b'"limits":{"a":{"attempts":5}},"restarted_from":"s0","pauses_counted":22,"start_at":23,"begun_at":24,'
    b'"steps":{"a":{"status":"stuck_back","run":2,'
    b'"asking":"compensation","attempt":3,"sent":7,"dispatched":true,"known":true,"evidence":31,"spent":4,'
    b'"undo_spent":5,"reasks":6,"progress":7,"asked_at":8,"silent_since":9,"probed_at":10,"skew_us":11,"due_at":12,'
    b'"heartbeat_at":13,"stuck_from":"undo","waiving":true,"answered":false,"hold":"paused",'
    b'"attention":"undo_failed","code":"C","message":"m","command":"Y29tbWFuZA==","reply":{"version":14,"size":15}},'
    b'"b":{}}}'
)


def test_facts_are_stored_in_the_order_of_format_2() -> None:
    assert encode_facts(FACTS) == STORED_FACTS
    assert decode_facts(STORED_FACTS) == tuple(FACTS)


def test_a_reply_without_its_times_costs_nothing_and_one_from_before_them_reads_on() -> None:
    reply = ReplySeen(step="a", kind=Kind.ACTION, run=1, attempt=2, outcome=Outcome.UNDONE)
    stored = b'[["reply","a","action",1,2,"UNDONE"]]'
    assert encode_facts([reply]) == stored
    assert decode_facts(stored) == (reply,)


def test_a_start_without_a_start_time_costs_nothing_and_one_from_before_them_reads_on() -> None:
    started, delayed = FACTS[0], changed(FACTS[0], {"start_at_us": 9})
    assert encode_facts([started]) == b'[["started","s","t","hash","k","aW5wdXQ=",1,["a","b"],1,2]]'
    stored = b'[["started","s","t","hash","k","aW5wdXQ=",1,["a","b"],1,2,false,null,9]]'
    assert (encode_facts([delayed]), decode_facts(stored)) == (stored, (delayed,))


def test_a_state_is_stored_under_the_keys_of_format_1() -> None:
    assert encode_saga(SAGA) == STORED_SAGA
    assert decode_saga("s", STORED_SAGA) == SAGA


def test_every_field_stands_in_the_documents_above() -> None:
    """A field that had its default would not be stored, and its key not be pinned."""
    fresh, begun = values_of(StepState()), {field.name: field.default for field in fields(Saga)}
    assert [name for name, value in values_of(STEP).items() if value == fresh[name]] == []
    assert [name for name, value in values_of(SAGA).items() if value == begun[name]] == []
    assert {type(fact) for fact in FACTS} == set(Fact.__args__)
