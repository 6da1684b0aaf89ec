"""Nobody may register other content for the protocol's own records: every process reads them as it
was built."""

from __future__ import annotations

from typing import Any

import pytest

from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.registry.registration import Act, Added, RegistrationRefused, add_schema, register
from saga_schemas.records import Failure, own_schema
from support.coordinators import opened
from support.start_records import CATALOG, DEFINITION

ACT = Act(who="test")


def like(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


async def added(url: str, document: object, subject: str | None = None) -> Added:
    async with opened(url) as store:
        definitions = DefinitionCache(store, "default")
        return await add_schema(store, definitions, subject=subject, document=document, tenant="default", act=ACT)


@pytest.mark.parametrize(
    ("document", "subject"),
    [
        (like("saga.v1.Failure", {"name": "code", "type": "string"}), None),
        (like("saga.v1.Empty", {"name": "more", "type": ["null", "string"], "default": None}), None),
        (like("saga.v1.Invented"), None),
        (like("saga.v1.Failure"), "shop.Failure"),
        (like("shop.Failure"), "saga.v1.Failure"),
    ],
)
async def test_other_content_under_a_name_of_ours_is_refused(sqlite_url: str, document: object, subject: str | None) -> None:
    with pytest.raises(RegistrationRefused, match="the protocol's own records") as refused:
        await added(sqlite_url, document, subject)
    assert refused.value.code == "schema_invalid"


async def test_the_very_same_content_is_no_error(sqlite_url: str) -> None:
    assert (await added(sqlite_url, own_schema(Failure).document)).full_name == "saga.v1.Failure"


async def test_nor_may_it_come_along_with_a_definition(sqlite_url: str) -> None:
    async with opened(sqlite_url) as store:
        schemas = [*(schema.document for schema in CATALOG), like("saga.v1.Invented")]
        with pytest.raises(RegistrationRefused, match="the protocol's own records"):
            await register(
                store, DefinitionCache(store, "default"), document=DEFINITION, schemas=schemas, tenant="default", act=ACT
            )
