"""JSON Schema (draft 2020-12) of a definition file, for editors: completion, hovers, early
complaints.

It knows the shape only; what the keys mean together is `lint`'s. A test holds it against the
reader's own lists of keys.
"""

from __future__ import annotations

from typing import Any, Final

from saga_coordinator.definitions.document import (
    MAX_ATTEMPTS,
    MAX_FACTOR,
    MAX_RECORD_NAME,
    MAX_STEPS,
    MAX_VERSION,
    NAME_PATTERN,
    RECORD_PATTERN,
)
from saga_coordinator.definitions.fields import NEVER
from saga_coordinator.definitions.structure import MAX_NEVER, UNLIMITED
from saga_schemas.labels import LABEL_PATTERN
from saga_schemas.limits import LABEL_NAME_CHARS, LABELS

DURATION: Final = {
    "type": "string",
    "pattern": "^[0-9]{1,12}(ms|s|m|h|d)$",
    "examples": ["200ms", "30s", "10m", "2h", "1d"],
}
EXPRESSION: Final = {"type": "string", "pattern": r"^\$\{[\s\S]+\}$", "examples": ["${input.order_id}"]}


def definition_json_schema() -> dict[str, Any]:
    """The schema of a `*.saga.yaml`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "saga definition",
        **object_schema(
            "A saga: steps over several participants that all happen, or are undone.",
            {
                "saga": name_schema("Name of the definition."),
                "version": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_VERSION,
                    "description": "Content under a version never changes.",
                },
                "input": _record("Avro record a saga is started with."),
                "key": {**EXPRESSION, "description": "Business key, from the input: starting twice is starting once."},
                "show_key": {"type": "boolean", "description": "The key may be shown in traces.", "default": False},
                "deadline": {**DURATION, "description": "The saga goes back when it has not passed the pivot by then."},
                "retention": _retention(),
                "labels": {
                    "type": "object",
                    "description": "What sagas are found by: a literal, or ${…} over input and saga.",
                    "maxProperties": LABELS,
                    "propertyNames": {"pattern": f"^{LABEL_PATTERN}$", "maxLength": LABEL_NAME_CHARS},
                    "additionalProperties": {"type": ["string", "number", "boolean"]},
                },
                "steps": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_STEPS,
                    "items": {"$ref": "#/$defs/step"},
                    "description": "A step runs after the one written before it unless it says `after:`.",
                },
            },
            ["saga", "version", "input", "steps"],
        ),
        "$defs": {"step": _step(), "retry": _retry(), "timeout": _timeout(), "with": _with()},
    }


def _retention() -> dict[str, Any]:
    return object_schema(
        "How long finished sagas are kept, counted from their end; what is not said is as the coordinator's settings say.",
        {
            "sagas": _kept("Finished sagas."),
            "journals": _kept("Their journals, no longer than the saga."),
            "keys": _kept("Request ids and business keys, no shorter than the saga."),
            "attention": _kept("Sagas that ended FORCED or needed a person."),
        },
        [],
    )


def _kept(description: str) -> dict[str, Any]:
    return {"description": description, "anyOf": [DURATION, {"const": NEVER}]}


def _step() -> dict[str, Any]:
    return object_schema(
        "One command to one participant.",
        {
            "name": name_schema("Unique in the definition."),
            "participant": name_schema("Who gets the command: topic saga.cmd.<participant>."),
            "command": _record("Avro record of the command."),
            "with": {"$ref": "#/$defs/with"},
            "reply": _record("Avro record of the reply; else the attribute sagaReply of the command's schema."),
            "after": {
                "type": "array",
                "items": {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
                "uniqueItems": True,
                "description": "Steps this one waits for; [] is at once.",
            },
            "when": {**EXPRESSION, "description": "The step is skipped where this is false."},
            "pivot": {"type": "boolean", "description": "The point of no return: from here on only forward.", "default": False},
            "compensation": {
                "description": "What undoes the step: a command's record, a map with more, or none.",
                "anyOf": [{"const": "none"}, _record("Avro record of the compensation."), _compensation()],
            },
            "retry": {"$ref": "#/$defs/retry"},
            "timeout": {"$ref": "#/$defs/timeout"},
        },
        ["name", "participant", "command"],
    )


def _compensation() -> dict[str, Any]:
    return object_schema(
        "A compensation with mapping and retry.",
        {
            "command": _record("Avro record of the compensation."),
            "with": {"$ref": "#/$defs/with"},
            "retry": {"$ref": "#/$defs/retry"},
        },
        ["command"],
    )


def _retry() -> dict[str, Any]:
    return object_schema(
        "How a failed attempt is repeated.",
        {
            "attempts": {
                "description": "How many failed attempts; unlimited only after the pivot, where it is the default.",
                "anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS}, {"const": UNLIMITED}],
            },
            "first": {**DURATION, "description": "Wait before the second attempt (200ms)."},
            "factor": {"type": "number", "minimum": 1, "maximum": MAX_FACTOR, "description": "Growth of the wait (2)."},
            "cap": {**DURATION, "description": "Longest wait (30s)."},
            "jitter": {"type": "number", "minimum": 0, "maximum": 1, "description": "0.2 is plus or minus 20 %."},
            "never": {
                "type": "array",
                "maxItems": MAX_NEVER,
                "items": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,128}$"},
                "description": "Failure codes that are not retried.",
            },
        },
        [],
    )


def _timeout() -> dict[str, Any]:
    return object_schema(
        "Time limits of the step.",
        {
            "step": {**DURATION, "description": "From first asked to answered; none by default."},
            "reask": {**DURATION, "description": "A command without answer is asked again after this (10s), doubling."},
            "heartbeat": {**DURATION, "description": "An accepted command that shows no progress is asked again after this."},
            "expiry": {**DURATION, "description": "A participant refuses a command older than this (1h)."},
            "attention": {**DURATION, "description": "Silence this long asks for a person's attention (5m)."},
        },
        [],
    )


def _with() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Values of the command's fields: literal, or ${…} over input, steps.<name>.reply and saga.",
        "additionalProperties": True,
    }


def object_schema(description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """A map with these keys and no others."""
    made: dict[str, Any] = {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }
    return {**made, "required": required} if required else made


def name_schema(description: str) -> dict[str, Any]:
    """The name of a saga, step, participant or schedule."""
    return {"type": "string", "pattern": f"^{NAME_PATTERN}$", "description": description}


def _record(description: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{RECORD_PATTERN}$", "maxLength": MAX_RECORD_NAME, "description": description}
