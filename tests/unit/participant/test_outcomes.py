"""What a handler says besides its reply is checked where it is made: the author sees it, and a
definite no stays one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest

from saga_messaging.errors import ConfigurationError
from saga_participant import Failed, InProgress, Participant, Rejected
from saga_participant.testing import Outcome, ParticipantTester
from saga_schemas.limits import FAILURE_MESSAGE_CHARS, NOTE_CHARS
from support.till.shop import SCHEMAS, Take, Taken, make_till


class Reason(Enum):
    OVER_LIMIT = "over_limit"


class TextReason(StrEnum):
    OVER_LIMIT = "over_limit"


class Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize("said", [Rejected, Failed])
@pytest.mark.parametrize("code", ["over_limit", Reason.OVER_LIMIT, TextReason.OVER_LIMIT])
def test_a_code_is_a_text_or_an_enum_whose_value_is_one(said: type[Rejected] | type[Failed], code: Any) -> None:
    made = said(code, "so much")
    assert (made.code, type(made.code), str(made)) == ("over_limit", str, "over_limit: so much")


WRONG: list[tuple[Callable[[], object], str]] = [
    *(
        (lambda said=said, code=code: said(code), words)
        for said in (Rejected, Failed)
        for code, words in (
            (Number.ONE, "code is a str, or an enum whose value is a str, not int"),
            (None, "code is a str"),
            (b"over_limit", "code is a str"),
            (ValueError("no"), "not ValueError"),
            ("", "a code is for programs"),
            ("over limit", "what people read is the message"),
            ("über", "a code is for programs"),
            ("no\0", "a code is for programs"),
            ("x" * 129, "1 to 128"),
        )
    ),
    (lambda: Rejected("over_limit", None), "message is a str, not NoneType"),  # type: ignore[arg-type]
    (lambda: Rejected("over_limit", 7), "message is a str, not int"),  # type: ignore[arg-type]
    (lambda: Failed("down", None), "message is a str"),  # type: ignore[arg-type]
    (lambda: Failed("down", retry_after=30), "retry_after is a datetime.timedelta, not int: write timedelta"),  # type: ignore[arg-type]
    (lambda: Failed("down", retry_after=0.5), "retry_after is a datetime.timedelta"),  # type: ignore[arg-type]
    (lambda: Failed("down", retry_after=timedelta(seconds=-1)), "retry_after is negative"),
    (lambda: InProgress(None), "note is a str"),  # type: ignore[arg-type]
    (lambda: InProgress("the clerk", lease=3600), "lease is a datetime.timedelta"),  # type: ignore[arg-type]
    (lambda: InProgress("the clerk", lease=timedelta(seconds=-1)), "lease is negative"),
    (lambda: InProgress("the clerk", lease=timedelta.max), "a lease is at most"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "words"), WRONG)
def test_what_is_none_is_refused_where_it_is_made(make: Callable[[], object], words: str) -> None:
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match=words):
            make()


async def reply_to(handle: Callable[[], Any]) -> Any:
    till, told = make_till()

    async def during() -> None:
        handle()

    told.during = during
    async with ParticipantTester(till) as tester:
        return await tester.action("pay", Take(amount=1))


async def test_long_texts_are_cut_and_a_long_patience_is_a_day() -> None:
    def fail() -> None:
        raise Failed("c" * 128, "m" * 5000, retry_after=timedelta(days=400))

    reply = await reply_to(fail)
    failure = reply.failure
    assert (failure.code, len(failure.message), failure.retry_after_ms) == ("c" * 128, FAILURE_MESSAGE_CHARS, 86_400_000)
    till, told = make_till()
    async with ParticipantTester(till) as tester:
        told.note = "n" * 5000
        accepted = await tester.action("pay", Take(amount=1, mode="accept"))
    assert accepted is not None
    assert len(accepted.value["note"]) == NOTE_CHARS


@pytest.mark.parametrize("handle", ["with a db", "external"])
async def test_a_no_that_is_said_wrongly_is_shown_to_its_author_and_not_repeated_in_silence(
    handle: str, caplog: pytest.LogCaptureFixture
) -> None:
    clerk = Participant("clerk", database="sqlite+aiosqlite://", schemas=SCHEMAS)

    @clerk.action(external=handle == "external")
    async def take(command: Take) -> Taken:
        raise Rejected(Number.ONE)

    async with ParticipantTester(clerk) as tester:
        reply = await tester.action("pay", Take(amount=1))
    assert reply is not None
    assert (reply.outcome, reply.failure and reply.failure.code) == (Outcome.FAILED, "outcome_misused")
    assert reply.failure is not None
    assert "an enum whose value is a str" in reply.failure.message
    (shown,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "an enum whose value is a str" in shown.getMessage()
    assert "test_outcomes.py" in shown.getMessage(), "the author's own line"


@pytest.mark.parametrize(("said", "outcome"), [(Rejected("no"), Outcome.REJECTED), (Failed("later"), Outcome.FAILED)])
async def test_what_is_returned_instead_of_raised_means_the_same(said: Any, outcome: Outcome) -> None:
    clerk = Participant("clerk", database="sqlite+aiosqlite://", schemas=SCHEMAS)

    @clerk.action
    async def take(command: Take) -> Taken:
        return said  # type: ignore[no-any-return]

    async with ParticipantTester(clerk) as tester:
        reply = await tester.action("pay", Take(amount=1))
    assert reply is not None
    assert (reply.outcome, reply.failure and reply.failure.code) == (outcome, said.code)


async def test_an_answer_that_is_none_is_refused_in_its_own_line() -> None:
    till, told = make_till()
    async with ParticipantTester(till) as tester:
        await tester.action("pay", Take(amount=1, mode="accept"))
        async with till.answering(told.steps[0].ref) as (_, answer):
            wrongs: tuple[tuple[Any, str], ...] = (
                (Failed("down"), "by an exception"),
                (InProgress("more"), "progress"),
                (None, "Taken or Rejected here, not NoneType"),
                ("r-1", "not str"),
                (Taken, "Taken or Rejected here"),
            )
            for wrong, words in wrongs:
                with pytest.raises(TypeError, match=words):
                    answer(wrong)
            answer(Taken(receipt="r-1"))
            with pytest.raises(RuntimeError, match="twice"):
                answer(Taken(receipt="r-2"))
        again = await tester.redeliver()
        assert again is not None
        assert again.value == {"receipt": "r-1"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": 5}, "a participant's name"), ({"database": None}, "database is an AsyncEngine or a SQLAlchemy URL"),
        ({"database": ""}, "database is an AsyncEngine"), ({"schemas": []}, "schemas is a directory"),
        ({"schemas": None}, "schemas is a directory"), ({"schemas": ["schemas/", 3]}, "schemas is a directory"),
        ({"group": 0}, "group is a number of commands from 1 to 32"), ({"group": 33}, "group is"), ({"group": True}, "group is"),
        ({"handler_limit_s": "60"}, "handler_limit_s is a number"), ({"handler_limit_s": 0}, "handler_limit_s"),
        ({"handler_limit_s": float("nan")}, "handler_limit_s"), ({"handler_limit_s": timedelta(minutes=1)}, "handler_limit_s"),
        ({"on_start": "make_tables"}, "on_start is an async def"), ({"on_stop": 3}, "on_stop is an async def"),
    ],
)  # fmt: skip
def test_a_participant_says_which_argument_is_wrong(options: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"name": "till", "database": "sqlite+aiosqlite://", "schemas": SCHEMAS}
    with pytest.raises(ConfigurationError, match=words):
        Participant(**(given | options))


def test_a_decorator_says_which_option_is_wrong() -> None:
    till = Participant("till", database="sqlite+aiosqlite://", schemas=SCHEMAS)

    async def take(command: Take) -> Taken:
        raise AssertionError

    wrongs: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: till.action(external="yes")(take), "external is True or False"),  # type: ignore[call-overload]
        (lambda: till.action(fenceable=1)(take), "fenceable is True or False"),  # type: ignore[call-overload]
        (lambda: till.compensation(external=None)(take), "external is True or False"),  # type: ignore[call-overload]
        (lambda: till.action("take"), "decorates a function"),  # type: ignore[call-overload]
    )
    for decorate, words in wrongs:
        with pytest.raises(ConfigurationError, match=words):
            decorate()
