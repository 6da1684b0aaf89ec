"""The tables and plots of docs/performance.md, from the run that benchmarks/performance.json
keeps."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from bars import BY_HTTP, DTM, FLOOR, GROUPS_OFF, LEAN, OURS, RESTATE, SQLALCHEMY, judged
from cells import Cell
from plots import Points, line_plot
from results import Results, read

KEPT: Final = Path(__file__).with_name("performance.json")
ORDER: Final = (OURS, BY_HTTP, SQLALCHEMY, GROUPS_OFF, LEAN, FLOOR, DTM, RESTATE)
"""Of the systems in tables and plots."""

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Its head and its rows."""


@cache
def kept() -> Results:
    return read(KEPT)


def machine() -> Table:
    found = kept()
    cells = f"{found.seconds:g} s each, {len(found.rounds)} round{'s' if len(found.rounds) > 1 else ''}"
    return ("", ""), [("measured on", found.at), *found.machine.items(), ("cells", cells)]


def bars() -> Table:
    rows: list[tuple[str, ...]] = [
        (f"{one.bar.in_flight:,}", one.bar.what, one.shown, one.bar.bound, one.verdict)
        for one in judged([each.closed for each in kept().rounds])
    ]
    return ("in flight", "what", "figure", "bar", ""), rows


def loads() -> Table:
    """Throughput, latency and CPU of the closed loops."""
    rows = [(f"{in_flight:,}", system, *_work(cells), _groups(cells)) for in_flight, system, cells in _closed()]
    return ("in flight", "system", "sagas/s", "p50 ms", "p95 ms", "p99 ms", "CPU-ms a saga", "of which"), rows


def open_loops() -> Table:
    rows = []
    for system in ORDER:
        cells = _fit([found.open[system] for found in kept().rounds if system in found.open])
        if cells:
            offered = f"{_median(cells, lambda cell: cell.offered_per_s or 0):.0f}"
            rows.append((system, offered, *_work(cells)))
    return ("system", "starts/s", "sagas/s", "p50 ms", "p95 ms", "p99 ms", "CPU-ms a saga"), rows


def bytes_and_memory() -> Table:
    figures: Sequence[Callable[[Cell], float]] = (
        lambda cell: cell.commits,
        lambda cell: cell.fsyncs,
        lambda cell: cell.wal_bytes,
        lambda cell: cell.kafka_bytes,
    )
    rows = [
        (f"{in_flight:,}", system, *(_shown(_median(cells, figure)) for figure in figures), _memory(cells))
        for in_flight, system, cells in _closed()
    ]
    return ("in flight", "system", "commits a saga", "fsyncs", "WAL bytes", "Kafka bytes", "memory, MB"), rows


def throughput_plot() -> str:
    return line_plot("Throughput", "sagas in flight", "sagas/s", _lines(lambda cell: cell.sagas_per_s))


def latency_plot() -> str:
    return line_plot("Latency, median", "sagas in flight", "ms", _lines(lambda cell: cell.p50_ms))


def cpu_plot() -> str:
    return line_plot("CPU a saga, all processes", "sagas in flight", "ms", _lines(lambda cell: cell.cpu_ms_in_all))


def _lines(figure: Callable[[Cell], float]) -> dict[str, Points]:
    """By system. The lean floor, which has one point, begins the floor's line."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for in_flight, system, cells in _closed():
        lines.setdefault(FLOOR if system == LEAN else system, []).append((in_flight, _median(cells, figure)))
    return {system: lines[system] for system in ORDER if system in lines}


def _closed() -> Iterable[tuple[int, str, list[Cell]]]:
    """Cells of the rounds together, by number in flight and system."""
    rounds = [found.closed for found in kept().rounds]
    for in_flight in sorted({level for cells in rounds for _, level in cells}):
        for system in ORDER:
            if cells := _fit([cells[system, in_flight] for cells in rounds if (system, in_flight) in cells]):
                yield in_flight, system, cells


def _fit(cells: list[Cell]) -> list[Cell]:
    """Without those that were spoilt, unless all were."""
    return [cell for cell in cells if not cell.spoilt] or cells


def _work(cells: list[Cell]) -> tuple[str, ...]:
    figures: Sequence[Callable[[Cell], float]] = (
        lambda cell: cell.sagas_per_s,
        lambda cell: cell.p50_ms,
        lambda cell: cell.p95_ms,
        lambda cell: cell.p99_ms,
        lambda cell: cell.cpu_ms_in_all,
    )
    shown = [_shown(_median(cells, figure)) for figure in figures]
    return (f"{shown[0]} (spoilt)" if cells[0].spoilt else shown[0], *shown[1:])


def _groups(cells: list[Cell]) -> str:
    return ", ".join(f"{name} {_shown(statistics.median(cell.cpu_ms[name] for cell in cells))}" for name in cells[0].cpu_ms)


def _memory(cells: list[Cell]) -> str:
    groups = cells[0].own_rss_mb
    return ", ".join(f"{name} {statistics.median(cell.rss_mb[name] for cell in cells):.0f}" for name in groups)


def _median(cells: list[Cell], figure: Callable[[Cell], float]) -> float:
    return statistics.median(figure(cell) for cell in cells)


def _shown(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
