"""What does not fit, and how it is mended."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from saga_schemas.record_class import record


class DamageKind(StrEnum):
    """How something does not fit."""

    WAKE_UP_MISSING = "wake_up_missing"
    WAKE_UP_LEFT = "wake_up_left"
    """A finished saga has one."""
    WAKE_UP_DIFFERS = "wake_up_differs"
    LINE_MISSING = "line_missing"
    """It is on no list."""
    LINE_DIFFERS = "line_differs"
    LINE_COUNT = "line_count"
    """Lists count other reasons for attention than there are."""
    RECOVERING_LEFT = "recovering_left"
    DEFINITION_GONE = "definition_gone"
    KEY_LOST = "key_lost"
    JOURNAL_GAP = "journal_gap"
    STATE_UNREADABLE = "state_unreadable"
    STATE_DIFFERS = "state_differs"
    """What the journal says is not what is stored."""
    ATTENTION_LEFT = "attention_left"
    """A row without the state's attention."""
    ATTENTION_MISSING = "attention_missing"
    WAKE_UP_OF_NO_SAGA = "wake_up_of_no_saga"
    LINE_OF_NO_SAGA = "line_of_no_saga"
    ATTENTION_OF_NO_SAGA = "attention_of_no_saga"
    EVENT_OF_NO_SAGA = "event_of_no_saga"
    RECOVERING_OF_NO_SAGA = "recovering_of_no_saga"
    REQUEST_OF_NO_SAGA = "request_of_no_saga"
    KEY_OF_NO_SAGA = "key_of_no_saga"
    LABEL_DIFFERS = "label_differs"
    """It is not what the definition computes from the input."""
    LABEL_OF_NO_SAGA = "label_of_no_saga"
    MESSAGE_WITHOUT_RECORD = "message_without_record"
    SPAN_WITHOUT_RECORD = "span_without_record"
    POSITION_BEYOND_END = "position_beyond_end"
    SCHEDULE_CURSOR_AHEAD = "schedule_cursor_ahead"
    """Its next tick lies where all are decided."""
    SCHEDULE_WAKE_UP_MISSING = "schedule_wake_up_missing"
    SCHEDULE_VERSION_MISSING = "schedule_version_missing"
    SCHEDULE_COUNTS_DIFFER = "schedule_counts_differ"
    TICK_OF_NO_SAGA = "tick_of_no_saga"
    TICK_LEFT_QUEUED = "tick_left_queued"
    """Of a deleted schedule."""
    ROW_WITHOUT_SAGA = "row_without_saga"
    """Of a participant."""
    ROW_DIFFERS = "row_differs"


@record
class Damage:
    """One thing that does not fit."""

    kind: DamageKind
    saga_id: UUID | None
    key: str | None
    """The saga's business key, where it is known; of a schedule its name."""
    evidence: str
    way_out: str
    sql: str | None = None
    """The statement that mends it, for the coordinator's database; None: no statement does."""
    part: str = ""
    """Tells damages of one kind apart: a step, a row."""

    @property
    def identity(self) -> tuple[str, UUID | None, str]:
        """The same damage, looked at again, has the same."""
        return self.kind, self.saga_id, self.part
