"""One whole check: finds the schemas, opens the line, waits for the participant and plays the
cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

from saga_cli.conformance.bench import Outside
from saga_cli.conformance.case import Case, Result
from saga_cli.conformance.findings import Deviation
from saga_cli.conformance.given import Given
from saga_cli.conformance.line import Line, Sideways
from saga_cli.conformance.messages import MADE_UP, Ask, Composer, Place, resolve
from saga_cli.conformance.runner import play_all
from saga_cli.conformance.stage import Stage
from saga_cli.exits import CommandFailed, ExitCode
from saga_messaging.broker import Broker, BrokerError, Outgoing, Record
from saga_messaging.whole_topic import read_whole
from saga_schemas.catalog import Catalog
from saga_schemas.errors import EncodingFailed, PlainInvalid, SchemaRefused
from saga_schemas.outcomes import Kind
from saga_schemas.published import HEADERS, schema_key
from saga_schemas.records import OWN
from saga_schemas.schema import Schema
from saga_schemas.topics import Topics

READ_LIMIT_S: Final = 20.0


async def check(
    broker: Broker,
    topics: Topics,
    given: Given,
    cases: Sequence[Case],
    *,
    schemas: Iterable[Schema] | None = None,
    sideways: Sideways | None = None,
    outside: Outside | None = None,
    beside_coordinator: bool = False,
    told: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Play the cases against the participant that serves these topics.

    Args:
        broker: Where its topics are. It is started and stopped by the caller.
        topics: Their names.
        given: The participant, the bodies, the limits.
        cases: What to play.
        schemas: Those of its commands and replies; None: they stand on the topic of schemas.
        sideways: Sends with codecs and to partitions.
        outside: Kills, starts and counts effects.
        beside_coordinator: Whether to play although a coordinator is at home on these topics.
        told: Called with each result as soon as it is known.

    Raises:
        CommandFailed: A coordinator is there, a schema is not to be found, or nobody answers.
        BrokerError: Kafka cannot be used.
    """
    if not beside_coordinator:
        await _alone(broker, topics)
    await broker.ensure_topics([topics.schemas], compacted=True)
    catalog = Catalog(OWN)
    for schema in await _published(broker, topics) if schemas is None else schemas:
        catalog.add(schema)
    composer = Composer(given=given, catalog=catalog)
    _try_bodies(composer)
    line = Line(broker=broker, topics=topics, participant=given.participant, sideways=sideways)
    async with line.opened():
        stage = Stage(given=given, composer=composer, line=line, outside=outside)
        await publish(line, [schema for schema in catalog if OWN.by_id(schema.id) is None])
        await _until_it_answers(stage)
        return await play_all(stage, cases, told)


async def _alone(broker: Broker, topics: Topics) -> None:
    """A check fills the participant's database, and a coordinator would make dead letters of the
    replies: neither may happen to a system at work.
    """
    if (await broker.partitions([topics.start]))[topics.start]:
        raise CommandFailed(
            f"a coordinator uses these topics ({topics.start} is there): start the participant with a topic prefix and a "
            "database of its own, and give the prefix here; or say --beside-coordinator",
            ExitCode.REFUSED,
        )


async def publish(line: Line, schemas: Iterable[Schema]) -> None:
    """Write schemas to the topic of schemas, as the coordinator does."""
    topic = line.topics.schemas
    await line.send(
        [Outgoing(topic=topic, key=schema_key(schema.id), value=schema.canonical, headers=HEADERS) for schema in schemas]
    )


async def _published(broker: Broker, topics: Topics) -> list[Schema]:
    found: list[Schema] = []

    def take(record: Record) -> None:
        try:
            schema = Schema.parse_json(record.value or b"")
        except SchemaRefused:
            return
        if record.key == schema_key(schema.id) and MADE_UP not in schema.document:
            found.append(schema)

    await read_whole(broker, topics.schemas, take, limit_s=READ_LIMIT_S)
    return found


def _try_bodies(composer: Composer) -> None:
    """Each body fits its schema."""
    place = Place(saga_id=UUID(int=0), unique="check", attempt=1, version=1, now_us=0, reply={})
    for part, body in composer.given.bodies.items():
        if composer.catalog.latest(body.record) is None:
            problem = f"no schema of {body.record}: --schemas names a directory with {body.record}.avsc"
            raise CommandFailed(problem, ExitCode.USAGE)
        try:
            composer.value(Ask(kind=Kind.ACTION, part=part), place)
        except (PlainInvalid, EncodingFailed) as unfit:
            raise CommandFailed(f"--{part.value}: {unfit}", ExitCode.USAGE) from None


async def _until_it_answers(stage: Stage) -> None:
    """The participant may be starting: ask again until it answers for the first time."""
    saga = stage.saga()
    command = saga.command(resolve())
    try:
        await saga.send(command)
        if await stage.line.until(lambda: saga.replies or None, stage.patience.start_s) is not None:
            return
    except (BrokerError, Deviation) as error:
        raise CommandFailed(f"Kafka: {error}", ExitCode.NO_SERVER) from None
    raise CommandFailed(
        f"nobody answered on {stage.line.topics.reply(stage.given.participant)} within {stage.patience.start_s:g} s: "
        f"does {stage.given.participant} run, on this Kafka and with this topic prefix?",
        ExitCode.NO_SERVER,
    )
