"""A schedule's document as its file: what a person compares, changes and sends again."""

from __future__ import annotations

from typing import Final

import yaml

from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.source import source_of

_WIDTH: Final = 120


def file_of(document: ScheduleDocument) -> str:
    """YAML in the shape of a schedule's file, every default written out: two versions can be
    compared line by line."""
    text: str = yaml.safe_dump(source_of(document), sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text
