"""What the engine gets: orders whose bytes follow from the context, conditions, the right steps in
the right order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from saga_coordinator.definitions import CompiledDefinition, CompileFailed, Saga, compile_definition, lint
from saga_coordinator.engine.definition import Context, MappingFailed, StepKind
from saga_schemas import codec
from saga_schemas.catalog import Catalog
from saga_schemas.errors import BadMessage
from saga_schemas.headers import StartHeaders
from saga_schemas.inbound import Envelope
from saga_schemas.schema import Schema
from unit.coordinator.definitions.spoil import RECORDS, SOUND, record, trip_catalog

TRIP_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
TRIP: dict[str, Any] = {
    "id": TRIP_ID,
    "days": 3,
    "price": 10.5,
    "total": Decimal("12.34"),
    "guests": [{"name": "ann", "age": 30, "fee": Decimal("1.00")}, {"name": "bob", "age": None, "fee": Decimal("2.00")}],
    "tags": {"seat": "window"},
    "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "day": date(2026, 1, 2),
    "raw": b"raw",
}
FACTS = {"id": "s-1", "key": "k-1", "tenant": "default", "definition": "trip", "version": 1}


def compiled(text: str = SOUND) -> CompiledDefinition:
    catalog = trip_catalog()
    return compile_definition(lint(text, "trip", catalog).required(), catalog)


def context(made: CompiledDefinition, *, replies: Mapping[str, Mapping[str, Any]] | None = None, **overrides: Any) -> Context:
    framed = {step: codec.encode(_schema(made, step), dict(value)) for step, value in (replies or {}).items()}
    return Context(input=codec.encode(made.input_schema, {**TRIP, **overrides}), replies=framed, saga=FACTS)


def _schema(made: CompiledDefinition, step: str) -> Schema:
    schema = made.reply_schema(step)
    assert schema is not None
    return schema


def sent(made: CompiledDefinition, step: str, ctx: Context) -> dict[str, Any]:
    framed = made.definition.by_name[step].action.message.render(ctx)
    return codec.decode(framed, Catalog(made.reader_schemas.values())).value


def wide(values: Mapping[str, Any], **overrides: Any) -> dict[str, Any]:
    """A command of many types with these values mapped."""
    catalog = trip_catalog()
    saga = Saga("wide", version=1, input="t.Trip").step("one", to="p", command="t.Wide", compensation="none", with_=values)
    made = compile_definition(saga.document(catalog), catalog)
    return sent(made, "one", context(made, **overrides))


def test_the_demo_runs_through_every_command_and_compensation(demo_text: str, shop: Catalog) -> None:
    made = compile_definition(lint(demo_text, "order", shop).required(), shop)
    order = {"order_id": "o-1", "customer": "c", "account": "a", "sku": "s", "quantity": 2, "total": 995, "address": "x"}
    framed = codec.encode(made.input_schema, order)
    assert made.business_key(framed) == "o-1"
    assert made.business_key(order) == "o-1"
    steps = made.definition.by_name
    assert [step.kind for step in made.definition.steps] == [StepKind.COMPENSATABLE, StepKind.COMPENSATABLE, StepKind.PIVOT]
    assert [step.reply_needed for step in made.definition.steps] == [False, True, False]
    charged = codec.encode(_schema(made, "charge"), {"charge_id": "ch-7"})
    ctx = Context(input=framed, replies={"charge": charged}, saga=FACTS)
    assert sent(made, "reserve", ctx) == {"order_id": "o-1", "sku": "s", "quantity": 2, "faults": []}
    assert sent(made, "charge", ctx)["amount"] == 995
    assert sent(made, "ship", ctx)["carrier"] is None
    undo = steps["charge"].compensation
    assert undo is not None
    assert undo.message.record == "shop.RefundCard"
    assert undo.message.reads == {"charge"}
    command = steps["charge"].action.message.render(ctx)
    refund = undo.message.render(Context(input=framed, replies={"charge": charged}, saga=FACTS, command=command))
    assert codec.decode(refund, shop).value == {"charge_id": "ch-7", "order_id": "o-1", "account": "a", "amount": 995}
    assert steps["ship"].compensation is None


def start_of(value: bytes, raw_headers: tuple[tuple[str, bytes], ...] = ()) -> Envelope[StartHeaders]:
    """A start whose envelope was read."""
    headers = StartHeaders(message_id="r-1", source="test", record="shop.Order", tenant="default", definition="order", time_us=0)
    return Envelope(headers=headers, key=None, value=value, raw_headers=raw_headers)


def test_an_input_taken_from_a_start_is_decoded_once(demo_text: str, shop: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    made = compile_definition(lint(demo_text, "order", shop).required(), shop)
    order = {"order_id": "o-2", "customer": "c", "account": "a", "sku": "s", "quantity": 2, "total": 995, "address": "x"}
    framed = codec.encode(made.input_schema, order)
    assert made.take_input(start_of(framed[5:], (("__value_schema_id", framed[:5]),)), shop).framed == framed
    with monkeypatch.context() as patched:
        patched.setattr(codec, "decode", lambda *_: pytest.fail("decoded again"))
        assert made.business_key(framed) == "o-2"
        payload = made.definition.by_name["reserve"].action.message.render(Context(input=framed, replies={}, saga=FACTS))
    assert codec.decode(payload, shop).value == {"order_id": "o-2", "sku": "s", "quantity": 2, "faults": []}
    for bad in (framed + b"\0", framed[:-1], codec.encode(_schema(made, "charge"), {"charge_id": "ch"})):
        with pytest.raises(BadMessage):
            made.take_input(start_of(bad), shop)


def test_an_input_of_a_newer_writer_is_taken_under_the_pinned_schema(demo_text: str, shop: Catalog) -> None:
    made = compile_definition(lint(demo_text, "order", shop).required(), shop)
    document = made.input_schema.document
    more = {"name": "gift", "type": "string", "default": ""}
    newer = Schema.parse(document | {"fields": [*document["fields"], more]})
    order = {"order_id": "o-3", "customer": "c", "account": "a", "sku": "s", "quantity": 2, "total": 995, "address": "x"}
    taken = made.take_input(start_of(codec.encode(newer, order | {"gift": "yes"})), Catalog([*shop, newer])).framed
    assert taken == codec.encode(made.input_schema, order)
    assert made.business_key(taken) == "o-3"


def test_the_same_context_gives_the_same_bytes() -> None:
    made = compiled()
    ctx = context(made, replies={"car": {"plate": "B-1", "fee": Decimal(5)}})
    for step in made.definition.steps:
        assert step.action.message.render(ctx) == step.action.message.render(ctx)


def test_a_compensation_takes_its_fields_from_the_command_before_the_input() -> None:
    made = compiled(SOUND.replace('{days: "${input.days}"}', '{days: "${input.days + 1}"}'))
    ctx = context(made)
    car = made.definition.by_name["car"]
    assert car.compensation is not None
    command = car.action.message.render(ctx)
    undo = car.compensation.message.render(Context(input=ctx.input, replies={}, saga=FACTS, command=command))
    assert codec.decode(undo, trip_catalog()).value == {"days": 4}


def test_a_compensation_without_its_command_fails_instead_of_guessing() -> None:
    made = compiled()
    car = made.definition.by_name["car"]
    assert car.compensation is not None
    with pytest.raises(MappingFailed) as failed:
        car.compensation.message.render(context(made))
    assert failed.value.code == "command_missing"


def test_the_reply_of_a_skipped_step_reads_as_null() -> None:
    made = compiled()
    assert sent(made, "room", context(made))["car"] is None
    assert sent(made, "room", context(made, replies={"car": {"plate": "B-1", "fee": Decimal(5)}}))["car"] == "B-1"


def test_uuids_decimals_and_promotions_pass_by_plain_paths() -> None:
    made = compiled()
    ctx = context(made)
    pay = sent(made, "pay", ctx)
    assert pay["id"] == str(TRIP_ID)
    assert pay["total"] == Decimal("12.34")
    mail = sent(made, "mail", ctx)
    assert mail["id"] == TRIP_ID
    assert mail["days"] == 3.0


def test_expressions_see_uuids_as_text_and_their_results_fit_their_fields() -> None:
    values = {
        "i": "${size(input.guests)}",
        "l": "${input.days * 2}",
        "d": "${input.price * 2.0}",
        "f": "${double(input.days)}",
        "b": "${input.days > 2 && input.tags.seat == 'window'}",
        "s": "${'trip ' + input.id + ' ' + (saga.key == null ? '' : saga.key)}",
        "u": "${input.id}",
        "c": "${input.days > 1 ? 'blue' : 'red'}",
        "a": "${input.guests.filter(g, g.age != null).map(g, g.age)}",
        "kv": {"days": "${input.days}", "two": 2},
        "n": "${input.days == 3 ? 'three' : null}",
    }
    got = wide(values)
    assert got["i"] == 2
    assert got["l"] == 6
    assert got["d"] == 21.0
    assert got["b"] is True
    assert got["s"] == f"trip {TRIP_ID} k-1"
    assert got["u"] == TRIP_ID
    assert got["c"] == "blue"
    assert got["a"] == [30]
    assert got["kv"] == {"days": 3, "two": 2}
    assert got["n"] == "three"


def test_literals_are_what_plain_json_would_be() -> None:
    got = wide(
        {
            "m": "3.10",
            "u": str(TRIP_ID),
            "x": "aGk=",
            "t": "2026-01-02T03:04:05Z",
            "day": "2026-01-02",
            "clock": "03:04:05",
            "local": "2026-01-02T03:04:05",
            "a": [1, 2],
            "s": "$${not an expression}",
            "n": 7,
            "g": {"name": "cleo", "age": 3},
        }
    )
    assert got["m"] == Decimal("3.10")
    assert got["x"] == b"hi"
    assert got["t"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert got["day"] == date(2026, 1, 2)
    assert got["a"] == [1, 2]
    assert got["s"] == "${not an expression}"
    assert got["n"] == 7
    assert got["g"]["name"] == "cleo"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"l": "${input.days / 0}"}, "S221"),
        ({"l": "${input.days / (input.days - 3)}"}, "expression_failed"),
        ({"l": "${9223372036854775807 + input.days}"}, "expression_failed"),
        ({"i": "${2147483647 + input.days}"}, "wrong_type"),
        ({"i": "${input.price}"}, "S211"),
        ({"s": "${input.guests[7].name}"}, "expression_failed"),
        ({"s": "${input.tags.nope}"}, "field_missing"),
        ({"s": "${input.days}"}, "S211"),
        ({"s": "${input.days + 0}"}, "S211"),
        ({"c": "${'gre' + 'en'}"}, "wrong_type"),
        ({"b": "${input.days}"}, "S211"),
        ({"a": "${input.guests.map(g, g.name)}"}, "S211"),
        ({"u": "${'not' + 'uuid'}"}, "wrong_type"),
        ({"f": "${1e308 * 1.0}"}, "wrong_type"),
        ({"s": "${input.note == null ? null : 'x'}"}, "S213"),
        ({"l": "${input.guests[1].age + 1}"}, "S220"),
        ({"s": "${string(input.raw)}"}, "expression_failed"),
    ],
)
def test_what_has_no_value_fails_the_mapping_and_shows_no_value(values: dict[str, Any], code: str) -> None:
    catalog = trip_catalog()
    saga = Saga("wide", version=1, input="t.Trip").step("one", to="p", command="t.Wide", compensation="none", with_=values)
    result = saga.lint(catalog)
    if code.startswith("S"):
        assert [finding.code for finding in result.findings] == [code]
        return
    made = compile_definition(result.required(), catalog)
    with pytest.raises(MappingFailed) as failed:
        made.definition.steps[0].action.message.render(context(made, raw=b"\xff"))
    assert failed.value.code == code
    assert "ann" not in failed.value.detail
    assert "10.5" not in failed.value.detail


def test_a_payload_that_is_too_large_fails_the_mapping() -> None:
    big = "x" * (200 * 1024)
    with pytest.raises(MappingFailed) as failed:
        wide({"s": "${input.note == null ? '' : input.note + input.note}"}, note=big)
    assert failed.value.code == "encoding_failed"
    assert len(failed.value.detail) < 200


def test_loops_over_loops_are_bounded() -> None:
    guests = [{"name": "g", "age": 1, "fee": Decimal(1)}] * 2_000
    with pytest.raises(MappingFailed) as failed:
        wide({"i": "${size(input.guests.map(a, input.guests.map(b, b.age)))}"}, guests=guests)
    assert failed.value.code == "expression_too_large"


def test_a_condition_holds_or_fails() -> None:
    text = SOUND.replace("command: t.RentCar", "command: t.RentCar\n    when: ${input.days > 2 && input.insured}")
    made = compiled(text)
    when = made.definition.by_name["car"].when
    assert when is not None
    assert when.reads == frozenset()
    assert when.holds(context(made)) is True
    assert when.holds(context(made, days=1)) is False
    failing = compiled(SOUND.replace("command: t.RentCar", "command: t.RentCar\n    when: ${1 / (input.days - 3) > 1}"))
    condition = failing.definition.by_name["car"].when
    assert condition is not None
    with pytest.raises(MappingFailed):
        condition.holds(context(failing))


def test_a_condition_that_gives_no_truth_fails() -> None:
    made = compiled(SOUND.replace("command: t.RentCar", "command: t.RentCar\n    when: ${input[input.tags.seat]}"))
    when = made.definition.by_name["car"].when
    assert when is not None
    with pytest.raises(MappingFailed) as failed:
        when.holds(context(made, tags={"seat": "days"}))
    assert failed.value.code == "wrong_type"


def test_a_condition_needs_the_reply_it_reads() -> None:
    made = compiled(SOUND.replace("participant: rooms", "participant: rooms\n    when: ${steps.car.reply.plate != ''}"))
    when = made.definition.by_name["room"].when
    assert when is not None
    assert when.reads == {"car"}
    assert made.definition.by_name["car"].reply_needed
    assert not made.definition.by_name["pay"].reply_needed


def test_the_business_key_may_be_text_a_number_or_a_uuid() -> None:
    assert compiled().business_key(TRIP) == str(TRIP_ID)
    assert compiled(SOUND.replace("${input.id}", "${input.days}")).business_key(TRIP) == "3"
    assert compiled(SOUND.replace("${input.id}", "${'t-' + string(input.days)}")).business_key(TRIP) == "t-3"
    assert compiled(SOUND.replace("key: ${input.id}\n", "")).business_key(TRIP) is None


@pytest.mark.parametrize("note", ["", "x" * 257, "a\nb", "\x00"])
def test_a_business_key_is_short_and_printable(note: str) -> None:
    made = compiled(SOUND.replace("${input.id}", "\"${input.note == null ? '' : input.note}\""))
    with pytest.raises(MappingFailed) as failed:
        made.business_key({**TRIP, "note": note})
    assert failed.value.code == "key_invalid"


def test_steps_come_in_an_order_in_which_they_can_run() -> None:
    catalog = trip_catalog()
    saga = Saga("order", version=1, input="t.Trip")
    for name, after in (("d", ["b", "c"]), ("c", ["a"]), ("b", ["a"]), ("a", [])):
        saga.step(name, to="p", command="t.Blank", compensation="none", after=after)
    made = compile_definition(saga.document(catalog), catalog)
    assert [step.name for step in made.definition.steps] == ["a", "c", "b", "d"]


def test_pinned_schemas_are_read_even_when_the_catalog_has_newer_ones() -> None:
    catalog = trip_catalog()
    document = lint(SOUND, "trip", catalog).required()
    pinned = compile_definition(document, catalog).reader_schemas
    catalog.add(Schema.parse(record("Mail", ("id", "string"), ("new", "int", 1))))
    assert compile_definition(document, catalog, pinned=pinned).reader_schemas["t.Mail"] == pinned["t.Mail"]
    assert compile_definition(document, catalog).reader_schemas["t.Mail"] != pinned["t.Mail"]


def test_a_missing_schema_is_named() -> None:
    document = lint(SOUND, "trip", trip_catalog()).required()
    with pytest.raises(CompileFailed, match=r"no schema of record t\.BookRoom"):
        compile_definition(document, Catalog(Schema.parse(one) for one in RECORDS if one["name"] != "t.BookRoom"))


def test_a_step_without_a_reply_record_has_none() -> None:
    made = compiled()
    assert made.reply_schema("mail") is None
    assert made.reply_schema("car") == made.reader_schemas["t.CarRented"]
    with pytest.raises(KeyError):
        made.reply_schema("nobody")


def test_bytes_under_a_schema_that_is_not_pinned_fail_the_mapping() -> None:
    made = compiled()
    with pytest.raises(MappingFailed) as failed:
        made.definition.steps[0].action.message.render(Context(input=b"\x00\x00\x00\x00\x01x", replies={}, saga=FACTS))
    assert failed.value.code == "decoding_failed"


def test_a_record_of_a_union_of_several_keeps_its_name() -> None:
    branches = ["null", record("Card", ("number", "string")), record("Cash", ("coins", "int"))]
    records = [record("Bill", ("by", branches, None)), record("Settle", ("by", branches, None), ("coins", "long", 0))]
    catalog = Catalog(Schema.parse(one) for one in records)
    saga = Saga("bill", version=1, input="t.Bill").step(
        "settle", to="p", command="t.Settle", compensation="none", with_={"coins": "${input.by == null ? 0 : input.by.coins}"}
    )
    made = compile_definition(saga.document(catalog), catalog)
    framed = codec.encode(made.input_schema, {"by": ("t.Cash", {"coins": 3})})
    got = sent(made, "settle", Context(input=framed, replies={}, saga=FACTS))
    assert got == {"by": ("t.Cash", {"coins": 3}), "coins": 3}


def test_a_loop_of_a_definition_may_call_its_variable_schedule() -> None:
    """The root of a schedule's expressions is none of a definition's."""
    text = SOUND.replace("note: hello", 'note: "${input.guests.map(schedule, schedule.name)[0]}"')
    assert lint(text, "trip", trip_catalog()).findings == ()
    made = compiled(text)

    assert sent(made, "room", context(made))["note"] == "ann"
