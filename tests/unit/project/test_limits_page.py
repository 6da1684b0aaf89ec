"""The table of limits says what the code enforces."""

from __future__ import annotations

import pytest

from saga_coordinator.definitions.document import MAX_STEPS
from saga_coordinator.engine.payloads import TRANSITION_BYTES
from saga_coordinator.engine.state import INLINE_BYTES, STATE_PAYLOADS_BYTES
from saga_schemas import limits
from support.paths import DOCS

PAGE = (DOCS / "definitions.md").read_text()


@pytest.mark.parametrize(
    ("what", "at_most"),
    [
        ("steps of a definition", str(MAX_STEPS)),
        ("the input of a saga", f"{limits.PAYLOAD_BYTES // 1024} KiB"),
        ("a command", f"{limits.PAYLOAD_BYTES // 1024} KiB"),
        ("a reply", f"{limits.PAYLOAD_BYTES // 1024} KiB"),
        ("one schema", f"{limits.SCHEMA_BYTES // 1024} KiB"),
        (
            "the payloads that stand in a saga's state",
            f"{STATE_PAYLOADS_BYTES // 1024} KiB together, {INLINE_BYTES // 1024} KiB each",
        ),
        ("what one transition sends, and reads from the journal", f"{TRANSITION_BYTES // 1024**2} MiB, or what one step needs"),
    ],
)
def test_each_limit_is_the_codes(what: str, at_most: str) -> None:
    assert f"| {what} | {at_most} |" in PAGE
