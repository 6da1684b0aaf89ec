"""What a participant's process reads from the environment, however it is run: `saga participant
run`, `run`, `lifespan`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from saga_messaging import environment, logs
from saga_messaging.errors import ConfigurationError
from saga_messaging.logs import LogFormat, LogLevel
from saga_messaging.patience import START_PATIENCE_S, PatienceS
from saga_messaging.settings import GroupName, KafkaSettings
from saga_participant.arguments import read_keys
from saga_schemas.token import AnnouncementKeys


class ParticipantSettings(BaseModel):
    """Beside Kafka's own (`SAGA_KAFKA_…`, `SAGA_TOPIC_PREFIX`).

    The service's database is told to its `Participant`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    instance: GroupName | None = None
    """Static group membership under this name."""
    log_level: LogLevel = "info"
    log_format: LogFormat = "auto"
    """json, console, or auto: console on a terminal."""
    start_patience_s: PatienceS = START_PATIENCE_S
    """How long a start waits for a database or a Kafka that is not up yet."""
    announcement_keys: AnnouncementKeys | None = None
    """What announcements are verified with; None: nothing is."""
    kafka: KafkaSettings

    @property
    def serving(self) -> dict[str, Any]:
        """As `Participant.serve` and `served` take it."""
        return {
            "instance": self.instance,
            "topic_prefix": self.kafka.topic_prefix,
            "start_patience_s": self.start_patience_s,
        }

    def configure_logs(self, environ: Mapping[str, str], *, alone: bool) -> None:
        """As the settings say, unless the program has configured its logs itself.

        `alone`: the process is the participant's.
        """
        if not logging.getLogger().handlers:
            (logs.configure if alone else logs.configure_own)(self.log_level, self.log_format)
        if links := environment.ignored(environ):
            logging.getLogger("saga_participant").info(links)

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **given: Any) -> ParticipantSettings:
        """From `SAGA_…` variables; an empty one counts as not given, one that nobody reads is
        refused. `given` goes first.

        Raises ConfigurationError.
        """
        named = {f"SAGA_{name.upper()}": name for name in cls.model_fields if name != "kafka"}
        found: dict[str, Any] = {
            named[variable]: text for variable, text in environment.given(environ).items() if variable in named
        }
        found["announcement_keys"] = read_keys("SAGA_ANNOUNCEMENT_KEYS", found.get("announcement_keys"))
        found |= {name: value for name, value in given.items() if value is not None}
        try:
            return cls(**found, kafka=KafkaSettings.from_env(environ))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            reason = first["msg"].removeprefix("Value error, ")
            raise ConfigurationError(f"SAGA_{str(first['loc'][0]).upper()}: {reason}") from None
