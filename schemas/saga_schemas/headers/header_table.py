"""The table of headers as data: who carries which header, in what form, and what it means.

AsyncAPI documents are made from it. The page docs/wire.md tells more of each; a test compares the
two. The readers beside this file are written by hand: they are fast, and say more of what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from saga_schemas import limits
from saga_schemas.headers import names as h
from saga_schemas.ids import DECIMAL, NAME, SAGA_ID, STEP
from saga_schemas.outcomes import AnnouncementKind, Kind, Outcome


class MessageKind(Enum):
    """The kinds of message, by the word for them in prose."""

    START = "start"
    COMMAND = "command"
    REPLY = "reply"
    EVENT = "event"
    ANNOUNCEMENT = "announcement"
    ANSWER = "answer"
    """To an announcement."""


START, COMMAND, REPLY, EVENT, ANNOUNCEMENT, ANSWER = MessageKind
ALL: Final = frozenset(MessageKind)
_NONE: Final[frozenset[MessageKind]] = frozenset()

JsonSchema = Mapping[str, Any]


def _pattern(pattern: str) -> JsonSchema:
    return {"type": "string", "pattern": f"^({pattern})$"}


_TEXT: Final[JsonSchema] = {"type": "string", "minLength": 1, "maxLength": limits.TEXT_CHARS}
_TIME: Final[JsonSchema] = {"type": "string", "format": "date-time"}
_NUMBER: Final = _pattern("[1-9][0-9]{0,9}")
_LONG: Final = _pattern(DECIMAL.pattern)
_TRACEPARENT: Final = _pattern("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderRow:
    """One row of the table."""

    name: str
    required: frozenset[MessageKind] = _NONE
    optional: frozenset[MessageKind] = _NONE
    schema: JsonSchema = field(default_factory=lambda: _TEXT)
    """JSON Schema of its text."""
    meaning: str
    """In Markdown."""
    also: str | None = None
    """A second header that shares the row; its form is any text."""

    def mark(self, kind: MessageKind) -> str:
        """How the table shows whether that kind of message has it."""
        return "✓" if kind in self.required else "(✓)" if kind in self.optional else ""


_IN_WORK: Final = frozenset({COMMAND, REPLY})
_ABOUT_A_SAGA: Final = frozenset({COMMAND, REPLY, EVENT})
_OF_A_SAGA: Final = frozenset({START, *_ABOUT_A_SAGA})
_ASKED_OR_ANSWERED: Final = frozenset({*_IN_WORK, ANNOUNCEMENT, ANSWER})

ROWS: Final = (
    HeaderRow(name=h.SPECVERSION, required=ALL, schema={"const": h.SPECVERSION_1}, meaning="of CloudEvents"),
    HeaderRow(
        name=h.ID,
        required=ALL,
        meaning="of a start the request id, unique within its `ce_source`; of a command or event its place in the journal; of a reply or "
        "answer a random UUID; of an announcement its kind, its incarnation and a random UUID",
    ),
    HeaderRow(name=h.SOURCE, required=ALL, meaning="who wrote it"),
    HeaderRow(name=h.TYPE, required=ALL, meaning="full name of the Avro record in the value"),
    HeaderRow(name=h.TIME, required=ALL, schema=_TIME, meaning="when; a command's is the time by the coordinator's database"),
    HeaderRow(
        name=h.CONTENT_TYPE, optional=ALL, schema={"const": h.AVRO}, meaning="of the value, behind its five bytes of framing"
    ),
    HeaderRow(
        name=h.PROTOCOL,
        required=ALL,
        schema={"const": h.PROTOCOL_1},
        meaning="a command of another protocol is answered UNSUPPORTED, never ignored",
    ),
    HeaderRow(name=h.TENANT, required=ALL, meaning="`default` for now"),
    HeaderRow(
        name=h.DEFINITION,
        required=frozenset({START}),
        schema=_pattern(rf"{NAME.pattern}(@[1-9][0-9]{{0,9}})?"),
        meaning="`name` (its active version) or `name@version` (any that is registered)",
    ),
    HeaderRow(
        name=h.LABELS,
        optional=frozenset({START}),
        schema={"type": "string", "contentMediaType": "application/json"},
        meaning="labels to find the saga by, as a JSON object",
    ),
    HeaderRow(
        name=h.START_AT,
        optional=frozenset({START}),
        schema=_TIME,
        meaning="when the saga is to begin, at most 366 days ahead; a time that has passed: at once",
    ),
    HeaderRow(name=h.CORRELATION, required=_ABOUT_A_SAGA, schema=_pattern(SAGA_ID.pattern), meaning="the saga id"),
    HeaderRow(
        name=h.CAUSATION,
        required=frozenset({REPLY, ANSWER}),
        optional=frozenset({START, COMMAND, EVENT}),
        meaning="the `ce_id` of the message that caused this one: of a reply or answer of what it answers, of a command or event the "
        "start's or the reply's; absent where a timer, a person or a restore caused it",
    ),
    HeaderRow(
        name=h.SUBJECT, required=_IN_WORK, schema=_pattern(f"{SAGA_ID.pattern}/{STEP.pattern}"), meaning="`<saga id>/<step>`"
    ),
    HeaderRow(
        name=h.KIND,
        required=_ASKED_OR_ANSWERED,
        schema={"enum": [kind.value for kind in (*Kind, *AnnouncementKind)]},
        meaning="what is asked; a command with any other text is answered UNSUPPORTED",
    ),
    HeaderRow(name=h.STEP, required=_IN_WORK, schema=_pattern(STEP.pattern), meaning="the step"),
    HeaderRow(name=h.RUN, required=_IN_WORK, schema=_NUMBER, meaning="the epoch of the idempotency key"),
    HeaderRow(name=h.ATTEMPT, required=_IN_WORK, schema=_NUMBER, meaning="delivery number of this run and kind, from 1"),
    HeaderRow(
        name=h.INCARNATION,
        required=_ASKED_OR_ANSWERED,
        schema=_NUMBER,
        meaning="the incarnation of the coordinator's database; it rises after a restore from a backup",
    ),
    HeaderRow(name=h.VERSION, required=_IN_WORK, schema=_NUMBER, meaning="the saga's version when the command was decided"),
    HeaderRow(
        name=h.TOKEN,
        required=_ASKED_OR_ANSWERED,
        schema=_pattern(f"[ -~]{{1,{limits.TOKEN_BYTES}}}"),
        meaning="proof that the coordinator issued the command or announcement; of a command opaque",
    ),
    HeaderRow(
        name=h.EXPIRY,
        required=frozenset({COMMAND}),
        schema=_TIME,
        meaning="a participant without a row refuses the command after this: EXPIRED",
    ),
    HeaderRow(
        name=h.DEFINITION_HASH, required=frozenset({COMMAND}), schema=_pattern("[0-9a-f]{64}"), meaning="hash of the definition"
    ),
    HeaderRow(
        name=h.OUTCOME,
        required=frozenset({REPLY}),
        schema={"enum": [outcome.value for outcome in Outcome]},
        meaning="what came of the command",
    ),
    HeaderRow(
        name=h.SEQ, optional=frozenset({REPLY}), schema=_LONG, meaning="with IN_PROGRESS only: rises with each piece of news"
    ),
    HeaderRow(
        name=h.ROW_RUN,
        optional=frozenset({REPLY}),
        schema=_NUMBER,
        meaning="with SUCCEEDED only: the run of the barrier's row where it is newer than the command's",
    ),
    HeaderRow(
        name=h.TAKEN,
        optional=frozenset({REPLY}),
        schema=_TIME,
        meaning="when the participant began with this command, by its own clock",
    ),
    HeaderRow(
        name=h.HANDLER,
        optional=frozenset({REPLY}),
        schema=_LONG,
        meaning="how long the handler took for this command, in microseconds; absent where none ran",
    ),
    HeaderRow(
        name=h.SEQUENCE,
        required=frozenset({EVENT}),
        schema=_pattern("[0-9]{1,19}"),
        meaning="rises within the saga; gaps are possible; padded with zeros, so that it sorts as text",
    ),
    HeaderRow(
        name=h.TRACEPARENT,
        also=h.TRACESTATE,
        optional=_OF_A_SAGA,
        schema=_TRACEPARENT,
        meaning="W3C Trace Context of this hop: replaced, never appended. A command's is its attempt's span, an event's the saga's root",
    ),
    HeaderRow(
        name=h.BAGGAGE,
        optional=frozenset({START, COMMAND}),
        schema={"type": "string", "maxLength": limits.BAGGAGE_CHARS},
        meaning="W3C Baggage; a start's goes on to the commands as far as the coordinator is told to pass it on",
    ),
    HeaderRow(
        name=h.ORIGIN,
        optional=_OF_A_SAGA,
        schema=_TRACEPARENT,
        meaning="the saga's origin: its root span. A start's is the caller's, and counts where there is no valid `traceparent`",
    ),
    HeaderRow(
        name=h.ORIGIN_TRACESTATE,
        optional=frozenset({START}),
        schema={"type": "string"},
        meaning="belongs to a start's `ce_traceparent`",
    ),
)
"""In the order of docs/wire.md."""


def rows_of(kind: MessageKind) -> list[HeaderRow]:
    """The rows of the headers that this kind of message has, or may have."""
    return [row for row in ROWS if row.mark(kind)]
