"""What OpenTelemetry's exporters say to the log, kept for the line that we write: an outage is told once, not at every attempt.

Make one before the exporter: gRPC reads how much it may say itself when it is loaded.
"""

from __future__ import annotations

import logging
import os
from typing import Final

_LOGGER: Final = "opentelemetry.exporter.otlp.proto"
logging.getLogger(_LOGGER).addHandler(logging.NullHandler())  # what a batch on its way still says when we have stopped listening


class ExporterErrors(logging.Handler):
    """The last one that has one of these words: spans and metrics share the exporters' loggers."""

    def __init__(self, *words: str) -> None:
        super().__init__(logging.WARNING)
        self._words = words
        self.last = ""
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # else its core tells standard error of every broken connection
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if any(word in said for word in self._words):
            self.last = said

    def close(self) -> None:
        logging.getLogger(_LOGGER).removeHandler(self)
        super().close()
