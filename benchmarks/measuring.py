"""CPU and memory of whole process trees, read from /proc: what a saga costs over all processes, the
load generator apart."""

from __future__ import annotations

import os
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(root: int) -> float:
    """User and system seconds of a process and its descendants, those it has reaped included."""
    return sum(_own_cpu_s(pid) for pid in tree(root))


def ran_s(pid: int) -> float:
    """Seconds on a processor, of a process with one thread, by the scheduler's account: nanoseconds
    where /proc/…/stat has ticks."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def threads_ran_s(pid: int) -> float:
    """Seconds on a processor, of a process with all its threads, by the scheduler's account."""
    return sum(int((one / "schedstat").read_text().split()[0]) for one in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def rss_mb(pid: int) -> float:
    """Resident memory of one process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def tree(root: int) -> list[int]:
    """The process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def _own_cpu_s(pid: int) -> float:
    fields = _stat(pid)
    return sum(int(value) for value in fields[11:15]) * _TICK_S if fields else 0.0


def _stat(pid: int) -> list[str]:
    """The fields after the command's name; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def machine_s() -> tuple[float, float]:
    """Seconds that all processors have worked since the start of the machine, and those that
    another machine on the same hardware took."""
    user, nice, system, _, _, irq, softirq, steal, *_ = (int(value) for value in _first_line("/proc/stat").split()[1:])
    return (user + nice + system + irq + softirq) * _TICK_S, steal * _TICK_S


def _first_line(path: str) -> str:
    with Path(path).open() as file:
        return file.readline()
