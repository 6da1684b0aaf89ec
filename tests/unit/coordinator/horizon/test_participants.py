"""Who is told of the horizon, who has not answered for long, and what people are told of it."""

from __future__ import annotations

from collections.abc import Mapping

from saga_coordinator.definitions import lint
from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.horizon.participants import named, silent, silent_after_ms
from saga_coordinator.store.horizon_port import ParticipantMemory, StoredHorizon
from saga_coordinator.views.participants import ParticipantView, participant_views
from saga_schemas.horizon import Horizon
from support.definition_rows import definition_row
from unit.coordinator.definitions.spoil import SOUND, trip_catalog

HOUR_US = 3_600_000_000
NOW_US = 100 * HOUR_US
TERMS = HorizonTerms(restore_window_ms=0, clock_skew_ms=0, interval_ms=600_000)
DOCUMENT = lint(SOUND, "trip", trip_catalog()).required().canonical


def test_every_participant_of_every_definition_is_named_and_those_of_another_release_name_none() -> None:
    found = named([definition_row("trip", DOCUMENT), definition_row("outing", DOCUMENT), definition_row("newer", b"{}")])
    assert found == {name: ["outing", "trip"] for name in ("bank", "cars", "post", "rooms")}
    assert list(found) == sorted(found)


def test_six_rounds_and_no_less_than_an_hour_are_long() -> None:
    assert silent_after_ms(TERMS) == 3_600_000
    assert silent_after_ms(HorizonTerms(restore_window_ms=0, clock_skew_ms=0, interval_ms=3_600_000)) == 6 * 3_600_000
    memory = ParticipantMemory(participant="cars", below_ms=1, heard_at_us=NOW_US - HOUR_US)
    assert not silent(memory, NOW_US, TERMS)
    assert silent(memory, NOW_US + 1, TERMS)
    assert silent(None, NOW_US, TERMS)


def views(
    memories: Mapping[str, int], *, announced: bool = True, unread: Mapping[str, str] | None = None
) -> dict[str, ParticipantView]:
    below = {name: ParticipantMemory(participant=name, below_ms=7_000, heard_at_us=at_us) for name, at_us in memories.items()}
    found = participant_views(
        {"bank": ["trip"], "cars": ["trip"], "post": ["trip"]},
        asked={"bank", "cars"},
        memories=below,
        horizon=StoredHorizon(
            starts_from_ms=0,
            horizon=Horizon(below_ms=10_000, exceptions=frozenset()),
            stored_at_us=NOW_US,
            announced_at_us=NOW_US if announced else None,
            recovering=False,
        ),
        unread=unread or {},
        now_us=NOW_US,
        terms=TERMS,
    )
    return {view.name: view for view in found}


def test_each_is_shown_with_what_it_remembers_and_how_far_that_is_behind() -> None:
    found = views({"cars": NOW_US})
    assert (found["cars"].behind_ms, found["cars"].note, found["cars"].asked) == (3_000, "", True)
    assert (found["bank"].heard, found["bank"].behind_ms) == (None, None)


def test_one_that_is_silent_is_told_of_and_what_to_do_about_it() -> None:
    found = views({"cars": NOW_US - HOUR_US - 1})
    assert "has not said for more than 1h that it heard the horizon" in found["cars"].note
    assert "has never said that it heard the horizon" in found["bank"].note
    assert all("keeps all its barrier rows: is it running, and of a release" in found[name].note for name in ("bank", "cars"))
    assert (found["post"].note, found["post"].asked) == ("", False), "its answers are not read"


def test_none_is_silent_before_anything_was_announced_and_one_that_nobody_runs_is_just_that() -> None:
    assert views({}, announced=False)["bank"].note == ""
    assert views({}, unread={"bank": "no consumer"})["bank"].note == "no consumer"
