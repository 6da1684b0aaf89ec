"""Schedules over HTTP: what is answered, what is refused, and who did what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.port import DefinitionRow, SagaRow
from saga_coordinator.store.schedule_records import TickOutcome, TickRangeRow, TickRow, TickSource
from saga_schemas.times import parse_us
from support.definition_rows import definition_row
from support.saga_rows import SAGA
from support.schedules import CLOCK_US, schedule_document
from unit.coordinator.api.conftest import ScriptedCoordinator
from unit.coordinator.api.stored import COMPILED, Stored, started

FILE = """\
schedule: settlement
definition: order
calendar: {zone: Europe/Berlin, cron: "30 2 * * *"}
input:
  order_id: ${schedule.tick}
  customer: ada
  account: a-1
  sku: s-1
  quantity: 2
  total: 1999
  address: Main St 1
"""
EVERY_SECOND = FILE.replace("30 2 * * *", "* * * * * *")
WHY = {"reason": "the bank is down", "actor": "ada"}
HOUR_US = 3_600_000_000


class Registered:
    """The definitions that are registered: the shop's order."""

    refreshed = 0

    def find(self, name: str, version: int | None) -> DefinitionRow | None:
        return definition_row("order", b"") if name == "order" and version in (None, 1) else None

    async def get(self, definition_id: int) -> CompiledDefinition:
        assert definition_id == 1
        return COMPILED

    async def refresh(self) -> None:
        self.refreshed += 1


@pytest.fixture
def coordinator(coordinator: ScriptedCoordinator) -> ScriptedCoordinator:
    registered: Any = Registered()
    store: Any = coordinator.store
    coordinator.definitions = registered
    store.clock_us = CLOCK_US
    return coordinator


@pytest.fixture
async def settlement(coordinator: ScriptedCoordinator) -> str:
    """The name of a schedule that is there."""
    await coordinator.create_schedule(schedule_document(), "nightly", "ada")
    return "settlement"


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    said: dict[str, Any] = response.json()
    assert (response.status_code, said.get("code")) == (status, code), said
    return said


# --- create and update ----------------------------------------------------------------------------


async def test_a_file_is_created_and_says_when_it_ticks_next(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    answer = await http.post("/v1/schedules", json={"document": FILE, "file": "s.yaml", **WHY})
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert answer.headers["location"] == "/v1/schedules/settlement"
    assert (said["name"], said["version"], said["changed"]) == ("settlement", 1, True)
    assert said["schedule"]["zone"] == "Europe/Berlin"
    assert said["schedule"]["calendar"] == ["30 2 * * *"]
    assert coordinator.schedule_acts == [("schedule create", "settlement", "the bank is down", "ada")]


async def test_a_document_may_be_json_of_the_files_shape(http: httpx.AsyncClient) -> None:
    made = {
        "order_id": "${schedule.tick}",
        "customer": "ada",
        "account": "a",
        "sku": "s",
        "quantity": 1,
        "total": 1,
        "address": "M",
    }
    document = {"schedule": "beat", "definition": "order", "calendar": {"every": "90s"}, "input": made}
    answer = await http.post("/v1/schedules", json={"document": document})
    assert answer.status_code == 201, answer.text
    assert answer.json()["schedule"]["calendar"] == ["every 90s"]
    assert answer.json()["schedule"]["document"]["definition"] == "order"


async def test_errors_are_findings_with_their_place(http: httpx.AsyncClient) -> None:
    wrong = FILE.replace("Europe/Berlin", "Europe/Berlinn")
    said = problem(await http.post("/v1/schedules", json={"document": wrong, "file": "s.yaml"}), 422, "schedule_invalid")
    finding = said["findings"][0]
    assert (finding["file"], finding["line"], finding["severity"]) == ("s.yaml", 3, "error")
    assert "Europe/Berlin" in finding["message"]


@pytest.mark.parametrize(
    "document",
    [FILE.replace("definition: order", "definition: gone"), FILE.replace("quantity: 2", "quantity: many"), "", "[", "- a"],
    ids=["no definition", "input does not fit", "empty", "no yaml", "a list"],
)
async def test_what_makes_no_sense_is_refused_with_findings(http: httpx.AsyncClient, document: str) -> None:
    said = problem(await http.post("/v1/schedules", json={"document": document}), 422, "schedule_invalid")
    assert said["findings"]


async def test_a_definition_that_is_not_known_yet_is_looked_for_once(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator
) -> None:
    registered: Any = coordinator.definitions
    await http.post("/v1/schedules", json={"document": FILE.replace("definition: order", "definition: gone")})
    assert registered.refreshed == 1


async def test_a_warning_that_asks_is_refused_until_somebody_says_yes(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator
) -> None:
    said = problem(await http.post("/v1/schedules", json={"document": EVERY_SECOND}), 409, "schedule_warned")
    assert [finding["severity"] for finding in said["findings"]] == ["warning"]
    assert coordinator.schedule_acts == []
    answer = await http.post("/v1/schedules", json={"document": EVERY_SECOND, "yes": True})
    assert answer.status_code == 201
    assert [finding["severity"] for finding in answer.json()["findings"]] == ["warning"]


async def test_a_name_that_is_taken_is_refused(http: httpx.AsyncClient, settlement: str) -> None:
    problem(await http.post("/v1/schedules", json={"document": FILE}), 409, "schedule_exists")


async def test_an_update_makes_the_next_version(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    answer = await http.put("/v1/schedules/settlement", json={"document": FILE, "version": 1, **WHY})
    assert (answer.status_code, answer.json()["version"], answer.json()["changed"]) == (200, 2, True)
    again = await http.put("/v1/schedules/settlement", json={"document": FILE})
    assert (again.json()["version"], again.json()["changed"]) == (2, False)
    assert coordinator.schedule_acts[-1] == ("schedule update", "settlement", "the bank is down", "ada")


async def test_an_update_of_what_has_moved_is_refused(http: httpx.AsyncClient, settlement: str) -> None:
    problem(await http.put("/v1/schedules/settlement", json={"document": FILE, "version": 7}), 409, "schedule_moved")


async def test_an_update_never_changes_the_name(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    await coordinator.create_schedule(schedule_document("other"), "", "ada")
    said = problem(await http.put("/v1/schedules/other", json={"document": FILE}), 422, "request_invalid")
    assert said["field"] == "document.schedule"


async def test_a_preview_says_what_it_would_do_and_does_nothing(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator
) -> None:
    body = {"document": EVERY_SECOND, "count": 2, "from": "2027-03-27"}
    said = (await http.post("/v1/schedules/preview", json=body)).json()
    assert (said["name"], said["asks_yes"], len(said["findings"])) == ("settlement", True, 1)
    # The day begins in Berlin, an hour before it does in UTC.
    assert [tick["tick"] for tick in said["ticks"]] == ["2027-03-26T23:00:00Z", "2027-03-27T00:00:00Z"]
    assert coordinator.schedule_acts == []
    assert (await http.post("/v1/schedules/preview", json={**body, "count": 0})).json()["ticks"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "document"),
        ({"document": 4}, "document"),
        ({"document": FILE, "yes": "yes"}, "yes"),
        ({"document": FILE, "reason": " "}, "reason"),
        ({"document": FILE, "extra": 1}, "extra"),
    ],
    ids=["no document", "a number", "yes is no boolean", "a blank reason", "an unknown field"],
)
async def test_a_body_that_is_not_as_it_must_be_names_the_field(
    http: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    said = problem(await http.post("/v1/schedules", json=body), 422, "request_invalid")
    assert field in said["field"]


# --- list and show --------------------------------------------------------------------------------


async def test_schedules_are_listed_by_name_page_by_page(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    for name in ("c", "a", "b"):
        await coordinator.create_schedule(schedule_document(name), "", "ada")
    first = (await http.get("/v1/schedules", params={"limit": 2})).json()
    assert ([one["name"] for one in first["items"]], first["next"]) == (["a", "b"], "b")
    second = (await http.get("/v1/schedules", params={"limit": 2, "cursor": first["next"]})).json()
    assert ([one["name"] for one in second["items"]], second["next"]) == (["c"], None)


async def test_schedules_are_listed_by_status_and_by_what_needs_a_person(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator
) -> None:
    for name in ("a", "b", "c", "d"):
        await coordinator.create_schedule(schedule_document(name), "", "ada")
    await coordinator.pause_schedule("b", "holidays", "bob")
    await coordinator.delete_schedule("c", "unused", "bob")
    rows = coordinator.schedule_rows
    rows["a"] = replace(rows["a"], attention="input_invalid", attention_note="day: expected date", attention_since_us=CLOCK_US)
    rows["d"] = replace(rows["d"], success_due_at_us=CLOCK_US - 1)

    async def listed(**query: Any) -> list[str]:
        return [one["name"] for one in (await http.get("/v1/schedules", params=query)).json()["items"]]

    assert await listed() == ["a", "b", "d"]
    assert await listed(status="paused") == ["b"]
    assert await listed(status="deleted") == ["c"]
    assert await listed(attention="true") == ["a", "d"]
    assert (await http.get("/v1/schedules", params={"status": "lost"})).status_code == 422


async def test_one_shows_what_runs_what_waits_and_what_comes(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    started = await coordinator.trigger_schedule(settlement, "late file", "ada")
    coordinator.clock_us += 1
    await coordinator.trigger_schedule(settlement, "late file", "ada", overlap="queue_one")
    row = coordinator.schedule_rows[settlement]
    coordinator.schedule_rows[settlement] = replace(row, fired=41, missed=2, previous_us=CLOCK_US, failures=2)
    said = (await http.get("/v1/schedules/settlement")).json()
    assert (said["running"], said["waiting"]) == (1, 1)
    assert [one["saga_id"] for one in said["open"]] == [str(started.saga_id)]
    assert [one["reason"] for one in said["queued"]] == ["overlap"]
    assert said["queued"][0]["sentence"], "a code has a sentence"
    assert said["counts"] == {"fired": 41, "queued": 0, "skipped": 0, "missed": 2, "failed": 0}
    assert said["previous"] == "2027-03-27T10:00:00Z"
    assert len(said["coming"]) == 5
    assert said["health"]["failures"] == 2 and said["health"]["pause_after_failures"] == 3
    assert said["file"].startswith("schedule: settlement\ndefinition: settle-day\n")
    assert said["document"]["missed"] == {"policy": "run_one", "grace": "1m", "window": "1d"}
    assert said["tzdata"]


async def test_the_next_tick_is_told_in_words_with_what_is_odd_about_it(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    gap_us = parse_us("2027-03-28T01:00:00Z")  # 02:30 does not exist in Berlin on this day
    row = coordinator.schedule_rows[settlement]
    coordinator.schedule_rows[settlement] = replace(row, next_at_us=gap_us, fire_at_us=gap_us)
    said = (await http.get("/v1/schedules")).json()["items"][0]["next"]
    assert (said["tick"], said["local"]) == ("2027-03-28T01:00:00Z", "2027-03-28T02:30:00")
    assert said["words"].startswith("in 15 h, Sunday 02:30") and "03:00" in said["words"]
    assert said["odd"]


async def test_a_tick_that_the_calendar_does_not_name_is_shown_all_the_same(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    row = coordinator.schedule_rows[settlement]
    coordinator.schedule_rows[settlement] = replace(row, next_at_us=CLOCK_US + HOUR_US, fire_at_us=None)
    said = (await http.get("/v1/schedules")).json()["items"][0]["next"]
    assert (said["tick"], said["odd"]) == ("2027-03-27T11:00:00Z", None)


async def test_what_needs_a_person_says_what_to_do(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    row = coordinator.schedule_rows[settlement]
    more: dict[str, Any] = {"attention": "definition_inactive", "attention_since_us": CLOCK_US, "success_due_at_us": CLOCK_US}
    coordinator.schedule_rows[settlement] = replace(row, **more)
    said = (await http.get("/v1/schedules/settlement")).json()
    assert [one["code"] for one in said["needs"]] == ["definition_inactive", "no_success"]
    assert "settle-day" in said["needs"][0]["sentence"]
    assert said["health"]["overdue"] is True


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", "?reason=r"),
        ("GET", "/next"),
        ("GET", "/ticks"),
        ("GET", "/versions"),
        ("GET", "/versions/1"),
        ("GET", "/backfills"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/trigger"),
        ("POST", "/backfills"),
    ],
)
@pytest.mark.parametrize("name", ["nobody", "No%20Name", "a%00b"], ids=["unknown", "no name", "nul"])
async def test_a_name_that_is_none_is_not_found(http: httpx.AsyncClient, method: str, path: str, name: str) -> None:
    bodies = {"": {"document": FILE}, "/backfills": {**WHY, "from": "2027-03-01", "until": "2027-03-02"}}
    body = None if method in ("GET", "DELETE") else bodies.get(path, WHY)
    problem(await http.request(method, f"/v1/schedules/{name}{path}", json=body), 404, "schedule_unknown")


async def test_versions_are_documents_that_can_be_compared(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    await coordinator.update_schedule(schedule_document(jitter_ms=300_000), "spread the load", "bob")
    said = (await http.get("/v1/schedules/settlement/versions")).json()
    assert [(one["version"], one["actor"], one["reason"]) for one in said["items"]] == [
        (2, "bob", "spread the load"),
        (1, "ada", "nightly"),
    ]
    new, old = (set(one["file"].splitlines()) for one in said["items"])
    assert (new - old, old - new) == ({"  jitter: 5m"}, set())
    first = (await http.get("/v1/schedules/settlement/versions/1")).json()
    assert first == said["items"][1]
    page = (await http.get("/v1/schedules/settlement/versions", params={"limit": 1})).json()
    rest = (await http.get("/v1/schedules/settlement/versions", params={"limit": 1, "cursor": page["next"]})).json()
    assert [one["version"] for one in page["items"] + rest["items"]] == [2, 1]
    problem(await http.get("/v1/schedules/settlement/versions/3"), 404, "schedule_unknown")
    problem(await http.get("/v1/schedules/settlement/versions?cursor=x"), 422, "request_invalid")


# --- ticks ----------------------------------------------------------------------------------------


async def test_next_ticks_begin_at_a_day_of_the_calendars_zone(http: httpx.AsyncClient, settlement: str) -> None:
    said = (await http.get("/v1/schedules/settlement/next", params={"count": 2, "from": "2027-03-28"})).json()
    assert [one["tick"] for one in said["items"]] == ["2027-03-27T23:00:00Z", "2027-03-28T00:00:00Z"]
    assert said["zone"] == "Europe/Berlin" and said["tzdata"]
    exact = (await http.get("/v1/schedules/settlement/next", params={"count": 1, "from": "2027-03-28T05:00:00+02:00"})).json()
    assert [one["tick"] for one in exact["items"]] == ["2027-03-28T03:00:00Z"], "the first instant counts"
    undecided = (await http.get("/v1/schedules/settlement/next", params={"count": 1})).json()
    assert [one["tick"] for one in undecided["items"]] == ["2027-03-27T11:00:00Z"]


@pytest.mark.parametrize("begin", ["yesterday", "2027-02-30", "9999-99-99", "2027-03-27T25:00:00Z", ""])
async def test_a_time_that_is_none_is_refused(http: httpx.AsyncClient, settlement: str, begin: str) -> None:
    said = problem(await http.get("/v1/schedules/settlement/next", params={"from": begin}), 422, "request_invalid")
    assert said["field"] == "from" and "2027-03-27" in said["expected"]


@pytest.mark.parametrize("count", ["0", "1001", "many"])
async def test_a_count_out_of_its_bounds_is_refused(http: httpx.AsyncClient, settlement: str, count: str) -> None:
    problem(await http.get("/v1/schedules/settlement/next", params={"count": count}), 422, "request_invalid")


MISSED = "nobody decided it in time: it was paused, no coordinator ran, or none could reach the database"


async def test_ticks_and_ranges_are_one_list_newest_first(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    mine = coordinator.schedule_rows[settlement].id

    def fired(at_us: int) -> TickRow:
        made: dict[str, Any] = {"source": TickSource.CALENDAR, "outcome": TickOutcome.FIRED, "version": 1}
        return TickRow(schedule_id=mine, at_us=at_us, decided_at_us=at_us, fired_at_us=at_us + 250_000, **made)

    def missed(first_us: int, count: int) -> TickRangeRow:
        last_us = first_us + (count - 1) * HOUR_US
        made: dict[str, Any] = {"outcome": TickOutcome.MISSED, "reason": "missed", "decided_at_us": last_us}
        return TickRangeRow(schedule_id=mine, first_us=first_us, last_us=last_us, count=count, **made)

    coordinator.tick_rows += [fired(CLOCK_US + place * HOUR_US) for place in (0, 1, 5, 9)]
    coordinator.range_rows += [missed(CLOCK_US + 2 * HOUR_US, 3), missed(CLOCK_US + 6 * HOUR_US, 2)]
    # Run by a backfill since: it begins where its range does, and no page parts the two.
    coordinator.tick_rows.append(replace(fired(CLOCK_US + 2 * HOUR_US), source=TickSource.BACKFILL))
    seen: list[Any] = []
    cursor: str | None = None
    for _ in range(9):
        query = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = (await http.get("/v1/schedules/settlement/ticks", params=query)).json()
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    begins = [one.get("tick") or one["first"] for one in seen]
    assert begins == sorted(begins, reverse=True) and len(begins) == 7
    ranges = [one for one in seen if one["kind"] == "range"]
    assert [(one["count"], one["sentence"]) for one in ranges] == [(2, MISSED), (3, MISSED)]
    assert seen[0]["late_ms"] == 250 and seen[0]["outcome"] == "fired"
    assert [one["late_ms"] for one in seen if one.get("source") == "backfill"] == [None]
    problem(await http.get("/v1/schedules/settlement/ticks?cursor=x"), 422, "request_invalid")


async def test_a_trigger_answers_with_what_became_of_it(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    said = (await http.post("/v1/schedules/settlement/trigger", json=WHY)).json()
    assert (said["outcome"], said["source"]) == ("fired", "trigger") and said["saga_id"]
    coordinator.clock_us += 1
    second = (await http.post("/v1/schedules/settlement/trigger", json={**WHY, "overlap": "skip"})).json()
    assert (second["tick"], second["outcome"], second["saga_id"]) == ("2027-03-27T10:00:00.000001Z", "skipped", said["saga_id"])
    assert coordinator.schedule_acts[-1] == ("schedule trigger", "settlement", "the bank is down", "ada")
    problem(await http.post("/v1/schedules/settlement/trigger", json={"actor": "ada"}), 422, "request_invalid")


# --- pause and delete -----------------------------------------------------------------------------


async def test_a_pause_has_who_and_why_until_somebody_resumes(http: httpx.AsyncClient, settlement: str) -> None:
    paused = (await http.post("/v1/schedules/settlement/pause", json=WHY)).json()
    assert paused["status"] == "paused" and paused["next"] is None
    assert paused["paused"] == {"at": "2027-03-27T10:00:00.000000Z", "actor": "ada", "reason": "the bank is down"}
    resumed = (await http.post("/v1/schedules/settlement/resume", json=WHY)).json()
    assert (resumed["status"], resumed["paused"]) == ("active", None)
    problem(await http.post("/v1/schedules/settlement/resume", json=WHY), 409, "not_paused")
    problem(await http.post("/v1/schedules/settlement/pause", json={}), 422, "request_invalid")


async def test_what_has_ended_is_not_paused(http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str) -> None:
    coordinator.schedule_rows[settlement] = replace(coordinator.schedule_rows[settlement], status="ended")
    problem(await http.post("/v1/schedules/settlement/pause", json=WHY), 409, "schedule_ended")
    assert (await http.get("/v1/schedules/settlement")).json()["coming"] == []


async def test_a_schedule_whose_calendar_cannot_be_read_is_shown_all_the_same(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    row = coordinator.schedule_rows[settlement]
    gone = row.document.replace("Europe/Berlin", "Europe/Atlantis")
    more: dict[str, Any] = {"attention": "calendar_invalid", "attention_since_us": CLOCK_US}
    coordinator.schedule_rows[settlement] = replace(row, document=gone, **more)
    said = (await http.get("/v1/schedules/settlement")).json()
    assert (said["next"], said["coming"], [one["code"] for one in said["needs"]]) == (None, [], ["calendar_invalid"])
    assert (await http.get("/v1/schedules")).json()["items"][0]["name"] == "settlement"
    problem(await http.get("/v1/schedules/settlement/next?from=2027-03-27"), 422, "request_invalid")


async def test_a_schedule_is_deleted_with_a_reason(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    problem(await http.delete("/v1/schedules/settlement"), 422, "request_invalid")
    gone = (await http.delete("/v1/schedules/settlement", params=WHY)).json()
    assert (gone["status"], gone["coming"]) == ("deleted", [])
    problem(await http.get("/v1/schedules/settlement"), 404, "schedule_unknown")
    again = await http.post("/v1/schedules", json={"document": FILE})
    assert (again.status_code, again.json()["version"]) == (201, 2), "a schedule of its name takes it up again"
    assert ("schedule delete", "settlement", "the bank is down", "ada") in coordinator.schedule_acts


# --- backfills ------------------------------------------------------------------------------------

RANGE = {"from": "2027-03-26T00:00:00Z", "until": "2027-03-26T05:00:00Z"}


async def test_a_dry_run_only_counts(http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str) -> None:
    answer = await http.post("/v1/schedules/settlement/backfills", json={**RANGE, **WHY, "dry_run": True})
    assert (answer.status_code, answer.json()["found"]) == (200, 6)
    assert coordinator.backfill_rows == []
    days = {"from": "2027-03-20", "until": "2027-03-20", **WHY, "dry_run": True}
    said = (await http.post("/v1/schedules/settlement/backfills", json=days)).json()
    assert said == {"found": 24, "first_at": "2027-03-19T23:00:00.000000Z", "last_at": "2027-03-20T22:59:59.999999Z"}


async def test_a_backfill_is_made_listed_and_stopped(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    body = {**RANGE, **WHY, "per_minute": 10, "overlap": "allow:3"}
    answer = await http.post("/v1/schedules/settlement/backfills", json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["found"], made["per_minute"], made["overlap"], made["status"]) == (6, 10, "allow:3", "running")
    assert (made["actor"], made["reason"]) == ("ada", "the bank is down")
    problem(await http.post("/v1/schedules/settlement/backfills", json=body), 409, "backfill_running")
    listed = (await http.get("/v1/schedules/settlement/backfills")).json()
    assert ([one["id"] for one in listed["items"]], listed["next"]) == ([made["id"]], None)
    page = (await http.get("/v1/schedules/settlement/backfills", params={"limit": 1})).json()
    assert (await http.get("/v1/schedules/settlement/backfills", params={"cursor": page["next"]})).json()["items"] == []
    stopped = (await http.post(f"/v1/backfills/{made['id']}/stop", json=WHY)).json()
    assert (stopped["status"], stopped["stopped_by"], stopped["stopped_why"]) == ("stopped", "ada", "the bank is down")
    problem(await http.post(f"/v1/backfills/{made['id']}/stop", json=WHY), 409, "backfill_over")


@pytest.mark.parametrize("id", ["x", "019b0000-0000-7000-8000-00000000ffff"], ids=["no id", "unknown"])
async def test_a_backfill_that_is_not_there_is_not_stopped(http: httpx.AsyncClient, id: str) -> None:
    problem(await http.post(f"/v1/backfills/{id}/stop", json=WHY), 404, "backfill_unknown")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"from": "2020-01-01T00:00:00Z"}, 409, "backfill_refused"),
        ({"from": "2027-03-26T06:00:00Z"}, 409, "backfill_refused"),
        ({"until": "2027-04-01"}, 409, "backfill_refused"),
        ({"from": "2027-03-26T00:30:00Z", "until": "2027-03-26T00:40:00Z"}, 409, "backfill_refused"),
        ({"until": "soon"}, 422, "request_invalid"),
        ({"per_minute": 0}, 422, "request_invalid"),
        ({"reason": ""}, 422, "request_invalid"),
        ({"begin": "2027-03-26"}, 422, "request_invalid"),
    ],
    ids=["too many", "backwards", "in the future", "no tick", "no time", "no rate", "no reason", "an unknown field"],
)
async def test_a_range_that_cannot_be_run_is_refused(
    http: httpx.AsyncClient, settlement: str, changes: dict[str, Any], status: int, code: str
) -> None:
    body = {**RANGE, **WHY, "dry_run": True, **changes}
    problem(await http.post("/v1/schedules/settlement/backfills", json=body), status, code)


async def test_a_cursor_that_is_none_is_refused(http: httpx.AsyncClient, settlement: str) -> None:
    problem(await http.get("/v1/schedules/settlement/backfills?cursor=x"), 422, "request_invalid")


# --- calendars of days ----------------------------------------------------------------------------

DAYS = "calendar: german-holidays\ndates: [2027-12-25]\nranges: [{first: 2027-12-24, last: 2027-12-31}]\n"


async def test_days_are_put_shown_and_deleted(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    put = (await http.put("/v1/day-calendars/german-holidays", json={"document": DAYS, **WHY})).json()
    assert (put["version"], put["dates"], put["ranges"]) == (1, ["2027-12-25"], [["2027-12-24", "2027-12-31"]])
    assert (await http.get("/v1/day-calendars/german-holidays")).json() == put
    assert (await http.get("/v1/day-calendars")).json() == {"items": [put]}
    problem(await http.delete("/v1/day-calendars/german-holidays"), 422, "request_invalid")
    gone = await http.delete("/v1/day-calendars/german-holidays", params=WHY)
    assert gone.json() == {"name": "german-holidays"}
    assert [act for act, *_ in coordinator.schedule_acts] == ["calendar put", "calendar delete"]
    problem(await http.get("/v1/day-calendars/german-holidays"), 404, "calendar_unknown")
    problem(await http.delete("/v1/day-calendars/german-holidays", params=WHY), 404, "calendar_unknown")


async def test_days_may_be_json(http: httpx.AsyncClient) -> None:
    document = {"calendar": "closed", "dates": ["2027-05-01"]}
    assert (await http.put("/v1/day-calendars/closed", json={"document": document})).json()["dates"] == ["2027-05-01"]


async def test_days_that_are_used_stay(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    await http.put("/v1/day-calendars/german-holidays", json={"document": DAYS})
    exclude = {"dates": [], "ranges": [], "cron": [], "calendars": ["german-holidays"]}
    await coordinator.create_schedule(schedule_document(exclude=exclude), "", "ada")
    said = problem(await http.delete("/v1/day-calendars/german-holidays", params=WHY), 409, "calendar_used")
    assert "settlement" in said["detail"]


@pytest.mark.parametrize(
    ("name", "document", "status", "code"),
    [
        ("german-holidays", DAYS.replace("2027-12-25", "2027-13-25"), 422, "calendar_invalid"),
        ("german-holidays", {"calendar": "german-holidays", "dates": ["never"]}, 422, "calendar_invalid"),
        ("another", DAYS, 422, "request_invalid"),
        ("No%20Name", DAYS, 404, "calendar_unknown"),
    ],
    ids=["no date", "no date in json", "another name", "no name"],
)
async def test_days_that_make_no_sense_are_refused(
    http: httpx.AsyncClient, name: str, document: object, status: int, code: str
) -> None:
    said = problem(await http.put(f"/v1/day-calendars/{name}", json={"document": document}), status, code)
    assert code != "calendar_invalid" or said["findings"]


# --- a saga of a schedule -------------------------------------------------------------------------


class StoreOfOne:
    """A store with one saga."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    async def saga(self, saga_id: UUID) -> SagaRow | None:
        return self._stored.row if saga_id == SAGA else None

    async def definitions(self, tenant: str) -> list[DefinitionRow]:
        return await self._stored.definition_rows([1])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stored, name)


@pytest.mark.parametrize("labels", [{"schedule": "settlement"}, {}], ids=["its label", "no label"])
async def test_a_saga_that_a_schedule_started_says_so(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str, labels: dict[str, str]
) -> None:
    store: Any = StoreOfOne(started())
    store._stored.labels = labels
    coordinator.store, coordinator.definitions = store, DefinitionCache(store, "default")
    made: dict[str, Any] = {"source": TickSource.CALENDAR, "outcome": TickOutcome.FIRED, "version": 1, "saga_id": SAGA}
    mine = coordinator.schedule_rows[settlement].id
    coordinator.tick_rows.append(TickRow(schedule_id=mine, at_us=CLOCK_US, decided_at_us=CLOCK_US, **made))
    said = (await http.get(f"/v1/sagas/{SAGA}")).json()
    assert said["schedule"] == ({"name": "settlement", "tick": "2027-03-27T10:00:00Z"} if labels else None)


async def test_a_label_of_that_name_alone_is_no_schedule(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, settlement: str
) -> None:
    store: Any = StoreOfOne(started())
    store._stored.labels = {"schedule": "settlement"}
    coordinator.store, coordinator.definitions = store, DefinitionCache(store, "default")
    assert (await http.get(f"/v1/sagas/{SAGA}")).json()["schedule"] is None
