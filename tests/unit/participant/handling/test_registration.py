"""What is refused before the first command, and with which words."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

import saga_participant
from saga_messaging.errors import ConfigurationError
from saga_participant import Failed, InProgress, Participant, Rejected, Step, create_tables
from saga_participant.handling.handlers import Handle
from saga_participant.tables import missing_tables, upgrade_sql
from support.till.shop import SCHEMAS, GiveBack, Take, Taken, make_till


class Unknown(BaseModel):
    amount: int


def participant(**options: Any) -> Participant:
    return Participant("till", database="sqlite+aiosqlite://", schemas=SCHEMAS, **options)


def refused(match: str) -> Any:
    return pytest.raises(ConfigurationError, match=match)


def test_the_public_surface_is_this_and_no_more() -> None:
    assert saga_participant.__all__ == [
        "AnswerRefused",
        "Failed",
        "InProgress",
        "Participant",
        "Rejected",
        "Step",
        "Unavailable",
        "create_tables",
    ]
    assert all(hasattr(saga_participant, name) for name in saga_participant.__all__)


def test_a_plain_def_is_refused_with_the_reason() -> None:
    def take(command: Take, db: AsyncConnection) -> Taken:
        raise AssertionError

    with refused("plain def: it would block every other command"):
        participant().action(take)  # type: ignore[type-var]


def test_a_parameter_without_a_type_the_kit_can_give_is_refused() -> None:
    async def take(command: Take, retries: int) -> Taken:
        raise AssertionError

    with refused("parameter retries has no type the kit can give"):
        participant().action(take)


def test_a_handler_takes_one_command() -> None:
    async def none(db: AsyncConnection) -> Taken:
        raise AssertionError

    async def two(command: Take, other: Unknown) -> Taken:
        raise AssertionError

    for handler in (none, two):
        with refused("takes one command model"):
            participant().action(handler)


def test_one_transaction_has_one_connection() -> None:
    async def take(command: Take, db: AsyncConnection, session: AsyncSession) -> Taken:
        raise AssertionError

    with refused("asks for db twice"):
        participant().action(take)


def test_an_external_handler_has_no_db() -> None:
    async def take(command: Take, db: AsyncConnection) -> Taken:
        raise AssertionError

    with refused("external: it runs outside any transaction"):
        participant().action(external=True)(take)


def test_a_compensation_answers_at_once() -> None:
    async def give_back(command: GiveBack) -> InProgress:
        raise AssertionError

    with refused("a compensation answers at once"):
        participant().compensation(give_back)


def test_a_return_annotation_is_one_reply() -> None:
    async def take(command: Take) -> Taken | GiveBack:
        raise AssertionError

    with refused("one reply model, or None"):
        participant().action(take)


def test_a_withdrawn_handler_takes_the_command_and_answers_nothing() -> None:
    async def with_reply(command: Take, taken: Taken) -> None:
        raise AssertionError

    async def later(command: Take) -> InProgress:
        raise AssertionError

    async def answers(command: Take) -> Taken | None:
        raise AssertionError

    with refused("takes 2 models; @.withdrawn takes one command model"):
        participant().withdrawn(with_reply)
    for handler in (later, answers):
        with refused("has nothing to answer: it returns None, or raises where the work cannot be withdrawn"):
            participant().withdrawn(handler)
    with refused("@.withdrawn decorates a function; it has no options"):
        participant().withdrawn("pay")  # type: ignore[call-overload]


# --- handlers for many ----------------------------------------------------------------------------


async def of_one(command: Take, db: AsyncConnection) -> list[Taken]:
    raise AssertionError


async def of_two_lists(commands: list[Take], others: list[Unknown]) -> list[Taken]:
    raise AssertionError


async def of_no_list(db: AsyncConnection) -> list[Taken]:
    raise AssertionError


async def with_one_step(commands: list[Take], step: Step) -> list[Taken]:
    raise AssertionError


async def with_numbers(commands: list[Take], numbers: list[int]) -> list[Taken]:
    raise AssertionError


async def with_a_bare_list(commands: list, db: AsyncConnection) -> list[Taken]:  # type: ignore[type-arg]
    raise AssertionError


async def with_two_connections(commands: list[Take], db: AsyncConnection, session: AsyncSession) -> list[Taken]:
    raise AssertionError


async def with_two_replies(commands: list[Take]) -> list[Taken | GiveBack]:
    raise AssertionError


async def with_texts(commands: list[Take]) -> list[str]:
    raise AssertionError


async def with_a_bare_list_of_replies(commands: list[Take]) -> list:  # type: ignore[type-arg]
    raise AssertionError


async def answered_later(commands: list[Take]) -> list[Taken | InProgress]:
    raise AssertionError


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (of_one, "parameter command has no type the kit can give to a handler for many; it gives a list of the command's model"),
        (with_one_step, r"parameter step has no type the kit can give to a handler for many; .* list\[Step\]"),
        (with_numbers, "parameter numbers has no type the kit can give to a handler for many"),
        (with_a_bare_list, "parameter commands has no type the kit can give to a handler for many"),
        (of_two_lists, r"takes 2 lists of models; @.action\(many=True\) takes one list of a command model"),
        (of_no_list, "takes 0 lists of models"),
        (with_two_connections, "asks for db twice"),
        (with_two_replies, r"a list of one reply model, or list\[None\], with Rejected and Failed beside it in the list"),
        (with_texts, "a list of one reply model"),
        (with_a_bare_list_of_replies, "a list of one reply model"),
        (answered_later, "for many commands, which it answers at once; InProgress is for a handler of one command"),
    ],
)
def test_a_signature_that_is_not_for_many_is_refused(handler: Any, why: str) -> None:
    with refused(why):
        participant().action(many=True)(handler)


@pytest.mark.parametrize("annotation", [Taken, None, "list[Taken] | None", "tuple[Taken, ...]"])
def test_a_handler_for_many_returns_a_list(annotation: Any) -> None:
    async def take(commands: list[Take]) -> Any:
        raise AssertionError

    take.__annotations__["return"] = annotation
    with refused("the return annotation of a handler for many is a list"):
        participant().action(many=True)(take)


def test_a_handler_for_many_is_of_an_action_and_answers_at_once_from_its_transaction() -> None:
    async def take(commands: list[Take]) -> list[Taken]:
        raise AssertionError

    async def give_back(commands: list[GiveBack]) -> list[None]:
        raise AssertionError

    action, compensation, withdrawn = (getattr(participant(), name) for name in ("action", "compensation", "withdrawn"))
    with refused("cannot be external, which is outside any transaction"):
        action(many=True, external=True)(take)
    with refused("answers at once: there is no accepted work to be fenceable"):
        action(many=True, fenceable=True)(take)
    with refused("many is True or False"):
        action(many=2)(take)
    with refused("many=True is for actions; @.compensation is called for one command at a time"):
        compensation(many=True)(give_back)
    with refused("many=True is for actions; @.withdrawn is called for one command at a time"):
        withdrawn(many=True)(take)


def test_a_list_is_for_a_handler_for_many() -> None:
    async def take(commands: list[Take]) -> Taken:
        raise AssertionError

    async def with_steps(command: Take, steps: list[Step]) -> Taken:
        raise AssertionError

    made = participant()
    register: list[Any] = [made.action, made.action(), made.compensation, made.withdrawn, made.withdrawn()]
    for each in register:
        for handler in (take, with_steps):
            with refused(r"has no type the kit can give; .* lists of commands and of Step are for @.action\(many=True\)"):
                each(handler)


def test_what_a_handler_for_many_takes_and_gives_is_read_from_its_lists() -> None:
    async def take(commands: list[Take], db: asyncpg.Connection, steps: list[Step]) -> list[Taken | Rejected | Failed]:
        raise AssertionError

    async def take_only(commands: list[Take]) -> list[Taken]:
        raise AssertionError

    async def answer_nothing(commands: list[Take], db: AsyncSession) -> list[None]:
        raise AssertionError

    async def answer_no(commands: list[Take], db: AsyncConnection) -> list[Rejected | None]:
        raise AssertionError

    made = participant()
    for handler in (take, take_only, answer_nothing, answer_no):
        made.action(many=True)(handler)
    read = [(one.many, one.command, one.command_parameter, one.reply, one.step_parameter, one.handle) for one in made._handlers]
    assert read == [
        (True, Take, "commands", Taken, "steps", Handle.ASYNCPG),
        (True, Take, "commands", Taken, None, None),
        (True, Take, "commands", None, None, Handle.SESSION),
        (True, Take, "commands", None, None, Handle.CONNECTION),
    ]


# --- with the schemas -----------------------------------------------------------------------------


async def good(command: Take, db: AsyncConnection, step: Step) -> Taken:
    raise AssertionError


async def nothing(command: Take) -> None:
    raise AssertionError


async def undo(command: GiveBack) -> None:
    raise AssertionError


async def unknown(command: Unknown) -> None:
    raise AssertionError


async def wants_what_nobody_gives(command: GiveBack, reply: Taken) -> None:
    raise AssertionError


async def prepared(made: Participant) -> None:
    try:
        await made.prepare()
    finally:
        await made.close()


async def test_a_participant_without_handlers_is_refused() -> None:
    with refused("no handler"):
        await prepared(participant())


async def test_a_command_without_a_schema_is_refused() -> None:
    made = participant()
    made.action(unknown)
    with refused("Unknown"):
        await prepared(made)


async def test_a_reply_other_than_the_schema_says_is_refused() -> None:
    made = participant()
    made.action(nothing)
    with refused("returns nothing; the schema of till.Take says its reply is till.Taken"):
        await prepared(made)


async def test_a_reply_of_a_handler_for_many_is_compared_too() -> None:
    async def nothing_for_many(commands: list[Take]) -> list[None]:
        raise AssertionError

    made = participant()
    made.action(many=True)(nothing_for_many)
    with refused("returns nothing; the schema of till.Take says its reply is till.Taken"):
        await prepared(made)


async def test_two_handlers_of_one_command_are_refused() -> None:
    made = participant()
    made.action(good)
    made.action(good)
    with refused("both handle till.Take"):
        await prepared(made)


async def test_a_compensation_that_takes_a_reply_nobody_gives_is_refused() -> None:
    made = participant()
    made.compensation(wants_what_nobody_gives)
    with refused("no action of this participant returns it"):
        await prepared(made)


async def test_a_withdrawn_handler_needs_an_action_of_its_command() -> None:
    for others in ([], [undo]):
        made = participant()
        made.withdrawn(undo)
        made.action(good)
        for other in others:
            made.compensation(other)
        with refused("@.withdrawn takes the command of an action, and till.GiveBack is not the command of one here"):
            await prepared(made)


async def test_two_withdrawn_handlers_of_one_command_are_refused() -> None:
    made = participant()
    made.withdrawn(nothing)
    made.withdrawn(nothing)
    made.action(good)
    with refused("both handle till.Take"):
        await prepared(made)


async def test_a_withdrawn_handler_may_come_before_its_action_and_wants_asyncpg_as_any_other() -> None:
    async def withdrawn(command: Take, db: asyncpg.Connection) -> None:
        raise AssertionError

    made = participant()
    made.withdrawn(nothing)
    made.action(good)
    await prepared(made)
    made = participant()
    made.withdrawn(withdrawn)
    made.action(good)
    with refused("withdrawn wants the asyncpg connection"):
        await prepared(made)


async def test_a_folder_of_schemas_that_is_not_there_is_one_line() -> None:
    made = Participant("till", database="sqlite+aiosqlite://", schemas="nowhere/")
    made.action(good)
    with refused("nowhere"):
        await prepared(made)


@pytest.mark.parametrize("name", ["", "Till", "till/..", "t" * 64])
def test_a_name_that_cannot_be_a_topic_is_refused(name: str) -> None:
    with refused("a participant's name"):
        Participant(name, database="sqlite+aiosqlite://", schemas=SCHEMAS)


@pytest.mark.parametrize("url", ["nonsense", "oracle+nothing://x", "mysql+aiomysql://x/y"])
async def test_a_database_that_cannot_be_used_is_one_line_without_the_url(url: str) -> None:
    made = Participant("till", database=url, schemas=SCHEMAS)
    made.action(good)
    with refused("database") as caught:
        await prepared(made)
    assert "://" not in str(caught.value)


async def test_asyncpg_handlers_need_postgresql() -> None:
    made, _ = make_till(handle="asyncpg")
    with refused("wants the asyncpg connection"):
        await prepared(made)


async def test_a_missing_table_is_told_when_the_service_makes_its_own() -> None:
    made = participant(create_table=False)
    made.action(good)
    with refused("saga_barrier and saga_horizon is missing"):
        await prepared(made)


async def test_the_tables_are_made_by_a_function_and_by_a_migrations_text() -> None:
    engine = create_async_engine("sqlite+aiosqlite://")
    assert await missing_tables(engine) == ["saga_barrier", "saga_horizon"]
    await create_tables(engine)
    await create_tables(engine)
    assert await missing_tables(engine) == []
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE saga_barrier"))
        await create_tables(connection)
        await connection.execute(text("DROP TABLE saga_barrier"))
        for statement in upgrade_sql("sqlite").split(";"):
            await connection.exec_driver_sql(statement)
    assert await missing_tables(engine) == []
    await engine.dispose()
    assert "fillfactor" in upgrade_sql("postgresql")


async def test_tables_of_an_earlier_release_are_brought_up_to_date() -> None:
    engine = create_async_engine("sqlite+aiosqlite://")
    await create_tables(engine)
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE saga_horizon"))
        await connection.execute(text("ALTER TABLE saga_barrier DROP COLUMN definition_hash"))
    assert await missing_tables(engine) == ["saga_barrier.definition_hash", "saga_horizon"]
    await create_tables(engine)
    assert await missing_tables(engine) == []
    await engine.dispose()
    assert "ADD COLUMN IF NOT EXISTS definition_hash" in upgrade_sql("postgresql")


async def test_handlers_are_registered_before_it_is_served() -> None:
    made = participant()
    made.action(good)
    await made.prepare()
    try:
        with refused("register handlers before"):
            made.compensation(wants_what_nobody_gives)
        with refused("register handlers before"):
            made.withdrawn(nothing)
    finally:
        await made.close()


async def test_a_services_own_engine_is_left_as_it_was() -> None:
    engine = create_async_engine("sqlite+aiosqlite://")
    sync = engine.sync_engine

    def listening() -> list[int]:
        return [
            len(found) for found in (sync.dispatch.before_cursor_execute, sync.dispatch.commit, sync.pool.dispatch.invalidate)
        ]

    before = listening()
    till, _ = make_till(engine)
    first, second = await asyncio.gather(till.prepare(), till.prepare())
    assert first is second, "an answer is given while a start waits for the database"
    assert listening() == [each + 1 for each in before]
    other, _ = make_till(engine)
    await other.prepare()
    await other.close()
    assert listening() == [each + 1 for each in before]
    await till.close()
    assert listening() == before
    till, _ = make_till(engine, handle="asyncpg")
    with refused("wants the asyncpg connection"):
        await till.prepare()
    assert listening() == before
    await engine.dispose()
