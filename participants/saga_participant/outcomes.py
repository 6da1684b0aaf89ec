"""What a handler may say besides its reply: no (`Rejected`), not now (`Failed`), later (`InProgress`).

Messages are sent to the coordinator and shown to people: they are written by the service's author and must hold no personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

DEFAULT_LEASE: Final = timedelta(minutes=10)


class Rejected(Exception):  # a participant's "no" is an answer and reads like one
    """A definite business no: remembered, without effect, never retried. What the handler did is rolled back.

    `code` is stable and for programs (`over_limit`), `message` for people.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


class Failed(Exception):  # as above
    """A technical failure with a code of its own: this attempt had no effect, the coordinator asks again as the definition says.

    Any other exception is one too, with its class name as code. `retry_after` asks for patience, at most a day.
    """

    def __init__(self, code: str, message: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class InProgress:
    """What an action returns that will be answered later, through `Participant.answering(step.ref)`.

    When the lease is over without an answer, the next command of the step hands the action's command to the handler again.
    """

    note: str = ""
    lease: timedelta = DEFAULT_LEASE


class AnswerRefused(Exception):  # as above
    """The answer comes too late or for another run: the step was fenced, answered already, or is not known here. Nothing was done."""


class BarrierBroken(Exception):  # as above
    """A handler ended the transaction it was given (a COMMIT or ROLLBACK of its own). Nothing can be said of the effect: no reply."""


class Unavailable(Exception):  # as above
    """The participant's database cannot be reached or is too busy: nothing happened, the command is tried again."""
