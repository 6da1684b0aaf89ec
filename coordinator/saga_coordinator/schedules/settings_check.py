"""Settings of a schedule that contradict each other, or its calendar (warnings)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from saga_coordinator.calendar.calendar import Calendar
from saga_coordinator.calendar.tick import Cursor
from saga_coordinator.definitions.fields import duration_text
from saga_coordinator.definitions.finding import Report
from saga_coordinator.schedules.reading import MISSED_KEYS, ScheduleDraft
from saga_coordinator.schedules.tick_names import tick_text

MOST_LOOKED_AT: Final = 10_000
"""Ticks of the next year whose gaps are looked at: more than one an hour."""
_YEAR_US: Final = 366 * 24 * 3_600 * 1_000_000


def check_settings(draft: ScheduleDraft, report: Report) -> None:
    """What is contradictory whatever the calendar is."""
    overlap, missed, said = draft.overlap, draft.missed, draft.missed_nodes
    if draft.overlap_node is not None and (overlap.policy, overlap.limit) == ("allow", 1):
        report.add("S315", draft.overlap_node, "allow: 1 lets one saga run at a time, as `overlap: skip` does; write that")
    if missed.policy == "run_all" and overlap.policy == "skip":
        message = (
            "of the missed ticks only the first would start, since the others overlap with it; say `overlap: {queue_all: 10}`"
        )
        report.add("S315", said["policy"], f"run_all with overlap skip: {message}")
    if missed.policy == "skip" and "window" in said:
        report.add("S315", said["window"], "with the policy skip no missed tick runs, so a window has no effect")
    elif missed.policy != "skip" and missed.window_ms <= missed.grace_ms:
        window, grace = duration_text(missed.window_ms), duration_text(missed.grace_ms)
        place = next(said[key] for key in reversed(MISSED_KEYS) if key in said)
        message = f"no missed tick could ever run: within the grace of {grace} a tick is not missed, after the window of {window}"
        report.add("S315", place, f"{message} it is too old")
    if draft.pause_after_failures is not None and draft.runs is not None:
        if draft.pause_after_failures.value >= draft.runs.value:
            message = f"it ends after {draft.runs.value} runs, so so many failures never pause it"
            report.add("S315", draft.pause_after_failures.node, message)


def check_gaps(draft: ScheduleDraft, calendar: Calendar, now_us: int, report: Report) -> None:
    """What contradicts the times of the next year's ticks."""
    expected, jitter = draft.expect_success, draft.jitter
    if expected is None and jitter is None:
        return
    limit = MOST_LOOKED_AT if draft.runs is None else min(draft.runs.value, MOST_LOOKED_AT)
    ticks = calendar.ticks(Cursor(after_us=now_us), until_us=now_us + _YEAR_US, limit=limit)
    instants = [tick.at_us for tick in ticks]
    if len(instants) < 2:
        return
    longest, shortest = _gaps(instants)
    if expected is not None and expected.value * 1_000 < longest[0]:
        gap, within = duration_text(longest[0] // 1_000), duration_text(expected.value)
        message = f"a success is expected within {within}, but after {tick_text(longest[1])} the next tick comes {gap} later"
        report.add("S316", expected.node, f"{message}: an alert would stand each time")
    if jitter is not None and draft.calendar is not None and draft.calendar.jitter_ms * 1_000 >= shortest[0]:
        gap = duration_text(shortest[0] // 1_000)
        message = (
            f"the jitter is not shorter than the {gap} from {tick_text(shortest[1])} to the next tick, which may come before"
        )
        report.add("S315", jitter, message)


def _gaps(instants: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The longest and the shortest gap, each with the tick that it follows."""
    gaps = [(later - earlier, earlier) for earlier, later in pairwise(instants)]
    return max(gaps, key=lambda gap: (gap[0], -gap[1])), min(gaps)
