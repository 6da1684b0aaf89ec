"""The console's page of what needs a person shows schedules, too."""

from __future__ import annotations

from typing import Any

import httpx

from saga_coordinator.store.schedule_records import ScheduleStatus
from support.stored_schedules import NOW_US, StoredSchedules, counts, schedule_row


class Store(StoredSchedules):
    async def list_sagas(self, wanted: object) -> tuple[list[object], None]:
        return [], None

    async def schedule_counts(self, tenant: str) -> Any:
        return counts(attention=len(self.rows))

    async def definitions(self, tenant: str) -> list[Any]:
        return []


async def page(browser: httpx.AsyncClient, scripted: Any, *rows: Any) -> str:
    scripted.store = Store(*rows)
    scripted.definitions = None  # no saga needs a person: nothing is looked up
    response = await browser.get("/console/attention")
    assert response.status_code == 200
    return response.text


async def test_a_schedule_stands_with_its_reason_its_note_and_the_way_out(browser: httpx.AsyncClient, scripted: Any) -> None:
    row = schedule_row(attention="input_invalid", attention_since_us=NOW_US, attention_note="no field <day>")
    text = await page(browser, scripted, row)
    assert "the schedule settlement cannot start settle-day: its input does not fit" in text
    assert "no field &lt;day&gt;" in text
    assert "Update its input, or activate a version of settle-day" in text
    assert 'href="/console/schedules/settlement"' in text
    assert 'id="schedules"' in text


async def test_a_long_pause_is_no_alert(browser: httpx.AsyncClient, scripted: Any) -> None:
    row = schedule_row(status=ScheduleStatus.PAUSED, paused_at_us=1, paused_by="ana", paused_why="the bank is down")
    text = await page(browser, scripted, row)
    assert "is paused for long" in text
    assert "By ana: the bank is down" in text
    assert 'class="why hot"' not in text


async def test_where_nothing_needs_a_person_it_says_so(browser: httpx.AsyncClient, scripted: Any) -> None:
    text = await page(browser, scripted)
    assert "Nothing needs a person." in text
    assert "A schedule comes here when" in text


async def test_schedules_count_beside_the_entry(browser: httpx.AsyncClient, scripted: Any) -> None:
    scripted.store.attention, scripted.store.schedules = 2, 3
    assert ">5</span>" in (await browser.get("/console/")).text
