"""The table and the diagram in docs/ARCHITECTURE.md are those of the code, and the diagram is true.

That no step ever takes a way the diagram does not show is checked at every transition of every test
here (`sagas.check_arrows`); this file sees to it that the diagram shows no way that is never taken.
"""

from __future__ import annotations

import re

import pytest

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.diagram import arrows, markdown_table, mermaid
from saga_coordinator.engine.state import Status
from support.paths import DOCS
from unit.coordinator.engine.places import ACTS, ANSWERS, NONE, PLACES, at, told
from unit.coordinator.engine.rows import CHAIN, LINE, READS, ROWS, TO_P
from unit.coordinator.engine.sagas import ARROWS, PIVOT, Given, Player, Text, check_arrows, definition, step

PAGE = DOCS / "ARCHITECTURE.md"


@pytest.mark.parametrize(
    ("name", "content"), [("transition table", markdown_table()), ("state diagram", f"```mermaid\n{mermaid()}```\n")]
)
def test_the_page_shows_what_the_code_does(name: str, content: str) -> None:
    block = re.search(rf"<!-- {name}: generated -->\n(.*?)<!-- end -->", PAGE.read_text(), re.DOTALL)
    assert block is not None, f"{PAGE.name} has no block {name!r}"
    assert block[1].strip() == content.strip(), "stale: run python tools/generate_docs.py"


MAYBE = Given(True)
BAD_PIVOT = definition(step("a"), step("p", PIVOT, after="a", when=MAYBE, action=Text("Do.p", fails=True)))
BAD_WHEN_PIVOT = definition(step("a"), step("p", PIVOT, after="a", when=Given(fails=True)))

RARE: list[tuple[Definition, list[str]]] = [
    (
        LINE,
        [
            TO_P + " p:IN_PROGRESS cancel",
            TO_P + " p:FAILED hold:p wait:1 cancel",
            TO_P + " p:FAILED wait:1 p:FAILED wait:2 p:IN_PROGRESS p:FAILED",
            TO_P + " p:FAILED hold:p wait:1 p:UNSUPPORTED",
            TO_P + " p:IN_PROGRESS wait:30 p:IN_PROGRESS wait:10.1",
            TO_P + " wait:30 p:FAILED wait:10.1",
            TO_P + " wait:30 p:FAILED hold:p wait:1 wait:9.2",
            "recover a:SUCCEEDED cancel b:UNSUPPORTED",
            "recover a:SUCCEEDED b:IN_PROGRESS cancel b:UNSUPPORTED",
            "recover a:SUCCEEDED b:FAILED cancel b:UNSUPPORTED",
            "recover a:SUCCEEDED b:FAILED hold:b wait:1 cancel b:UNSUPPORTED",
        ],
    ),
    (BAD_WHEN_PIVOT, ["recover a:SUCCEEDED"]),
    (BAD_PIVOT, ["recover a:SUCCEEDED"]),
    (CHAIN, ["recover hold:b a:SUCCEEDED cancel"]),
    (CHAIN, [f"cancel {state} {pause} newer:a" for state in ("", "a:FAILED", "a:REJECTED") for pause in ("", "pause")]),
    (READS, ["a:IN_PROGRESS b:REJECTED", "a:FAILED b:REJECTED", "a:FAILED hold:a wait:1 b:REJECTED"]),
    (NONE, ["a:IN_PROGRESS b:REJECTED", "a:FAILED b:REJECTED", "a:FAILED hold:a wait:1 b:REJECTED"]),
    (NONE, ["b:REJECTED a:UNSUPPORTED a:SUCCEEDED"]),
]
"""Ways that only such sagas take."""


def test_every_way_shown_is_taken() -> None:
    taken: set[tuple[str, Status, Status]] = set()
    scripts = [(shape, f"{given} {when}") for _, _, shape, given, when, _ in ROWS]
    scripts += [(shape, script) for shape, rare in RARE for script in rare]
    for shape, script in scripts:
        taken |= ways(shape, script)
    for spot in PLACES:
        player, _ = at(*spot, paused=False, recovered=False)
        for event in [f"{kind} {outcome}" for kind, outcome in ANSWERS] + ACTS + ["due"]:
            taken |= check_arrows(player.saga, told(player, spot[4], event).facts)
    assert ARROWS - taken == set()


def ways(shape: Definition, script: str) -> set[tuple[str, Status, Status]]:
    player, taken = Player(shape).start(), set()
    for word in script.split():
        before, player.facts = player.saga, ()
        player.happens(word)
        taken |= check_arrows(before, player.facts)
    return taken


def test_every_state_can_be_reached_and_left() -> None:
    ways = list(arrows())
    resting = {Status.NO_EFFECT, Status.UNDONE, Status.KEPT, Status.WAIVED}
    assert {state for state, *_ in ways} == set(Status) - resting
    assert {becomes for _, becomes, *_ in ways} == set(Status) - {Status.IDLE, Status.CONFLICT}
