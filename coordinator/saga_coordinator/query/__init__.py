"""The query language of lists: from a text to conditions over sagas. Pure: docs/queries.md.

`parse(text)` gives a `Query` or raises `QueryRefused`. The store makes SQL of it. Who writes
a query puts texts into it by `quoted`.
"""

from saga_coordinator.query.parsing import parse
from saga_coordinator.query.refused import QueryRefused
from saga_coordinator.query.tree import Query
from saga_coordinator.query.values import quoted

__all__ = ["Query", "QueryRefused", "parse", "quoted"]
