"""The columns of a list of sagas: what may be shown, what is shown at first, and a line as a file
has it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from saga_coordinator.query import QueryRefused
from saga_coordinator.store.port import Listed
from saga_coordinator.views.listed import listed_view
from saga_schemas.labels import valid_label_name
from saga_schemas.record_class import record

COLUMNS: Final[Mapping[str, str]] = {
    "definition": "definition",
    "phase": "phase",
    "attention": "needs a person for",
    "labels": "labels",
    "started": "started",
    "begins": "begins",
    "closed": "ended",
    "duration": "took",
    "id": "id",
    "transitions": "transitions",
    "trace": "trace",
}
"""By name in addresses, the head of each. The saga itself always stands first."""
DEFAULT: Final = ("definition", "phase", "attention", "started", "duration")
NUMBERS: Final = frozenset({"started", "begins", "closed", "duration", "transitions"})
"""Those that stand at the right."""
FILE_COLUMNS: Final = (
    "id",
    "key",
    "definition",
    "definition_version",
    "phase",
    "attention",
    "labels",
    "started_at",
    "begins_at",
    "closed_at",
    "duration_ms",
    "version",
    "trace_id",
    "imported",
)
LABEL: Final = "label."
"""What stands before the name of a label that has a column of its own."""
LABELS_MOST: Final = 12
_AROUND_CHARS: Final = 60


@record
class QuickFilter:
    """A query that many want."""

    words: str
    query: str


QUICK: Final = (
    QuickFilter(words="All", query=""),
    QuickFilter(words="Open", query="open"),
    QuickFilter(words="Not begun", query="phase = SCHEDULED"),
    QuickFilter(words="Need a person", query="attention"),
    QuickFilter(words="Compensating", query="phase = COMPENSATING"),
    QuickFilter(words="Ended badly", query="phase in (COMPENSATED, FORCED)"),
)


@record
class QueryTrouble:
    """Why a text is no query, and where."""

    message: str
    hint: str
    excerpt: str
    """The text around the place, on one line."""
    caret: str
    """Spaces and a caret, to stand below it."""


def chosen(asked: Iterable[str]) -> Sequence[str]:
    """The columns of an address, in the order of the table, then labels; those of the start where
    it names none."""
    names = dict.fromkeys(name.strip() for part in asked for name in part.split(","))
    labels = [name for name in names if name.startswith(LABEL) and valid_label_name(name.removeprefix(LABEL))]
    return [*(name for name in COLUMNS if name in names), *labels[:LABELS_MOST]] or list(DEFAULT)


def offered(columns: Sequence[str], lines: Iterable[Listed]) -> dict[str, str]:
    """What may be chosen, with the head of each: the columns, and the labels of these sagas."""
    labels = dict.fromkeys(f"{LABEL}{name}" for line in lines for name in line.labels)
    names = [*(name for name in columns if name not in COLUMNS), *sorted(labels)[:LABELS_MOST]]
    return {**COLUMNS, **{name: name.removeprefix(LABEL) for name in names}}


def as_parameter(columns: Sequence[str]) -> str:
    """The columns for an address; empty for those of the start."""
    return "" if tuple(columns) == DEFAULT else ",".join(columns)


def trouble(refused: QueryRefused) -> QueryTrouble:
    """What stands below the box of a query that was refused."""
    text = "".join(char if char.isprintable() else " " for char in refused.text)
    start = max(0, refused.position - _AROUND_CHARS)
    end = refused.position + _AROUND_CHARS
    before = "…" if start else ""
    return QueryTrouble(
        message=refused.message,
        hint=refused.hint,
        excerpt=before + text[start:end] + ("…" if end < len(text) else ""),
        caret=" " * (len(before) + refused.position - start) + "^",
    )


def duration_ms(listed: Listed, now_us: int) -> int:
    """Until it ended, or until now."""
    return max(0, ((listed.closed_at_us or now_us) - listed.started_at_us) // 1000)


def file_line(listed: Listed, now_us: int) -> dict[str, Any]:
    """A saga as a file has it: what the API says of it, flat."""
    view = listed_view(listed)
    return {
        "id": view.id,
        "key": view.key,
        "definition": view.definition,
        "definition_version": view.definition_version,
        "phase": view.phase,
        "attention": "; ".join(view.attention),
        "labels": "; ".join(f"{name}={value}" for name, value in view.labels.items()),
        "started_at": view.started_at,
        "begins_at": view.begins_at,
        "closed_at": view.closed_at,
        "duration_ms": duration_ms(listed, now_us),
        "version": view.version,
        "trace_id": view.trace_id,
        "imported": view.imported,
    }
