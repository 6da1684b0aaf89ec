"""Asks a broker for its release: the highest `metadata.version` in its ApiVersions answer
(KIP-584).

Kafka's protocol has no field for the release, but each release raises the `metadata.version` level.
This module encodes the request itself, because client libraries do not return the answer.
"""

from __future__ import annotations

import socket
import struct

# Lowest level of each release, from MetadataVersion.java of Apache Kafka.
_LEVELS = ((28, "4.2"), (26, "4.1"), (22, "4.0"), (21, "3.9"), (20, "3.8"), (15, "3.7"), (12, "3.6"))
_API_VERSIONS, _REQUEST_VERSION, _CORRELATION = 18, 3, 7
_FEATURES_TAG = 0
_ANSWER_LIMIT = 1 << 16


def kafka_release(bootstrap_servers: str, *, timeout_s: float) -> str:
    """Return the release, as "4.1 (metadata.version 27)".

    Raises:
        OSError: Nothing answers there.
        ValueError: What answers is no Kafka.
    """
    host, _, port = bootstrap_servers.split(",")[0].strip().rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s) as link:
        link.sendall(_request())
        size = struct.unpack(">i", _read(link, 4))[0]
        if not 4 <= size <= _ANSWER_LIMIT:
            raise ValueError("what answers there does not speak Kafka's protocol")
        level = _metadata_level(_read(link, size))
    release = next((name for lowest, name in _LEVELS if level >= lowest), "older than 3.6")
    return f"{release} (metadata.version {level})"


def _request() -> bytes:
    client = b"saga"
    header = struct.pack(">hhih", _API_VERSIONS, _REQUEST_VERSION, _CORRELATION, len(client)) + client + b"\x00"
    body = b"".join(bytes([len(text) + 1]) + text for text in (b"saga", b"1")) + b"\x00"
    return struct.pack(">i", len(header) + len(body)) + header + body


def _read(link: socket.socket, size: int) -> bytes:
    taken = b""
    while len(taken) < size:
        more = link.recv(size - len(taken))
        if not more:
            raise ValueError("the connection was closed in the middle of an answer")
        taken += more
    return taken


def _metadata_level(answer: bytes) -> int:
    reader = _Reader(answer, at=4)  # behind the correlation id
    if reader.number(">h") != 0:
        raise ValueError("the broker refused the ApiVersions request")
    for _ in range(reader.varint() - 1):
        reader.at += 6  # an API's key, lowest and highest version
        reader.skip_tags()
    reader.at += 4  # throttle time
    for _ in range(reader.varint()):
        tag, size = reader.varint(), reader.varint()
        end = reader.at + size
        if tag == _FEATURES_TAG:
            return _highest(reader)
        reader.at = end
    return 0


def _highest(reader: _Reader) -> int:
    for _ in range(reader.varint() - 1):
        size = reader.varint() - 1
        name = reader.data[reader.at : reader.at + size]
        reader.at += size + 2  # the name and the lowest level
        highest = reader.number(">h")
        reader.skip_tags()
        if name == b"metadata.version":
            return highest
    return 0


class _Reader:
    """A cursor over Kafka's flexible encoding."""

    def __init__(self, data: bytes, *, at: int) -> None:
        self.data = data
        self.at = at

    def number(self, form: str) -> int:
        value: int = struct.unpack_from(form, self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.number(">B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def skip_tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            size = self.varint()  # read first: it moves the cursor
            self.at += size
