"""The codes of findings, with what each means and how to mend it: printed in the docs, asserted in
the tests.

S0xx is about the file and its shape, S1xx about the graph and its policies, S2xx about mappings,
types and schemas, S31x about schedules, S32x about their calendars. A code never changes its
meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Code:
    """What a code says."""

    meaning: str
    cure: str
    warning: bool = False


CODES: Final[Mapping[str, Code]] = {
    "S001": Code("the file is not YAML", "mend the syntax at the place that is named; a file holds one definition"),
    "S002": Code("an expression is not quoted where YAML needs it", 'write "${…}" in quotes'),
    "S003": Code("the file is too large or nested too deep", "split the definition; at most 512 KiB and 32 levels"),
    "S004": Code("a key is written twice", "keep one of the two"),
    "S005": Code("an anchor, alias or tag", "write the value out; definitions are plain data"),
    "S006": Code("an unknown key", "mend its spelling or remove it"),
    "S007": Code("a key is missing", "add it"),
    "S008": Code("a value of the wrong kind", "write a value of the kind that the message names"),
    "S009": Code("a bad duration", "write a whole number and a unit: 200ms, 30s, 10m, 2h, 1d"),
    "S010": Code("a bad name", "use lower-case letters, digits and dashes, a letter first, at most 63 characters"),
    "S011": Code("a number out of range", "stay within the bounds that are named"),
    "S012": Code("there are more findings than are shown", "mend those that are shown first"),
    "S013": Code("not a canonical document", "register the file with `saga def register`, or build it with `Saga(…)`"),
    "S101": Code("two steps have one name", "rename one"),
    "S102": Code("`after` names an unknown step", "mend the name"),
    "S103": Code("steps wait for each other in a circle", "remove one `after` of the circle"),
    "S104": Code("a step before the pivot is retried without end", "give retry.attempts a number"),
    "S105": Code("a step before the pivot names no compensation", "name the command that undoes it, or say `compensation: none`"),
    "S106": Code("a step is neither before nor after the pivot", "use `after:` to put it before or after the pivot"),
    "S107": Code("a second pivot", "a saga has one point of no return: keep one"),
    "S108": Code("a compensation at or after the pivot", "remove it, or move the step before the pivot"),
    "S109": Code(
        "a deadline shorter than a step's time limit", "the limit can never be reached: lower it or raise the deadline", True
    ),
    "S110": Code("too many steps", "a definition has at most 1,000"),
    "S112": Code("a step can never run", "remove it, or mend its `when`"),
    "S113": Code("`after` names a step twice", "name it once"),
    "S114": Code("a retry starts above its cap", "raise retry.cap or lower retry.first"),
    "S115": Code(
        "a retention that contradicts itself",
        "keep sagas at least as long as a command may wait (`timeout.expiry`), journals no longer and keys no shorter than sagas",
    ),
    "S201": Code("an unknown record", "add its .avsc to the schemas, or mend the name"),
    "S203": Code("an expression that is not CEL", "mend the syntax"),
    "S204": Code(
        "an expression reads an unknown name", "expressions read input, steps.<name>.reply and saga; a schedule reads schedule"
    ),
    "S205": Code("a path that leads nowhere", "mend the field's name"),
    "S206": Code("a reply is read before it is there", "read replies of steps that this one comes after"),
    "S207": Code("the record of a reply is not known", "add `reply:` to the step, or sagaReply to the command's schema"),
    "S208": Code("the command has no such field", "mend the name in `with:`"),
    "S209": Code("a field of the command gets no value", "name it in `with:`, or give it a default"),
    "S210": Code("a decimal inside an expression", "pass it by a plain path: in an expression it would become a float"),
    "S211": Code("the value's type is not the field's", "map another field, or convert in an expression"),
    "S212": Code("the literal does not fit the field", "write a value of the field's type"),
    "S213": Code("the value may be null, the field may not", "give a default in an expression, or let the field be null"),
    "S214": Code("`${` inside a longer text", "make the whole value one expression, or write $${ to mean the text", True),
    "S215": Code("an expression that is too large", "compute it in a participant"),
    "S216": Code("the key or a label reads more than the input", "use `input` only: both are needed before there is a saga"),
    "S217": Code("a skipped step's reply is read as if it were there", "test it for null, or give the step the same `when`"),
    "S218": Code("a schema breaks open sagas, or the version before", "make the change compatible, or use a new record"),
    "S219": Code("the definition's records changed since the version before", "check who reads them", True),
    "S220": Code("an expression fails where a value is null", "test it for null first, as the message shows"),
    "S221": Code("an expression always fails", "mend the part at the character named"),
    "S222": Code("a newer schema was given, but this version keeps its own", "give the definition a new version to use it", True),
    "S310": Code("the definition is not registered, or no version of it is active", "register and activate it, or mend its name"),
    "S311": Code("the definition is not at hand: the input was not checked against it", "name its file by --definitions", True),
    "S312": Code("no start can be made of a tick", "mend the field that is named"),
    "S313": Code("the business key is the same at each tick", "let it read schedule.tick, or schedule.scheduled_for"),
    "S314": Code("a key beside the one that the definition computes", "remove `key:`"),
    "S315": Code("settings that contradict each other", "remove the one that has no effect", True),
    "S316": Code("a success is expected sooner than the next tick", "raise expect_success_within", True),
    "S320": Code("an unknown time zone", "write a name of the IANA time zones, such as Europe/Berlin"),
    "S321": Code("a cron expression that is not read", "mend the field that is named"),
    "S322": Code("a calendar or an expression that never ticks", "mend its days, its start and end, or what it excludes"),
    "S323": Code("a calendar ticks more often than once a minute", "write five fields, or say `--yes` where it is meant", True),
    "S324": Code("a bad repeating interval", "write R/2027-01-01T00:00:00Z/PT1H, or R5/… for five of them"),
    "S325": Code("an empty calendar", "write `cron:`, `every:` or `interval:`, and days into a day calendar"),
    "S326": Code("an unknown day calendar", "store it first, or mend its name"),
    "S327": Code("a date or an instant that does not exist", "write a date such as 2027-12-25, or an instant with its offset"),
    "S328": Code("an interval with a part of a second", "write whole seconds"),
    "S329": Code("a range that ends before it begins", "write its first day first"),
}
