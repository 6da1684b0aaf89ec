"""Announcements and their answers: what is written reads back, and what is bad, forged or beyond
its bounds is one named refusal."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any, cast

import pytest
from pydantic import ValidationError

from saga_messaging.broker import Headers, Record
from saga_schemas import limits
from saga_schemas.codec import encode
from saga_schemas.errors import BadMessage
from saga_schemas.headers import AnnouncementAnswerHeaders, AnnouncementHeaders, announcement_kind, answer_announcement
from saga_schemas.horizon import Horizon
from saga_schemas.ids import announcement_id, uuid7
from saga_schemas.inbound import Announcement, AnnouncementAnswer, read_announcement, read_announcement_answer
from saga_schemas.outcomes import AnnouncementKind, Kind, RowState
from saga_schemas.records import (
    EMPTY_BYTES,
    HorizonHeard,
    HorizonRecord,
    Own,
    Sweep,
    SweepPosition,
    SweptRow,
    SweptRows,
    encode_own,
    own_schema,
)
from saga_schemas.token import AnnouncementKeys, TokenKeys, announcement_digest

NOW_US = 1_762_179_906_000_123
NOW_MS = NOW_US // 1000
KEYS = TokenKeys(current="k1", keys={"k1": b"1" * 32, "k0": b"0" * 32})
ANNOUNCED = KEYS.announcement_keys()
SAGAS = tuple(sorted(uuid7(NOW_US - 1_000_000, bytes([which]) * 10) for which in range(3)))
HORIZON = Horizon(below_ms=NOW_MS, exceptions=frozenset(SAGAS))
SWEEP = Sweep.of(after=SweepPosition(saga_id=SAGAS[0], step="charge[3]"), above_ms=17, limit=500, detail=True)
ROW = SweptRow(
    saga_id=SAGAS[1], step="charge", run=2, state=RowState.DONE, definition_hash="ab" * 32, command=b"c", action_record="shop.Charged",
    action_reply=b"r",
)  # fmt: skip


def announced(content: Own, **changed: Any) -> Record:
    kind = AnnouncementKind.SWEEP if isinstance(content, Sweep) else AnnouncementKind.HORIZON
    value = encode_own(content)
    headers = AnnouncementHeaders(
        message_id=announcement_id(kind, 3, uuid.UUID(int=1)), source="/saga-coordinator/c", record=content.avro_name, time_us=NOW_US,
        tenant="default", kind=kind, incarnation=3, token=ANNOUNCED.sign("default", "payment", kind, 3, value),
    )  # fmt: skip
    return received(kind.encode(), value, headers, changed)


def received(
    key: bytes, value: bytes, headers: AnnouncementHeaders | AnnouncementAnswerHeaders, changed: dict[str, Any]
) -> Record:
    raw = dict(headers.encode()) | changed.get("headers", {})
    record = Record(
        topic="t", partition=0, offset=0, timestamp_ms=0, key=key, value=value, headers=cast(Headers, tuple(raw.items()))
    )
    return dataclasses.replace(record, **{name: value for name, value in changed.items() if name != "headers"})


def read(record: Record, keys: AnnouncementKeys | None = ANNOUNCED, participant: str = "payment") -> Announcement:
    return read_announcement(record, participant=participant, keys=keys)


def answered(content: HorizonHeard | SweptRows, asked: Record, **changed: Any) -> Record:
    headers = answer_announcement(
        read(asked).headers, message_id="a-1", source="/payment", record=content.avro_name, time_us=NOW_US
    )
    assert asked.key is not None
    return received(asked.key, encode_own(content), headers, changed)


def read_answer(record: Record, tenant: str = "default", participant: str = "payment") -> AnnouncementAnswer:
    return read_announcement_answer(record, tenant=tenant, keys=KEYS, participant=participant)


def refused(read_it: Any) -> str:
    with pytest.raises(BadMessage) as caught:
        read_it()
    return caught.value.reason


# --- what is good -------------------------------------------------------------------------------


def test_a_horizon_reads_back_with_its_exceptions() -> None:
    record = announced(HorizonRecord.of(HORIZON))

    found = read(record)

    assert found.content == HORIZON
    assert found.digest == announcement_digest(record.value or b"")
    assert (found.headers.kind, found.headers.incarnation) == (AnnouncementKind.HORIZON, 3)
    assert read(announced(HorizonRecord.of(Horizon()))).content == Horizon()


def test_as_many_exceptions_as_there_may_be_fit_into_a_message() -> None:
    many = frozenset(uuid7(NOW_US - which - 2000, bytes(10)) for which in range(limits.HORIZON_EXCEPTIONS))
    full = Horizon(below_ms=NOW_MS, exceptions=many)

    assert read(announced(HorizonRecord.of(full))).content == full
    with pytest.raises(ValidationError):
        HorizonRecord.of(Horizon(below_ms=NOW_MS, exceptions=many | {uuid7(0, bytes(10))}))


@pytest.mark.parametrize("sweep", [SWEEP, Sweep.of(limit=1)])
def test_a_sweep_reads_back(sweep: Sweep) -> None:
    assert read(announced(sweep)).content == sweep


def test_answers_read_back() -> None:
    horizon, sweep = announced(HorizonRecord.of(HORIZON)), announced(SWEEP)
    heard = HorizonHeard.of(HORIZON, read(horizon).digest)
    rows = SweptRows(
        rows=(ROW,), after=SWEEP.after, next=SweepPosition(saga_id=SAGAS[1], step="charge"), asked=read(sweep).digest
    )

    found = read_answer(answered(heard, horizon))

    assert (found.content, heard.below_ms, found.headers.causation_id) == (heard, NOW_MS, read(horizon).headers.message_id)
    assert read_answer(answered(rows, sweep)).content == rows


def test_a_list_in_several_blocks_is_read_too() -> None:
    record = announced(HorizonRecord.of(HORIZON))
    value = encode_own(HorizonRecord.of(HORIZON))
    items = [b"\x48" + str(saga_id).encode() for saga_id in SAGAS]
    head = value[: value.index(items[0]) - 1]
    blocks = head + b"\x02" + items[0] + b"\x03\x94\x01" + items[1] + items[2] + b"\0"

    assert read(dataclasses.replace(record, value=blocks), keys=None).content == HORIZON


def test_the_kind_is_told_by_one_header() -> None:
    def kind(*headers: tuple[str, bytes | None]) -> AnnouncementKind | None:
        return announcement_kind(headers)

    assert announcement_kind(announced(SWEEP).headers) is AnnouncementKind.SWEEP
    assert kind(("ce_id", b"sweep"), ("ce_sagakind", b"horizon")) is AnnouncementKind.HORIZON
    assert kind() is None
    assert [kind(("ce_sagakind", value)) for value in (None, b"", b"\xff", b"SWEEP", b"action")] == [None] * 5


# --- what is bad --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {"exceptions": [SAGAS[1], SAGAS[0]]},
        {"exceptions": [SAGAS[0], SAGAS[0]]},
        {"exceptions": [uuid.UUID(int=4 << 76 | 2 << 62)]},
        {"exceptions": [uuid7(NOW_US, bytes(10))]},
        {"exceptions": [uuid7(which * 1000, bytes(10)) for which in range(5001)]},
        {"below": 2**62},
    ],
    ids=["falling", "twice", "no saga id", "not below", "too many", "no time"],
)
def test_a_horizon_that_makes_no_sense_is_refused(content: dict[str, Any]) -> None:
    value = encode(own_schema(HorizonRecord), {"below": NOW_MS, "exceptions": []} | content)

    assert refused(lambda: read(announced(HorizonRecord.of(HORIZON), value=value), keys=None)) == "invalid_value"


@pytest.mark.parametrize(
    "content",
    [
        {"limit": 0},
        {"limit": 501},
        {"after": {"saga_id": SAGAS[0], "step": "CHARGE"}},
        {"after": {"saga_id": uuid.UUID(int=1), "step": "a"}},
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(content: dict[str, Any]) -> None:
    value = encode(own_schema(Sweep), {"after": None, "above": 0, "limit": 5, "detail": False} | content)

    assert refused(lambda: read(announced(SWEEP, value=value), keys=None)) == "invalid_value"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"value": None}, "null_value"),
        ({"value": EMPTY_BYTES}, "record_mismatch"),
        ({"value": b"\0" * (limits.PAYLOAD_BYTES + 1)}, "too_large"),
        ({"key": None}, "null_key"),
        ({"key": b"sweep"}, "key_mismatch"),
        ({"headers": {"ce_type": b"saga.v1.Sweep"}}, "record_mismatch"),
        ({"headers": {"ce_sagakind": b"resolve"}}, "header_invalid"),
        ({"headers": {"ce_sagaprotocol": b"2"}}, "protocol_unsupported"),
        ({"headers": {"ce_sagaincarnation": b"0"}}, "header_invalid"),
        ({"headers": {"ce_sagatenant": b""}}, "header_invalid"),
    ],
)
def test_a_bad_announcement_is_refused_by_name(changed: dict[str, Any], reason: str) -> None:
    assert refused(lambda: read(announced(HorizonRecord.of(HORIZON), **changed), keys=None)) == reason


@pytest.mark.parametrize(
    "changed",
    [
        {"value": encode_own(HorizonRecord.of(Horizon(below_ms=NOW_MS + 1)))},
        {"headers": {"ce_sagaincarnation": b"4"}},
        {"headers": {"ce_sagatenant": b"other"}},
        {"headers": {"ce_sagatoken": b"k1.AAAA"}},
        {"headers": {"ce_sagatoken": KEYS.sign("default", SAGAS[0], "charge", Kind.ACTION, 1, 1).encode()}},
    ],
)
def test_a_forged_announcement_is_refused_where_there_are_keys(changed: dict[str, Any]) -> None:
    record = announced(HorizonRecord.of(HORIZON), **changed)

    assert refused(lambda: read(record)) == "token_invalid"
    assert read(record, keys=None).headers.kind is AnnouncementKind.HORIZON


def test_an_announcement_to_another_participant_is_refused() -> None:
    assert refused(lambda: read(announced(SWEEP), participant="shipping")) == "token_invalid"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"value": None}, "null_value"),
        ({"value": encode_own(HorizonHeard.of(HORIZON, b"2" * 32))}, "token_invalid"),
        ({"key": b"sweep"}, "key_mismatch"),
        ({"headers": {"ce_type": b"saga.v1.SweptRows"}}, "record_mismatch"),
        ({"headers": {"ce_sagaincarnation": b"2"}}, "token_invalid"),
        ({"headers": {"ce_sagatenant": b"other"}}, "tenant_mismatch"),
        ({"headers": {"ce_causationid": b""}}, "header_invalid"),
    ],
)
def test_a_bad_answer_is_refused_by_name(changed: dict[str, Any], reason: str) -> None:
    asked = announced(HorizonRecord.of(HORIZON))
    record = answered(HorizonHeard.of(HORIZON, read(asked).digest), asked, **changed)

    assert refused(lambda: read_answer(record)) == reason


def test_an_answer_of_another_participant_is_refused() -> None:
    asked = announced(SWEEP)
    record = answered(SweptRows(rows=(), asked=read(asked).digest), asked)

    assert refused(lambda: read_answer(record, participant="shipping")) == "token_invalid"


# --- keys ---------------------------------------------------------------------------------------


def test_announcement_keys_are_others_than_those_of_commands_and_read_back() -> None:
    assert AnnouncementKeys.parse(ANNOUNCED.text()) == ANNOUNCED
    assert {*ANNOUNCED.keys} == {*KEYS.keys}
    assert not {*ANNOUNCED.keys.values()} & {*KEYS.keys.values()}
    assert "AA" not in repr(ANNOUNCED)


def test_old_announcement_keys_verify_while_the_first_one_signs() -> None:
    signed: dict[str, Any] = {
        "tenant": "default",
        "participant": "payment",
        "kind": AnnouncementKind.SWEEP,
        "incarnation": 1,
    }
    digest = announcement_digest(b"v")
    older = TokenKeys(current="k0", keys={"k0": b"0" * 32}).announcement_keys()

    assert ANNOUNCED.verify(older.sign(**signed, value=b"v"), **signed, digest=digest)
    assert not older.verify(ANNOUNCED.sign(**signed, value=b"v"), **signed, digest=digest)
    assert not ANNOUNCED.verify("k1.é", **signed, digest=digest)
    assert not ANNOUNCED.verify("x" * 129, **signed, digest=digest)


@pytest.mark.parametrize("text", ["", "k1", "k1:!", "k1:QUJD", "k 1:" + "A" * 44])
def test_announcement_keys_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="token key"):
        AnnouncementKeys.parse(text)
