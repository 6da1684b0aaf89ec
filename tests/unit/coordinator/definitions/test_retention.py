"""What is due when: terms of the settings, of a definition, and of both; pure."""

from __future__ import annotations

from datetime import timedelta

import pytest

from saga_coordinator.definitions import Document, Retention, Saga, lint
from saga_coordinator.definitions.document import RetentionPolicy
from saga_coordinator.definitions.retention import (
    FOREVER,
    Shelf,
    Terms,
    due_us,
    kept_text,
    longest_expiry_ms,
    read_kept,
    too_short,
)
from saga_schemas.catalog import Catalog
from unit.coordinator.definitions.spoil import SOUND, trip_catalog

HOUR, DAY = 3_600_000, 86_400_000
SETTINGS = Terms.of(30 * DAY, None, None, 400 * DAY)


def policy(**said: int | str) -> RetentionPolicy:
    return RetentionPolicy.model_validate({"sagas": None, "journals": None, "keys": None, "attention": None, **said})


def trip(retention: str = "", expiry: str = "") -> Document:
    text = SOUND.replace("deadline: 10m", f"retention: {retention}" if retention else "deadline: 10m")
    text = text.replace("timeout: {step: 5s}", f"timeout: {{expiry: {expiry}}}") if expiry else text
    return lint(text, "trip", trip_catalog()).required()


@pytest.mark.parametrize(
    ("text", "kept"),
    [("30d", 30 * DAY), ("12h", 12 * HOUR), ("1s", 1_000), ("5ms", 5), ("0", FOREVER), ("never", FOREVER), ("0d", FOREVER)],
)
def test_terms_are_a_number_with_a_unit_or_never(text: str, kept: int) -> None:
    assert read_kept(text) == kept
    assert read_kept(kept_text(kept)) == kept


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30 d", "forever", "Never", "1w"])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="with a unit"):
        read_kept(text)


def test_what_is_not_said_goes_as_the_saga_does() -> None:
    assert Terms.of(DAY, None, None, HOUR) == Terms(sagas_ms=DAY, journals_ms=DAY, keys_ms=DAY, marked_ms=DAY)
    assert Terms.of(DAY, FOREVER, HOUR, FOREVER) == Terms(sagas_ms=DAY, journals_ms=DAY, keys_ms=DAY, marked_ms=FOREVER)


def test_a_usual_saga_is_removed_after_its_time_and_its_journal_before_where_that_is_less() -> None:
    assert [SETTINGS.next_step(shelf) for shelf in Shelf] == [("remove", 30 * DAY), ("remove", 400 * DAY), ("remove", 30 * DAY)]
    early = Terms.of(30 * DAY, DAY, None, 400 * DAY)
    assert [early.next_step(shelf) for shelf in Shelf] == [("strip", DAY), ("remove", 400 * DAY), ("remove", 30 * DAY)]


def test_keys_outlive_a_saga_only_where_they_are_kept_longer_than_that_one() -> None:
    assert [SETTINGS.keys_until_us(shelf, 5) for shelf in Shelf] == [None, None, None]
    longer = Terms.of(30 * DAY, None, 60 * DAY, 400 * DAY)
    assert [longer.keys_until_us(shelf, 5) for shelf in Shelf] == [5 + 60 * DAY * 1000, None, 5 + 60 * DAY * 1000]
    always = Terms.of(30 * DAY, None, FOREVER, 400 * DAY)
    assert [always.keys_until_us(shelf, 5) for shelf in Shelf] == [FOREVER, FOREVER, FOREVER]


def test_something_is_due_when_its_time_is_over_and_what_is_kept_for_ever_never() -> None:
    assert due_us(7, 2) == 2_007
    assert due_us(7, FOREVER) == FOREVER


def test_a_definition_says_its_own_and_the_rest_goes_as_the_settings_say() -> None:
    assert SETTINGS.with_policy(None) == SETTINGS
    assert SETTINGS.with_policy(policy(sagas=90 * DAY)) == Terms.of(90 * DAY, None, None, 400 * DAY)
    assert SETTINGS.with_policy(policy(sagas="never")) == Terms.of(FOREVER, None, None, FOREVER)
    assert SETTINGS.with_policy(policy(attention=DAY)).marked_ms == 30 * DAY
    assert SETTINGS.with_policy(policy(journals=DAY, keys="never")) == Terms.of(30 * DAY, DAY, FOREVER, 400 * DAY)
    early = Terms.of(30 * DAY, 10 * DAY, 60 * DAY, 400 * DAY)
    assert early.with_policy(policy(sagas=5 * DAY)) == Terms.of(5 * DAY, None, 60 * DAY, 400 * DAY)


def test_sagas_are_kept_at_least_as_long_as_their_commands_may_wait() -> None:
    assert longest_expiry_ms(trip()) == HOUR
    assert longest_expiry_ms(trip(expiry="40d")) == 40 * DAY
    assert too_short([trip()], SETTINGS) is None
    assert too_short([trip()], Terms.of(HOUR, None, None, HOUR)) is None
    said = too_short([trip(), trip(expiry="40d")], SETTINGS)
    assert said is not None
    assert "sagas of trip@1 would be kept for 30d" in said
    assert "accepted for 40d" in said
    assert too_short([trip("{sagas: 41d}", "40d")], SETTINGS) is None


def test_a_definition_that_says_nothing_has_the_hash_that_it_always_had() -> None:
    plain = trip()
    assert b"retention" not in plain.canonical
    assert Document.parse(plain.canonical) == plain


def test_what_a_definition_says_is_part_of_its_canonical_form() -> None:
    made = trip("{sagas: 90d, keys: never}")
    assert made.hash != trip().hash
    assert b'"retention":{"attention":null,"journals":null,"keys":"never","sagas":7776000000}' in made.canonical
    assert Document.parse(made.canonical) == made


def test_python_says_the_same() -> None:
    catalog: Catalog = trip_catalog()

    def built(retention: Retention | None) -> Document:
        saga = Saga("trip", version=1, input="t.Trip", retention=retention)
        return saga.step("pay", to="bank", command="t.Pay", pivot=True, with_={"total": "${input.total}"}).document(catalog)

    made = built(Retention(sagas=timedelta(days=90), journals="10d", keys="never", attention="800d"))
    assert made.retention == policy(sagas=90 * DAY, journals=10 * DAY, keys="never", attention=800 * DAY)
    assert built(None).retention is None
