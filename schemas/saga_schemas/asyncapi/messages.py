"""The messages of an AsyncAPI document: headers, payload, correlation and Kafka bindings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from saga_schemas.asyncapi.avro_document import avro_document
from saga_schemas.asyncapi.contracts import ANSWERS, CommandContract, StartContract
from saga_schemas.headers import names as h
from saga_schemas.headers.header_table import ANNOUNCEMENT, ANSWER, COMMAND, EVENT, REPLY, START, MessageKind, rows_of
from saga_schemas.inbound.payload import CARRIES
from saga_schemas.outcomes import AnnouncementKind, Kind, Outcome
from saga_schemas.records import Empty, HorizonHeard, HorizonRecord, SagaEvent, Sweep, SweptRows, own_schema
from saga_schemas.schema import Schema

Json = dict[str, Any]

AVRO_FORMAT: Final = "application/vnd.apache.avro;version=1.9.0"
BINDING_VERSION: Final = "0.5.0"
CORRELATION: Final = "saga"
RESOLVE: Final = "resolve"
EVENT_NAME: Final = "event"
SCHEMA_NAME: Final = "schema"
DEAD_LETTER: Final = "deadLetter"

_MEANINGS: Final[Mapping[Outcome, str]] = {
    Outcome.SUCCEEDED: "The effect is committed, now or before.",
    Outcome.REJECTED: "A definite no for business reasons, remembered, without effect.",
    Outcome.FAILED: "This attempt had no effect: it is asked again.",
    Outcome.IN_PROGRESS: "Accepted: the answer comes later.",
    Outcome.FENCED: "It never ran and never will.",
    Outcome.UNDONE: "The effect was undone, now or before.",
    Outcome.NOTHING_TO_UNDO: "There was no effect and there never will be.",
    Outcome.EXPIRED: "Too old to be accepted: undecided.",
    Outcome.UNSUPPORTED: "Unknown kind, record or protocol version.",
}


class Components:
    """Collects the messages and schemas that a document refers to."""

    def __init__(self) -> None:
        self.messages: Json = {}
        self.schemas: Json = {}

    def document(self) -> Json:
        """The `components` of the document, in the order of their names."""
        return {
            "messages": dict(sorted(self.messages.items())),
            "schemas": dict(sorted(self.schemas.items())),
            "correlationIds": {
                CORRELATION: {
                    "description": "The saga. A reply names its command by `ce_causationid`.",
                    "location": f"$message.header#/{h.CORRELATION}",
                }
            },
        }

    def command(self, contract: CommandContract) -> str:
        """The message of one command record; its name."""
        about = "Do it." if contract.kind is Kind.ACTION else "Undo what the action of this run did."
        steps = f" Sent by {', '.join(contract.asked_by)}." if contract.asked_by else ""
        return self._avro(
            contract.name, COMMAND, about + steps, contract.command, {h.KIND: _const(contract.kind.value)}, key="the saga id"
        )

    def resolve(self) -> str:
        """The message that asks what became of an action; its name."""
        about = "Say whether the action was done; if it was not, it may never be done."
        return self._avro(RESOLVE, COMMAND, about, own_schema(Empty), {h.KIND: _const(Kind.RESOLVE.value)}, key="the saga id")

    def answers(self, kind: Kind, carried: Iterable[Schema | None]) -> list[str]:
        """The messages that may answer a command of that kind; their names.

        Args:
            kind: Of the command.
            carried: What its success carries; None: any record.
        """
        names: list[str] = []
        for outcome in ANSWERS[kind]:
            if outcome in CARRIES:
                names.append(self._reply(outcome, own_schema(CARRIES[outcome])))
            elif outcome is Outcome.SUCCEEDED and kind is Kind.COMPENSATION:
                names.append(self._reply(outcome, own_schema(Empty)))
            else:
                names += [self._reply(outcome, schema) for schema in carried]
        return names

    def announcement(self, kind: AnnouncementKind) -> tuple[str, str]:
        """The messages of an announcement and of its answer; their names."""
        if kind is AnnouncementKind.HORIZON:
            about, asked = (
                "Sagas below this time, but for some, are settled: what is remembered of them may go.",
                own_schema(HorizonRecord),
            )
            told, answer = "The horizon is remembered.", own_schema(HorizonHeard)
        else:
            about, asked = (
                "Tell a page of the barrier's rows, and answer nothing of a lower incarnation from now on.",
                own_schema(Sweep),
            )
            told, answer = "A page of the barrier's rows.", own_schema(SweptRows)
        own = {h.KIND: _const(kind.value)}
        return (
            self._avro(kind.value, ANNOUNCEMENT, about, asked, own, key="the kind"),
            self._avro(answer.full_name, ANSWER, told, answer, own, key="the kind"),
        )

    def start(self, contract: StartContract) -> str:
        """The message that starts a saga of one definition; its name."""
        about = f"Start a saga of {contract.definition}. The record key is the business key."
        version = {"type": "string", "pattern": f"^{contract.definition}(@[1-9][0-9]{{0,9}})?$"}
        key = "the business key; none where the definition computes it"
        return self._avro(f"start.{contract.definition}", START, about, contract.input, {h.DEFINITION: version}, key=key)

    def event(self) -> str:
        """The message that tells of a saga's life; its name."""
        about = "What happened to a saga: started, compensating, finished, attention."
        return self._avro(EVENT_NAME, EVENT, about, own_schema(SagaEvent), {}, key="the saga id")

    def schema(self) -> str:
        """The record of a registered schema; its name."""
        self.messages[SCHEMA_NAME] = {
            "name": SCHEMA_NAME,
            "summary": "A registered Avro schema as canonical JSON. No CloudEvent.",
            "contentType": "application/json",
            "headers": {"type": "object", "properties": {h.CONTENT_TYPE: {"const": "application/json"}}},
            "payload": {"type": "object"},
            "bindings": _binding({"type": "string", "pattern": "^[0-9a-f]{8}$", "description": "the schema's id"}),
        }
        return SCHEMA_NAME

    def dead_letter(self) -> str:
        """A record that could not be read; its name."""
        text = {"type": "string"}
        added = {"saga_dlq_reason": text, "saga_dlq_topic": text, "saga_dlq_partition": text, "saga_dlq_offset": text}
        self.messages[DEAD_LETTER] = {
            "name": DEAD_LETTER,
            "summary": "A record that could not be read: key, headers and value as they were, cut to bounds, and why.",
            "headers": {"type": "object", "properties": added, "required": list(added)},
            "bindings": _binding({"type": "string", "description": "as it was"}),
        }
        return DEAD_LETTER

    def _reply(self, outcome: Outcome, schema: Schema | None) -> str:
        name = outcome.value if outcome in CARRIES or schema is None else f"{outcome.value}.{schema.full_name}"
        return self._avro(name, REPLY, _MEANINGS[outcome], schema, {h.OUTCOME: _const(outcome.value)}, key="the saga id")

    def _avro(
        self, name: str, kind: MessageKind, summary: str, schema: Schema | None, own: Mapping[str, Json], *, key: str
    ) -> str:
        """A CloudEvent with an Avro value; without a schema the value is any record."""
        if schema is not None:
            own = {**own, h.TYPE: _const(schema.full_name)}
            self.schemas[schema.full_name] = {
                "schemaFormat": AVRO_FORMAT,
                "schema": avro_document(schema.document),
                "x-saga-schema-id": schema.id,
            }
        message: Json = {
            "name": name,
            "summary": summary,
            "contentType": h.AVRO,
            "headers": {"type": "object", "allOf": [_to_schema(self._headers(kind)), {"properties": dict(own)}]},
            "bindings": _binding({"type": "string", "description": key}),
        }
        if schema is not None:
            message["payload"] = _to_schema(schema.full_name)
        if kind in (COMMAND, REPLY, EVENT):
            message["correlationId"] = {"$ref": f"#/components/correlationIds/{CORRELATION}"}
        self.messages[name] = message
        return name

    def _headers(self, kind: MessageKind) -> str:
        """The schema of all headers of that kind of message; its name."""
        name = f"{kind.value}Headers"
        self.schemas.setdefault(name, header_schema(kind))
        return name


def header_schema(kind: MessageKind) -> Json:
    """JSON Schema of the headers of a kind of message, each as the text that it is."""
    properties: Json = {}
    for row in rows_of(kind):
        properties[row.name] = {**row.schema, "description": row.meaning}
        if row.also is not None:
            properties[row.also] = {"type": "string", "description": row.meaning}
    return {
        "type": "object",
        "properties": properties,
        "required": [row.name for row in rows_of(kind) if kind in row.required],
    }


def _const(value: str) -> Json:
    return {"const": value}


def _to_schema(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _binding(key: Json) -> Json:
    return {
        "kafka": {
            "key": key,
            "schemaIdLocation": "payload",
            "schemaIdPayloadEncoding": "confluent",
            "bindingVersion": BINDING_VERSION,
        }
    }
