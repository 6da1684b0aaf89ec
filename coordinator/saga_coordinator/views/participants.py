"""The participants as `saga list participants` shows them: what each has heard of the horizon, and
what to do about one that has not. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from saga_coordinator.definitions.fields import duration_text
from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.horizon.participants import silent, silent_after_ms
from saga_coordinator.store.horizon_port import ParticipantMemory, StoredHorizon
from saga_schemas.record_class import record


@record
class ParticipantView:
    """One participant that a registered definition names."""

    name: str
    definitions: Sequence[str]
    asked: bool
    """An active definition names it, or one with open sagas. Others get announcements, but what
    they answer is not read."""
    heard: ParticipantMemory | None
    behind_ms: int | None
    """How far what it remembers is behind the stored horizon; None: it has never answered."""
    note: str
    """What is wrong, and what to do; empty where nothing is."""


def participant_views(
    named: Mapping[str, Sequence[str]],
    *,
    asked: Collection[str],
    memories: Mapping[str, ParticipantMemory],
    horizon: StoredHorizon,
    unread: Mapping[str, str],
    now_us: int,
    terms: HorizonTerms,
) -> Iterator[ParticipantView]:
    """In order of their names.

    Args:
        named: By participant, the definitions that name it.
        asked: Those whose answers are read.
        memories: What they say they remember.
        horizon: As it is stored.
        unread: By participant, the sentence that nobody reads its command topic.
        now_us: The database's clock.
        terms: How often it is announced.
    """
    for name, definitions in named.items():
        heard = memories.get(name)
        is_silent = horizon.announced_at_us is not None and name in asked and silent(heard, now_us, terms)
        yield ParticipantView(
            name=name,
            definitions=definitions,
            asked=name in asked,
            heard=heard,
            behind_ms=None if heard is None else max(0, horizon.horizon.below_ms - heard.below_ms),
            note=unread.get(name) or (_silent(heard, terms) if is_silent else ""),
        )


def _silent(heard: ParticipantMemory | None, terms: HorizonTerms) -> str:
    since = "has never said" if heard is None else f"has not said for more than {duration_text(silent_after_ms(terms))}"
    return (
        f"{since} that it heard the horizon, so it keeps all its barrier rows: is it running, and of a release that"
        " knows horizons?"
    )
