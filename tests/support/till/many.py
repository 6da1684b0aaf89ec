"""The till with a handler for many: one call and one statement take what waits, and each command
says how that goes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import column, insert, table

from saga_participant import Failed, InProgress, Participant, Rejected, Step
from support.till.shop import HANDLES, SCHEMAS, GiveBack, Take, Taken, effect, make_effects, misbehave

EFFECTS = table("effects", column("saga_id"), column("step"), column("kind"), column("run"))
ON_ASYNCPG = """INSERT INTO effects (saga_id, step, kind, run)
    SELECT saga_id, step, 'take', run FROM unnest($1::text[], $2::text[], $3::integer[]) AS i (saga_id, step, run)"""
WITHOUT_EFFECT = {"no": Rejected("no", "not today"), "later": Failed("later", "try again"), "accept": InProgress("looked at")}
UNFIT = Taken.model_construct(receipt="\ud800")
"""No UTF-8, so no Avro."""


class Calls:
    """How the handler was called, and what it does once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.steps: list[Step] = []
        self.on_call: Any = None

    @property
    def for_many(self) -> list[int]:
        return [size for size in self.sizes if size > 1]


async def take_all(db: Any, steps: list[Step]) -> None:
    """The effect of each, by one statement."""
    if not steps:
        return
    if hasattr(db, "fetchval"):
        await db.execute(ON_ASYNCPG, *zip(*((str(step.saga_id), step.name, step.run) for step in steps), strict=True))
    else:
        rows = [{"saga_id": str(step.saga_id), "step": step.name, "kind": "take", "run": step.run} for step in steps]
        await db.execute(insert(EFFECTS).values(rows))


def make_many(database: Any = "sqlite+aiosqlite://", *, handle: str = "connection", **options: Any) -> tuple[Participant, Calls]:
    """Takes for many at once, and gives back one by one. `mode` says how it goes for a command: its
    own no, a reply that is wrong, a list that is too short, or what it makes the handler do behind
    the effects of all (`misbehave`).
    """
    till, calls = Participant("till", database=database, schemas=SCHEMAS, on_start=make_effects, **options), Calls()

    async def take(commands: list[Take], db: Any, steps: list[Step]) -> list[Taken | Rejected]:
        calls.sizes.append(len(commands))
        calls.steps += steps
        modes = [command.mode for command in commands]
        await take_all(db, [step for step, mode in zip(steps, modes, strict=True) if mode not in WITHOUT_EFFECT])
        if calls.on_call is not None:
            await calls.on_call(db, steps)
        for mode in modes:
            await misbehave(mode, db)
        replies: list[Any] = [
            WITHOUT_EFFECT.get(mode) or {"type": "r", "unfit": UNFIT}.get(mode) or Taken(receipt=f"r-{step.saga_id}")
            for step, mode in zip(steps, modes, strict=True)
        ]
        return replies[1:] if "short" in modes else replies

    async def give_back(command: GiveBack, taken: Taken, db: Any, step: Step) -> None:
        assert taken.receipt == f"r-{step.saga_id}"
        await effect(db, step, "give back")

    for handler in (take, give_back):
        handler.__annotations__["db"] = HANDLES[handle]
    till.action(many=True)(take)
    till.compensation(give_back)
    return till, calls
