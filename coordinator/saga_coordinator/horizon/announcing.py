"""Announcing the horizon: one record on the command topic of each participant, signed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import uuid4

from saga_coordinator.failures import one_line
from saga_coordinator.sagas.messages import Outbound
from saga_messaging.broker import Broker, Outgoing, RecordRefused
from saga_schemas.horizon import Horizon
from saga_schemas.outcomes import AnnouncementKind
from saga_schemas.records import HorizonRecord, encode_own

SEND_LIMIT_S: Final = 10.0
AT_ONCE: Final = 20
"""Records of one send: with the most exceptions 4 MB."""


class Announcer:
    """Announces to the participants of one tenant."""

    def __init__(
        self,
        *,
        broker: Broker,
        outbound: Outbound,
        tenant: str,
        incarnation: Callable[[], int],
    ) -> None:
        self._broker = broker
        self._outbound = outbound
        self._tenant = tenant
        self._incarnation = incarnation

    async def announce(self, horizon: Horizon, participants: Sequence[str], now_us: int) -> Mapping[str, str]:
        """Tell each of them.

        Returns:
            Those that could not be told, with the reason. The next announcement tells them.

        Raises:
            BrokerError: The broker takes nothing now.
            TimeoutError: The same.
        """
        value = encode_own(HorizonRecord.of(horizon))
        records = {name: self._record(value, name, now_us) for name in participants}
        failed: dict[str, str] = {}
        producer = self._broker.producer()
        await producer.start()
        try:
            for place in range(0, len(participants), AT_ONCE):
                names = participants[place : place + AT_ONCE]
                errors = await producer.send_all([records[name] for name in names], timeout_s=SEND_LIMIT_S)
                for name, error in zip(names, errors, strict=True):
                    if isinstance(error, RecordRefused):
                        failed[name] = one_line(error)
                    elif error is not None:
                        raise error
        finally:
            await producer.stop()
        return failed

    def _record(self, value: bytes, participant: str, now_us: int) -> Outgoing:
        return self._outbound.announcement(
            AnnouncementKind.HORIZON,
            participant,
            tenant=self._tenant,
            incarnation=self._incarnation(),
            record=HorizonRecord.avro_name,
            value=value,
            random=uuid4(),
            at_us=now_us,
        )
