"""The canonical document of a definition.

What is stored, hashed and pinned by every saga that runs it.

JSON with sorted keys and no spaces, durations in milliseconds, every default written out, `format:
1`; its SHA-256 is the hash. Schemas are not part of it, so a compatible schema change needs no new
version. The models are strict because a document comes back from a database and over HTTP; they
check shape only: whether it makes sense is for `lint`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

MAX_DEFINITION_BYTES: Final = 512 * 1024
MAX_STEPS: Final = 1_000
NAME_PATTERN: Final = r"[a-z][a-z0-9-]{0,62}"
RECORD_PATTERN: Final = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
MAX_RECORD_NAME: Final = 255
MAX_DURATION_MS: Final = 366 * 24 * 3600 * 1000
MAX_KEPT_MS: Final = 36_500 * 24 * 3600 * 1000
MAX_ATTEMPTS: Final = 1_000_000
MAX_FACTOR: Final = 100.0
MAX_VERSION: Final = 2**31 - 1

Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
RecordName = Annotated[str, Field(pattern=f"^{RECORD_PATTERN}$", max_length=MAX_RECORD_NAME)]
Duration = Annotated[int, Field(ge=1, le=MAX_DURATION_MS)]
Kept = Annotated[int, Field(ge=1, le=MAX_KEPT_MS)] | Literal["never"]
"""For how long something is kept, in milliseconds, or that it is never removed."""


class DocumentInvalid(ValueError):
    """These bytes are not a canonical document of a format this release knows."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class RetryPolicy(_Part):
    """`retry:` with every default written out."""

    attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None
    """None is without end."""
    first_ms: Duration
    factor: Annotated[float, Field(ge=1, le=MAX_FACTOR)]
    cap_ms: Duration
    jitter: Annotated[float, Field(ge=0, le=1)]
    never: tuple[str, ...]
    """Codes that are not retried, sorted."""


class TimeLimits(_Part):
    """`timeout:` with every default written out."""

    step_ms: Duration | None
    reask_ms: Duration
    reask_cap_ms: Duration
    heartbeat_ms: Duration | None
    attention_ms: Duration
    expiry_ms: Duration


class CompensationDocument(_Part):
    """The command that undoes a step."""

    command: RecordName
    mapping: dict[str, JsonValue] = Field(alias="with")
    retry: RetryPolicy


class RetentionPolicy(_Part):
    """`retention:`; None is as the coordinator's settings say."""

    sagas: Kept | None
    journals: Kept | None
    keys: Kept | None
    attention: Kept | None


class StepDocument(_Part):
    """One step."""

    name: Name
    participant: Name
    command: RecordName
    mapping: dict[str, JsonValue] = Field(alias="with")
    reply: RecordName | None
    """The record its SUCCEEDED reply is read as; None: the reply's payload is not read."""
    after: tuple[Name, ...]
    kind: Literal["compensatable", "pivot", "retriable"]
    when: str | None
    compensation: CompensationDocument | None
    retry: RetryPolicy
    timeout: TimeLimits


class Document(_Part):
    """A whole definition."""

    format: Literal[1]
    saga: Name
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]
    input: RecordName
    key: str | None
    show_key: bool
    deadline_ms: Duration | None
    retention: RetentionPolicy | None = None
    """None: the definition says nothing of it, and neither does the canonical form."""
    labels: dict[str, JsonValue] | None = None
    """Values by name; None as with `retention`."""
    steps: tuple[StepDocument, ...] = Field(min_length=1, max_length=MAX_STEPS)

    @property
    def canonical(self) -> bytes:
        """The bytes that are stored and hashed."""
        unsaid = {name for name in ("retention", "labels") if getattr(self, name) is None}
        return canonical_json(self.model_dump(mode="json", by_alias=True, exclude=unsaid))

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical bytes, in hexadecimal."""
        return hashlib.sha256(self.canonical).hexdigest()

    @classmethod
    def parse(cls, data: bytes | str) -> Document:
        """Read a stored document. Raises DocumentInvalid."""
        size = len(data.encode("utf-8", "surrogatepass")) if isinstance(data, str) else len(data)
        if size > 4 * MAX_DEFINITION_BYTES:  # canonical form writes defaults out, so it may outgrow the file it came from
            raise DocumentInvalid("larger than a canonical document can be")
        try:
            return cls.model_validate_json(data)
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DocumentInvalid(f"not a canonical document of format 1: {where}: {first['msg']}") from None

    def step(self, name: str) -> StepDocument:
        """The step of that name. Raises KeyError."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, no spaces, UTF-8.

    Raises ValueError for what JSON cannot say (NaN, lone surrogates).
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


# Defaults of format 1. A release that wants others starts format 2 and keeps these.
RETRY: Final = RetryPolicy(attempts=10, first_ms=200, factor=2.0, cap_ms=30_000, jitter=0.2, never=())
RETRY_AFTER_PIVOT: Final = RETRY.model_copy(update={"attempts": None})
RETRY_COMPENSATION: Final = RETRY.model_copy(update={"attempts": 20})
TIMEOUT: Final = TimeLimits(
    step_ms=None, reask_ms=10_000, reask_cap_ms=300_000, heartbeat_ms=None, attention_ms=300_000, expiry_ms=3_600_000
)
