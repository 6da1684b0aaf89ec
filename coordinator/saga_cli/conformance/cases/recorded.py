"""The recorded commands of docs/wire.md, sent byte for byte.

They have expired long ago and are of other participants' records: so they are answered and leave
nothing behind, however often a check is run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final
from uuid import UUID

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.findings import NotHere
from saga_cli.conformance.messages import Ask, Command
from saga_cli.conformance.saga import expect
from saga_cli.conformance.stage import Stage
from saga_schemas.outcomes import Kind
from saga_schemas.records import EMPTY_BYTES
from saga_schemas.times import nearest_us

_SAYS: Final = (
    "Give it each command. B2, absent, and the command has expired: EXPIRED. A record that nobody handles: UNSUPPORTED. "
    "Both carry saga.v1.Empty."
)


def _command(message: dict[str, Any]) -> Command:
    said: dict[str, str] = message["headers"]
    ask = Ask(kind=Kind(said["ce_sagakind"]), run=int(said["ce_sagarun"]), incarnation=int(said["ce_sagaincarnation"]))
    headers = tuple((name, text.encode()) for name, text in said.items())
    value = bytes.fromhex(message["value"])
    return Command(id=said["ce_id"], ask=ask, key=message["key"].encode(), value=value, headers=headers)


def _case(number: int, title: str, command: Command) -> Case:
    @case(f"recorded.{number}", f"recorded message {number}: {title}", _SAYS, "recorded-messages")
    async def play(stage: Stage) -> None:
        saga = stage.saga_of(UUID(command.header("ce_correlationid")))
        expired = nearest_us(command.header("ce_expirytime") or "") < time.time_ns() // 1000
        if not expired and command.ask.kind is not Kind.RESOLVE:
            raise NotHere("by this machine's clock the recorded commands have not expired yet")
        await saga.send(command)
        reply = await saga.answer(command)
        if command.ask.kind is Kind.RESOLVE:
            expect(saga, reply, "EXPIRED" if expired else "FENCED", value=EMPTY_BYTES)
        else:
            expect(saga, reply, "EXPIRED", "UNSUPPORTED", value=EMPTY_BYTES)

    return play


def recorded_cases() -> Iterator[Case]:
    """One case for each recorded command."""
    file = resources.files("saga_schemas") / "vectors" / "recorded-messages.json"
    for message in json.loads(file.read_text(encoding="utf-8"))["messages"]:
        if message["kind"] == "command":
            yield _case(message["number"], message["title"], _command(message))
