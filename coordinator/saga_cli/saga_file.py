"""A file of sagas that a command writes: JSON lines, or an Avro container. It is there whole, or
not at all."""

from __future__ import annotations

import json
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from saga_coordinator.archive.entry import Entry


class SagaFile:
    """Written under another name, which it loses at its end; `-` is lines on stdout."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._to_stdout = str(path) == "-"
        self._unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        self._lines: TextIOWrapper | Any = None
        self._entries: list[Entry] = []
        self.count = 0

    def __enter__(self) -> Self:
        if self._to_stdout:
            self._lines = sys.stdout
        elif self._path.suffix == ".jsonl":
            self._lines = self._unfinished.open("w", encoding="utf-8")
        return self

    def add(self, entry: Entry) -> None:
        self.count += 1
        if self._lines is None:
            self._entries.append(entry)
        else:
            self._lines.write(json.dumps(json.loads(entry.view), ensure_ascii=False) + "\n")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._to_stdout:
            return
        try:
            if kind is None:
                self._finish()
        finally:
            if self._lines is not None:
                self._lines.close()
            self._unfinished.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._lines is None:
            from saga_coordinator.archive.container import write_container

            self._unfinished.write_bytes(write_container(self._entries))
        else:
            self._lines.close()
        self._unfinished.rename(self._path)
