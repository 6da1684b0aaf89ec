"""Zigzag varints, as records of format 2 have them. Pure."""

from __future__ import annotations

_LONGEST = 10  # bytes


def varint(data: memoryview, at: int, stop: int) -> tuple[int, int]:
    """The number at `at`, and where the next thing begins.

    Raises ValueError where there is no number before `stop`.
    """
    value = shift = 0
    for index in range(at, min(stop, at + _LONGEST)):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), index + 1
        shift += 7
    raise ValueError("a number without an end")
