"""Announcements to a served participant: answered on its reply topic, refused to its dead letters,
and never in the way of commands."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text

from saga_messaging.errors import ConfigurationError
from saga_messaging.memory import MemoryBroker
from saga_participant import Participant
from saga_participant.service import Service
from saga_participant.settings import ParticipantSettings
from saga_participant.telemetry.health import Health
from saga_participant.telemetry.metrics import HORIZON_LATE_S, HorizonHeardOf, Metrics
from saga_schemas.horizon import Horizon
from saga_schemas.inbound import read_announcement_answer
from saga_schemas.outcomes import Outcome
from saga_schemas.records import HorizonHeard, HorizonRecord, Sweep, SweptRows
from support.till.announced import KEYS, TOKEN_KEYS, announcement
from support.till.shop import make_till
from support.till.wire import COMMANDS, DEAD, REPLIES, command, new_saga, records, replies, send

BELOW_MS = time.time_ns() // 1_000_000 - 60_000
HORIZON = announcement(HorizonRecord.of(Horizon(below_ms=BELOW_MS)))
FORGED = announcement(HorizonRecord.of(Horizon(below_ms=BELOW_MS)), ce_sagatoken=b"k1.forged")


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


def service_of(till: Participant) -> Service:
    assert till._service is not None
    return till._service


async def test_announcements_are_answered_between_commands(broker: MemoryBroker) -> None:
    till, _ = make_till()
    async with till.served(broker):
        await send(broker, command(saga := new_saga()))
        await replies(broker, 1)
        await send(broker, HORIZON, announcement(Sweep.of(limit=5)), command())
        told = {record.key: record for record in await records(broker, REPLIES, 4)}

    heard = read_announcement_answer(told[b"horizon"], tenant="default", keys=TOKEN_KEYS, participant="till")
    swept = read_announcement_answer(told[b"sweep"], tenant="default", keys=TOKEN_KEYS, participant="till")
    assert isinstance(heard.content, HorizonHeard)
    assert heard.content.below_ms == BELOW_MS
    assert isinstance(swept.content, SweptRows)
    assert saga in [row.saga_id for row in swept.content.rows]


async def test_a_forged_one_is_a_dead_letter_where_there_are_keys(broker: MemoryBroker) -> None:
    till, _ = make_till(announcement_keys=KEYS.text())
    async with till.served(broker):
        await send(broker, FORGED, HORIZON, command())
        (letter,) = await records(broker, DEAD, 1)
        await records(broker, REPLIES, 2)
        assert service_of(till).metrics.dead_letters == {"token_invalid": 1}
    assert dict(letter.headers)["saga_dlq_reason"] == b"token_invalid"


async def test_without_keys_what_is_well_formed_is_believed(broker: MemoryBroker) -> None:
    till, _ = make_till()
    async with till.served(broker):
        await send(broker, FORGED)
        await records(broker, REPLIES, 1)
    assert broker.records(DEAD) == []


async def test_one_in_the_future_is_a_dead_letter(broker: MemoryBroker) -> None:
    till, _ = make_till()
    async with till.served(broker):
        await send(broker, announcement(HorizonRecord.of(Horizon(below_ms=BELOW_MS + 3_600_000))), command())
        (letter,) = await records(broker, DEAD, 1)
        (reply,) = await replies(broker, 1)
    assert dict(letter.headers)["saga_dlq_reason"] == b"horizon_in_future"
    assert reply.outcome is Outcome.SUCCEEDED


async def test_one_that_meets_an_error_holds_nothing_up(broker: MemoryBroker) -> None:
    till, _ = make_till()
    async with till.served(broker):
        service = service_of(till)
        async with service.execution.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE saga_horizon RENAME COLUMN source TO sauce"))
        await send(broker, HORIZON, command())
        await replies(broker, 1)
    assert (len(broker.records(REPLIES)), broker.records(DEAD)) == (1, [])
    assert sum((await broker.group_lag("saga.till", [COMMANDS])).values()) == 0


def test_a_horizon_that_is_long_ago_is_seen_and_makes_nobody_unready() -> None:
    metrics = Metrics("till")
    metrics.reading, metrics.now_s = True, lambda: 100.0 + HORIZON_LATE_S
    assert "saga_participant_horizon_age_seconds{" not in metrics.text()
    assert metrics.remark() == ""

    metrics.horizon = HorizonHeardOf(below_ms=1_762_179_906_000, heard_at_s=101.0)
    assert metrics.remark() == ""
    metrics.horizon = HorizonHeardOf(below_ms=1_762_179_906_000, heard_at_s=99.0)

    assert "rows of saga_barrier stay" in metrics.remark()
    health = Health("till")
    health.begun(metrics)
    assert health.page("/readyz").status == 200
    assert "rows of saga_barrier stay" in health.page("/readyz").text
    assert health.page("/healthz").text == "ok\n"
    assert 'saga_participant_horizon_timestamp_seconds{participant="till"} 1762179906.0' in metrics.text()
    assert 'saga_participant_horizon_age_seconds{participant="till"} 86401.0' in metrics.text()


def test_keys_come_from_the_environment_too() -> None:
    kafka = {"SAGA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    settings = ParticipantSettings.from_env(kafka | {"SAGA_ANNOUNCEMENT_KEYS": KEYS.text()})

    assert settings.announcement_keys == KEYS
    assert ParticipantSettings.from_env(kafka).announcement_keys is None


@pytest.mark.parametrize("environ", [{"SAGA_ANNOUNCEMENT_KEYS": "k1"}, {"SAGA_ANNOUNCEMENT_KEYS": "k1:QUJD"}])
def test_keys_that_are_none_are_one_line_that_says_what_to_do(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"SAGA_ANNOUNCEMENT_KEYS: .*saga token announcement-keys"):
        ParticipantSettings.from_env({"SAGA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"} | environ)
    with pytest.raises(ConfigurationError, match="announcement_keys: "):
        make_till(announcement_keys=environ["SAGA_ANNOUNCEMENT_KEYS"])
