"""What a handler may answer besides its reply: `Rejected` is a no, `Failed` is not now,
`InProgress` is later.

Messages go to the coordinator and are shown to people. The service's author writes them, and they
must hold no personal data. Everything is checked where it is made: a mistake shows in the author's
own line and tests.
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
    """`Rejected`, `Failed` or `InProgress` was given what it does not take.

    The text holds no given value.
    """

    def __init__(self, owner: str, text: str) -> None:
        super().__init__(f"{owner}: {text}")
        self.without_effect = owner in (Rejected.__name__, Failed.__name__)
        """Whether the outcome that could not be made says that the handler had no effect."""


class Rejected(Exception):  # a participant's "no" is an answer and reads like one
    """A definite business no: it is remembered, without effect and never retried.

    What the handler did is rolled back. Raise it or return it.

    Args:
        code: For programs, and stable: 1 to 128 of `A-Z a-z 0-9 _ . -`, or an enum whose value is
            such a text.
        message: For people. What is longer than 1,024 characters is cut.

    Raises:
        TypeError: An argument is of another kind. It is a ValueError too.

    Example:
        ```python
        raise Rejected("over_limit", "the card's limit is 500")
        ```
    """

    def __init__(self, code: str | Enum, message: str = "") -> None:
        self.code = _code("Rejected", code)
        self.message = _text("Rejected", "message", message)
        super().__init__(f"{self.code}: {message}" if message else self.code)


class Failed(Exception):  # as above
    """A technical failure with a code of its own: this attempt had no effect, and is retried.

    Any other exception of a handler with a `db` is one too, with its class name as code.

    Args:
        code: As in `Rejected`.
        message: As in `Rejected`.
        retry_after: Not before this time is over. More than a day counts as a day. None leaves it
            to the definition.

    Raises:
        TypeError: An argument is of another kind. It is a ValueError too.

    Example:
        ```python
        raise Failed("bank_down", retry_after=timedelta(seconds=30))
        ```
    """

    def __init__(self, code: str | Enum, message: str = "", retry_after: timedelta | None = None) -> None:
        self.code = _code("Failed", code)
        self.message = _text("Failed", "message", message)
        self.retry_after = None if retry_after is None else _duration("Failed", "retry_after", retry_after)
        super().__init__(f"{self.code}: {message}" if message else self.code)


@dataclass(frozen=True, slots=True)
class InProgress:
    """What an action returns that is answered later, by `Participant.answering(step.ref)`.

    When the lease is over without an answer, the next command of the step hands the action's
    command to the handler again, with `Step.resumed`.

    Args:
        note: For people: what is waited for. What is longer than 1,024 characters is cut.
        lease: How long the answer is waited for. Ten years at most.

    Raises:
        TypeError: An argument is of another kind. It is a ValueError too.

    Example:
        ```python
        return InProgress("waiting for the bank", lease=timedelta(hours=1))
        ```
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
    """An answer or progress comes too late or for another run. Nothing was done.

    The step was fenced, was answered already, or is not known here.
    """


class BarrierBroken(Exception):  # as above
    """A handler ended the transaction it was given, by a COMMIT or ROLLBACK of its own.

    Nobody knows its effect, so there is no reply.
    """


class Unavailable(Exception):  # as above
    """The participant's database cannot be reached or is too busy. Try again."""


class SessionLost(Unavailable):
    """The database's session ended after a handler had been run.

    The handler may be the cause: retries are limited.
    """
