"""The classes of a Kafka that is up, loaded and linked, in a file beside the environment they
belong to: with it a broker starts with half of the CPU, 2.2 s where it was 4.0.

`make kafka-classes` makes it before the tests, in ten seconds. Without it they run as well.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from saga_cli.dev.kafka import KafkaService

CLASSES: Final = Path(sys.prefix) / "kafka-classes.aot"
LESS_COMPILED: Final = "-XX:TieredStopAtLevel=1"
"""A broker of the tests lives for minutes. Java's second compiler costs more than half of the CPU
of its start, and gains that back only over hours."""
NO_ADAPTERS: Final = "-XX:+UnlockDiagnosticVMOptions -XX:-AOTAdapterCaching"
"""Java 25 finds some adapters of calls under another name than it kept them, and says so."""


def java_options() -> str:
    """What a Java of the tests is started with."""
    return f'{LESS_COMPILED} {NO_ADAPTERS} "-XX:AOTCache={CLASSES}"' if CLASSES.exists() else LESS_COMPILED


class Recorded(KafkaService):
    """Java writes its classes when it is stopped."""

    stop_grace_s = 300.0


def main() -> None:
    unfinished = CLASSES.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    os.environ["JDK_JAVA_OPTIONS"] = f'{LESS_COMPILED} {NO_ADAPTERS} "-XX:AOTCacheOutput={unfinished}"'
    with Recorded() as kafka:
        kafka.stop()
    unfinished.replace(CLASSES)  # whole or not at all


if __name__ == "__main__":
    main()
