"""What docs/queries.md calls fast is answered by an index."""

from __future__ import annotations

from queries import QUERIES, fill, plan

from saga_coordinator.query import parse
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import ListFilter

FINISHED, OPEN = 1_800, 200
BY_INDEX = {
    "key = k-77": "saga_key",
    "key in (k-5, k-500, nobody)": "saga_key",
    "definition = nobody": "saga_listing_definition",
    "phase = COMPENSATING": "saga_listing_open",
    "phase = FORCED": "saga_listing_unusual",
    "attention": "saga_listing_attention",
    "reason = silent": "saga_listing_attention",
    'label.customer = "c-77"': "saga_label_text_value",
    'label.customer in ("c-77", "c-78")': "saga_label_text_value",
    'label.customer starts with "c-77"': "saga_label_text_value",
    "label.total > 99990": "saga_label_number_value",
    'label.customer = "c-77" and label.region = eu and open': "saga_label_text_value",
}


async def test_what_is_called_fast_is_answered_by_its_index(sqlite_url: str, database_url: str) -> None:
    for url in (sqlite_url, database_url):
        store = open_store(url)
        await store.upgrade()
        await fill(url, FINISHED, OPEN)
        await store.start()
        try:
            for query, index in BY_INDEX.items():
                shown = await plan(store, query)
                # SQLite keeps no figures of its tables: the others it reads newest first.
                if store.dialect == "postgresql" or query.startswith(("key", "label")):
                    assert index in shown, (query, shown)
                assert "Seq Scan on saga_l" not in shown, (query, shown)
            for query in QUERIES:  # every kind of query is answered
                await store.list_sagas(ListFilter(tenant="default", query=parse(query)))
        finally:
            await store.stop()
