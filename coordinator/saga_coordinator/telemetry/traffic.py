"""Counts, by minute, what definitions, participants and this instance do: the figures over time
that the overview shows. Counted at each commit, stored every few seconds by `loops/traffic.py`.

Counting changes a few numbers in memory: 7 us for an order of three steps, where deciding and
writing it takes milliseconds. A minute is one of the database's clock, so that the minutes of all
instances are the same. What is stored is a whole row each time, so storing it twice is storing it
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from saga_coordinator.store.overview_port import TrafficRow
from saga_coordinator.telemetry.log_buckets import count_in
from saga_coordinator.telemetry.traffic_figures import (
    DEFINITION,
    INSTANCE,
    KINDS,
    OTHER,
    PARTICIPANT,
    AnyFigures,
    DefinitionFigures,
    InstanceFigures,
    ParticipantFigures,
    count_code,
    encode,
)

MINUTE_US: Final = 60_000_000
FINE: Final = 1
COARSE: Final = 15
"""Minutes of a row: fine rows serve the last hours, coarse ones the last days."""
MOST_CELLS: Final = 30_000
"""Definitions and participants times the minutes in memory; what is more counts as `other`."""

Cell = tuple[int, str, str]
"""Minute, kind, name."""
Of = TypeVar("Of", DefinitionFigures, ParticipantFigures, InstanceFigures)


class Traffic:
    """The counts of one process."""

    def __init__(self) -> None:
        self._cells: dict[Cell, AnyFigures] = {}
        self._floor = 0
        """Earlier minutes are stored and forgotten: what still comes for them counts here."""
        self._now_us = 0
        """When the latest batch was committed."""

    # --- counting ---------------------------------------------------------------------------------

    def started(self, definition: str, at_us: int) -> None:
        figures = self._cell(DefinitionFigures, DEFINITION, definition, at_us)
        figures.started += 1

    def ended(self, definition: str, phase: str, took_us: int, at_us: int) -> None:
        ended = self._cell(DefinitionFigures, DEFINITION, definition, at_us).ended
        count_in(ended.get(phase) or ended.setdefault(phase, {}), took_us)

    def sent(self, participant: str, at_us: int) -> None:
        figures = self._cell(ParticipantFigures, PARTICIPANT, participant, at_us)
        figures.commands += 1
        figures.sent_at_us = at_us

    def answered(self, participant: str, outcome: str, code: str | None, at_us: int) -> None:
        figures = self._cell(ParticipantFigures, PARTICIPANT, participant, at_us)
        count_code(figures.replies, outcome, code or "")
        figures.heard_at_us = at_us

    def took(self, participant: str, part: str, us: int, at_us: int) -> None:
        """`part`: queue, handler or wire."""
        parts = self._cell(ParticipantFigures, PARTICIPANT, participant, at_us).parts
        count_in(parts.get(part) or parts.setdefault(part, {}), us)

    def saved(self, took_us: int, at_us: int) -> None:
        """A batch was saved and committed."""
        self._now_us = at_us
        count_in(self._cell(InstanceFigures, INSTANCE, "", at_us).commits, took_us)

    def late(self, late_us: Iterable[int]) -> None:
        """Wake-ups of the latest batch were so late."""
        for us in late_us:
            count_in(self._cell(InstanceFigures, INSTANCE, "", self._now_us).late, us)

    def letter(self, reason: str, at_us: int) -> None:
        """A record could not be read."""
        letters = self._cell(InstanceFigures, INSTANCE, "", at_us).letters
        letters[reason] = letters.get(reason, 0) + 1

    def _cell(self, figures: type[Of], kind: str, name: str, at_us: int) -> Of:
        minute = at_us // MINUTE_US
        if minute < self._floor:
            minute = self._floor
        found = self._cells.get((minute, kind, name)) or self._new(kind, name, minute)
        found.dirty = True
        return found  # type: ignore[return-value]  # a kind has one class: KINDS

    def _new(self, kind: str, name: str, minute: int) -> AnyFigures:
        if len(self._cells) >= MOST_CELLS and kind != INSTANCE:
            name = OTHER
        return self._cells.setdefault((minute, kind, name), KINDS[kind]())

    # --- storing ----------------------------------------------------------------------------------

    def changed(self) -> list[Cell]:
        """The minutes of names that something was counted for since they were stored."""
        return [cell for cell, figures in self._cells.items() if figures.dirty]

    def rows(self, cells: Sequence[Cell], instance: str) -> list[TrafficRow]:
        """What is to be stored for them: a fine row each, and the coarse ones that have them.

        From now on they count as stored; `unstored` takes that back.
        """
        for cell in cells:
            self._cells[cell].dirty = False
        wide = {(minute - minute % COARSE, kind, name) for minute, kind, name in cells}
        return [
            *(_row(cell, FINE, instance, self._cells[cell]) for cell in cells),
            *(_row(cell, COARSE, instance, self._coarse(cell)) for cell in sorted(wide)),
        ]

    def unstored(self, cells: Iterable[Cell]) -> None:
        """They could not be stored: they are changed still."""
        for cell in cells:
            self._cells[cell].dirty = True

    def forget(self, now_us: int) -> None:
        """Drop what is stored and whose coarse row is over; `now_us` is the database's clock.

        The one before the current is kept too, for what is counted late.
        """
        now = now_us // MINUTE_US
        self._floor = now - now % COARSE - COARSE
        for cell in [cell for cell, figures in self._cells.items() if cell[0] < self._floor and not figures.dirty]:
            del self._cells[cell]

    def _coarse(self, cell: Cell) -> AnyFigures:
        begin, kind, name = cell
        whole = KINDS[kind]()
        for figures in self._within(begin, kind, name):
            whole.add(figures)  # type: ignore[arg-type]  # of one kind
        return whole

    def _within(self, begin: int, kind: str, name: str) -> Iterator[AnyFigures]:
        for minute in range(begin, begin + COARSE):
            if (figures := self._cells.get((minute, kind, name))) is not None:
                yield figures


def _row(cell: Cell, minutes: int, instance: str, figures: AnyFigures) -> TrafficRow:
    minute, kind, name = cell
    return TrafficRow(minute=minute, minutes=minutes, instance=instance, kind=kind, name=name, figures=encode(figures))
