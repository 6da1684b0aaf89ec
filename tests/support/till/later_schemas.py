"""The till's records with one more field, as a newer coordinator writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from saga_messaging.broker import Outgoing
from saga_schemas.codec import encode
from saga_schemas.schema import Schema
from support.till.wire import CATALOG


def later(record: str, **field: Any) -> Schema:
    """The record's schema with one more field."""
    known = CATALOG.latest(record)
    assert known is not None
    return Schema.parse(known.document | {"fields": [*known.document["fields"], field]})


TIP = {"name": "tip", "type": ["null", "long"], "default": None}
TAKE_2, BACK_2, TAKEN_2 = later("till.Take", **TIP), later("till.GiveBack", **TIP), later("till.Taken", **TIP)


def written_in(schema: Schema, sent: Outgoing) -> Outgoing:
    return replace(sent, value=encode(schema, {"amount": 1, "mode": "", "tip": 5}))
