"""JSON Schema (draft 2020-12) of a schedule's file, and of a calendar of days, for editors.

It knows the shape only; what the keys mean together is `lint`'s. A test holds it against the
reader's own lists of keys.
"""

from __future__ import annotations

from typing import Any, Final

from saga_coordinator.calendar.document import MAX_EXCLUDED, MAX_EXPRESSIONS
from saga_coordinator.definitions.document import NAME_PATTERN
from saga_coordinator.definitions.json_schema import DURATION, EXPRESSION, name_schema, object_schema
from saga_coordinator.schedules.calendar_reading import MAX_EXPRESSION, MAX_NOTE
from saga_coordinator.schedules.document import MAX_AT_ONCE
from saga_coordinator.schedules.reading import LIMITED, MAX_FAILURES, MAX_RUNS, MISSED_POLICIES, OVERLAP_POLICIES

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_DATE: Final = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "examples": ["2027-12-24"]}
_INSTANT: Final = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    "examples": ["2027-01-01T00:00:00Z", "2027-01-01T00:00:00+01:00"],
}


def schedule_json_schema() -> dict[str, Any]:
    """The schema of a `*.schedule.yaml`."""
    return {
        "$schema": _DRAFT,
        "title": "saga schedule",
        **object_schema(
            "A schedule: sagas of one definition, started when a calendar says so.",
            {
                "schedule": name_schema("Name of the schedule."),
                "definition": {
                    "type": "string",
                    "pattern": f"^{NAME_PATTERN}(@[1-9][0-9]*)?$",
                    "description": "What it starts: the active version of a definition, or name@version.",
                },
                "calendar": _calendar(),
                "runs": _whole("After so many ticks that fired it ends.", MAX_RUNS),
                "input": {
                    "type": "object",
                    "description": "The saga's input: literals, or ${…} over schedule.{name,tick,scheduled_for,previous}.",
                    "additionalProperties": True,
                },
                "key": {
                    **EXPRESSION,
                    "description": "Business key; by default <schedule>@<tick>, or what the definition computes.",
                },
                "overlap": _overlap(),
                "missed": _missed(),
                "pause_after_failures": _whole("So many COMPENSATED or FORCED sagas in a row pause it.", MAX_FAILURES),
                "expect_success_within": {**DURATION, "description": "An alert stands once no saga has COMPLETED for so long."},
                "note": _note(),
            },
            ["schedule", "definition", "calendar"],
        ),
        "$defs": {"ranges": _ranges(), "dates": _dates(), "cron": _one_or_many(_text("A cron expression."), "Cron expressions.")},
    }


def days_json_schema() -> dict[str, Any]:
    """The schema of a `*.days.yaml`."""
    return {
        "$schema": _DRAFT,
        "title": "saga calendar of days",
        **object_schema(
            "Days that schedules may exclude, such as holidays.",
            {
                "calendar": name_schema("Name of the calendar, by which schedules exclude it."),
                "dates": _dates(),
                "ranges": _ranges(),
                "note": _note(),
            },
            ["calendar"],
        ),
    }


def _calendar() -> dict[str, Any]:
    every = object_schema(
        "An elapsed interval.",
        {
            "every": {**DURATION, "description": "Whole seconds."},
            "phase": {**_INSTANT, "description": "It ticks at this instant, and at whole intervals before and after it (1970)."},
        },
        ["every"],
    )
    return object_schema(
        "When it ticks: at each instant that cron, every or interval names, unless it is excluded.",
        {
            "zone": {"type": "string", "description": "IANA time zone of cron and of excluded days (UTC).", "maxLength": 64},
            "cron": {"$ref": "#/$defs/cron", "description": "Five fields, or six with seconds first; names, L, W, #, @hourly…"},
            "every": _one_or_many({"anyOf": [DURATION, every]}, "Elapsed time, which knows no zones."),
            "interval": _one_or_many(
                _text("R or Rn, a start, and an end or a duration: R/2027-01-01T00:00:00Z/PT1H."), "ISO 8601 repeating intervals."
            ),
            "exclude": _exclude(),
            "start": {**_INSTANT, "description": "The first instant at which it may tick."},
            "end": {**_INSTANT, "description": "It ticks before this instant only."},
            "jitter": {**DURATION, "description": "A tick is due up to so much later, by a hash of schedule and tick."},
        },
        [],
    )


def _exclude() -> dict[str, Any]:
    names = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
    return object_schema(
        "Days, in the calendar's zone, on which nothing ticks.",
        {
            "dates": {"$ref": "#/$defs/dates"},
            "ranges": {"$ref": "#/$defs/ranges"},
            "cron": {"$ref": "#/$defs/cron", "description": "Days on which one of these ticks."},
            "calendars": _one_or_many(names, "Names of stored calendars of days."),
        },
        [],
    )


def _overlap() -> dict[str, Any]:
    limited = [
        object_schema(f"{policy}, with its limit.", {policy: _whole("The limit.", MAX_AT_ONCE)}, [policy]) for policy in LIMITED
    ]
    plain = [{"const": policy} for policy in OVERLAP_POLICIES if policy not in LIMITED]
    return {"description": "What becomes of a tick while a saga of the schedule is open (skip).", "anyOf": [*plain, *limited]}


def _missed() -> dict[str, Any]:
    policy = {"description": "What runs of the missed ticks (run_one).", "anyOf": [{"const": each} for each in MISSED_POLICIES]}
    whole = object_schema(
        "A policy with its times.",
        {
            "policy": policy,
            "grace": {**DURATION, "description": "A tick decided within this time is late, not missed (1m)."},
            "window": {**DURATION, "description": "Missed ticks that are older never run (24h)."},
        },
        [],
    )
    return {"description": "What becomes of ticks that nobody decided in time.", "anyOf": [*policy["anyOf"], whole]}


def _dates() -> dict[str, Any]:
    return _one_or_many(_DATE, "Single days.", MAX_EXCLUDED)


def _ranges() -> dict[str, Any]:
    first = {**_DATE, "description": "The first day."}
    last = {**_DATE, "description": "The last day, included."}
    days = object_schema("Days in a row.", {"first": first, "last": last}, ["first", "last"])
    return _one_or_many(days, "Days in a row.", MAX_EXCLUDED)


def _one_or_many(one: dict[str, Any], description: str, most: int = MAX_EXPRESSIONS) -> dict[str, Any]:
    return {"description": description, "anyOf": [one, {"type": "array", "items": one, "maxItems": most}]}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "maxLength": MAX_EXPRESSION, "description": description}


def _whole(description: str, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "description": description}


def _note() -> dict[str, Any]:
    return {"type": "string", "maxLength": MAX_NOTE, "description": "What it is for, and whose it is."}
