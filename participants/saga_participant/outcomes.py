"""What a handler may say besides its reply: no (`Rejected`), not now (`Failed`), later (`InProgress`).

Messages are sent to the coordinator and shown to people: they are written by the service's author and must hold no personal data.
All are checked where they are made, so that a mistake shows in the author's own line and in the author's own tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

DEFAULT_LEASE: Final = timedelta(minutes=10)
LONGEST_LEASE: Final = timedelta(days=3660)
"""Ten years: longer is a mistake in the unit."""
CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
"""What a definition can name in `never`."""


class Misused(TypeError, ValueError):  # reads like the fact it is
    """`Rejected`, `Failed` or `InProgress` was given what it does not take. The text is ours and holds no value that was given."""

    def __init__(self, owner: str, text: str) -> None:
        super().__init__(f"{owner}: {text}")
        self.without_effect = owner in (Rejected.__name__, Failed.__name__)
        """What was to be said: that the handler had no effect."""


class Rejected(Exception):  # a participant's "no" is an answer and reads like one
    """A definite business no: remembered, without effect, never retried. What the handler did is rolled back.

    `code` is stable and for programs: 1 to 128 of `A-Z a-z 0-9 _ . -` (`over_limit`), or an enum whose value is such a text. `message` is
    for people; what is longer than 1,024 characters is cut.
    """

    def __init__(self, code: str | Enum, message: str = "") -> None:
        self.code = _code("Rejected", code)
        self.message = _text("Rejected", "message", message)
        super().__init__(f"{self.code}: {message}" if message else self.code)


class Failed(Exception):  # as above
    """A technical failure with a code of its own: this attempt had no effect, the coordinator asks again as the definition says.

    Any other exception of a handler with a `db` is one too, with its class name as code. `code` and `message` as in `Rejected`.
    `retry_after`: not before this; more than a day counts as a day.
    """

    def __init__(self, code: str | Enum, message: str = "", retry_after: timedelta | None = None) -> None:
        self.code = _code("Failed", code)
        self.message = _text("Failed", "message", message)
        self.retry_after = None if retry_after is None else _duration("Failed", "retry_after", retry_after)
        super().__init__(f"{self.code}: {message}" if message else self.code)


@dataclass(frozen=True, slots=True)
class InProgress:
    """What an action returns that will be answered later, through `Participant.answering(step.ref)`.

    `note` is for people: what is waited for; what is longer than 1,024 characters is cut. When the `lease` is over without an answer, the
    next command of the step hands the action's command to the handler again.
    """

    note: str = ""
    lease: timedelta = DEFAULT_LEASE

    def __post_init__(self) -> None:
        _text("InProgress", "note", self.note)
        if _duration("InProgress", "lease", self.lease) > LONGEST_LEASE:
            raise Misused("InProgress", f"a lease is at most {LONGEST_LEASE.days} days")


def _code(owner: str, code: object) -> str:
    given = code.value if isinstance(code, Enum) else code
    if not isinstance(given, str):
        kind = type(given).__name__
        raise Misused(owner, f'code is a str, or an enum whose value is a str, not {kind}: write {owner}("over_limit")')
    if CODE.fullmatch(given) is None:
        raise Misused(
            owner, 'a code is for programs, 1 to 128 of A-Z a-z 0-9 _ . - as in "over_limit"; what people read is the message'
        )
    return given


def _text(owner: str, name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Misused(owner, f"{name} is a str, not {type(value).__name__}: leave it out where there is nothing to say")
    return value


def _duration(owner: str, name: str, value: object) -> timedelta:
    if not isinstance(value, timedelta):
        raise Misused(owner, f"{name} is a datetime.timedelta, not {type(value).__name__}: write timedelta(seconds=30)")
    if value < timedelta(0):
        raise Misused(owner, f"{name} is negative")
    return value


class AnswerRefused(Exception):  # as above
    """The answer comes too late or for another run: the step was fenced, answered already, or is not known here. Nothing was done."""


class BarrierBroken(Exception):  # as above
    """A handler ended the transaction it was given (a COMMIT or ROLLBACK of its own). Nothing can be said of the effect: no reply."""


class Unavailable(Exception):  # as above
    """The participant's database cannot be reached or is too busy: nothing happened, the command is tried again."""


class SessionLost(Unavailable):
    """As above, but a handler had been run when the session ended: it may be its own doing, so this is not tried for ever."""
