"""What the query language adds to `/v1/sagas`: counts."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from saga_coordinator.api.bodies import SagaFilter
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import problems
from saga_coordinator.query import Query as Asked
from saga_coordinator.query import parse
from saga_coordinator.query.tree import Comparison, Value, narrowed

COUNTED_MOST: Final = 10_000
"""A count goes no further: people read "more than"."""

router = APIRouter(prefix="/v1/sagas", tags=["sagas"])


class SagaCount(BaseModel):
    """How many sagas there are."""

    count: int = Field(description=f"at most {COUNTED_MOST}")
    more: bool = Field(description="there are more than that")


@router.get("/count", responses=problems("query_invalid", "query_too_slow"))
async def count_sagas(coordinator: CoordinatorDep, wanted: Annotated[SagaFilter, Query()]) -> SagaCount:
    """How many a list would show."""
    query = narrowed(asked(wanted.query), _comparisons(wanted))
    count = await coordinator.store.count_sagas(coordinator.settings.tenant, query, COUNTED_MOST)
    return SagaCount(count=min(count, COUNTED_MOST), more=count > COUNTED_MOST)


def asked(text: str | None) -> Asked | None:
    """The query of a parameter; a blank one asks for all. Raises QueryRefused."""
    return parse(text) if text is not None and text.strip() else None


def _comparisons(wanted: SagaFilter) -> list[Comparison]:
    given: list[tuple[str, Value | None]] = [
        ("definition", wanted.definition),
        ("phase", wanted.phase.value if wanted.phase else None),
        ("attention", wanted.attention),
        ("key", wanted.key),
    ]
    return [Comparison(field, "=", (value,)) for field, value in given if value is not None]
