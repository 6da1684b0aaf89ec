"""Avro values in Confluent framing: `0x00`, four bytes of schema id, the value. Also read: the id
in the header `__value_schema_id`.

Nearly all values are read and written by one pass of ours (direct_reader.py, direct_writer.py),
which takes only what is plainly right. The rest goes through fastavro, which is exact on good bytes
and silent or worse on hostile ones: negative union and enum indexes, over-long varints and trailing
bytes decode to wrong values. So a value that fastavro has read is encoded again and compared; where
the bytes differ, a strict walk (wire_walk.py) decides whether that is only another legal spelling.
Every exception becomes one BadMessage; nothing here ever repeats a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final

import fastavro
from fastavro.validation import ValidationError, validate

from saga_schemas import limits
from saga_schemas.catalog import Catalog
from saga_schemas.errors import BadMessage, EncodingFailed, UnknownSchema
from saga_schemas.headers.fields import schema_id_header
from saga_schemas.headers.names import RawHeaders
from saga_schemas.record_class import record
from saga_schemas.schema import MAGIC, Schema
from saga_schemas.wire_walk import check_wire
from saga_schemas.zones import misplaced_time

_PREFIX_BYTES: Final = 5
_DIRECT_BYTES: Final = 16 * 1024
"""Longer values go through fastavro: long arrays of numbers are quicker in C."""
_SHORT: Final = 1024
"""A decimal of this many bytes costs fastavro less than a millisecond; the time grows with the
square."""


@record
class Decoded:
    """A value, and the schema that it was written with.

    The value is under the reader's schema; under the writer's where no reader was given.
    """

    value: dict[str, Any]
    writer: Schema
    framed: bytes
    """The bytes as they were, framed."""


def encode(schema: Schema, value: dict[str, Any]) -> bytes:
    """The framed bytes of a value.

    Args:
        schema: What it is written in.
        value: The fields by name.

    Raises:
        EncodingFailed: A field is missing, unknown or of a wrong type; a time has a zone and should
            have none, or the reverse; or the bytes are too many. It names the field.
    """
    framed = _written_directly(schema, value)
    if framed is None:
        framed = _checked_and_written(schema, value)
    if len(framed) > limits.PAYLOAD_BYTES:
        raise EncodingFailed(schema.full_name, "", f"is larger than {limits.PAYLOAD_BYTES} bytes")
    return framed


def decode(
    framed: bytes,
    catalog: Catalog,
    reader: Schema | None = None,
    headers: RawHeaders = (),
    *,
    canonical: bool = False,
) -> Decoded:
    """The value of a message, from untrusted bytes.

    Args:
        framed: The record's value.
        catalog: The schemas that writers may have used.
        reader: The schema that the value is wanted in; it must have the writer's name. None: as it
            was written.
        headers: The record's, where the schema id may stand instead.
        canonical: Whether every spelling but our own is refused. That is for the records of this
            project: other languages write them too, but nothing in them can be spelled twice.

    Raises:
        UnknownSchema: The writer's schema is not in the catalog.
        BadMessage: It cannot be read; `reason` says why.
    """
    writer, body = unframe(framed, catalog, headers)
    value = _read_directly(writer, body)
    if value is None:
        value = _read_and_checked(writer, body, canonical)
    if reader is not None and reader is not writer and reader.id != writer.id:
        value = _resolved(writer, reader, body)
    return Decoded(value=value, writer=writer, framed=writer.prefix + body)


def to_reader(framed: bytes, catalog: Catalog, reader: Schema, headers: RawHeaders = ()) -> bytes:
    """The same value framed under the reader's schema; the same bytes when it was written with it.

    Raises BadMessage when it cannot be read.
    """
    return reframed(decode(framed, catalog, reader, headers), reader)


def reframed(decoded: Decoded, reader: Schema) -> bytes:
    """What `decode(…, reader)` gave, as bytes under the reader's schema."""
    if decoded.writer.id == reader.id:
        return decoded.framed
    try:
        return encode(reader, decoded.value)
    except EncodingFailed as error:
        raise BadMessage("schema_mismatch", f"{reader.full_name}: {error.detail}") from None


def unframe(framed: bytes, catalog: Catalog, headers: RawHeaders = ()) -> tuple[Schema, bytes]:
    """Size, framing and schema id: the writer's schema and the bare Avro bytes."""
    if len(framed) > limits.PAYLOAD_BYTES:
        raise BadMessage("too_large", f"a value has at most {limits.PAYLOAD_BYTES} bytes")
    in_header = schema_id_header(headers) if headers else None
    prefix, body = (framed[:_PREFIX_BYTES], framed[_PREFIX_BYTES:]) if in_header is None else (in_header, framed)
    if len(prefix) != _PREFIX_BYTES or prefix[:1] != MAGIC:
        raise BadMessage("bad_framing", "a value starts with 0x00 and four bytes of schema id")
    schema_id = int.from_bytes(prefix[1:], "big")
    writer = catalog.by_id(schema_id)
    if writer is None:
        raise UnknownSchema(schema_id)
    return writer, body


def _written_directly(schema: Schema, value: dict[str, Any]) -> bytes | None:
    """None where the value is not plainly right."""
    if schema.write_directly is None:
        return None
    try:
        return schema.prefix + schema.write_directly(value)
    except Exception:  # whatever it is, the long way says what is wrong, if anything is
        return None


def _checked_and_written(schema: Schema, value: dict[str, Any]) -> bytes:
    """As `encode`, of any value; the size is not looked at."""
    try:
        misplaced = misplaced_time(schema.document, value, schema.types) if schema.has_times else None
        if misplaced is not None:
            raise EncodingFailed(schema.full_name, *misplaced)
        _check(schema, value)
        return _written(schema, value)
    except EncodingFailed:
        raise
    except ValidationError as error:
        raise EncodingFailed(schema.full_name, *_explained(schema, error)) from None
    except Exception as error:  # fastavro raises whatever the value's own code raises
        raise EncodingFailed(schema.full_name, "", f"does not fit its schema ({type(error).__name__})") from None


def _written(schema: Schema, value: dict[str, Any]) -> bytes:
    out = BytesIO()
    out.write(schema.prefix)
    fastavro.schemaless_writer(out, schema.parsed, value, strict_allow_default=True)
    return out.getvalue()


def _read_directly(writer: Schema, body: bytes) -> dict[str, Any] | None:
    """None where the bytes are not spelled as we spell them, if they are right at all."""
    if writer.read_directly is None or len(body) > _DIRECT_BYTES:
        return None
    try:
        value, end = writer.read_directly(body, 0)
    except Exception:  # whatever it is, the long way says what is wrong, if anything is
        return None
    return value if end == len(body) else None


def _read_and_checked(writer: Schema, body: bytes, canonical: bool) -> dict[str, Any]:
    if writer.has_decimals and len(body) > _SHORT:
        check_wire(writer.document, writer.types, body)
    value = _read(writer, body)
    _check_spelling(writer, value, body, canonical)
    return value


def _read(writer: Schema, body: bytes) -> dict[str, Any]:
    source = BytesIO(body)
    try:
        value: dict[str, Any] = _reading(source, writer, None)
    except EOFError:
        raise BadMessage("truncated", f"{writer.full_name}: the value ends too early") from None
    except Exception as error:
        raise BadMessage("invalid_value", f"{writer.full_name}: not a value of this schema ({type(error).__name__})") from None
    if source.tell() != len(body):
        raise BadMessage("trailing_bytes", f"{writer.full_name}: bytes follow the value")
    return value


def _resolved(writer: Schema, reader: Schema, body: bytes) -> dict[str, Any]:
    if writer.full_name != reader.full_name:
        raise BadMessage("record_mismatch", f"expected {reader.full_name}, this is a {writer.full_name}")
    try:
        value: dict[str, Any] = _reading(BytesIO(body), writer, reader)
    except Exception as error:
        raise BadMessage(
            "schema_mismatch", f"{reader.full_name}: the writer's schema does not resolve ({type(error).__name__})"
        ) from None
    return value


def _reading(source: BytesIO, writer: Schema, reader: Schema | None) -> Any:
    named = (reader or writer).has_record_unions
    return fastavro.schemaless_reader(
        source,
        writer.parsed,
        None if reader is None else reader.parsed,
        return_record_name=named,
        return_record_name_override=named,
    )


def _check_spelling(writer: Schema, value: dict[str, Any], body: bytes, canonical: bool) -> None:
    try:
        same = _written(writer, value)[_PREFIX_BYTES:] == body
    except Exception:
        same = False  # fastavro read what it would not write: the walk below says whether that is legal Avro
    if same:
        _check_ints(writer, value)
        return
    if canonical:
        raise BadMessage("not_canonical", f"{writer.full_name}: encoded again it has other bytes")
    check_wire(writer.document, writer.types, body)


def _check_ints(writer: Schema, value: dict[str, Any]) -> None:
    if not writer.has_ints:
        return
    try:
        _check(writer, value)
    except ValidationError as error:
        path, expected = _explained(writer, error)
        raise BadMessage("invalid_value", f"{writer.full_name}.{path}: {expected}") from None


def _check(schema: Schema, value: dict[str, Any]) -> None:
    """Raises ValidationError when the value does not fit.

    The first look is without words: they cost five times the check.
    """
    if not validate(value, schema.parsed, strict=False, raise_errors=False):
        validate(value, schema.parsed, strict=False)


def _explained(schema: Schema, error: ValidationError) -> tuple[str, str]:
    """Field path and expected type out of fastavro's report, without the value it holds."""
    data: Iterable[Any] = error.errors
    for entry in data:
        path = str(getattr(entry, "field", "")).removeprefix(schema.full_name).lstrip(".")
        return path[:200], f"expected {expected_type(getattr(entry, 'schema', None))}"
    return "", "does not fit its schema"


def expected_type(node: Any) -> str:
    """A type in words, for error messages."""
    if isinstance(node, list):
        return " or ".join(expected_type(branch) for branch in node)
    if not isinstance(node, dict):
        return str(node)
    kind = node["type"] if isinstance(node.get("type"), str) else expected_type(node.get("type"))
    logical = node.get("logicalType")
    name = node.get("name")
    if logical == "decimal":
        return f"decimal({node.get('precision')},{node.get('scale', 0)})"
    return str(logical or (name if kind in ("record", "enum", "fixed") and name else kind))
