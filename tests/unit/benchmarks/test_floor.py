"""The floor carries out the same order as the coordinator: three steps, undone from the last."""

from __future__ import annotations

from dataclasses import replace

import pytest
from floor import Batch, State, decide
from floor_messages import Message, decoded

START = Message(saga_id="0197d4f0-0000-7000-8000-000000000001", key="k", step=0, operation="", status="START", rejects=False)


def walk(*statuses: str) -> list[str]:
    """What is asked and announced, in order, when the commands are answered so."""
    said: list[str] = []
    state: State | None = None
    message = START
    for status in ("START", *statuses):
        state, (topic, out) = decide(state, replace(message, status=status))
        said.append(out.operation if topic == "commands" else out.status)
        message = out
    return said


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (("OK", "OK", "OK"), ["reserve", "charge", "ship", "COMPLETED"]),
        (("OK", "OK", "REJECTED", "OK", "OK"), ["reserve", "charge", "ship", "refund", "release", "COMPENSATED"]),
    ],
)
def test_an_order_is_carried_out_or_undone(statuses: tuple[str, ...], said: list[str]) -> None:
    assert walk(*statuses) == said


def test_a_message_comes_back_as_it_was() -> None:
    assert decoded(START.encoded()) == START


def test_what_is_not_expected_changes_nothing() -> None:
    """A start that comes twice, and a reply to a saga that has ended."""
    batch, sagas = Batch(), {START.saga_id: State("RUNNING", 0, 0)}
    batch.add(sagas, START)
    batch.add({}, replace(START, status="OK"))
    assert (batch.new, batch.moved, batch.sent) == ([], [], [])
