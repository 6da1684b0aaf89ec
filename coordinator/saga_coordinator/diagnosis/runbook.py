"""The sections of the runbook that findings name: anchors of docs/operations.md."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

PAGE: Final = "docs/operations.md"


class Anchor(StrEnum):
    """A section of the page; its value is what stands behind `#`."""

    UNREAD_COMMANDS = "nobody-reads-the-commands"
    SILENT_PARTICIPANT = "a-participant-does-not-answer"
    FAILING_PARTICIPANT = "a-participant-fails"
    NO_NEWS = "accepted-work-has-no-news"
    STEP_TIME_OVER = "the-time-of-a-step-is-over"
    CLOCKS = "clocks-differ"
    TOO_LATE = "commands-arrive-after-their-time"
    KAFKA_AWAY = "kafka-does-not-answer"
    REFUSED_COMMAND = "the-broker-refuses-a-command"
    UNSENT_COMMAND = "a-command-has-not-left"
    REFUSED_REPLY = "a-reply-cannot-be-read"
    LATE_REPLIES = "replies-are-read-late"
    LATE_TIMERS = "timers-are-late"
    LOST_WAKE_UP = "a-wake-up-is-missing"
    INBOX = "events-wait-for-a-saga"
    ROLES = "nobody-has-a-role"
    GONE_INSTANCE = "an-instance-is-not-seen-any-more"
    UNWELL_INSTANCE = "an-instance-is-not-well"
    SLOW_DATABASE = "the-database-is-slow"
    NO_DEFINITION = "the-definition-is-missing"
    UNREADABLE = "the-state-cannot-be-read"
    RECOVERING = "the-saga-recovers"
    START_TIME = "the-saga-waits-for-its-start-time"
    PAUSED = "the-saga-is-paused"
    ENDED_BACK = "the-saga-was-undone"
    FORCED = "the-saga-was-forced"
    LISTING = "a-list-shows-something-else"
    CONFLICT = "answers-contradict-each-other"
    REJECTED = "a-definite-no-after-the-pivot"
    FENCED = "a-step-is-fenced"
    UNSUPPORTED = "a-participant-lacks-a-handler"
    UNDO = "an-undo-fails"
    FUTURE_REPLY = "an-answer-from-the-future"
    ENGINE_ERROR = "an-engine-error"
    NO_COMMAND = "a-command-cannot-be-made"
    OF_SCHEDULE = "a-schedule-started-the-saga"
    ATTENTION = "at-3-am"

    @property
    def address(self) -> str:
        """The page with the section."""
        return f"{PAGE}#{self.value}"
