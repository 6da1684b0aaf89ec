"""`saga participant check` passes a right participant, and finds what is wrong with each mutant of
it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from saga_cli.conformance.case import Result, Status
from saga_cli.conformance.cases.every_case import chosen, every_case
from saga_cli.conformance.check import check
from saga_cli.conformance.given import Body, Given, Part, Patience
from saga_cli.exits import CommandFailed, ExitCode
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_schemas.published import HEADERS, schema_key
from saga_schemas.topics import Topics
from support.tiny_participant import NAME, SCHEMAS, Mutant, TinyParticipant

BODIES: Final = {
    Part.ACTION: Body(record="tiny.Do", fields={"how": "done", "tags": ["{{unique}}", "b"]}),
    Part.REJECT: Body(record="tiny.Do", fields={"how": "no", "tags": []}),
    Part.FAIL: Body(record="tiny.Do", fields={"how": "fail", "tags": []}),
    Part.ACCEPT: Body(record="tiny.Do", fields={"how": "later", "tags": []}),
    Part.COMPENSATION: Body(record="tiny.Undo", fields={"id": "{{reply.id}}", "how": "done"}),
    Part.REJECT_COMPENSATION: Body(record="tiny.Undo", fields={"id": "{{reply.id}}", "how": "no"}),
    Part.FAIL_COMPENSATION: Body(record="tiny.Undo", fields={"id": "{{reply.id}}", "how": "fail"}),
}
GENEROUS: Final = Patience(start_s=60, reply_s=60, later_s=60, quiet_s=0.1, stray_s=0.2)
HASTY: Final = Patience(start_s=60, reply_s=1, later_s=1, quiet_s=0.1, stray_s=0.1)


class Counter:
    """Counts a tiny participant's effects; kills nobody."""

    counts_effects = True
    kills = False

    def __init__(self, tiny: TinyParticipant) -> None:
        self._tiny = tiny

    async def count_effects(self, saga_id: str, unique: str) -> list[int]:
        return list(self._tiny.effects.get(saga_id, [0, 0]))

    async def kill(self) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError


async def results_of(mutant: Mutant, patterns: Sequence[str], patience: Patience) -> dict[str, Result]:
    broker = MemoryBroker()
    tiny = TinyParticipant(broker, mutant)
    given = Given(participant=NAME, bodies=BODIES, patience=patience)
    async with tiny.served():
        found = await check(broker, Topics(), given, chosen(every_case(), patterns), schemas=SCHEMAS, outside=Counter(tiny))
    return {result.case.name: result for result in found}


FINDS: Final = {
    Mutant.NO_LOCK: "races.copies-of-an-action",
    Mutant.FENCE_FORGOTTEN: "barrier.absent.fenced",
    Mutant.RUN_NOT_RAISED: "barrier.done.action.newer",
    Mutant.RUN_NOT_RAISED_BY_UNDO: "barrier.done.compensation.newer",
    Mutant.LATE_IN_THE_OLD_RUN: "later.loses-against-a-newer-run",
    Mutant.LATE_TO_ANY_ASKER: "barrier.accepted.action.older",
    Mutant.LATE_TO_THE_LAST: "later.newest-of-actions",
    Mutant.LATE_TO_THE_LAST_WISH: "later.newest-of-compensations",
    Mutant.LATE_BY_VERSION: "later.newest-incarnation",
    Mutant.OLD_TOKEN: "echo.ce_sagatoken",
    Mutant.OLD_CAUSATION: "echo.ce_causationid",
    Mutant.WRONG_CAUSATION: "echo.ce_causationid",
    Mutant.WRONG_ATTEMPT: "echo.ce_sagaattempt",
    Mutant.REPLY_AFTER_UNDO: "barrier.undone.action.same",
    Mutant.UNDO_TWICE: "effects.undone",
    Mutant.FAILED_UNDO_COUNTS: "failed.compensation-fails",
    Mutant.OLD_RUN_UNDOES: "barrier.done.compensation.older",
    Mutant.REPLY_SHOWN_TO_AN_UNDO: "reply.ce_type",
    Mutant.NO_ROW_RUN: "barrier.done.resolve.older",
    Mutant.NO_SEQ: "reply.ce_sagaseq",
    Mutant.WISH_FORGOTTEN: "barrier.accepted.compensation.same",
    Mutant.WISH_FALLS: "later.wish-only-rises",
    Mutant.WISH_LOST_TO_THE_NEXT: "later.wish-and-an-action-behind-it",
    Mutant.ROW_AFTER_FAILURE: "failed.leaves-no-row",
    Mutant.REJECTION_FORGOTTEN: "barrier.absent.rejected",
    Mutant.INCARNATION_IGNORED: "incarnation.older.action",
    Mutant.INCARNATION_NOT_RAISED_BY_FAILURE: "incarnation.raised-by-failure",
    Mutant.TENANT_IGNORED: "tenant.other.action",
    Mutant.EXPIRY_IGNORED: "expiry.absent.action",
    Mutant.EXPIRY_WITH_A_ROW: "expiry.done.action",
    Mutant.NO_DEAD_LETTER: "dead-letter.no-ce_sagarun",
    Mutant.CUT_IS_SILENCE: "unsupported.trailing-bytes",
    Mutant.UNKNOWN_SCHEMA_UNSUPPORTED: "schemas.unknown",
    Mutant.TOPIC_TRUSTED: "schemas.lie",
    Mutant.LONG_FAILURE: "reply.failure-limits",
    Mutant.OTHER_EMPTY: "reply.value",
    Mutant.COPIES_ANSWERED_ONCE: "races.copies-of-a-compensation",
    Mutant.FRESH_VALUE: "barrier.done.resolve.same",
    Mutant.LOCAL_TIME: "reply.ce_time",
    Mutant.KEYED_BY_STEP: "echo.key",
}
NEEDED_TO_JUDGE: Final = {
    "reply.ce_sagaseq": "later.same-number",
    "reply.ce_type": "barrier.done.compensation.older",
    "reply.failure-limits": "failed.*",
    "reply.value": "expiry.absent.*",
}
"""What is judged over all replies is told by the small talk at the end, but for these."""


async def test_a_right_participant_passes_every_case() -> None:
    found = await results_of(Mutant.NONE, [], GENEROUS)
    wrong = {name: result.seen for name, result in found.items() if result.status is Status.FAILED}
    assert not wrong
    left_out = {name for name, result in found.items() if result.status is Status.LEFT_OUT}
    assert {name.partition(".")[0] for name in left_out - {"reply.taken"}} == {"codec", "isolation", "instances", "kill"}


@pytest.mark.parametrize("mutant", FINDS, ids=lambda mutant: mutant.name.lower())
async def test_a_mutant_is_found_by_the_case_that_is_about_it(mutant: Mutant) -> None:
    name = FINDS[mutant]
    patterns = [name, *filter(None, [NEEDED_TO_JUDGE.get(name)])]
    found = (await results_of(mutant, patterns, HASTY))[name]
    assert found.status is Status.FAILED
    assert found.seen and found.says, "it tells what was seen and what the page says"


def test_every_mutant_is_looked_for() -> None:
    assert set(FINDS) == set(Mutant) - {Mutant.NONE}


async def test_a_system_at_work_is_left_alone() -> None:
    broker = MemoryBroker()
    await broker.ensure_topics([Topics().start])
    given = Given(participant=NAME, bodies=BODIES, patience=HASTY)
    with pytest.raises(CommandFailed, match="a coordinator uses these topics") as refused:
        await check(broker, Topics(), given, every_case(), schemas=SCHEMAS)
    assert refused.value.code is ExitCode.REFUSED


async def test_a_participant_that_is_not_there_is_told() -> None:
    given = Given(participant=NAME, bodies=BODIES, patience=Patience(start_s=0.1))
    with pytest.raises(CommandFailed, match=r"nobody answered on saga\.reply\.tiny") as told:
        await check(MemoryBroker(), Topics(), given, every_case(), schemas=SCHEMAS)
    assert told.value.code is ExitCode.NO_SERVER


async def test_schemas_are_read_from_their_topic_when_none_are_given() -> None:
    broker = MemoryBroker()
    await broker.ensure_topics([Topics().schemas], compacted=True)
    for schema in SCHEMAS:
        record = Outgoing(topic=Topics().schemas, key=schema_key(schema.id), value=schema.canonical, headers=HEADERS)
        await broker.producer().send_all([record], timeout_s=1)
    given = Given(participant=NAME, bodies=BODIES, patience=GENEROUS)
    async with TinyParticipant(broker).served():
        found = await check(broker, Topics(), given, chosen(every_case(), ["barrier.absent.*"]))
        await check(broker, Topics(), given, chosen(every_case(), ["schemas.*"]))
        again = await check(broker, Topics(), given, chosen(every_case(), ["barrier.absent.*"]))
    assert {result.status for result in (*found, *again)} == {Status.PASSED}, "what the check has made up is passed over"
    with pytest.raises(CommandFailed, match=r"no schema of tiny.Do: --schemas names a directory with tiny.Do.avsc"):
        await check(MemoryBroker(), Topics(), given, every_case())


async def test_a_body_that_does_not_fit_its_schema_is_told_before_the_first_case() -> None:
    bodies = BODIES | {Part.REJECT: Body(record="tiny.Do", fields={"how": 3, "tags": []})}
    with pytest.raises(CommandFailed, match="--reject: how: ") as told:
        await check(MemoryBroker(), Topics(), Given(participant=NAME, bodies=bodies), every_case(), schemas=SCHEMAS)
    assert told.value.code is ExitCode.USAGE
