"""`saga list attention`: everything that needs a person, with the way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from saga_cli.output import Format, console, print_json
from saga_cli.show.formatting import ago, plain

Json = dict[str, Any]


def print_attention(found: Json, output: Format) -> None:
    """Print it for people, or as it is for programs."""
    if output is Format.JSON:
        print_json(found)
        return
    for line in lines(found):
        console().print(line)


def lines(found: Json) -> Iterator[Text]:
    """Each cause with its sagas, then each schedule."""
    if not found["causes"] and not found["schedules_in_need"]:
        yield plain("nothing needs a person")
    for cause in found["causes"]:
        yield from _told(cause["sentence"], cause)
        for saga in cause["sagas"]:
            words = (saga["id"], saga["key"], saga["definition"], saga["step"], ago(saga["since"]), saga["note"])
            yield plain("  " + "  ".join(word for word in words if word))
        if left := cause["count"] - len(cause["sagas"]):
            yield plain(f"  and {left} more: `saga list --attention`")
    for need in found["schedules_in_need"]:
        yield from _told(need["sentence"], need)
        if need["note"]:
            yield plain(f"  {need['note']}")
        yield plain(f"  {need['command']}")
    if found["more_schedules"]:
        yield plain("these schedules wait longest; there are more")


def _told(sentence: str, one: Json) -> Iterator[Text]:
    yield plain(f"{sentence}, for {ago(one['since'])}", "bold red")
    yield plain(f"  way out: {one['way_out']}", "red")
