"""What the participants' `effect_ledger` says: every effect and every undoing, as the business
functions wrote them.

The table has no unique constraint, so a doubled effect shows. Checked are S2 (net effects), S3 (per
run) and S19's half that can be counted from outside: no effect belongs to a saga the coordinator
does not know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from support import sql

STEPS = ("reserve", "charge", "ship")
Key = tuple[str, str]
"""(saga, step)"""


@dataclass(frozen=True, slots=True)
class Effect:
    """One row."""

    saga: str
    step: str
    kind: str
    """action or compensation"""
    run: int


async def read(databases: Iterable[str]) -> list[Effect]:
    found: list[Effect] = []
    for url in databases:
        rows = await sql.rows(url, "SELECT saga_id::text, step, kind, run FROM effect_ledger")
        found += [Effect(*row) for row in rows]
    return found


def wrongs(effects: Iterable[Effect], phases: Mapping[str, str]) -> Iterator[str]:
    """Everything the ledger should not say of sagas that ended so."""
    effects = list(effects)
    for saga in sorted({effect.saga for effect in effects} - set(phases)):
        yield f"{saga}: effects of a saga that nobody started"
    net = _net(effects)
    for saga, phase in phases.items():
        for step in STEPS:
            wanted = {"COMPLETED": 1, "COMPENSATED": 0}.get(phase)
            if net[saga, step] != wanted:
                yield f"{saga} {phase}: {step} has a net effect of {net[saga, step]}"
    yield from _per_run(effects)


def _net(effects: Iterable[Effect]) -> Counter[Key]:
    net: Counter[Key] = Counter()
    for effect in effects:
        net[effect.saga, effect.step] += 1 if effect.kind == "action" else -1
    return net


def _per_run(effects: Iterable[Effect]) -> Iterator[str]:
    """At most one action a run, and never more undone than done."""
    counted = Counter(effects)
    for effect, times in counted.items():
        if times > 1:
            yield f"{effect.saga}: {effect.step} run {effect.run}: {effect.kind} {times} times"
        if effect.kind == "compensation" and not counted[Effect(effect.saga, effect.step, "action", effect.run)]:
            yield f"{effect.saga}: {effect.step} run {effect.run}: undone but never done"
