"""The commands `saga dev kafka|postgres|jaeger`, without a server."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from saga_cli import output
from saga_cli.commands import dev
from saga_cli.dev import kafka, process


def test_sigterm_ends_a_server_in_order_as_soon_as_its_address_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[Any] = []
    monkeypatch.setattr(output, "print_object", lambda *_, **__: handlers.append(signal.getsignal(signal.SIGTERM)))
    before = signal.getsignal(signal.SIGTERM)
    try:
        dev._print_service(output.Format.IDS, "PostgreSQL", "127.0.0.1:5432", {})
    finally:
        signal.signal(signal.SIGTERM, before)

    assert handlers == [signal.default_int_handler], "whoever reads the address may send SIGTERM at once"


@pytest.mark.parametrize(("given", "listens"), [(19402, 19402), (None, 19401)], ids=["--port wins", "else the last one's"])
def test_a_kafka_on_kept_data_listens_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: int | None, listens: int
) -> None:
    class Asked(Exception):
        pass

    def service(directory: Path | None, *, port: int) -> None:
        raise Asked(directory, port)

    (tmp_path / "server.properties").write_text("listeners=PLAINTEXT://127.0.0.1:19401,CONTROLLER://127.0.0.1:1\n")
    monkeypatch.setattr(kafka, "KafkaService", service)
    monkeypatch.setattr(process, "is_free", lambda port: True)

    with pytest.raises(Asked) as asked:
        dev.kafka(port=given, data=tmp_path)

    assert asked.value.args == (tmp_path, listens)
