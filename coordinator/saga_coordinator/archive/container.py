"""Entries as one Avro object container file, and back.

The file is zstandard-compressed and holds its own schema, so any Avro tool reads it. Two things
make damage visible that Avro itself would read over: the file's metadata says how many records it
has, and each record ends with a checksum of itself.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import fastavro

from saga_coordinator.archive.blocks import MOST_BYTES, BadBlocks, checked_blocks
from saga_coordinator.archive.entry import RECORD, SCHEMA, Entry, from_avro, to_avro

CODEC: Final = "zstandard"
COUNT: Final = "saga.count"
"""In the file's metadata: the number of its records."""
_BLOCK_BYTES: Final = 1024 * 1024
"""Records are compressed together: neighbours share their definition and its schemas."""


class Damaged(Exception):
    """The bytes are no whole file of ours; the message says what is wrong with them."""


def write_container(entries: Sequence[Entry]) -> bytes:
    """The file that holds these entries."""
    written = io.BytesIO()
    records = (_with_check(to_avro(entry)) for entry in entries)
    metadata = {COUNT: str(len(entries))}
    fastavro.writer(written, SCHEMA, records, codec=CODEC, sync_interval=_BLOCK_BYTES, metadata=metadata)
    return written.getvalue()


def read_container(content: bytes, most: int = MOST_BYTES) -> list[Entry]:
    """The entries of a file, all of them checked.

    Raises:
        Damaged: Some byte is not as it was written, or it has more than `most` bytes of records.
    """
    try:
        checked_blocks(content, most)
        return list(_entries(content))
    except Damaged:
        raise
    except BadBlocks as bad:
        raise Damaged(str(bad)) from None
    except Exception as error:  # the readers of Avro and zstd raise whatever they meet
        raise Damaged(f"it cannot be read to its end ({type(error).__name__})") from error


def _entries(content: bytes) -> Iterator[Entry]:
    reader = fastavro.reader(io.BytesIO(content))
    _check_schema(_schema_of(reader))
    read = 0
    for found in reader:
        if not isinstance(found, dict) or found.get("check") != digest(found):
            raise Damaged(f"record {read + 1} is not as it was written: its checksum differs")
        yield from_avro(found)
        read += 1
    if str(read) != reader.metadata.get(COUNT):
        raise Damaged(f"it has {read} records, and should have {reader.metadata.get(COUNT, 'a count')}")


def _schema_of(reader: Any) -> Any:
    return json.loads(reader.metadata["avro.schema"])


def _check_schema(schema: Any) -> None:
    """Take no schema but our own, to the letter.

    Any other may say that a list's items take no bytes; a few bytes then keep fastavro busy for
    ever. A release that changes the schema keeps this one beside its own.
    """
    if not isinstance(schema, dict) or schema.get("name") != RECORD:
        raise Damaged(f"its records are no {RECORD}")
    if schema != _WRITTEN:
        raise Damaged("its schema is none that this release knows: a later one wrote it, or it is damaged")


def _with_check(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "check": digest(found)}


def digest(found: dict[str, Any]) -> bytes:
    """The checksum of a record: its encoding with none in it, hashed."""
    written = io.BytesIO()
    fastavro.schemaless_writer(written, SCHEMA, {**found, "check": b""})
    return hashlib.sha256(written.getvalue()).digest()


_WRITTEN: Final = _schema_of(fastavro.reader(io.BytesIO(write_container([]))))
"""Our schema as it stands in a file."""
