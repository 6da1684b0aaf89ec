"""What a run was made on, in words."""

from __future__ import annotations

import os
import platform
import statistics
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Final

from system import Bench

_SYNCS: Final = 200
_BLOCK: Final = bytes(8192)


def machine(bench: Bench) -> dict[str, str]:
    """By what each thing is called."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return {
        "processors": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{pages / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "fdatasync of 8 KB": f"{sync_ms():.2f} ms",
        "Python": f"{platform.python_version()}, {'with' if optimised else 'without'} `--enable-optimizations`",
        "Kafka": f"{bench.kafka.version}, one broker, one replica",
        "PostgreSQL": f"{bench.postgres.version}, fsync on",
    }


def sync_ms() -> float:
    """The median time of writing a block to the disk of temporary files, where the servers' data
    are."""
    took_s = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(_BLOCK)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took_s.append(time.perf_counter() - began)
    return statistics.median(took_s) * 1000


def _processor() -> str:
    """As Linux names it; elsewhere the architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
