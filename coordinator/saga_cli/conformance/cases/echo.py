"""Which headers a reply echoes: one case a header, judged over every reply of the check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from saga_cli.conformance.case import Case
from saga_cli.conformance.findings import Exchange

SECTION: Final = "a-reply-echoes-the-command"
_ECHOED: Final = (
    *("ce_correlationid", "ce_subject", "ce_sagakind", "ce_sagastep", "ce_sagarun", "ce_sagaattempt", "ce_sagaincarnation"),
    *("ce_sagaversion", "ce_sagatenant", "ce_sagatoken"),
)


def _echo(name: str) -> Case:
    def judge(exchange: Exchange) -> str | bool:
        if exchange.command is None:
            return False
        sent, got = exchange.command.header(name), exchange.reply.all(name)
        if sent is None or got == [sent]:
            return sent is not None
        shown = " and ".join(got) if got else "absent"
        return f"{name} is {shown}, the command said {sent}"

    return Case(
        name=f"echo.{name}",
        title=f"each reply echoes {name} of the command that it answers",
        says=f"{name} is the command's, byte for byte. Headers are always built from the command that is being answered, "
        "also when the value is a remembered one.",
        section=SECTION,
        judge=judge,
    )


def _names_its_command(exchange: Exchange) -> str | bool:
    named = exchange.reply.causation or "absent"
    if exchange.command is None:
        return f"ce_causationid is {named}: no command of this saga has that id"
    return True if named == exchange.command.id else f"ce_causationid is {named}, not {exchange.command.id}"


def _keyed(exchange: Exchange) -> str | bool:
    if exchange.command is None:
        return False
    expected = exchange.command.header("ce_correlationid")
    key = (exchange.reply.record.key or b"").decode("utf-8", "replace")
    return True if key == expected else f"the record key is {key or 'absent'}, not the saga id {expected}"


def _origin(exchange: Exchange) -> str | bool:
    got = exchange.reply.all("ce_traceparent")
    sent = None if exchange.command is None else exchange.command.header("ce_traceparent")
    if sent is None or exchange.spoiled:
        return False
    return True if got == [sent] else f"ce_traceparent is {' and '.join(got) or 'absent'}, the command said {sent}"


def _cases() -> Iterator[Case]:
    yield Case(
        name="echo.ce_causationid",
        title="each reply names the command that it answers",
        says="ce_causationid of a reply is the command's ce_id.",
        section=SECTION,
        judge=_names_its_command,
    )
    yield from map(_echo, _ECHOED)
    yield Case(
        name="echo.key",
        title="each reply has the saga id as its record key",
        says="The record key on saga.reply.<participant> is the saga id.",
        section="topics-and-keys",
        judge=_keyed,
    )
    yield Case(
        name="echo.ce_traceparent",
        title="each reply echoes ce_traceparent of the command that it answers",
        says="ce_traceparent is the command's, byte for byte.",
        section=SECTION,
        judge=_origin,
    )


ECHO_CASES: Final = tuple(_cases())
