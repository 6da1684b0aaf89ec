"""Structured logs: one JSON line an event, or coloured text on a terminal.

Saga id, definition and step are fields; payloads never are. Records of the standard library's
logging are written in the same form (`saga_messaging.logs`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from saga_messaging import logs

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def error_without_its_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace `exc_info` by the error's type and frames.

    An exception's text may hold payloads, and so may a traceback that shows variables (S17).
    """
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event.update(error=type(error).__name__, at=logs.where(error))
    return event


def configure(level: str, format: str) -> None:
    """Set up the logs of a coordinator process.

    A program that embeds one configures structlog itself.

    Args:
        level: debug, info, warning or error.
        format: json, console, or auto (console on a terminal).
    """
    console = logs.as_text(format)
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            error_without_its_text,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logs.configure(level, format)
