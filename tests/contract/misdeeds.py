"""Every way a handler can end or leave things behind, by name, and what is to be said of it: the
table in docs/participants.md."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from saga_messaging.background import end
from saga_participant import Failed, Rejected
from support.till.shop import past_the_guard, write

SILENCE: Final = "silence"
GOOD: Final = "good"
_STRAY: Final = "INSERT INTO effects (saga_id, step, kind, run) VALUES ('stray', 'pay', 'stray', 1)"
_kept: list[Any] = []
"""What handlers of this process keep."""
Act = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Misdeed:
    """What is done, after the effect was written, and what may be said: an outcome, the code of a
    FAILED, or silence."""

    act: Act
    says: frozenset[str]
    postgres_only: bool = False
    slow: bool = False
    """It takes the whole limit, and a worker with it."""


MISDEEDS: Final[dict[str, Misdeed]] = {}


def misdeed(*says: str, **options: bool) -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        MISDEEDS[act.__name__] = Misdeed(act, frozenset(says), **options)
        return act

    return register


def is_sqlite(db: Any) -> bool:
    dialect = db.dialect if isinstance(db, AsyncConnection) else db.get_bind().dialect if isinstance(db, AsyncSession) else None
    return dialect is not None and dialect.name == "sqlite"


async def statement(db: Any, seconds: float) -> None:
    """One that takes about so long."""
    steps = int(seconds * 3_000_000)
    endless = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {steps}) SELECT count(*) FROM n"
    await write(db, endless if is_sqlite(db) else f"SELECT pg_sleep({seconds})")


def own_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


# It returns.


@misdeed("SUCCEEDED")
async def returns(db: Any) -> None:
    pass


@misdeed("SUCCEEDED")
async def blocks_the_loop(db: Any) -> None:
    time.sleep(0.01)  # noqa: ASYNC251


@misdeed("SUCCEEDED")
async def swallows_the_refusal_of_a_commit(db: Any) -> None:
    with contextlib.suppress(Exception):
        await write(db, "COMMIT")


# It raises.


@misdeed("value_error")
async def raises(db: Any) -> None:
    raise ValueError("4111 1111 1111 1111")


@misdeed("REJECTED")
async def rejects(db: Any) -> None:
    raise Rejected("no", "not today")


@misdeed("later")
async def fails(db: Any) -> None:
    raise Failed("later", "try again")


@misdeed("exception_group")
async def raises_a_group(db: Any) -> None:
    raise ExceptionGroup("several", [ValueError(), KeyError()])


@misdeed("system_exit")
async def exits(db: Any) -> None:
    raise SystemExit(0)


@misdeed("keyboard_interrupt")
async def interrupts(db: Any) -> None:
    raise KeyboardInterrupt


@misdeed("generator_exit")
async def raises_generator_exit(db: Any) -> None:
    raise GeneratorExit


class _Base(BaseException):
    pass


@misdeed("_base")
async def raises_a_base_exception(db: Any) -> None:
    raise _Base


@misdeed("stop_async_iteration", "runtime_error")
async def raises_stop_async_iteration(db: Any) -> None:
    raise StopAsyncIteration


# It cancels.


@misdeed("cancelled")
async def raises_cancelled(db: Any) -> None:
    raise asyncio.CancelledError


@misdeed("cancelled")
async def cancels_its_own_task(db: Any) -> None:
    own_task().cancel()
    await asyncio.sleep(0)


@misdeed("cancelled")
async def cancels_its_own_task_in_the_last_moment(db: Any) -> None:
    own_task().cancel()


@misdeed("cancelled")
async def raises_cancelled_after_an_old_timeout(db: Any) -> None:
    asyncio.get_running_loop().call_later(0.01, own_task().cancel)
    await asyncio.Event().wait()


@misdeed("timeout")
async def turns_an_old_timeout_into_an_error(db: Any) -> None:
    asyncio.get_running_loop().call_later(0.01, own_task().cancel)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise TimeoutError from None


@misdeed("timeout")
async def has_a_timeout_of_its_own(db: Any) -> None:
    async with asyncio.timeout(0.01):
        await asyncio.Event().wait()


# It takes too long.


@misdeed("handler_timeout", slow=True)
async def hangs(db: Any) -> None:
    await asyncio.Event().wait()


@misdeed("handler_timeout", slow=True)
async def hangs_in_a_statement(db: Any) -> None:
    await statement(db, 600)


@misdeed("handler_timeout", slow=True)
async def hangs_behind_a_shield(db: Any) -> None:
    await asyncio.shield(asyncio.Event().wait())


@misdeed("handler_timeout", slow=True)
async def says_something_else_when_it_is_late(db: Any) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await statement(db, 600)


@misdeed("handler_timeout", slow=True)
async def swallows_its_cancellation(db: Any) -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@misdeed("handler_timeout", slow=True)
async def survives_everything(db: Any) -> None:
    until = asyncio.get_running_loop().time() + 20
    while asyncio.get_running_loop().time() < until:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(0.5)


@misdeed("timeout", "handler_timeout")
async def has_a_timeout_around_a_statement(db: Any) -> None:
    async with asyncio.timeout(0.05):
        await statement(db, 1)


# Its database fails.


@misdeed("SUCCEEDED", "FAILED")
async def swallows_an_error_of_the_database(db: Any) -> None:
    with contextlib.suppress(Exception):
        await write(db, "SELECT nonsense FROM nowhere")


@misdeed("handler_session_lost", postgres_only=True)
async def loses_its_session(db: Any) -> None:
    await write(db, "SELECT pg_terminate_backend(pg_backend_pid())")


@misdeed("handler_session_lost", postgres_only=True)
async def swallows_the_loss_of_its_session(db: Any) -> None:
    with contextlib.suppress(Exception):
        await write(db, "SELECT pg_terminate_backend(pg_backend_pid())")


# It ends the transaction.


@misdeed("transaction_is_ours")
async def commits_by_text(db: Any) -> None:
    await write(db, "/* now */ COMMIT")


@misdeed("transaction_is_ours")
async def rolls_back_by_text(db: Any) -> None:
    await write(db, "ROLLBACK")


@misdeed("transaction_is_ours", "attribute_error")
async def commits(db: Any) -> None:
    await db.commit()


@misdeed(SILENCE)
async def commits_past_the_guard(db: Any) -> None:
    await past_the_guard(db, "COMMIT")


@misdeed(SILENCE)
async def commits_past_the_guard_and_raises(db: Any) -> None:
    await past_the_guard(db, "COMMIT")
    raise ValueError


@misdeed(SILENCE)
async def rolls_back_past_the_guard(db: Any) -> None:
    await past_the_guard(db, "ROLLBACK")


# It leaves something behind.


async def _again_and_again(db: Any) -> None:
    for _ in range(20):
        for each in ("COMMIT", _STRAY, "ROLLBACK"):
            with contextlib.suppress(Exception):
                await write(db, each)
        await asyncio.sleep(0.005)


@misdeed("SUCCEEDED", "FAILED")
async def leaves_a_task_that_goes_on_with_its_db(db: Any) -> None:
    async def later() -> None:
        await asyncio.sleep(0.005)
        await _again_and_again(db)

    _kept.append(asyncio.create_task(later()))


@misdeed("value_error")
async def leaves_a_task_that_goes_on_with_its_db_and_raises(db: Any) -> None:
    async def later() -> None:
        await asyncio.sleep(0.005)
        await _again_and_again(db)

    _kept.append(asyncio.create_task(later()))
    raise ValueError


@misdeed("SUCCEEDED")
async def uses_the_db_of_another(db: Any) -> None:
    others = [each for each in _kept if not isinstance(each, asyncio.Task) and each is not db]
    for other in others[-3:]:
        with contextlib.suppress(Exception):
            await write(other, "ROLLBACK")
    _kept.append(db)


@misdeed("SUCCEEDED", "FAILED")
async def leaves_a_statement_running(db: Any) -> None:
    _kept.append(asyncio.create_task(statement(db, 0.05)))
    await asyncio.sleep(0.01)


@misdeed("SUCCEEDED")
async def leaves_a_savepoint_open(db: Any) -> None:
    if isinstance(db, AsyncConnection | AsyncSession):
        await db.begin_nested()
    else:
        await db.transaction().start()


@misdeed("SUCCEEDED")
async def leaves_a_stream_open(db: Any) -> None:
    if isinstance(db, AsyncConnection | AsyncSession):
        _kept.append(await db.stream(text("SELECT * FROM effects")))
    else:
        _kept.append(await db.cursor("SELECT * FROM effects"))


@misdeed("SUCCEEDED", postgres_only=True)
async def leaves_a_setting(db: Any) -> None:
    await write(db, "SET default_transaction_read_only TO on")


@misdeed("SUCCEEDED", postgres_only=True)
async def leaves_an_advisory_lock(db: Any) -> None:
    await write(db, "SELECT pg_advisory_lock_shared(4711)")


# Tasks under it.


async def _exit() -> None:
    raise SystemExit(0)


@misdeed("handler_task_exited")
async def awaits_a_task_that_exits(db: Any) -> None:
    await asyncio.create_task(_exit())


@misdeed("SUCCEEDED")
async def leaves_a_task_that_exits(db: Any) -> None:
    _kept.append(asyncio.create_task(_exit()))


@misdeed("exception_group")
async def has_a_group_in_which_one_exits(db: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_exit())
        group.create_task(asyncio.sleep(600))


@misdeed("SUCCEEDED")
async def leaves_a_task_that_waits(db: Any) -> None:
    _kept.append(asyncio.create_task(asyncio.sleep(5)))


async def forget() -> None:
    """What was kept ends."""
    kept, _kept[:] = [each for each in _kept if isinstance(each, asyncio.Task)], []
    await end(kept)
