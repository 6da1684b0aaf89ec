"""What a run found is kept as it was, with four digits, and drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bars import FLOOR, OURS
from plots import line_plot
from results import Results, Round, read

from support.benchmark_cells import CELL

SVG = "{http://www.w3.org/2000/svg}"


def run() -> Results:
    found = Round()
    found.add(CELL)
    found.add(replace(CELL, system=FLOOR, sagas_per_s=123.456789))
    found.add(replace(CELL, in_flight=0, offered_per_s=60.0))
    return Results(at="2026-11-29", machine={"memory": "24 GiB"}, seconds=12, rounds=[found, Round(dict(found.closed))])


def test_a_run_is_kept(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(run().as_text())

    kept = read(tmp_path / "run.json")

    assert (kept.at, kept.machine, kept.seconds) == ("2026-11-29", {"memory": "24 GiB"}, 12)
    assert kept.rounds[0].closed == {(OURS, 64): CELL, (FLOOR, 64): replace(CELL, system=FLOOR, sagas_per_s=123.5)}
    assert [sorted(each.open) for each in kept.rounds] == [[OURS], []]


def test_an_open_loop_does_not_count_as_the_most_that_a_system_reached() -> None:
    found = Round()
    found.add(CELL)
    found.add(replace(CELL, in_flight=16, sagas_per_s=300.0))
    found.add(replace(CELL, in_flight=0, offered_per_s=60.0, sagas_per_s=900.0))

    assert found.most_per_s(OURS) == 300.0


def test_a_plot_has_a_line_for_each_system_and_more_is_higher() -> None:
    drawn = ElementTree.fromstring(
        line_plot("Sagas & load", "in flight", "sagas/s", {OURS: [(1, 10), (64, 400)], FLOOR: [(1, 20)]})
    )

    lines = [line.attrib["points"].split() for line in drawn.iter(f"{SVG}polyline")]
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in lines[0])
    assert [len(line) for line in lines] == [2, 1]
    assert x1 < x2
    assert y1 > y2
    assert next(text.text for text in drawn.iter(f"{SVG}text")) == "Sagas & load"


@pytest.mark.parametrize("values", [(0.3, 0.4), (1, 1000), (5, 5.1), (10, 10)])
def test_every_value_lies_within_the_plot(values: tuple[float, float]) -> None:
    drawn = ElementTree.fromstring(line_plot("", "", "", {OURS: [(1, values[0]), (2, values[1])]}))

    heights = [float(mark.attrib["cy"]) for mark in drawn.iter(f"{SVG}circle")]
    assert all(44 <= height <= 420 - 48 for height in heights)
