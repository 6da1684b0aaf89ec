"""Why a Kafka cluster refuses us: login, certificate or security protocol.

aiokafka logs the reason and raises another error ("unable to bootstrap", a time limit). So when a
client has failed to start, one more connection is made only to learn the reason.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import AuthenticationFailedError, KafkaConnectionError, KafkaError, SaslAuthenticationFailed
from aiokafka.errors import UnsupportedSaslMechanismError as UnsupportedMechanism

from saga_messaging.broker import AccessRefused, BrokerError

LISTEN_S: Final = 2.0
"""How long one server may take to say why."""
SERVERS_ASKED: Final = 3
_CONNECTION_OPTIONS: Final = (
    "client_id",
    "security_protocol",
    "ssl_context",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
)


async def unreached(what: str, options: Mapping[str, Any]) -> BrokerError:
    """The error to raise where a client did not start.

    Args:
        what: What did not work.
        options: How the client connects.

    Returns:
        BrokerError with `what` and, where a server refuses us, what to check ("; the login is
        refused: check …"). It is AccessRefused where that is beyond doubt: a server that merely
        ends the connection may also be one that is starting.
    """
    chosen = {name: options[name] for name in _CONNECTION_OPTIONS if name in options}
    for host, port, _ in collect_hosts(options["bootstrap_servers"])[:SERVERS_ASKED]:
        try:
            async with asyncio.timeout(LISTEN_S):
                connection = await create_conn(host, port, request_timeout_ms=int(LISTEN_S * 1000), **chosen)
            connection.close()
        except (KafkaError, OSError, TimeoutError) as error:
            if reason := explained(error):
                return (BrokerError if _may_be_starting(error) else AccessRefused)(f"{what}; {reason}")
    return BrokerError(what)


def _may_be_starting(error: BaseException) -> bool:
    cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    return isinstance(cause, ssl.SSLEOFError) or not isinstance(
        cause, SaslAuthenticationFailed | AuthenticationFailedError | UnsupportedMechanism | ssl.SSLError
    )


def explained(error: BaseException) -> str:
    """The error of one connection in words, with the settings to look at.

    It is empty where the settings are not what is wrong.
    """
    cause = error.__cause__
    match error:
        case SaslAuthenticationFailed() | AuthenticationFailedError():
            return "the login is refused: check SAGA_KAFKA_SASL_USERNAME and SAGA_KAFKA_SASL_PASSWORD"
        case UnsupportedMechanism():
            return "the broker does not know this kind of login: check SAGA_KAFKA_SASL_MECHANISM"
        case ssl.SSLCertVerificationError():
            return f"the broker's certificate is not trusted ({error.verify_message}): check SAGA_KAFKA_SSL_CAFILE"
        case KafkaConnectionError() if isinstance(cause, ssl.SSLError):
            alert = (cause.reason or "TLS alert").replace("_", " ").lower()
            return f"the broker ends TLS ({alert}): check SAGA_KAFKA_SSL_CERTFILE and SAGA_KAFKA_SSL_KEYFILE"
        case ssl.SSLError() | ConnectionResetError():
            return _OTHER_PROTOCOL
        case KafkaConnectionError() if isinstance(cause, asyncio.IncompleteReadError | ConnectionResetError):
            return _OTHER_PROTOCOL
        case _:
            return ""


_OTHER_PROTOCOL: Final = "the broker ends the connection at once: check SAGA_KAFKA_SECURITY_PROTOCOL"
