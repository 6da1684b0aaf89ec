"""The log of a process of ours, by the standard library: one line an event on standard error, JSON
or text, libraries included.

A line of JSON has `event`, `level`, `timestamp` and `logger`, and what the event carries besides.
An exception is told by its type and its frames (file, line, function), never by its message: that
may hold what was sent (S17).
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator

FRAMES: Final = 12
_LONGEST: Final = 2_000
_OWN: Final = ("saga_participant", "saga_messaging", "saga_coordinator", "saga_demo")
_STANDARD: Final = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


def _small(given: object) -> object:
    return given.lower() if isinstance(given, str) else given


LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_small)]
LogFormat = Annotated[Literal["json", "console", "auto"], BeforeValidator(_small)]


def as_text(format: str) -> bool:
    """Whether lines are for people: asked for, or on a terminal."""
    return format == "console" or (format == "auto" and sys.stderr.isatty())


def configure(level: str, format: str) -> None:
    """Sets up logging for a process of its own, once.

    Every logger writes through our formatter: our own from `level` on, libraries from warnings on.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(text=as_text(format)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if level == "debug" else logging.WARNING)
    for name in _OWN:
        logging.getLogger(name).setLevel(level.upper())
    logging.getLogger("aiokafka").setLevel(logging.INFO if level == "debug" else logging.CRITICAL)
    logging.captureWarnings(True)


def configure_own(level: str, format: str) -> None:
    """Sets up logging inside somebody else's process.

    Only our own loggers write, by themselves; everything else is left to the application.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(text=as_text(format)))
    for name in _OWN:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())


def hear_the_loop() -> None:
    """Makes a line of what nobody awaited (`exception was never retrieved`).

    asyncio's own line would quote the exception.
    """
    asyncio.get_running_loop().set_exception_handler(_unheard)


def where(error: BaseException, *, frames: int = FRAMES) -> list[str]:
    """The innermost frames as `file.py:12 function`, outermost first.

    Of an exception group, those of its first leaf.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    found = traceback.extract_tb(error.__traceback__)[-frames:]
    return [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in found]


class LineFormatter(logging.Formatter):
    """One line a record."""

    def __init__(self, *, text: bool) -> None:
        super().__init__()
        self._text = text

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        event = " ".join(record.getMessage().split())[:_LONGEST]
        line: dict[str, Any] = {
            "event": event,
            "logger": record.name,
            **{name: value for name, value in record.__dict__.items() if name not in _STANDARD},
            **_told(record),
            "level": record.levelname.lower(),
            "timestamp": f"{moment}.{int(record.msecs):03d}000Z",
        }
        if not self._text:
            return json.dumps(line, default=str, ensure_ascii=False)
        error = "".join(f" {name}={line[name]}" for name in ("error", "at") if name in line)
        return f"{line['timestamp']} {record.levelname} {record.name}: {event}{error}"


def _told(record: logging.LogRecord) -> dict[str, Any]:
    error = record.exc_info[1] if record.exc_info else None
    return {} if error is None else {"error": type(error).__name__, "at": where(error)}


def _unheard(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    error = context.get("exception")
    info = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None
    logging.getLogger("asyncio").error("%s", context.get("message", "an error in the event loop"), exc_info=info)
