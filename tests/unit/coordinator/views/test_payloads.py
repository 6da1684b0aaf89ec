"""Payloads as people are shown them."""

from __future__ import annotations

from typing import Any

from saga_coordinator.views.payloads import Payloads
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.masking import MASK
from saga_schemas.schema import Schema


def _schema(**pin: Any) -> Schema:
    fields = [{"name": "name", "type": "string"}, {"name": "pin", "type": "string", **pin}]
    return Schema.parse({"type": "record", "name": "shop.Login", "fields": fields})


OPEN, MASKED = _schema(), _schema(**{"x-mask": True})
VALUE = {"name": "ada", "pin": "1234"}


def test_what_the_writer_masked_stays_masked_whatever_came_later() -> None:
    shown = Payloads(Catalog([MASKED, OPEN])).show(encode(MASKED, VALUE))

    assert shown.value == {"name": "ada", "pin": MASK}


def test_what_the_latest_schema_masks_is_hidden_in_what_was_written_before() -> None:
    written = encode(OPEN, VALUE)

    assert Payloads(Catalog([OPEN])).show(written).value == VALUE
    assert Payloads(Catalog([OPEN, MASKED])).show(written).value == {"name": "ada", "pin": MASK}
