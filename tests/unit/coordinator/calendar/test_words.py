"""Ticks in words."""

from __future__ import annotations

import pytest

from saga_coordinator.calendar.tick import Cursor
from saga_coordinator.calendar.words import in_words
from saga_coordinator.calendar.zones import zone
from saga_schemas.times import parse_us
from support.calendars import calendar, calendar_document

WORDS = [
    ("30 2 * * *", "Europe/Berlin", "2027-03-27T22:00:00Z", "in 3 h, Sunday 02:30, the hour is skipped: runs 03:00"),
    (
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2027-10-02T15:00:00Z",
        "in 30 min, Sunday 02:15, the half hour is skipped: runs 02:30",
    ),
    ("0 9 * * *", "Pacific/Apia", "2011-12-30T09:59:20Z", "in 40 s, Friday 09:00, the day is skipped: runs Saturday 00:00"),
    (
        "30 2 * * *",
        "Europe/Berlin",
        "2027-10-30T22:00:00Z",
        "in 2 h, Sunday 02:30, 02:30 comes twice on this day: it runs once, at the first",
    ),
    ("0 9 * * *", "UTC", "2027-01-01T09:00:00Z", "in 24 h, Saturday 09:00"),
    ("0 9 * * 3", "UTC", "2027-01-01T09:00:00Z", "in 5 d, Wednesday 09:00"),
    ("0 9 8 1 *", "UTC", "2027-01-01T09:00:00Z", "in 7 d, 2027-01-08 09:00"),
    ("5 0 9 * * *", "UTC", "2027-01-01T09:00:00Z", "in 5 s, Friday 09:00:05"),
]


@pytest.mark.parametrize(("text", "name", "now", "words"), WORDS, ids=[row[3] for row in WORDS])
def test_a_tick_is_told_in_words(text: str, name: str, now: str, words: str) -> None:
    tick = calendar(calendar_document(text, zone=name)).next(Cursor(after_us=parse_us(now)))

    assert tick is not None
    assert in_words(tick, zone(name), parse_us(now)) == words


def test_a_tick_that_is_past_is_told_so() -> None:
    tick = calendar(calendar_document("0 9 * * *")).next(Cursor(after_us=parse_us("2027-01-01T00:00:00Z")))

    assert tick is not None
    assert in_words(tick, zone("UTC"), parse_us("2027-01-01T09:12:30Z")) == "12 min ago, Friday 09:00"
    assert in_words(tick, zone("UTC"), tick.at_us) == "now, Friday 09:00"
