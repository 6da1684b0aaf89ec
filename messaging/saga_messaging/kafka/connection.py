"""What all clients share: how to log on, how to close within a limit, and the translation of
records and errors."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from typing import Any

from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from saga_messaging.broker import Record, TopicPartition
from saga_messaging.errors import ConfigurationError
from saga_messaging.settings import KafkaSettings

METADATA_MAX_AGE_MS = 2_000  # how soon clients notice new partitions, and topics that were made anew
STAND_IN_METADATA_MAX_AGE_MS = 60_000  # its topics do not change
NO_TIMESTAMP = -1  # what Kafka itself writes where a producer gave none
STOP_S = 3.0  # how long a client may take to close in good order
_CANCELS = 5
_CANCEL_AGAIN_S = 0.1
_log = logging.getLogger(__name__)
CLIENT_ERRORS = (KafkaError, ConsumerStoppedError, OSError, TimeoutError)


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": settings.request_timeout_ms,
        "metadata_max_age_ms": STAND_IN_METADATA_MAX_AGE_MS if settings.stand_in else METADATA_MAX_AGE_MS,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if settings.security_protocol.startswith("SASL_") and settings.sasl_password is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return options


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile)
        context.check_hostname = settings.ssl_check_hostname
        if settings.ssl_certfile is not None:
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(f"the TLS files of the SAGA_KAFKA_SSL_ settings cannot be used: {one_line(error)}") from None
    return context


async def stop_consumer(client: Any, limit_s: float = STOP_S) -> None:
    """Stops a consumer within the limits.

    A member that cannot reach its coordinator does not end by itself: its tasks are ended one by
    one.
    """
    if await bounded(client.stop(), limit_s):
        return
    coordinator = client._coordinator
    for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task"):
        task = getattr(coordinator, name, None)
        if task is not None:
            task.cancel()
            await bounded(task, limit_s)
    if client._fetcher is not None:
        await bounded(client._fetcher.close(), limit_s)
    await bounded(client._client.close(), limit_s)


async def bounded(closing: Awaitable[Any], limit_s: float = STOP_S) -> bool:
    """Waits for a client to close; returns whether it ended within the limit, well or badly.

    What goes on then is cancelled. aiokafka swallows some cancellations and waits on, so it is
    cancelled several times, and at last left to itself. An error of a client that is thrown away
    helps nobody: it is logged at debug level only.
    """
    task = asyncio.ensure_future(closing)
    task.add_done_callback(_log_failure)
    try:
        await asyncio.wait((task,), timeout=limit_s)
        if task.done():
            return True
        for _ in range(_CANCELS):
            task.cancel()
            await asyncio.wait((task,), timeout=_CANCEL_AGAIN_S)
            if task.done():
                return False
        _log.warning("a client of the broker goes on closing though it was cancelled %d times: %s", _CANCELS, task)
        return False
    finally:
        task.cancel()


def _log_failure(closed: asyncio.Future[Any]) -> None:
    if not closed.cancelled() and (error := closed.exception()) is not None:
        _log.debug("closing a client of the broker failed", exc_info=error)


def record_of(one: Any) -> Record:
    return Record(
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        timestamp_ms=NO_TIMESTAMP if one.timestamp is None else one.timestamp,
        key=one.key,
        value=one.value,
        headers=one.headers,
    )


def kafka_partition(position: TopicPartition) -> KafkaPartition:
    return KafkaPartition(position.topic, position.partition)


def one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(": ")
