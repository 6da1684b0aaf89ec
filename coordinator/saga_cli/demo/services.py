"""The demo's services, each built for its database of this run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.trace import TracerProvider

from saga_demo.fraud import make_fraud
from saga_demo.inventory import make_inventory
from saga_demo.mail import make_mail
from saga_demo.payment import make_payment
from saga_demo.settings import ServiceSettings
from saga_demo.shipping import make_shipping
from saga_participant import Participant

_MAKE: Final[Mapping[str, Callable[[ServiceSettings], Participant]]] = {
    "inventory": make_inventory,
    "payment": make_payment,
    "shipping": make_shipping,
    "fraud": make_fraud,
    "mail": make_mail,
}


def participant_of(name: str, database_url: str, tracer_provider: TracerProvider | None) -> Participant:
    """Build the service of this name."""
    return _MAKE[name](ServiceSettings(database_url=database_url, tracer_provider=tracer_provider))
