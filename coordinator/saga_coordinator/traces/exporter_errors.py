"""Keeps the errors that OpenTelemetry's exporters log, so that we log an outage once and not at
every attempt.

Make one before the exporter. It limits what gRPC logs itself, and gRPC reads that limit when it is
loaded.
"""

from __future__ import annotations

import logging
import os
from typing import Final

_LOGGER: Final = "opentelemetry.exporter.otlp.proto"
logging.getLogger(_LOGGER).addHandler(logging.NullHandler())  # for what an exporter logs after `close`


class ExporterErrors(logging.Handler):
    """Keeps in `last` the last error that contains one of `words`: the exporters of spans and of
    metrics share their loggers."""

    def __init__(self, *words: str) -> None:
        super().__init__(logging.WARNING)
        self._words = words
        self.last = ""
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # else gRPC writes every broken connection to standard error
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if any(word in message for word in self._words):
            self.last = message

    def close(self) -> None:
        logging.getLogger(_LOGGER).removeHandler(self)
        super().close()
