"""The examples of docs/schedules.md, held to the code."""

from __future__ import annotations

import re

import pytest

from saga_coordinator.calendar.cron import NICKNAMES
from saga_coordinator.definitions.fields import parsed_duration
from support.calendars import calendar, calendar_document, short, ticks_from
from support.paths import ROOT

PAGE = (ROOT / "docs" / "schedules.md").read_text()
HEADINGS = ("| entry | zone | after | ticks |", "| entry | zone | after | ticks | the first says |")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for heading in HEADINGS
    for line in re.split(r"\n\n", PAGE.partition(f"\n{heading}\n")[2])[0].splitlines()[1:]
]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]} {row[2]}" for row in ROWS])
def test_an_example_is_as_the_page_says(row: list[str]) -> None:
    entry, zone, after = (cell.strip("`") for cell in row[:3])
    ticks = re.findall(r"`([^`]+)`", row[3])
    every_ms = parsed_duration(entry.removeprefix("every: ")) if entry.startswith("every: ") else None
    if every_ms is not None:
        document = calendar_document(zone=zone, every_s=every_ms / 1000)
    elif entry.startswith("R"):
        document = calendar_document(zone=zone, intervals=[entry])
    else:
        document = calendar_document(entry, zone=zone)

    found = ticks_from(calendar(document), after, len(ticks))

    assert [short(tick.at_us) for tick in found] == ticks
    assert (found[0].reason or "") == (row[4] if len(row) > 4 else "")


def test_the_page_has_examples_of_both_sections() -> None:
    assert len([row for row in ROWS if len(row) == 4]) >= 10
    assert len([row for row in ROWS if len(row) == 5]) >= 10


def test_all_nicknames_stand_on_the_page() -> None:
    assert [name for name in NICKNAMES if f"`{name}`" not in PAGE] == []
