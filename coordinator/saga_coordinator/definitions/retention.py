"""How long what is finished is kept: terms of the settings, of a definition, and what is due when.

Pure. Times are milliseconds where they say how long, microseconds since 1970 where they say when.
`FOREVER` is longer than anything else, so terms compare as numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from saga_coordinator.definitions.document import Document, Kept, RetentionPolicy
from saga_coordinator.definitions.fields import NEVER, duration_text, parsed_duration

FOREVER: Final = 2**62


class Shelf(IntEnum):
    """What is known of a finished saga when it comes to how long it is kept."""

    USUAL = 0
    MARKED = 1
    """It ended FORCED, or needed a person at some time: it is kept longer."""
    STRIPPED = 2
    """A usual one whose journal was removed before the saga."""


Action = Literal["strip", "remove"]
"""`strip`: the journal is removed and the saga stays. `remove`: all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long, from a saga's end on, its parts are kept. All in milliseconds."""

    sagas_ms: int
    journals_ms: int
    """Never longer than the saga."""
    keys_ms: int
    """Of request ids and business keys; never shorter than the saga."""
    marked_ms: int
    """Of sagas that ended FORCED or needed a person: at least as long as others, with journal."""

    @classmethod
    def of(cls, sagas_ms: int, journals_ms: int | None, keys_ms: int | None, marked_ms: int) -> Terms:
        """Terms that fit each other. None is as long as the saga."""
        return cls(
            sagas_ms=sagas_ms,
            journals_ms=sagas_ms if journals_ms is None else min(journals_ms, sagas_ms),
            keys_ms=sagas_ms if keys_ms is None else max(keys_ms, sagas_ms),
            marked_ms=max(marked_ms, sagas_ms),
        )

    def with_policy(self, policy: RetentionPolicy | None) -> Terms:
        """These terms where a definition does not say its own.

        Journals and keys that are kept as long as their saga are so by its own terms, too.
        """
        if policy is None:
            return self
        return Terms.of(
            self.sagas_ms if policy.sagas is None else kept_ms(policy.sagas),
            _or(policy.journals, None if self.journals_ms == self.sagas_ms else self.journals_ms),
            _or(policy.keys, None if self.keys_ms == self.sagas_ms else self.keys_ms),
            self.marked_ms if policy.attention is None else kept_ms(policy.attention),
        )

    def next_step(self, shelf: Shelf) -> tuple[Action, int]:
        """What is done next with a finished saga, and how long after its end."""
        if shelf is Shelf.MARKED:
            return "remove", self.marked_ms
        if shelf is Shelf.USUAL and self.journals_ms < self.sagas_ms:
            return "strip", self.journals_ms
        return "remove", self.sagas_ms

    def keys_until_us(self, shelf: Shelf, closed_at_us: int) -> int | None:
        """Until when keys outlive a saga that is removed by these terms; None: they go with it.

        FOREVER: without end.
        """
        kept_ms = self.marked_ms if shelf is Shelf.MARKED else self.sagas_ms
        if self.keys_ms <= kept_ms:
            return None
        return due_us(closed_at_us, self.keys_ms)


def due_us(closed_at_us: int, kept_ms: int) -> int:
    """When something is due that is kept for so long after an end."""
    return FOREVER if kept_ms >= FOREVER else closed_at_us + kept_ms * 1000


def _or(own: Kept | None, other: int | None) -> int | None:
    return other if own is None else kept_ms(own)


def kept_ms(kept: Kept) -> int:
    """A term of a definition in milliseconds."""
    return FOREVER if kept == NEVER else int(kept)


def read_kept(text: str) -> int:
    """A term as settings say it: `30d`, or `0` or `never` where nothing is removed.

    Raises ValueError.
    """
    if text in ("0", NEVER):
        return FOREVER
    milliseconds = parsed_duration(text)
    if milliseconds is None:
        raise ValueError("write a whole number with a unit (30d, 12h, 5m, 1s), or never")
    return milliseconds or FOREVER


def kept_text(milliseconds: int) -> str:
    """The shortest spelling of a term."""
    return NEVER if milliseconds >= FOREVER else duration_text(milliseconds)


def longest_expiry_ms(document: Document) -> int:
    """How long a command of this definition may be accepted after it was sent."""
    return max(step.timeout.expiry_ms for step in document.steps)


def too_short(documents: Iterable[Document], terms: Terms) -> str | None:
    """A sentence about a definition whose sagas would be removed before their commands expire.

    None: there is none.
    """
    for document in documents:
        own, expiry_ms = terms.with_policy(document.retention), longest_expiry_ms(document)
        if own.sagas_ms < expiry_ms:
            return (
                f"sagas of {document.saga}@{document.version} would be kept for {kept_text(own.sagas_ms)}, and their commands"
                f" may be accepted for {duration_text(expiry_ms)} (timeout.expiry): keep them at least that long"
            )
    return None
