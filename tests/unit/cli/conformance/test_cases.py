"""The cases as data: names, what they say, and that the page says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from saga_cli.conformance.cases.every_case import chosen, every_case

ROOT: Final = Path(__file__).parents[4]
CASES: Final = every_case()


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def test_names_are_unique_and_say_their_group() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z-]+(\.[A-Za-z0-9_-]+)+", name) for name in names)


def test_every_case_plays_or_judges_and_says_what_the_page_says() -> None:
    for case in CASES:
        assert (case.play is None) != (case.judge is None), case.name
        assert case.title and case.says.endswith("."), case.name


def test_every_case_points_to_a_section_of_the_page() -> None:
    page = (ROOT / "docs" / "wire.md").read_text()
    anchors = {_anchor(heading) for heading in re.findall(r"^#{2,3} (.+)$", page, re.MULTILINE)}
    assert {case.section for case in CASES} <= anchors


def test_every_cell_of_the_barriers_table_is_there() -> None:
    states, kinds, ages = (
        ("done", "rejected", "fenced", "undone", "accepted"),
        ("action", "compensation", "resolve"),
        ("older", "same", "newer"),
    )
    wanted = {f"barrier.{state}.{kind}.{age}" for state in states for kind in kinds for age in ages}
    assert wanted <= {case.name for case in CASES}


def test_the_page_about_the_check_has_every_group() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text()
    table = page[page.index("| group |") : page.index("A reply is found by")]
    told = set(re.findall(r"`([a-z-]+)`", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))))
    assert told == {case.group for case in CASES}


def test_cases_are_chosen_by_pattern() -> None:
    assert {case.group for case in chosen(CASES, ["echo.*", "codec.zstd"])} == {"echo", "codec"}
    assert chosen(CASES, []) == CASES
    assert not chosen(CASES, ["nothing"])
