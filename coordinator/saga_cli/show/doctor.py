"""`saga doctor`: rows of a participant that do not fit, and what was compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from saga_cli.show.formatting import plain
from saga_coordinator.doctor.examination import Examination, Finding
from saga_schemas.ids import saga_text

COLUMNS = ("ID", "KEY", "STEP", "COORDINATOR SAYS", "PARTICIPANT SAYS", "WAY OUT")


def finding_row(one: Finding) -> list[Text]:
    return [plain(word) for word in (saga_text(one.saga_id), one.key, one.step, one.coordinator, one.participant, one.way_out)]


def finding_plain(one: Finding) -> dict[str, Any]:
    return {
        "saga": saga_text(one.saga_id),
        "key": one.key,
        "step": one.step,
        "trouble": one.trouble,
        "coordinator": one.coordinator,
        "participant": one.participant,
        "way_out": one.way_out,
    }


def summary(examined: Examination, found: int, limit: int, participant: str) -> Iterator[str]:
    """What was compared, and what was not."""
    for definition in examined.unread:
        yield f"sagas of a definition that cannot be read are not compared: {definition}"
    if examined.moving:
        yield f"{examined.moving} sagas moved while they were compared: run it again"
    if found == limit:
        yield f"stopped at {found} rows that do not fit: --limit has it go on"
    elif found:
        yield f"{found} rows of {participant} do not fit, of {examined.sagas} sagas"
    elif not examined.unread and not examined.moving:
        yield f"all rows of {participant} fit what the coordinator has recorded, of {examined.sagas} sagas"
