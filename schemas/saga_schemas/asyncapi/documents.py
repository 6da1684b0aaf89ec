"""Puts AsyncAPI documents together: channels and operations around the messages.

An operation is seen from the application that the document describes. What a coordinator sends, its
participant receives: the same names, the other direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from saga_schemas.asyncapi.contracts import CommandContract, StartContract, merged
from saga_schemas.asyncapi.messages import BINDING_VERSION, Components, Json
from saga_schemas.headers import names as h
from saga_schemas.outcomes import AnnouncementKind, Kind
from saga_schemas.topics import Topics

ASYNCAPI: Final = "3.0.0"
_SEND, _RECEIVE = "send", "receive"
_READ_THE_WIRE: Final = (
    "Messages are CloudEvents 1.0 in Kafka's binary mode. A value is a zero byte, the schema's id in four bytes, and Avro. "
    "Header values are UTF-8. What each message means is told in docs/wire.md."
)


def participant_document(
    name: str, contracts: Iterable[CommandContract], *, topics: Topics | None = None, version: str = h.PROTOCOL_1
) -> Json:
    """What one participant reads and writes.

    Args:
        name: The participant's name.
        contracts: The commands that it takes.
        topics: The installation's topics; None: without a prefix.
        version: Of the described application.
    """
    draft = _Draft(topics or Topics())
    draft.work(name, merged(contracts), asks=_RECEIVE)
    draft.schemas(_RECEIVE)
    draft.dead_letters(name)
    return draft.document(f"Participant {name}", f"A participant of sagas. {_READ_THE_WIRE}", version)


def coordinator_document(
    participants: Mapping[str, Iterable[CommandContract]],
    starts: Iterable[StartContract],
    *,
    topics: Topics | None = None,
    version: str = h.PROTOCOL_1,
) -> Json:
    """What a coordinator reads and writes.

    Args:
        participants: The commands that each participant is sent, by its name.
        starts: The definitions that can be started.
        topics: The installation's topics; None: without a prefix.
        version: Of the described application.
    """
    draft = _Draft(topics or Topics())
    draft.starts(starts)
    for name, contracts in sorted(participants.items()):
        draft.work(name, merged(contracts), asks=_SEND)
    draft.events()
    draft.schemas(_SEND)
    for consumer in ("replies", "starts"):
        draft.dead_letters(consumer)
    return draft.document("Saga coordinator", f"Runs sagas over its participants. {_READ_THE_WIRE}", version)


class _Draft:
    """A document while it grows."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._components = Components()
        self._channels: Json = {}
        self._operations: Json = {}

    def document(self, title: str, description: str, version: str) -> Json:
        return {
            "asyncapi": ASYNCAPI,
            "info": {"title": title, "version": version, "description": description},
            "defaultContentType": h.AVRO,
            "channels": self._channels,
            "operations": self._operations,
            "components": self._components.document(),
        }

    def work(self, participant: str, contracts: list[CommandContract], *, asks: str) -> None:
        """The two topics of a participant, and one operation for each command or announcement, with
        its answers.
        """
        commands, replies = f"commands.{participant}", f"replies.{participant}"
        asked = {contract.name: self._components.command(contract) for contract in contracts}
        answers = {contract.name: self._components.answers(contract.kind, contract.carried) for contract in contracts}
        told = {carried: None for contract in contracts if contract.kind is Kind.ACTION for carried in contract.carried}
        if told:
            resolve = self._components.resolve()
            asked[resolve], answers[resolve] = resolve, self._components.answers(Kind.RESOLVE, told)
        for kind in AnnouncementKind:
            announced, answer = self._components.announcement(kind)
            asked[announced], answers[announced] = announced, [answer]
        self._channel(commands, self._topics.command(participant), f"Commands to {participant}.", asked.values())
        self._channel(
            replies,
            self._topics.reply(participant),
            f"What {participant} answers.",
            (one for each in answers.values() for one in each),
        )
        group = _group(self._topics.command_group(participant)) if asks == _RECEIVE else None
        for name, message in asked.items():
            self._operation(f"{participant}.{name}", asks, commands, [message], bindings=group)
            self._operations[f"{participant}.{name}"]["reply"] = {
                "channel": _to_channel(replies),
                "messages": [_to_message(replies, answer) for answer in answers[name]],
            }

    def starts(self, contracts: Iterable[StartContract]) -> None:
        newest = {contract.definition: contract for contract in contracts}
        messages = [self._components.start(contract) for _, contract in sorted(newest.items())]
        self._channel("starts", self._topics.start, "Requests to start a saga. There is no topic for answers.", messages)
        if messages:
            self._operation("start", _RECEIVE, "starts", messages)

    def events(self) -> None:
        event = self._components.event()
        self._channel("events", self._topics.events, "What happens to sagas, for anyone.", [event])
        self._operation("event", _SEND, "events", [event])

    def schemas(self, action: str) -> None:
        message = self._components.schema()
        topic = {"partitions": 1, "topicConfiguration": {"cleanup.policy": ["compact"]}}
        self._channel("schemas", self._topics.schemas, "Every registered schema by its id.", [message], **topic)
        self._operation("schema", action, "schemas", [message])

    def dead_letters(self, consumer: str) -> None:
        channel = f"deadLetters.{consumer}"
        message = self._components.dead_letter()
        self._channel(channel, self._topics.dlq(consumer), "Records that could not be read, for people.", [message])
        self._operation(channel, _SEND, channel, [message])

    def _channel(self, name: str, topic: str, description: str, messages: Iterable[str], **binding: Any) -> None:
        self._channels[name] = {
            "address": topic,
            "description": description,
            "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
            "bindings": {"kafka": {"topic": topic, **binding, "bindingVersion": BINDING_VERSION}},
        }

    def _operation(self, name: str, action: str, channel: str, messages: list[str], *, bindings: Json | None = None) -> None:
        self._operations[name] = {
            "action": action,
            "channel": _to_channel(channel),
            "summary": self._components.messages[messages[0]]["summary"] if len(messages) == 1 else "One of these.",
            "messages": [_to_message(channel, message) for message in messages],
        }
        if bindings is not None:
            self._operations[name]["bindings"] = bindings


def _group(group: str) -> Json:
    return {"kafka": {"groupId": {"type": "string", "enum": [group]}, "bindingVersion": BINDING_VERSION}}


def _to_channel(name: str) -> Json:
    return {"$ref": f"#/channels/{name}"}


def _to_message(channel: str, message: str) -> Json:
    return {"$ref": f"#/channels/{channel}/messages/{message}"}
