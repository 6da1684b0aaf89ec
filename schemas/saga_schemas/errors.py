"""Errors of the contract, by fate: a bad message is dead-lettered, a refused schema is a
configuration error.

No error here ever carries a payload, a key or a secret: `reason` is a stable code, `detail` names a
field and what it should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class BadMessage(Exception):
    """This record can never be read: dead-letter it with `reason`, count it, move the offset on.

    `reason` is a stable snake_case code: `header_missing`, `header_duplicate`, `header_invalid`,
    `too_large`, `null_key`, `null_value`, `key_mismatch`, `key_invalid`, `bad_framing`,
    `unknown_schema`, `record_mismatch`, `truncated`, `trailing_bytes`, `not_canonical`,
    `invalid_value`, `schema_mismatch`, `token_invalid`, `protocol_unsupported`, `kind_unsupported`,
    `horizon_in_future`.
    `detail` says what was expected and where; it never repeats what was sent.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class UnknownSchema(BadMessage):
    """A message is written in a schema that is not known here: `unknown_schema`.

    Unlike other bad messages it can be read once somebody brings the schema.
    """

    def __init__(self, schema_id: int) -> None:
        super().__init__("unknown_schema", f"no schema of id {schema_id:08x} is known here")
        self.schema_id = schema_id


class SchemaRefused(Exception):
    """This Avro schema may not be registered: the message says where and which rule."""


class SchemaCollision(Exception):
    """Two different schemas have one id.

    The second is refused, since messages could not be told apart.
    """


class EncodingFailed(Exception):
    """A value of ours does not fit its schema: a bug or a bad mapping, never the fault of a
    message.

    `path` is the field (dotted, may be empty), `detail` the expected type. The value itself is
    never repeated.
    """

    def __init__(self, record: str, path: str, detail: str) -> None:
        super().__init__(f"{record}{'.' + path if path else ''}: {detail}")
        self.record = record
        self.path = path
        self.detail = detail


class PlainProblem(NamedTuple):
    """One field that does not fit.

    `path` is its dotted path, `expected` says in words what belongs there, `said` is both as a
    sentence.
    """

    path: str
    expected: str
    said: str


class PlainInvalid(Exception):
    """Plain JSON does not fit its Avro schema.

    `problems` holds all that is wrong, as far as it is told; `path` and `expected` are of the
    first.
    """

    def __init__(self, path: str, expected: str, said: str | None = None) -> None:
        super().__init__(f"{path or 'value'}: expected {expected}")
        self.problems: tuple[PlainProblem, ...] = (PlainProblem(path, expected, said or f"{path or 'it'} is not {expected}"),)

    @classmethod
    def of(cls, problems: Sequence[PlainProblem]) -> PlainInvalid:
        """Several at once; at least one."""
        made = cls(*problems[0])
        made.problems = tuple(problems)
        return made

    @property
    def path(self) -> str:
        return self.problems[0].path

    @property
    def expected(self) -> str:
        return self.problems[0].expected


class BindingFailed(Exception):
    """A pydantic model and its Avro record disagree: one line a field, at start-up, exit 78."""


class AvroMissing(Exception):
    """The `avro` package, which gives the compatibility verdicts, is not installed.

    `pip install 'saga-coordinator[server]'` brings it.
    """
