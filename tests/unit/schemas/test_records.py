"""Our own records: cut to their bounds when built and when read, always in one spelling."""

from __future__ import annotations

from typing import Any

import pytest

from saga_schemas import limits
from saga_schemas.codec import encode
from saga_schemas.errors import BadMessage, EncodingFailed
from saga_schemas.ids import uuid7
from saga_schemas.records import (
    EMPTY_BYTES,
    Empty,
    EventKind,
    Failure,
    Progress,
    SagaEvent,
    check_models,
    encode_event,
    encode_own,
    own_schema,
    read_own,
)
from saga_schemas.times import to_datetime

SAGA = uuid7(1_762_179_906_000_123, bytes(range(10)))
AT_US = 1_762_179_906_000_123
EVENT = SagaEvent(
    event=EventKind.ATTENTION, sequence=3, saga_id=SAGA, definition="order", version=3, phase="RUNNING", at=to_datetime(AT_US),
    business_key="o-1", step="charge", reason="reply",
)  # fmt: skip


@pytest.mark.parametrize(
    "record", [Empty(), Failure.of("no_carrier", "none free", 200), Failure.of("x"), Progress.of("2 of 3"), EVENT]
)
def test_each_of_our_records_reads_back(record: Any) -> None:
    assert read_own(encode_own(record), type(record)) == record


@pytest.mark.parametrize("kind", EventKind)
@pytest.mark.parametrize("key", [None, "o-1"])
@pytest.mark.parametrize(
    ("step", "reason", "told"),
    [(None, None, None), ("charge", "r" * 500, "r" * 256), ("charge[3]", "\ud800", "?"), (None, "", None)],
)
def test_an_event_written_without_its_model_has_the_models_bytes(
    kind: EventKind, key: str | None, step: str | None, reason: str | None, told: str | None
) -> None:
    event: dict[str, Any] = {
        "sequence": 7, "saga_id": SAGA, "definition": "order", "version": 3, "phase": "RUNNING", "business_key": key, "step": step,
    }  # fmt: skip
    model = SagaEvent(event=kind, at=to_datetime(AT_US), reason=told, **event)
    assert encode_event(kind.value, at_us=AT_US, reason=reason, **event) == encode_own(model)


def test_an_event_that_is_none_of_ours_is_not_written() -> None:
    with pytest.raises(EncodingFailed):
        encode_event("begun", sequence=1, saga_id=SAGA, definition="order", version=1, phase="RUNNING", at_us=AT_US)


def test_our_models_agree_with_our_schema_files() -> None:
    assert len(check_models()) == 8


def test_empty_is_its_framing_and_nothing_else() -> None:
    assert encode_own(Empty()) == EMPTY_BYTES
    with pytest.raises(BadMessage, match="trailing_bytes"):
        read_own(EMPTY_BYTES + b"\x00", Empty)


def test_what_we_build_is_cut_to_its_bounds() -> None:
    failure = Failure.of("c" * 500, "\ud800" + "m" * 5000, -4)
    assert (len(failure.code), len(failure.message), failure.retry_after_ms) == (128, 1024, 0)
    assert read_own(encode_own(failure), Failure) == failure
    assert Failure.of("").code == "failed"
    assert Failure.of("x", "", 10**12).retry_after_ms == limits.RETRY_AFTER_MS
    assert len(Progress.of("n" * 5000).note) == limits.NOTE_CHARS


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"code": "", "message": ""}, Failure(code="failed")),
        ({"code": "c" * 129, "message": ""}, Failure(code="c" * 128)),
        ({"code": "\U0001f600" * 129, "message": "m" * 200_000}, Failure(code="\U0001f600" * 128, message="m" * 1024)),
        ({"code": "c", "message": "", "retry_after_ms": -1}, Failure(code="c", retry_after_ms=0)),
        ({"code": "c", "message": "", "retry_after_ms": 2**63 - 1}, Failure(code="c", retry_after_ms=limits.RETRY_AFTER_MS)),
    ],
)
def test_a_failure_beyond_its_bounds_is_cut_when_read(value: dict[str, Any], read: Failure) -> None:
    assert read_own(encode(own_schema(Failure), value), Failure) == read


def test_a_note_beyond_its_bound_is_cut_when_read() -> None:
    assert read_own(encode(own_schema(Progress), {"note": "n" * 5000}), Progress) == Progress(note="n" * limits.NOTE_CHARS)


def test_one_of_our_records_is_not_taken_for_another() -> None:
    with pytest.raises(BadMessage, match="record_mismatch"):
        read_own(encode_own(Progress.of("x")), Failure)


def test_a_padded_spelling_of_our_own_record_is_refused() -> None:
    with pytest.raises(BadMessage, match="not_canonical"):
        read_own(own_schema(Progress).prefix + b"\x82\x00a", Progress)


def test_an_event_of_an_unknown_kind_or_with_a_saga_id_that_is_none_is_refused() -> None:
    good = encode_own(EVENT)
    for forged in (good[:5] + b"\x0a" + good[6:], good.replace(str(SAGA).encode(), b"x" * 36)):
        with pytest.raises(BadMessage):
            read_own(forged, SagaEvent)
