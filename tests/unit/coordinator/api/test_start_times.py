"""When a saga is to begin: what a start and a move say, and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from saga_coordinator.engine.events import Refused
from saga_schemas.times import parse_us
from support.saga_rows import SAGA
from unit.coordinator.api.conftest import START, ScriptedCoordinator

NEW_YEAR = "2027-01-01T09:30:00+01:00"
NEW_YEAR_US = parse_us(NEW_YEAR)
WHY = {"reason": "the warehouse opens later", "actor": "ada"}
PATH = f"/v1/sagas/{SAGA}/start-time"
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"start_at": NEW_YEAR, "start_in": "1h"}, "request_invalid", "start_in"),
    ({"start_at": "tomorrow"}, "request_invalid", "start_at"),
    ({"start_at": "2027-01-01T09:30:00"}, "request_invalid", "start_at"),
    ({"start_at": ""}, "request_invalid", "start_at"),
    ({"start_in": "soon"}, "request_invalid", "start_in"),
    ({"start_in": "-1h"}, "request_invalid", "start_in"),
    ({"start_in": "367d"}, "start_too_far", ""),
]
IDS = ["both", "no time", "no zone", "nothing", "no duration", "the past", "too far"]


async def test_a_start_time_is_handed_on(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    await http.post("/v1/sagas", json=START)
    await http.post("/v1/sagas", json=START | {"start_at": NEW_YEAR})
    await http.post("/v1/sagas", json=START | {"start_in": "2h"})
    now_us = await coordinator.store.now_us()
    assert [start.start_at_us for start in coordinator.starts] == [None, NEW_YEAR_US, now_us + 7_200_000_000]


async def test_what_was_asked_is_the_same_request_whenever_it_comes(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await http.post("/v1/sagas", json=START | {"start_in": "2h"})

    async def later() -> int:
        return 1

    monkeypatch.setattr(coordinator.store, "now_us", later)
    for given in ({"start_in": "2h"}, {"start_in": "3h"}, {"start_at": NEW_YEAR}, {}):
        await http.post("/v1/sagas", json=START | given)
    first, again, *others = (start.body_hash for start in coordinator.starts)
    assert first == again
    assert len({first, *others}) == 4
    assert coordinator.starts[0].start_at_us != coordinator.starts[1].start_at_us


@pytest.mark.parametrize(("given", "code", "field"), WRONG, ids=IDS)
async def test_a_start_time_that_is_none_is_refused(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, given: dict[str, Any], code: str, field: str
) -> None:
    for path, body in (("/v1/sagas", START | given), (PATH, WHY | given)):
        said = await http.post(path, json=body)
        assert (said.status_code, said.json()["code"], said.json().get("field", "")) == (422, code, field)
    assert (coordinator.starts, coordinator.acts) == ([], [])


async def test_a_move_says_where_who_and_why(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    assert (await http.post(PATH, json=WHY | {"start_at": NEW_YEAR})).status_code == 202
    assert (await http.post(PATH, json=WHY | {"start_in": "0s"})).status_code == 202
    now_us = await coordinator.store.now_us()
    assert [act[2] for act in coordinator.acts] == [NEW_YEAR_US, now_us]
    assert coordinator.acts[0] == ("move_start", SAGA, NEW_YEAR_US, "the warehouse opens later", "ada")


async def test_a_move_to_nowhere_is_refused(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    said = (await http.post(PATH, json=WHY)).json()
    assert (said["status"], said["code"], said["expected"]) == (422, "request_invalid", "start_at or start_in")
    assert coordinator.acts == []


async def test_what_has_begun_is_not_moved(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    coordinator.raises = Refused("not_scheduled", "the saga is RUNNING")
    said = (await http.post(PATH, json=WHY | {"start_in": "1h"})).json()
    assert (said["status"], said["code"], said["detail"]) == (409, "not_scheduled", "the saga is RUNNING")
