"""The query language of lists: from a text to conditions over sagas. Pure: docs/queries.md.

`parse(text)` gives a `Query` or raises `QueryRefused`. The store makes SQL of it.
"""

from saga_coordinator.query.parsing import parse
from saga_coordinator.query.refused import QueryRefused
from saga_coordinator.query.tree import Query

__all__ = ["Query", "QueryRefused", "parse"]
