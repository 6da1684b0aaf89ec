"""Schemas by id, and by the numbers that a registry gave them."""

from __future__ import annotations

import pytest

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.schema import OWN_IDS, Schema

FIRST = Schema.parse({"type": "record", "name": "t.A", "fields": [{"name": "id", "type": "string"}]})
OTHER = Schema.parse({"type": "record", "name": "t.B", "fields": [{"name": "id", "type": "string"}]})


def test_a_number_of_a_registry_leads_to_the_schema_and_to_its_own_framing() -> None:
    catalog = Catalog([FIRST])
    catalog.alias(17, FIRST)
    framed = encode(FIRST, {"id": "x"})
    decoded = decode(b"\0\0\0\0\x11" + framed[5:], catalog)
    assert (decoded.value, decoded.writer, decoded.framed) == ({"id": "x"}, FIRST, framed)


def test_a_number_is_no_further_schema() -> None:
    catalog = Catalog([FIRST])
    catalog.alias(17, FIRST)
    assert (list(catalog), len(catalog), catalog.named("t.A")) == ([FIRST], 1, (FIRST,))


@pytest.mark.parametrize("number", [OWN_IDS[0], OTHER.id, OWN_IDS[-1]])
def test_no_number_hides_a_schema(number: int) -> None:
    with pytest.raises(ValueError, match="not given out"):
        Catalog([FIRST]).alias(number, FIRST)
