"""The barrier's table of docs/wire.md as data: the unit tests and the contract suite walk
the same cells."""

from __future__ import annotations

from dataclasses import dataclass

from saga_schemas.outcomes import Kind, RowState

A, C, Z = Kind.ACTION, Kind.COMPENSATION, Kind.RESOLVE
ACCEPTED, DONE, REJECTED, FENCED, UNDONE = RowState


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the table in docs/wire.md: what is answered (or done), and what the row
    becomes."""

    row: RowState | None
    when: str
    """How the command's run stands to the row's: `<`, `=`, `>`; for an absent row `fresh` or
    `expired`."""
    kind: Kind
    says: str
    """An outcome, or `run it`, `undo it`, `resume it`."""
    becomes: RowState | None
    run: str = "row"
    """Whose run the row has then: `row` or `command`."""


def cells() -> list[Cell]:
    """The table. A line of it that speaks of several relations or states is several cells here."""
    table = [Cell(row=None, when="expired", kind=kind, says="EXPIRED", becomes=None) for kind in Kind] + [
        Cell(row=None, when="fresh", kind=A, says="run it", becomes=None),
        Cell(row=None, when="fresh", kind=C, says="NOTHING_TO_UNDO", becomes=FENCED, run="command"),
        Cell(row=None, when="fresh", kind=Z, says="FENCED", becomes=FENCED, run="command"),
    ]
    for kind in Kind:
        table.append(Cell(row=ACCEPTED, when="<", kind=kind, says="IN_PROGRESS", becomes=ACCEPTED))
        table += [Cell(row=ACCEPTED, when=when, kind=kind, says="IN_PROGRESS", becomes=ACCEPTED) for when in "=>"]
    for when in "=>":
        table.append(Cell(row=DONE, when=when, kind=A, says="SUCCEEDED", becomes=DONE, run="command"))
        table.append(Cell(row=DONE, when=when, kind=C, says="undo it", becomes=DONE))
        table.append(Cell(row=DONE, when=when, kind=Z, says="SUCCEEDED", becomes=DONE, run="command"))
    table += [Cell(row=DONE, when="<", kind=kind, says="SUCCEEDED", becomes=DONE) for kind in Kind]
    for when in "<=":
        table.append(Cell(row=REJECTED, when=when, kind=A, says="REJECTED", becomes=REJECTED))
        table.append(Cell(row=REJECTED, when=when, kind=Z, says="REJECTED", becomes=REJECTED))
    table += [
        Cell(row=REJECTED, when="<", kind=C, says="NOTHING_TO_UNDO", becomes=REJECTED),
        Cell(row=REJECTED, when="=", kind=C, says="NOTHING_TO_UNDO", becomes=FENCED),
        Cell(row=REJECTED, when=">", kind=A, says="run it", becomes=REJECTED),
        Cell(row=REJECTED, when=">", kind=C, says="NOTHING_TO_UNDO", becomes=FENCED, run="command"),
        Cell(row=REJECTED, when=">", kind=Z, says="FENCED", becomes=FENCED, run="command"),
    ]
    for closed, undo_says in ((FENCED, "NOTHING_TO_UNDO"), (UNDONE, "UNDONE")):
        for when in "<=":
            table.append(Cell(row=closed, when=when, kind=A, says="FENCED", becomes=closed))
            table.append(Cell(row=closed, when=when, kind=C, says=undo_says, becomes=closed))
            table.append(Cell(row=closed, when=when, kind=Z, says="FENCED", becomes=closed))
        table += [
            Cell(row=closed, when=">", kind=A, says="run it", becomes=closed),
            Cell(row=closed, when=">", kind=C, says=undo_says, becomes=closed, run="command"),
            Cell(row=closed, when=">", kind=Z, says="FENCED", becomes=closed, run="command"),
        ]
    return table


TABLE = cells()


def name_of(cell: Cell) -> str:
    return f"{cell.row.value if cell.row else 'absent'} {cell.when} {cell.kind.value}"
