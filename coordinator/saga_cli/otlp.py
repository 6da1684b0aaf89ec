"""The collector that spans go to, from options or the environment, for the commands that run
participants.

This module imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

if TYPE_CHECKING:
    from saga_coordinator.settings import OtlpProtocol

ENDPOINT: Final = "SAGA_OTLP_ENDPOINT"
PROTOCOL: Final = "SAGA_OTLP_PROTOCOL"
VARIABLES: Final = frozenset({ENDPOINT, PROTOCOL})


class Protocol(StrEnum):
    """Protocol of a collector."""

    GRPC = "grpc"
    HTTP = "http/protobuf"


ProtocolOption = Annotated[
    Protocol | None,
    typer.Option("--otlp-protocol", help="grpc (port 4317) or http/protobuf (4318); else SAGA_OTLP_PROTOCOL, else grpc."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Otlp:
    """A collector."""

    endpoint: str
    """A base URL."""
    protocol: OtlpProtocol = "grpc"

    @property
    def options(self) -> str:
        """The options that name this collector, as they are typed."""
        return f"--otlp {self.endpoint}" + ("" if self.protocol == "grpc" else f" --otlp-protocol {self.protocol}")


def collector(endpoint: str | None, option: Protocol | None, environ: Mapping[str, str]) -> Otlp | None:
    """Return the collector that spans go to; None when none is named.

    Args:
        endpoint: Value of `--otlp`; it wins over the environment.
        option: Value of `--otlp-protocol`; it wins over the environment.
        environ: Environment variables.

    Raises:
        typer.BadParameter: An option is wrong.
        ConfigurationError: A variable is wrong.
    """
    from saga_messaging.errors import ConfigurationError

    protocol = option or environ.get(PROTOCOL) or Protocol.GRPC
    if protocol not in set(Protocol):
        raise ConfigurationError(f"{PROTOCOL}: write {' or '.join(Protocol)}")
    spoken = cast("OtlpProtocol", str(protocol))
    if endpoint is not None:
        return Otlp(endpoint=given_url(endpoint, "--otlp"), protocol=spoken)
    if not (named := environ.get(ENDPOINT)):
        if option is not None:
            raise typer.BadParameter("to which collector? Add --otlp URL", param_hint="--otlp-protocol")
        return None
    try:
        return Otlp(endpoint=_base_url(named), protocol=spoken)
    except ValueError as error:
        raise ConfigurationError(f"{ENDPOINT}: {error}") from None


def given_url(url: str, option: str) -> str:
    """Check a base URL that an option gave. Raises BadParameter."""
    try:
        return _base_url(url)
    except ValueError as error:
        raise typer.BadParameter(f"{url!r} is no such address: {error}", param_hint=option) from None


def _base_url(text: str) -> str:
    from saga_coordinator.settings import base_url

    return base_url(text)
