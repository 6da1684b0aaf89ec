"""What changed between two versions of a definition, in words and line by line."""

from __future__ import annotations

import time

import pytest

from saga_coordinator.definitions import lint
from saga_coordinator.definitions.changes import HEAD, PART_LINES, changes
from saga_coordinator.definitions.document import Document
from support.scripted import catalog_of

BASE = """
saga: order
version: 1
input: t.Input
steps:
  - {name: reserve, participant: inventory, command: t.Do, compensation: t.Undo}
  - {name: charge, participant: payment, command: t.Do, compensation: none}
  - {name: ship, participant: shipping, command: t.Do, pivot: true}
"""
CATALOG = catalog_of("t.Input", "t.Do", "t.Undo")


def document(text: str = BASE) -> Document:
    return lint(text, "test.saga.yaml", CATALOG).required()


def told(before: str, after: str) -> dict[str, list[str]]:
    return {part.part: list(part.words) for part in changes(document(before), document(after))}


def test_the_number_alone_is_no_change() -> None:
    assert told(BASE, BASE.replace("version: 1", "version: 2")) == {}


@pytest.mark.parametrize(
    ("old", "new", "part", "words"),
    [
        ("input: t.Input", "input: t.Input\ndeadline: 90s", HEAD, ["its deadline: now 90s; not set before"]),
        ("input: t.Input", "input: t.Do", HEAD, ["its input: t.Do (before: t.Input)"]),
        ("participant: payment", "participant: bank", "charge", ["its participant: bank (before: payment)"]),
        (
            "participant: payment",
            "participant: payment, retry: {attempts: 3, cap: 2s}",
            "charge",
            ["attempts: 3 (before: 10)", "the longest wait before a retry: 2s (before: 30s)"],
        ),
        (
            "participant: payment",
            "participant: payment, timeout: {step: 1m}",
            "charge",
            ["its time limit: now 1m; not set before"],
        ),
        ("compensation: t.Undo", "compensation: none", "reserve", ["it is no longer undone (before: by t.Undo)"]),
        ("t.Do, compensation: none", "t.Do, compensation: t.Undo", "charge", ["it is now undone by t.Undo"]),
        (
            "compensation: t.Undo",
            "compensation: {command: t.Undo, retry: {attempts: 2}}",
            "reserve",
            ["attempts of the compensation: 2 (before: 20)"],
        ),
        (
            "compensation: t.Undo",
            'compensation: t.Undo, with: {id: "${input.id}"}',
            "reserve",
            ["id in its command: now ${input.id}; not set before"],
        ),
    ],
)
def test_each_change_is_a_sentence(old: str, new: str, part: str, words: list[str]) -> None:
    found = told(BASE, BASE.replace(old, new, 1))

    assert found[part] == words
    assert set(found) == {part}


def test_fields_of_the_user_are_told_as_they_are() -> None:
    made = document()
    step = made.steps[0].model_copy(update={"mapping": {"cap_ms": 5, "a": {"b_ms": "x"}}})

    (part,) = changes(made, made.model_copy(update={"steps": (step, *made.steps[1:])}))

    assert list(part.words) == ["cap_ms in its command: now 5; not set before", "a.b_ms in its command: now x; not set before"]
    assert {"  cap_ms: 5", "    b_ms: x"} <= {line.text for line in part.lines}


def test_steps_that_come_go_and_wait_for_others() -> None:
    screen = "{name: screen, participant: fraud, after: [], command: t.Do, compensation: none}"
    charge = "{name: charge, after: [reserve, screen], participant: payment"
    after = BASE.replace("{name: charge, participant: payment", f"{screen}\n  - {charge}")

    found = {part.part: part for part in changes(document(BASE), document(after))}

    assert found["screen"].mark == "+" and found["screen"].words == ["fraud is asked for t.Do at once; it has no compensation"]
    assert list(found["charge"].words) == ["now waits for screen"]
    back = {part.part: part for part in changes(document(after), document(BASE))}
    assert back["screen"].mark == "-" and list(back["charge"].words) == ["no longer waits for screen"]


def test_lines_stand_with_what_is_around_them() -> None:
    (part,) = changes(document(BASE), document(BASE.replace("participant: payment", "participant: bank")))

    marked = [(line.mark, line.text) for line in part.lines]
    assert ("-", "participant: payment") in marked and ("+", "participant: bank") in marked
    assert sum(mark == " " for mark, _ in marked) <= 4


def test_a_part_of_very_many_lines_is_told_in_words_and_at_once() -> None:
    def with_fields(value: str) -> Document:
        made = document()
        step = made.steps[0].model_copy(update={"mapping": {f"f{number}": value for number in range(PART_LINES + 1)}})
        return made.model_copy(update={"steps": (step, *made.steps[1:])})

    began_s = time.process_time()
    (part,) = changes(with_fields("a"), with_fields("b"))

    assert len(part.words) == PART_LINES + 1 and list(part.lines) == []
    assert time.process_time() - began_s < 1
