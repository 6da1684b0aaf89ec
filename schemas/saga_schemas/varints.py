"""Zigzag varints, as Avro and Kafka's records of format 2 both write them."""

from __future__ import annotations


def encoded(number: int) -> bytes:
    """A number of at most 64 bits."""
    rest = (number << 1) ^ (number >> 63)
    content = bytearray()
    while rest > 0x7F:
        content.append(rest & 0x7F | 0x80)
        rest >>= 7
    content.append(rest)
    return bytes(content)
