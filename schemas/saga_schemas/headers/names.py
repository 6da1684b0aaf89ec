"""The names of the headers, and the values that are the same in every message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Header = tuple[str, bytes]
RawHeaders = Iterable[tuple[str, bytes | None]]
"""Headers as Kafka clients give them: the value of one that has none is None."""

SPECVERSION: Final = "ce_specversion"
ID: Final = "ce_id"
SOURCE: Final = "ce_source"
TYPE: Final = "ce_type"
TIME: Final = "ce_time"
SUBJECT: Final = "ce_subject"
CORRELATION: Final = "ce_correlationid"
CAUSATION: Final = "ce_causationid"
EXPIRY: Final = "ce_expirytime"
SEQUENCE: Final = "ce_sequence"
PROTOCOL: Final = "ce_sagaprotocol"
TENANT: Final = "ce_sagatenant"
KIND: Final = "ce_sagakind"
STEP: Final = "ce_sagastep"
RUN: Final = "ce_sagarun"
ATTEMPT: Final = "ce_sagaattempt"
INCARNATION: Final = "ce_sagaincarnation"
VERSION: Final = "ce_sagaversion"
DEFINITION_HASH: Final = "ce_sagadef"
DEFINITION: Final = "ce_sagadefinition"
LABELS: Final = "ce_sagalabels"
START_AT: Final = "ce_sagastartat"
ROW_RUN: Final = "ce_sagarowrun"
OUTCOME: Final = "ce_sagaoutcome"
SEQ: Final = "ce_sagaseq"
TAKEN: Final = "ce_sagatakentime"
HANDLER: Final = "ce_sagahandlerus"
TOKEN: Final = "ce_sagatoken"
CONTENT_TYPE: Final = "content-type"
ORIGIN: Final = "ce_traceparent"
"""Of a start: the caller's, where it has no `traceparent`."""
ORIGIN_TRACESTATE: Final = "ce_tracestate"
"""Of a start only."""
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"
SCHEMA_ID: Final = "__value_schema_id"

KNOWN: Final = frozenset(
    {SPECVERSION, ID, SOURCE, TYPE, TIME, SUBJECT, CORRELATION, CAUSATION, EXPIRY, SEQUENCE, PROTOCOL, TENANT, KIND, STEP, RUN}
    | {ATTEMPT, INCARNATION, VERSION, DEFINITION_HASH, DEFINITION, ROW_RUN, OUTCOME, SEQ, TOKEN, LABELS, START_AT, CONTENT_TYPE}
)
"""What a bad value refuses the message for."""
TRACE: Final = frozenset({ORIGIN, ORIGIN_TRACESTATE, TRACEPARENT, TRACESTATE, BAGGAGE})
"""Tracing never refuses work: a bad value of these is passed over."""
TIMING: Final = frozenset({TAKEN, HANDLER})
"""What a participant says of its own time. It is for people alone, so it never refuses work either.
"""
PASSED_OVER: Final = TRACE | TIMING
"""What a bad value is passed over for: it is read as if the header were not there."""

SPECVERSION_1: Final = "1.0"
PROTOCOL_1: Final = "1"
AVRO: Final = "application/avro"
CONSTANT: Final[tuple[Header, ...]] = (
    (SPECVERSION, SPECVERSION_1.encode()),
    (CONTENT_TYPE, AVRO.encode()),
    (PROTOCOL, PROTOCOL_1.encode()),
)
"""The headers that every message begins with."""
