"""The jars of Apache Kafka. jgo, a wheel, resolves and caches them; `kafka-jars.txt` pins every
coordinate and checksum.

Every jar is pinned: a resolver alone picks an older kafka-clients and jackson, and that broker dies
at start. The cache is Maven's own (`~/.m2/repository`, or M2_REPO); a lock beside it keeps two
processes from writing the same file.
"""

from __future__ import annotations

import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from saga_cli.dev.cache import locked
from saga_cli.dev.process import ServiceFailed

if TYPE_CHECKING:
    from jgo.maven import MavenContext

_PINS = Path(__file__).with_name("kafka-jars.txt")
_TIMEOUT_S = 60
_AT_ONCE = 8


def kafka_classpath() -> list[Path]:
    """Return the paths of all jars.

    Missing ones are downloaded and checked first. Raises ServiceFailed.
    """
    from jgo.maven import MavenContext

    context = MavenContext(timeout=_TIMEOUT_S)
    pins = [line.split() for line in _PINS.read_text().splitlines()]
    with locked(context.repo_cache), ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda pin: _jar(context, *pin), pins))


def _jar(context: MavenContext, coordinate: str, sha256: str) -> Path:
    group, name, version = coordinate.split(":")
    artifact = context.project(group, name).at_version(version).artifact()
    cached = artifact.cached_path
    assert cached is not None  # the context has a cache
    if cached.exists() and zipfile.is_zipfile(cached):
        return cached
    cached.unlink(missing_ok=True)  # half a download, left by a process that was killed in it
    try:
        path = artifact.resolve()
    except Exception as error:
        raise ServiceFailed(f"cannot download {coordinate}, which the local Kafka needs: {error}") from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        path.unlink()
        raise ServiceFailed(f"the downloaded {coordinate} is not the pinned one (checksum differs); nothing was started")
    return path
