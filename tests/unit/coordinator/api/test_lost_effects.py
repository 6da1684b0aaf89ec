"""`/v1/lost-effects` and `/v1/sweeps`: what is listed, what acts get, and how they are refused."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from saga_coordinator.starts.requests import StartRefused
from saga_coordinator.store.port import LostEffect
from saga_coordinator.sweep.acts import EffectRefused
from saga_coordinator.sweep.undoing import UndoIncomplete
from unit.coordinator.api.conftest import ScriptedCoordinator

LOST = UUID("0190a000-0000-7000-8000-000000000001")
ACT = {"reason": "because", "actor": "me"}
UNDO = {**ACT, "definition": "shop", "version": 3, "command": {"order": "o-17"}}
ADOPT = {**ACT, "definition": "shop", "input": {"order": "o-17"}}
WHO = {"who": "me", "why": "because"}


def effect(step: str, status: str = "open", settled_at_us: int | None = None) -> LostEffect:
    return LostEffect(
        saga_id=LOST,
        step=step,
        participant="payment",
        run=1,
        state="DONE",
        beside=False,
        found_at_us=1_700_000_000_000_000,
        status=status,
        settled_at_us=settled_at_us,
    )


@pytest.fixture(autouse=True)
def listed(coordinator: ScriptedCoordinator) -> None:
    coordinator.store.lost = [effect("charge"), effect("hold"), effect("tell", "kept", 1_700_000_000_000_000)]


async def test_they_are_listed_with_their_ways_out(http: httpx.AsyncClient) -> None:
    page = (await http.get("/v1/lost-effects", params={"limit": 1})).json()
    assert (page["total"], [one["step"] for one in page["items"]]) == (2, ["charge"])
    assert page["items"][0]["way_out"] == "adopt its saga, undo it, or keep it"
    assert (await http.get("/v1/lost-effects", params={"settled": True})).json()["total"] == 3


@pytest.mark.parametrize(
    ("path", "body", "status", "act"),
    [
        ("steps/charge/keep", ACT, 200, ("keep", LOST, "charge", WHO)),
        (
            "steps/charge/undo",
            UNDO,
            202,
            ("undo", LOST, "charge", {"definition": "shop", "version": 3, "given": {"order": "o-17"}, **WHO}),
        ),
        ("adopt", ADOPT, 201, ("adopt", LOST, {"definition": "shop", "version": None, "input": {"order": "o-17"}, **WHO})),
    ],
)
async def test_acts(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, path: str, body: object, status: int, act: object
) -> None:
    answer = await http.post(f"/v1/lost-effects/{LOST}/{path}", json=body)
    assert answer.status_code == status
    assert coordinator.acts == [act]


async def test_a_participant_is_skipped(http: httpx.AsyncClient, coordinator: ScriptedCoordinator) -> None:
    assert (await http.post("/v1/sweeps/fax/skip", json=ACT)).json() == {"participant": "fax"}
    assert coordinator.acts == [("skip", "fax", WHO)]
    assert (await http.post("/v1/sweeps/Fax!/skip", json=ACT)).json()["code"] == "participant_unknown"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EffectRefused("effect_settled", "step charge is kept"), 409, "effect_settled"),
        (UndoIncomplete("give order (string)"), 422, "undo_incomplete"),
        (StartRefused("key_held", "another saga has its key", {"saga_id": "x"}), 409, "key_held"),
    ],
)
async def test_refusals(
    http: httpx.AsyncClient, coordinator: ScriptedCoordinator, error: Exception, status: int, code: str
) -> None:
    coordinator.raises = error
    answer = await http.post(f"/v1/lost-effects/{LOST}/steps/charge/undo", json=UNDO)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("path", ["x/steps/charge/keep", f"{LOST}/steps/No!/keep"])
async def test_what_names_no_effect_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.post(f"/v1/lost-effects/{path}", json=ACT)).json()["code"] == "effect_unknown"
