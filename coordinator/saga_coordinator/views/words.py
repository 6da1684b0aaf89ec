"""How figures are written for people, in sentences and tables. Pure."""

from __future__ import annotations


def number(count: float) -> str:
    """`1,284`; what is small and no whole number has one digit more."""
    return f"{count:,.0f}" if count >= 100 or count == int(count) else f"{count:,.1f}"


def many(count: int, one: str, more: str = "") -> str:
    """`1 saga`, `148 sagas`."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def percent(share: float) -> str:
    """`61 %`, `3.8 %`; `0` and `100 %` only where that is exact."""
    if share in (0.0, 1.0):
        return "100 %" if share else "0"
    if share < 0.0005:
        return "< 0.1 %"
    if share > 0.9995:
        return "> 99.9 %"
    return f"{share * 100:.0f} %" if 0.1 <= share <= 0.9 else f"{share * 100:.1f} %"


def duration(us: float) -> str:
    """In its largest unit that fits, with two or three digits: `41 ms`, `1.4 s`, `12 min`."""
    for size, unit in ((1, "µs"), (1_000, "ms"), (1_000_000, "s"), (60_000_000, "min"), (3_600_000_000, "h")):
        limit = {"µs": 1_000, "ms": 1_000_000, "s": 60_000_000, "min": 3_600_000_000, "h": 172_800_000_000}[unit]
        if us < limit:
            value = us / size
            return f"{value:.1f} {unit}" if value < 10 and unit not in ("µs", "min") else f"{value:.0f} {unit}"
    return f"{us / 86_400_000_000:.0f} d"


def size(count: int) -> str:
    """`4.2 GB`, in powers of ten."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def listed(names: list[str], most: int = 3) -> str:
    """`a`, `a and b`, `a, b and 4 more`."""
    if len(names) <= 1:
        return "".join(names)
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return f"{', '.join(names[:-1])} and {names[-1]}"
