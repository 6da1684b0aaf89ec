"""The commands that talk to a coordinator: what they send, what they print, and how they end."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from support.paths import DEMO

ID = "01a1fcaf-051a-7ed4-b4ae-0ea74d23bd28"
OTHER = "01a1fcaf-051a-7ed4-b4ae-0ea74d23bd29"
SHOP = DEMO


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def listed(saga_id: str = ID, **more: Any) -> dict[str, Any]:
    return {
        "id": saga_id,
        "key": "o-17",
        "definition": "order",
        "definition_version": 3,
        "phase": "RUNNING",
        "attention": [],
        "started_at": ago(3),
        "closed_at": None,
        "version": 4,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    } | more


def attempt(direction: str = "action", number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "direction": direction,
        "run": 1,
        "attempt": number,
        "asked_at": ago(2),
        "answered_at": ago(1.98),
        "duration_ms": 20,
        "outcome": "SUCCEEDED",
        "code": None,
        "message": None,
    } | more


def step(name: str, status: str = "done", *attempts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "participant": f"{name}-service",
        "kind": "compensatable",
        "status": status,
        "after": [],
        "run": 1,
        "code": None,
        "message": None,
        "reply": None,
        "reply_note": None,
        "attempts": list(attempts),
        "attempts_omitted": 0,
    } | more


def shown(**more: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "key": "o-17",
        "tenant": "default",
        "definition": "order",
        "definition_version": 1,
        "definition_hash": "8b",
        "phase": "RUNNING",
        "reason": None,
        "version": 4,
        "started_at": ago(3),
        "closed_at": None,
        "deadline_at": None,
        "duration_ms": 3000,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "trace_url": None,
        "input": {},
        "input_note": None,
        "steps": [step("reserve", "done", attempt()), step("charge", "idle")],
        "waiting": [],
        "attention": [],
        "exceptions": [],
        "notes": [],
    } | more


def page(*items: dict[str, Any], following: Any = None) -> dict[str, Any]:
    return {"items": list(items), "next": following}


# --- start ----------------------------------------------------------------------------------------


def test_a_start_sends_input_and_request_id_and_prints_the_id(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", "/v1/sagas", {"id": ID, "created": True, "request_id": "r-1"}, 201)

    told = saga("start", "order", "--input", '{"order_id": "o-17"}', "--request-id", "r-1", "--version", "2")

    (asked,) = coordinator.asked
    assert asked.body == {"definition": "order", "version": 2, "input": {"order_id": "o-17"}}
    assert asked.headers["idempotency-key"] == "r-1"
    assert (told.code, told.out) == (0, f"started {ID}\n")


def test_input_comes_from_a_file_or_standard_input(
    saga: Any, coordinator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator.answer("POST", "/v1/sagas", {"id": ID, "created": True, "request_id": "r"}, 201)
    file = tmp_path / "order.json"
    file.write_text('{"from": "a file"}')
    monkeypatch.setattr("sys.stdin", StringIO('{"from": "a pipe"}'))

    assert saga("start", "order", "--input", f"@{file}", "-o", "ids").out == f"{ID}\n"
    assert saga("start", "order", "--input", "-").code == 0

    assert [asked.body["input"] for asked in coordinator.asked] == [{"from": "a file"}, {"from": "a pipe"}]
    assert all(asked.headers["idempotency-key"] for asked in coordinator.asked)


def test_a_known_start_says_that_it_was_there_already(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", "/v1/sagas", {"id": ID, "created": False, "request_id": "r"}, 200)

    assert saga("start", "order", "--input", "{}").out == f"was there already: {ID}\n"


@pytest.mark.parametrize(("phase", "code"), [("COMPLETED", 0), ("COMPENSATED", 3), ("FORCED", 3)])
def test_a_wait_ends_by_how_the_saga_ended(saga: Any, coordinator: Any, phase: str, code: int) -> None:
    coordinator.answer("POST", "/v1/sagas", {"id": ID, "created": True, "request_id": "r"}, 201)
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown(phase=phase, closed_at=ago(0)))

    told = saga("start", "order", "--input", "{}", "--wait")

    assert (told.code, told.err) == (code, "")
    assert coordinator.asked[-1].query["wait_s"] == "60"
    assert told.out.startswith(f"order o-17   {phase}")


def test_a_wait_that_runs_out_ends_75_and_says_how_to_go_on(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", "/v1/sagas", {"id": ID, "created": True, "request_id": "r"}, 201)
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown())
    coordinator.answer("GET", f"/v1/sagas/{ID}/journal", page())

    told = saga("start", "order", "--wait", "0", "--input", "{}", "-o", "json")

    assert told.code == 75
    assert told.json["phase"] == "RUNNING"
    assert f"saga show {ID}" in told.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["order", "--wait"], ["order", "--wait=60"]),
        (["--wait", "5", "order"], ["--wait", "5", "order"]),
        (["--wait", "order"], ["--wait=60", "order"]),
        (["--wait=0.5"], ["--wait=0.5"]),
        (["--", "--wait"], ["--", "--wait"]),
    ],
)
def test_the_seconds_of_a_wait_may_be_left_out(typed: list[str], meant: list[str]) -> None:
    from saga_cli.commands.start import wait_with_seconds

    assert wait_with_seconds(typed) == meant


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "problem", "code"),
    [
        (404, "definition_unknown", 4),
        (409, "key_held", 5),
        (409, "request_reused", 5),
        (413, "body_too_large", 2),
        (422, "input_invalid", 2),
        (422, "key_mismatch", 2),
        (503, "overloaded", 69),
        (500, "internal", 69),
    ],
)
def test_a_refused_start_ends_by_its_reason_in_one_line(
    saga: Any, coordinator: Any, status: int, problem: str, code: int
) -> None:
    coordinator.refuse("POST", "/v1/sagas", status, problem, detail="why it is so")

    told = saga("start", "order", "--input", "{}")

    assert told.code == code
    assert told.err.startswith(f"saga: {problem}: why it is so")
    assert told.err.count("\n") == 1


def test_a_problems_fields_stand_on_lines_of_their_own(saga: Any, coordinator: Any) -> None:
    errors = [{"field": "definition", "expected": "a name"}, {"field": "key", "expected": "text"}]
    coordinator.refuse("POST", "/v1/sagas", 422, "request_invalid", errors=errors)

    told = saga("start", "order", "--input", "{}")

    assert told.err.splitlines()[1:] == ["  definition: expected a name", "  key: expected text"]


def test_everything_amiss_with_an_input_stands_on_lines_of_its_own(saga: Any, coordinator: Any) -> None:
    errors = [
        {"field": "totl", "expected": "no field of that name", "said": "totl is no field; did you mean total?"},
        {"field": "total", "expected": "long", "said": "total is missing; it is long"},
    ]
    coordinator.refuse("POST", "/v1/sagas", 422, "input_invalid", detail="the input does not fit in 2 places", errors=errors)

    told = saga("start", "order", "--input", "{}")

    assert told.err.splitlines()[1:] == ["  totl is no field; did you mean total?", "  total is missing; it is long"]


def test_an_input_with_a_byte_order_mark_is_read(
    saga: Any, coordinator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator.answer("POST", "/v1/sagas", {"id": ID, "created": True, "request_id": "r"}, 201)
    (tmp_path / "order.json").write_text('{"a": "Zoë"}', encoding="utf-8-sig")
    monkeypatch.setattr("sys.stdin", StringIO('\ufeff{"a": "Zoë"}'))

    assert saga("start", "order", "--input", f"@{tmp_path / 'order.json'}").code == 0
    assert saga("start", "order", "--input", "-").code == 0

    assert [asked.body["input"] for asked in coordinator.asked] == [{"a": "Zoë"}] * 2


def test_a_server_cannot_write_control_characters_to_the_terminal(saga: Any, coordinator: Any) -> None:
    coordinator.refuse("GET", "/v1/sagas", 409, "x", detail="\x1b[2J\nsaga: all is well")
    coordinator.answer("GET", "/v1/sagas", page())
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown(key="\x1b[31mo-17", reason="[bold]x[/bold]"))

    assert "\x1b" not in saga("list").err
    told = saga("show", ID)
    assert "\x1b" not in told.out
    assert "[bold]x[/bold]" in told.out


@pytest.mark.parametrize("act", [("cancel", ID), ("step", "retry", ID, "charge")])
def test_an_act_that_is_refused_ends_5(saga: Any, coordinator: Any, act: tuple[str, ...]) -> None:
    path = f"/v1/sagas/{ID}/cancel" if act[0] == "cancel" else f"/v1/sagas/{ID}/steps/charge/retry"
    coordinator.refuse("POST", path, 409, "finished")

    assert saga(*act, "--reason", "why").code == 5


# --- list, show -----------------------------------------------------------------------------------


def test_a_list_asks_for_what_was_meant_and_reads_all_pages(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", page(listed(), following="next-page"))
    coordinator.answer("GET", "/v1/sagas", page(listed(OTHER)))

    told = saga("list", "--phase", "running", "--attention", "--definition", "order", "--key", "o-17", "-o", "ids")

    first, second = coordinator.asked
    assert first.query == {"phase": "RUNNING", "attention": "true", "definition": "order", "key": "o-17", "limit": "50"}
    assert (second.query["cursor"], second.query["limit"]) == ("next-page", "49")
    assert told.out == f"{ID}\n{OTHER}\n"


def test_a_list_shows_key_phase_attention_and_id_whole(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", page(listed(attention=["charge: undo_rejected"])))

    told = saga("list")

    header, row = told.out.splitlines()
    assert header.split() == ["KEY", "DEFINITION", "PHASE", "STARTED", "TOOK", "ATTENTION", "ID"]
    assert row.startswith("o-17")
    assert "charge: undo_rejected" in row
    assert "order 3" in row  # the definition's version, not the count of the saga's transitions
    assert row.rstrip().endswith(ID)


def test_an_empty_list_is_no_error(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", page())

    told = saga("list")

    assert (told.code, told.out, told.err) == (0, "", "no saga matches\n")


def test_a_key_names_a_saga_and_its_definition_may_stand_before_it(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", page())
    coordinator.answer("GET", "/v1/sagas", page(listed()))
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown())

    assert saga("show", "order/o-17").code == 0

    by_key, by_definition, _ = coordinator.asked
    assert by_key.query["key"] == "order/o-17"
    assert (by_definition.query["definition"], by_definition.query["key"]) == ("order", "o-17")


KEY = "5F0C1B2A-7A52-4C1E-9D3B-2F6A0E8D4C11"


@pytest.mark.parametrize("reference", [KEY, f"order/{KEY}", KEY.replace("-", "")])
def test_a_key_that_is_a_uuid_names_its_saga(saga: Any, coordinator: Any, reference: str) -> None:
    coordinator.answer("GET", "/v1/sagas", page(listed(key=reference)))
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown())
    coordinator.answer("POST", f"/v1/sagas/{ID}/cancel", {"id": ID, "phase": "COMPENSATING"}, 202)
    coordinator.answer("POST", f"/v1/sagas/{ID}/steps/charge/retry", {"id": ID, "phase": "RUNNING"}, 202)

    assert saga("show", reference).code == 0
    assert saga("cancel", reference, "--reason", "why").code == 0
    assert saga("step", "retry", reference, "charge", "--reason", "why").code == 0


def test_a_key_that_a_definition_computed_from_a_uuid_is_found_in_either_case(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", page())
    coordinator.answer("GET", "/v1/sagas", page(listed(key=KEY.lower())))
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown())

    assert saga("show", KEY).code == 0
    assert [asked.query["key"] for asked in coordinator.asked if "key" in asked.query] == [KEY, KEY.lower()]


def test_an_id_goes_before_a_key_that_looks_like_one(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", page(listed(OTHER, key=ID)))
    coordinator.answer("GET", f"/v1/sagas/{ID}/journal", {"items": [], "next": None})
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown())

    assert saga("show", ID.upper()).code == 0
    assert coordinator.asked[-1].path == f"/v1/sagas/{ID}"


def test_several_sagas_whose_key_is_a_uuid_are_listed(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", page(listed(key=KEY), listed(OTHER, key=KEY, definition="return")))

    told = saga("show", KEY)

    assert told.code == 4
    assert ID in told.err
    assert OTHER in told.err


def test_an_unknown_key_ends_4(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", page())

    told = saga("show", "o-99")

    assert told.code == 4
    assert "no saga has the key 'o-99'" in told.err


def test_a_key_of_several_sagas_ends_4_and_lists_them(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", page(listed(), listed(OTHER, definition="return")))

    told = saga("cancel", "o-17", "--reason", "why")

    assert told.code == 4
    assert ID in told.err
    assert f"{OTHER}  return/o-17" in told.err
    assert all(asked.method == "GET" for asked in coordinator.asked)


def test_an_unknown_id_ends_4(saga: Any, coordinator: Any) -> None:
    coordinator.refuse("GET", f"/v1/sagas/{ID}", 404, "saga_unknown")

    assert saga("show", ID).code == 4


def test_show_tells_what_a_step_waits_for_since_when_and_what_moves_it(saga: Any, coordinator: Any) -> None:
    silent = attempt(answered_at=None, duration_ms=None, outcome=None)
    mover = "no consumer on saga.cmd.payment; the reply of payment; asked again by itself"
    waiting = {"step": "charge", "name": "reply", "since": ago(40), "until": None, "mover": mover}
    view = shown(steps=[step("charge", "asked", silent)], waiting=[waiting], notes=["no consumer on saga.cmd.payment"])
    coordinator.answer("GET", f"/v1/sagas/{ID}", view)

    told = saga("show", ID)

    assert "└─ charge  asked" in told.out
    assert re.search(r"attempt 1  asked \d+\.\d s ago, no answer", told.out)
    assert re.search(r"waits for 4\d\.\d s: reply: no consumer on saga\.cmd\.payment", told.out)
    assert told.out.count("no consumer on saga.cmd.payment") == 1
    assert "trace 4bf92f3577b34da6a3ce929d0e0e4736" in told.out


def test_show_tells_of_an_answer_that_was_refused(saga: Any, coordinator: Any) -> None:
    said = f"answered, refused: invalid_value (saga dlq show {OTHER})"
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown(steps=[step("charge", "asked", attempt(
        answered_at=None, duration_ms=None, outcome=None, message=said))]))  # fmt: skip

    told = saga("show", ID)

    assert "no answer" not in told.out
    assert f"s ago, {said}" in " ".join(told.out.split())


def test_show_tells_the_way_out_of_each_attention(saga: Any, coordinator: Any) -> None:
    refused = attempt("compensation", outcome="REJECTED", code="closed", message="the account is closed")
    attention = {
        "step": "charge",
        "reason": "undo_rejected",
        "since": ago(70),
        "note": "",
        "way_out": "`saga step retry` or waive",
    }
    view = shown(
        phase="COMPENSATING",
        reason="ship: REJECTED no_carrier",
        steps=[step("charge", "stuck_back", attempt(), refused)],
        attention=[attention],
        exceptions=[{"step": "reserve", "evidence": "receipt 4711", "actor": "ada", "at": ago(1)}],
    )
    coordinator.answer("GET", f"/v1/sagas/{ID}", view)

    told = saga("show", ID)

    assert told.out.startswith("order o-17   COMPENSATING   ship: REJECTED no_carrier\n")
    assert "undo 1  REJECTED  20 ms  closed  the account is closed" in told.out
    assert "20 ms, undo REJECTED after 20 ms" in told.out
    assert "undone in" not in told.out
    assert re.search(r"needs a person for 1 min \d\d s: undo_rejected", told.out)
    assert "way out: `saga step retry` or waive" in told.out
    assert "waived: reserve by ada: receipt 4711" in told.out


def test_show_tells_what_an_attempt_was_made_of(saga: Any, coordinator: Any) -> None:
    slow: dict[str, Any] = {"duration_ms": 2500, "queue_us": 2_400_000, "handler_us": 300, "wire_us": 99_700}
    accepted = attempt(queue_us=3000, handler_us=None, wire_us=None)
    failed = attempt(number=1, outcome="FAILED", code="busy", **slow)
    steps = [step("reserve", "done", attempt(**slow)), step("ship", "done", accepted)]
    steps += [step("charge", "done", failed, attempt(number=2)), step("mail", "done", attempt())]
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown(steps=steps))

    told = saga("show", ID)

    assert "reserve-service  2.5 s (queue 2.4 s, handler 300 µs, wire 100 ms)\n" in told.out
    assert "ship-service     20 ms (queue 3 ms)\n" in told.out
    assert "attempt 1  FAILED  2.5 s (queue 2.4 s, handler 300 µs, wire 100 ms)  busy\n" in told.out
    assert "mail-service     20 ms\n" in told.out, "an older coordinator, or a participant that does not tell"


def test_show_links_to_the_trace_where_it_can_be_seen(saga: Any, coordinator: Any) -> None:
    link = "http://127.0.0.1:16686/trace/4bf92f3577b34da6a3ce929d0e0e4736"
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown(trace_url=link))

    assert saga("show", ID).out.splitlines()[-1] == link


def test_show_answers_even_where_the_state_cannot_be_read(saga: Any, coordinator: Any) -> None:
    view = shown(steps=[], definition=None, key=None, notes=["a state of another format"])
    coordinator.answer("GET", f"/v1/sagas/{ID}", view)

    told = saga("show", ID)

    assert told.code == 0
    assert "a state of another format" in told.out


def test_the_journal_is_shown_record_by_record(saga: Any, coordinator: Any) -> None:
    first = {"version": 1, "at": ago(2), "kind": "start", "actor": None, "facts": [{"fact": "started", "id": ID}], "note": None}
    second = {"version": 2, "at": ago(1), "kind": "cancel", "actor": "ada", "facts": [], "note": "journal format 9 is not 1"}
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown())
    coordinator.answer("GET", f"/v1/sagas/{ID}/journal", page(first, following=1))
    coordinator.answer("GET", f"/v1/sagas/{ID}/journal", page(second))

    told = saga("show", ID, "--journal")

    assert f"started  id={ID}" in told.out
    assert "cancel by ada" in told.out
    assert "journal format 9 is not 1" in told.out
    assert coordinator.asked[-1].query["after"] == "1"


# --- operators ------------------------------------------------------------------------------------


def test_acts_carry_why_and_who(saga: Any, coordinator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    steps = f"/v1/sagas/{ID}/steps/charge"
    for path in (f"/v1/sagas/{ID}/cancel", f"{steps}/retry", f"{steps}/waive"):
        coordinator.answer("POST", path, {"id": ID, "phase": "COMPENSATING"}, 202)

    assert saga("cancel", ID, "--reason", "changed mind").code == 0
    assert saga("step", "retry", ID, "charge", "--reason", "bank is back").code == 0
    assert saga("step", "waive", ID, "charge", "--evidence", "receipt 4711", "--unsafe").code == 0

    assert [asked.body for asked in coordinator.asked if asked.method == "POST"] == [
        {"reason": "changed mind", "actor": "ada"},
        {"reason": "bank is back", "actor": "ada"},
        {"evidence": "receipt 4711", "unsafe": True, "actor": "ada"},
    ]


def test_a_steps_name_cannot_leave_its_place_in_the_path(saga: Any, coordinator: Any) -> None:
    assert saga("step", "retry", ID, "../../x?y", "--reason", "r").code == 4

    assert coordinator.asked[-1].path == f"/v1/sagas/{ID}/steps/..%2F..%2Fx%3Fy/retry"


@pytest.mark.parametrize(
    ("status", "outcomes", "word"),
    [
        ("no_effect", [], "skipped"),
        ("no_effect", ["REJECTED"], "rejected"),
        ("no_effect", ["FAILED", "FENCED"], "no effect"),
        ("undone", ["SUCCEEDED", "UNDONE"], "undone"),
        ("undone", ["FENCED"], "fenced"),
        ("undone", [None, "NOTHING_TO_UNDO"], "nothing to undo"),
        ("done", ["SUCCEEDED"], "done"),
    ],
)
def test_a_step_without_effect_says_whether_it_was_skipped_rejected_or_fenced(
    saga: Any, coordinator: Any, status: str, outcomes: list[str | None], word: str
) -> None:
    attempts = [attempt(number=place + 1, outcome=outcome) for place, outcome in enumerate(outcomes)]
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown(steps=[step("charge", status, *attempts)]))

    line = next(line for line in saga("show", ID).out.splitlines() if line.startswith("└─ charge"))

    assert re.match(rf"└─ charge  {word}  charge-service", line), line


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("COMPLETED", "order o-17   COMPLETED   too late for cancel: too slow"),
        ("COMMITTED", "order o-17   COMMITTED   too late for cancel: too slow"),
        ("COMPENSATED", "order o-17   COMPENSATED   cancel: too slow"),
        ("SETTLING", "order o-17   SETTLING   cancel: too slow"),
    ],
)
def test_a_cancel_that_came_too_late_is_not_why_a_saga_completed(saga: Any, coordinator: Any, phase: str, said: str) -> None:
    coordinator.answer("GET", f"/v1/sagas/{ID}", shown(phase=phase, reason="cancel: too slow"))

    assert saga("show", ID).out.splitlines()[0] == said


# --- definitions, schemas, dead letters -----------------------------------------------------------


def test_registering_sends_the_canonical_document_and_the_records_it_reaches(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", "/v1/definitions", {"name": "order", "version": 1}, 201)
    coordinator.answer("POST", "/v1/definitions/order/1/activate", {"name": "order", "version": 1})

    told = saga("def", "register", str(SHOP / "order.saga.yaml"), "--activate")

    assert told.code == 0
    body = coordinator.asked[0].body
    assert body["document"]["saga"] == "order"
    assert body["document"]["format"] == 1
    assert {"shop.PlaceOrder", "shop.ChargeCard", "shop.CardCharged", "shop.RefundCard"} <= {s["name"] for s in body["schemas"]}
    assert coordinator.asked[1].path == "/v1/definitions/order/1/activate"


def test_a_definition_in_python_is_registered_like_a_file(
    saga: Any, coordinator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_sagas.py").write_text(
        "from saga_coordinator.definitions import Saga\n"
        'order = Saga("order", version=2, input="shop.PlaceOrder").step("ship", to="shipping", command="shop.BookCarrier", pivot=True)\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    coordinator.answer("POST", "/v1/definitions", {"name": "order", "version": 2}, 201)

    told = saga("def", "register", "shop_sagas:order")

    assert told.code == 0, told.err
    assert (coordinator.asked[0].body["document"]["saga"], coordinator.asked[0].body["document"]["version"]) == ("order", 2)


def test_a_definition_with_errors_is_not_sent(saga: Any, coordinator: Any, tmp_path: Path) -> None:
    file = tmp_path / "bad.saga.yaml"
    file.write_text("saga: order\n")

    told = saga("def", "register", str(file))

    assert told.code == 1
    assert f"{file}:1:1  error  S" in told.err
    assert coordinator.asked == []


def test_findings_of_the_coordinator_end_1_one_a_line(saga: Any, coordinator: Any) -> None:
    finding = {
        "code": "S218",
        "severity": "error",
        "file": "definition",
        "line": 0,
        "column": 0,
        "step": "charge",
        "message": "shop.ChargeCard: cannot be read",
    }
    coordinator.refuse("POST", "/v1/definitions", 422, "definition_invalid", detail="a schema breaks", findings=[finding])

    told = saga("def", "register", str(SHOP / "order.saga.yaml"))

    assert told.code == 1
    assert told.err.splitlines()[1] == "definition  error  S218  step charge: shop.ChargeCard: cannot be read"


def test_warnings_of_the_coordinator_are_shown_and_end_0(saga: Any, coordinator: Any) -> None:
    finding = {
        "code": "S222",
        "severity": "warning",
        "file": "definition",
        "line": 0,
        "column": 0,
        "step": None,
        "message": "kept",
    }
    coordinator.answer("POST", "/v1/definitions", {"name": "order", "version": 1, "findings": [finding]}, 200)

    told = saga("def", "register", str(SHOP / "order.saga.yaml"))

    assert (told.code, told.err) == (0, "definition  warning  S222  kept\n")
    assert told.out.startswith("was registered already: order 1")


def test_definitions_are_listed_and_the_active_one_is_shown(saga: Any, coordinator: Any) -> None:
    line = {"name": "order", "version": 3, "hash": "8bf452326", "active": True, "registered_at": ago(9)}
    coordinator.answer("GET", "/v1/definitions", page({**line, "version": 2, "active": False}, line))
    coordinator.answer("GET", "/v1/definitions/order/3", {**line, "document": {"saga": "order"}, "reader_schemas": {}})

    assert saga("def", "list", "-o", "ids").out == "order 2\norder 3\n"
    assert saga("def", "show", "order").json == {"saga": "order"}


def test_a_schema_is_added_with_its_document(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", "/v1/schemas", {"id": 1, "name": "shop.CardCharged", "subject": "shop.CardCharged"}, 201)

    told = saga("schema", "add", str(SHOP / "schemas" / "shop.CardCharged.avsc"))

    assert told.out.startswith("added shop.CardCharged  id ")
    assert coordinator.asked[0].body["document"]["name"] == "shop.CardCharged"


def test_a_schema_that_breaks_others_ends_5_with_each_reason(saga: Any, coordinator: Any) -> None:
    coordinator.refuse("POST", "/v1/schemas", 409, "schema_incompatible", reasons=["cannot read version 1", "nor version 2"])

    told = saga("schema", "add", str(SHOP / "schemas" / "shop.CardCharged.avsc"))

    assert told.code == 5
    assert told.err.splitlines()[1:] == ["  cannot read version 1", "  nor version 2"]


def test_dead_letters_are_listed_and_shown_whole(saga: Any, coordinator: Any) -> None:
    letter = {
        "id": OTHER,
        "consumer": "coordinator",
        "topic": "saga.reply.payment",
        "partition": 2,
        "offset": 41,
        "at": ago(5),
        "reason": "framing",
        "detail": "no magic byte",
        "relayed": True,
    }
    whole = {**letter, "key": None, "value": "3q2+7w==", "headers": [{"name": "ce_id", "value": "x"}]}
    coordinator.answer("GET", "/v1/dead-letters", page(letter))
    coordinator.answer("GET", f"/v1/dead-letters/{OTHER}", whole)

    told = saga("dlq", "list")
    assert "saga.reply.payment[2]@41" in told.out
    assert "framing" in told.out

    told = saga("dlq", "show", OTHER)
    assert "framing: no magic byte" in told.out
    assert "ce_id: x" in told.out
    assert "de ad be ef" in told.out


# --- audit ----------------------------------------------------------------------------------------


def test_the_audit_is_searched_until_its_end_though_pages_are_empty(saga: Any, coordinator: Any) -> None:
    act = {"id": 7, "at": "2026-11-29T14:02:11Z", "act": "waive ship", "target": "order@3", "who": "ada", "why": "\x1b[31mwhy"}
    coordinator.answer("GET", "/v1/audit", page(following="90"))
    coordinator.answer("GET", "/v1/audit", page(act))

    told = saga("audit", "--act", "waive", "--who", "ada", "--target", "order")

    first, second = coordinator.asked
    assert first.query == {"act": "waive", "who": "ada", "target": "order", "limit": "50"}
    assert second.query["cursor"] == "90"
    header, row = told.out.splitlines()
    assert header.split() == ["AT", "WHO", "ACT", "TARGET", "WHY"]
    assert "waive ship" in row and "order@3" in row and "\x1b[31m" not in row


def test_a_list_that_leads_to_itself_ends(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/audit", page(following="90"))

    told = saga("audit")

    assert len(coordinator.asked) == 2 and "no act matches" in told.err
