"""Schemas by subject, as a Confluent registry tells of them.

A subject is what the table `schema` says: a record's full name, or the name that `saga schema add
--subject` gave. The protocol's own records stand beside them. Two other names lead to the same
schemas, so that clients find them by the strategy that they are set to:

- `<topic>-<record>` (TopicRecordNameStrategy), of every topic of ours;
- `<topic>-value` (TopicNameStrategy), of `saga.events`, the one topic with a single record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from saga_coordinator.store.port import SchemaRow
from saga_schemas.records import OWN, SagaEvent
from saga_schemas.topics import Topics

DEFAULT_CONTEXT = ":.:"
"""What may stand before a subject; other contexts do not exist here."""
_VALUE = "-value"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectVersion:
    """One schema under one subject."""

    subject: str
    version: int
    id: int
    document: bytes


class Subjects:
    """All subjects at one moment."""

    def __init__(self, rows: Iterable[SchemaRow], topics: Topics) -> None:
        self._topics = topics
        self._events = topics.events + _VALUE
        self._by_subject: dict[str, tuple[SubjectVersion, ...]] = {}
        events = [replace(one, subject=self._events) for one in _own() if one.subject == SagaEvent.avro_name]
        for one in sorted((*stored_and_own(rows), *events), key=lambda one: (one.subject, one.version)):
            self._by_subject[one.subject] = (*self._by_subject.get(one.subject, ()), one)

    def names(self) -> list[str]:
        """Every subject, sorted."""
        return list(self._by_subject)

    def versions(self, subject: str) -> tuple[SubjectVersion, ...]:
        """The versions of a subject, oldest first; none where there is no such subject."""
        name = subject.removeprefix(DEFAULT_CONTEXT)
        found = self._by_subject.get(name) or self._by_subject.get(self._record_of(name) or "", ())
        return tuple(replace(one, subject=name) for one in found)

    def lookup(self, subject: str, schema_id: int) -> SubjectVersion | None:
        """A schema as a serializer asks for it before it writes to a topic."""
        name = subject.removeprefix(DEFAULT_CONTEXT)
        found = self.of_id(schema_id) if self.takes_any(name) else self.versions(name)
        return next((replace(one, subject=name) for one in found if one.id == schema_id), None)

    def takes_any(self, subject: str) -> bool:
        """Whether it is `<topic>-value` of a topic of ours on which records of several kinds
        go."""
        name = subject.removeprefix(DEFAULT_CONTEXT)
        return name != self._events and name.endswith(_VALUE) and self._is_ours(name.removesuffix(_VALUE))

    def of_id(self, schema_id: int) -> list[SubjectVersion]:
        """Every subject that has this schema."""
        return [one for versions in self._by_subject.values() for one in versions if one.id == schema_id]

    def _record_of(self, name: str) -> str | None:
        """The record of `<topic>-<record>`. A record's name has no dash, so the last one parts
        them."""
        topic, dash, record = name.rpartition("-")
        return record if dash and self._is_ours(topic) else None

    def _is_ours(self, topic: str) -> bool:
        topics = self._topics
        return (
            topic in (topics.start, topics.events)
            or topics.participant_of_command(topic) is not None
            or topics.participant_of_reply(topic) is not None
        )


def stored_and_own(rows: Iterable[SchemaRow]) -> list[SubjectVersion]:
    """Each schema that there is, once: the protocol's, then the others by subject and version."""
    return [*_own(), *sorted(_stored(rows), key=lambda one: (one.subject, one.version))]


def _stored(rows: Iterable[SchemaRow]) -> Iterator[SubjectVersion]:
    for row in rows:
        if OWN.by_id(row.id) is None:
            yield SubjectVersion(subject=row.subject, version=row.version, id=row.id, document=row.document)


def _own() -> Iterator[SubjectVersion]:
    for schema in OWN:
        yield SubjectVersion(subject=schema.full_name, version=1, id=schema.id, document=schema.canonical)
