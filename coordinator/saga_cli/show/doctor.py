"""`saga doctor`: what does not fit, and what was compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from saga_cli.show.formatting import plain
from saga_coordinator.doctor.damage import Damage
from saga_coordinator.doctor.examination import Examination, Finding
from saga_coordinator.doctor.system import SystemExamination
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


def damage_lines(one: Damage) -> Iterator[Text]:
    """What does not fit, its way out, and the statement that mends it."""
    of = " ".join(part for part in (saga_text(one.saga_id) if one.saga_id else "", one.key or "") if part)
    yield plain(f"✗  {one.kind}  {of}".rstrip(), "bold red")
    for word, text in (("found", one.evidence), ("way out", one.way_out), ("sql", one.sql)):
        if text:
            yield plain(f"     {word:<8} {text}")


def damage_plain(one: Damage) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "saga": None if one.saga_id is None else saga_text(one.saga_id),
        "key": one.key,
        "evidence": one.evidence,
        "way_out": one.way_out,
        "sql": one.sql,
    }


def system_summary(examined: SystemExamination, found: int, limit: int, *, positions: bool) -> Iterator[str]:
    """What was compared, and what was not."""
    for definition in examined.unread:
        yield f"labels and rows of sagas of a definition that cannot be read are not compared: {definition}"
    if examined.moving:
        yield f"{examined.moving} sagas moved while they were compared: run it again"
    if not positions:
        yield "positions were not compared: SAGA_KAFKA_BOOTSTRAP_SERVERS is not set"
    looked = f"{examined.sagas} sagas and {examined.rows} rows beside them"
    if found == limit:
        yield f"stopped at {found} that do not fit: --limit has it go on"
    elif found:
        yield f"{found} do not fit, of {looked}"
    elif not examined.moving:
        yield f"everything fits: {looked}"
