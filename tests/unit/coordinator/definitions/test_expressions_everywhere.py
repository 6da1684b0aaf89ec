"""The same data gives the same result on every host: no time zone, no chance, no bytes where
characters are meant."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from saga_coordinator.definitions.expressions import parse
from saga_coordinator.engine.definition import MappingFailed
from support.paths import TESTS

ZONES = ("UTC", "Europe/Paris", "Asia/Kathmandu")
_ALL_OUTCOMES = """
from unit.coordinator.definitions.good_expressions import GOOD, outcomes
for text in (*GOOD, "[input.local, input.day, input.clock, input.u, input.at, input.later]", "{'b': 1, 'a': input.map, 'c': input.item}"):
    print(text, [str(one) if isinstance(one, Exception) else one for one in outcomes(text)])
"""


def value(text: str, **given: Any) -> Any:
    return parse(f"${{{text}}}").value({"input": given, "steps": {}, "saga": {}})


async def test_every_expression_gives_the_same_under_every_time_zone_and_in_every_process() -> None:
    """In the hours of a clock change too: the values hold 2026-03-29 02:30, which Paris does not
    have."""

    async def told(zone: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _ALL_OUTCOMES,
            env={**os.environ, "TZ": zone, "PYTHONPATH": str(TESTS)},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out

    first, *others = [await told(zone) for zone in ZONES]
    assert first.count(b"\n") > 80
    assert others == [first] * len(others)


@pytest.mark.parametrize(("text", "length"), [("Zoë", 3), ("", 0), ("𝄞a", 2), ("n\u0303", 2)])
def test_size_counts_characters(text: str, length: int) -> None:
    assert value("size(input.s)", s=text) == length
    assert value("input.s.size() + 0", s=text) == length


def test_loops_over_a_map_take_its_keys_in_order() -> None:
    letters = {chr(code): code for code in range(ord("z"), ord("a") - 1, -1)}
    assert value("input.m.map(k, k)", m=letters) == sorted(letters)
    assert value("input.m.filter(k, input.m[k] > 100)", m=letters) == [letter for letter in sorted(letters) if letter > "d"]
    assert value("(input.m).map(k, k).map(k, k + '!')", m=letters) == [f"{letter}!" for letter in sorted(letters)]
    assert value("{'m': input.m}.m.map(k, k)", m=letters) == sorted(letters)


def test_a_map_that_comes_out_is_in_order() -> None:
    letters = {chr(code): code for code in range(ord("z"), ord("a") - 1, -1)}
    assert list(value("{'m': [input.m]}", m=letters)["m"][0]) == sorted(letters)
    assert list(value("{'b': 1, 'c': 2, 'a': 3, 'd': 0}")) == ["a", "b", "c", "d"]


def test_a_local_time_is_text_as_dates_are() -> None:
    local = datetime(2026, 3, 29, 2, 30)
    assert value("[input.t][0]", t=local) == "2026-03-29T02:30:00"
    assert value("input.t < '2026-03-29T02:30:00.000001'", t=local)
    assert value("timestamp(input.t + 'Z').getHours()", t=local) == 2


@pytest.mark.parametrize(
    ("text", "gives"),
    [
        ("1h30m", timedelta(minutes=90)),
        ("-1.5s", timedelta(seconds=-1.5)),
        ("+.5h", timedelta(minutes=30)),
        ("0", timedelta()),
        ("1m1ms1us", timedelta(minutes=1, milliseconds=1, microseconds=1)),
        ("1000ns", timedelta(microseconds=1)),
        ("9000000h", timedelta(hours=9_000_000)),  # beyond the library's 292 years
        ("0.000001s", timedelta(microseconds=1)),
        ("1.0000000s", timedelta(seconds=1)),
    ],
)
def test_durations_are_exact(text: str, gives: timedelta) -> None:
    assert value("[duration(input.d)][0]", d=text) == gives


@pytest.mark.parametrize("text", ["1ns", "0.0000001s", "1d", "", "h", "1", "1h ", "99999999999999h", "1h-1m", "١h"])
def test_durations_that_cannot_be_kept_are_refused(text: str) -> None:
    with pytest.raises(MappingFailed):
        value("[duration(input.d)][0]", d=text)


def test_timestamps_keep_every_digit_or_are_refused() -> None:
    assert value("[timestamp(input.t)][0]", t="1969-12-31T23:59:59.999999+00:00") == datetime(
        1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC
    )
    for text in ("2026-01-01T00:00:00.0000001Z", "2026-01-01", "2026-01-01T00:00:00", "0000-01-01T00:00:00Z"):
        with pytest.raises(MappingFailed):
            value("[timestamp(input.t)][0]", t=text)


def test_bytes_are_text_only_where_they_are() -> None:
    assert value("string(input.x)", x="Zoë".encode()) == "Zoë"
    with pytest.raises(MappingFailed):
        value("string(input.x)", x=b"\xff")


def test_a_duration_the_library_would_print_wrongly_is_refused() -> None:
    assert value("string(duration('1h'))") == "1h0m0s"
    with pytest.raises(MappingFailed):
        value("string(input.a - input.b)", a=datetime(9999, 1, 1, tzinfo=UTC), b=datetime(1, 1, 1, tzinfo=UTC))


def test_a_failing_function_leaves_no_value_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(MappingFailed) as failed:
        value("[timestamp(input.t)][0]", t="s3cret")
    assert "s3cret" not in caplog.text
    assert "s3cret" not in str(failed.value)
