"""TLS and SASL against a real broker, with the settings that coordinator and kit alike read from
the environment."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.process import free_port
from saga_messaging.broker import AccessRefused, BrokerError, Outgoing, Record
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings

PASSWORD = "correct-horse-17"
SOON = {"SAGA_KAFKA_REQUEST_TIMEOUT_MS": "500"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """A broker with a listener for each way to log on, and the files a client needs."""

    tls: str
    """Asks clients for a certificate."""
    sasl: str
    ca: Path
    certificate: Path
    other_ca: Path


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority, server, client, other = trustme.CA(), folder / "server.pem", folder / "client.pem", folder / "other.pem"
    server.write_bytes(_keystore(authority.issue_cert("127.0.0.1")))
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(str(client))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(other))
    plain, controller, tls, sasl = (free_port() for _ in range(4))
    users = f'username="broker" password="{PASSWORD}" user_broker="{PASSWORD}" user_saga="{PASSWORD}"'
    settings = {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},"
        f"TLS://127.0.0.1:{tls},LOGIN://127.0.0.1:{sasl}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},TLS://127.0.0.1:{tls},LOGIN://127.0.0.1:{sasl}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,LOGIN:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.tls.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule "
        f"required {users};",
    }
    with KafkaService(port=plain, settings=settings):
        yield Secured(tls=f"127.0.0.1:{tls}", sasl=f"127.0.0.1:{sasl}", ca=folder / "ca.pem", certificate=client, other_ca=other)


def _keystore(issued: trustme.LeafCert) -> bytes:
    """Key and certificates as Java reads them: the key in PKCS#8."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + b"".join(
        certificate.bytes() for certificate in issued.cert_chain_pems
    )


def _with_certificate(secured: Secured) -> dict[str, str]:
    return {
        "SAGA_KAFKA_BOOTSTRAP_SERVERS": secured.tls,
        "SAGA_KAFKA_SECURITY_PROTOCOL": "SSL",
        "SAGA_KAFKA_SSL_CAFILE": str(secured.ca),
        "SAGA_KAFKA_SSL_CERTFILE": str(secured.certificate),
    }


def _with_password(secured: Secured) -> dict[str, str]:
    return {
        "SAGA_KAFKA_BOOTSTRAP_SERVERS": secured.sasl,
        "SAGA_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "SAGA_KAFKA_SSL_CAFILE": str(secured.ca),
        "SAGA_KAFKA_SASL_MECHANISM": "PLAIN",
        "SAGA_KAFKA_SASL_USERNAME": "saga",
        "SAGA_KAFKA_SASL_PASSWORD": PASSWORD,
    }


@pytest.mark.parametrize("login", [_with_certificate, _with_password])
async def test_records_go_and_come_over_tls(secured: Secured, login: Callable[[Secured], dict[str, str]]) -> None:
    topic = f"t-{uuid.uuid4().hex[:12]}"
    broker = _broker(login(secured))
    await broker.start()
    consumer, producer = broker.consumer(group=f"g-{topic}"), broker.producer()
    try:
        await broker.ensure_topics([topic])
        await producer.start()
        record = Outgoing(topic=topic, key=b"k", value=b"v", headers=(("h", b"1"),))
        assert await producer.send_all([record], timeout_s=10) == [None]
        await consumer.start()
        await consumer.subscribe([topic])
        found: list[Record] = []
        while not found:
            for position in consumer.awaiting_seek():
                consumer.seek(position, 0)
            found = await consumer.poll(timeout_s=0.2, max_records=10)
        assert [(one.key, one.value, one.headers) for one in found] == [(b"k", b"v", (("h", b"1"),))]
        assert (await consumer.end_offsets([found[0].source]))[found[0].source] == 1
        await consumer.commit({found[0].source: 1})
    finally:
        await consumer.stop()
        await producer.stop()
        await broker.stop()


@pytest.mark.parametrize(
    ("login", "change", "told", "kind"),
    [
        (
            _with_password,
            {"SASL_PASSWORD": "wrong-horse-17"},
            "check SAGA_KAFKA_SASL_USERNAME and SAGA_KAFKA_SASL_PASSWORD",
            AccessRefused,
        ),
        (_with_password, {"SASL_MECHANISM": "SCRAM-SHA-256"}, "check SAGA_KAFKA_SASL_MECHANISM", AccessRefused),
        (_with_password, {"SSL_CAFILE": "other"}, "check SAGA_KAFKA_SSL_CAFILE", AccessRefused),
        (_with_certificate, {"SSL_CERTFILE": ""}, "check SAGA_KAFKA_SSL_CERTFILE", AccessRefused),
        (
            _with_password,
            {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SSL_CAFILE": ""},
            "check SAGA_KAFKA_SECURITY_PROTOCOL",
            BrokerError,
        ),
        (
            _with_certificate,
            {"SECURITY_PROTOCOL": "", "SSL_CAFILE": "", "SSL_CERTFILE": ""},
            "check SAGA_KAFKA_SECURITY_PROTOCOL",
            BrokerError,  # a broker that is starting, behind a proxy, ends connections at once too
        ),
    ],
    ids=[
        "a wrong password",
        "a mechanism it lacks",
        "a broker nobody vouches for",
        "no certificate",
        "a login without TLS",
        "no TLS",
    ],
)
async def test_who_is_not_let_in_is_told_what_to_check_and_no_secret_is_told(
    secured: Secured, login: Callable[[Secured], dict[str, str]], change: dict[str, str], told: str, kind: type[BrokerError]
) -> None:
    changed = {f"SAGA_KAFKA_{name}": str(secured.other_ca) if value == "other" else value for name, value in change.items()}
    with pytest.raises(BrokerError, match=told) as refused:
        await _broker(login(secured) | changed | SOON).start()
    assert "horse" not in str(refused.value)
    assert type(refused.value) is kind


async def test_producer_and_consumer_of_a_service_say_it_too(secured: Secured) -> None:
    broker = _broker(_with_password(secured) | {"SAGA_KAFKA_SASL_PASSWORD": "wrong-horse-17"} | SOON)
    for client in (broker.producer(), broker.consumer(group="g")):
        with pytest.raises(BrokerError, match="check SAGA_KAFKA_SASL_USERNAME"):
            await client.start()


async def test_a_broker_that_is_away_is_not_a_matter_of_settings() -> None:
    broker = _broker({"SAGA_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"} | SOON)
    with pytest.raises(BrokerError) as refused:
        await broker.producer().start()
    assert "check" not in str(refused.value)


def _broker(environ: Mapping[str, str]) -> KafkaBroker:
    return KafkaBroker(KafkaSettings.from_env(environ))
