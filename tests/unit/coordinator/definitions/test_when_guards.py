"""What a step's `when` says of its commands: a reply that is there, a field that is not null."""

from __future__ import annotations

import pytest

from unit.coordinator.definitions.spoil import codes, spoilt

CAR = ("command: t.RentCar", "command: t.RentCar\n    when: ${input.insured}")
NOTE = "note: hello}"
PLATE = 'note: "${steps.car.reply.plate}"}'
LONGER = "note: \"${steps.car.reply.plate + '!'}\"}"


@pytest.mark.parametrize("mapping", [PLATE, LONGER])
def test_a_reply_that_may_be_skipped_is_found_in_paths_and_in_expressions(mapping: str) -> None:
    result = spoilt(CAR, (NOTE, mapping))
    assert codes(result) == ["S217"]
    assert result.document is None


def test_the_finding_says_the_way_out() -> None:
    (finding,) = spoilt(CAR, (NOTE, LONGER)).findings
    assert finding.message == (
        "steps.car.reply is null when car is skipped: write steps.car.reply == null ? '' : steps.car.reply.plate + '!' (character 19)"
    )
    assert (finding.line, finding.column, finding.step) == (18, 76, "room")


@pytest.mark.parametrize(
    "when",
    [
        "input.insured",
        "input.insured && input.days > 1",
        "steps.car.reply != null",
        "steps.car.reply == null ? false : steps.car.reply.plate == 'x'",
        "input.days > 1 && steps['car'].reply != null",
    ],
)
@pytest.mark.parametrize("mapping", [PLATE, LONGER])
def test_a_when_that_needs_the_reply_guards_the_mapping(when: str, mapping: str) -> None:
    assert spoilt(CAR, ("command: t.BookRoom", f'command: t.BookRoom\n    when: "${{{when}}}"'), (NOTE, mapping)).findings == ()


@pytest.mark.parametrize("when", ["input.days > 1", "input.insured || input.days > 1", "steps.car.reply == null"])
def test_a_when_that_does_not_guards_nothing(when: str) -> None:
    result = spoilt(CAR, ("command: t.BookRoom", f"command: t.BookRoom\n    when: ${{{when}}}"), (NOTE, LONGER))
    assert codes(result) == ["S217"]


@pytest.mark.parametrize("mapping", ['note: "${input.note}"}', "note: \"${input.note + '!'}\"}"])
def test_a_field_shown_not_to_be_null_may_go_where_null_may_not(mapping: str) -> None:
    assert codes(spoilt((NOTE, mapping))) in (["S213"], ["S220"])
    guarded = ("command: t.BookRoom", "command: t.BookRoom\n    when: ${input.note != null}")
    assert spoilt(guarded, (NOTE, mapping)).findings == ()


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("${input.id + input.note}", "S220"),
        ("${input.days > 1}", "S211"),
        ("${input.price * 2.0}", "S211"),
        ("${input.days > 1 ? input.note : 'x'}", "S213"),
        ("${input.note == null ? input.id : input.note}", None),
        ("${input.days + 1}", None),
    ],
)
def test_a_computed_key_is_text_or_a_whole_number_and_never_null(key: str, code: str | None) -> None:
    assert codes(spoilt(("${input.id}", f'"{key}"'))) == ([code] if code else [])


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("${input.days * 2}", "S211"),
        ("${input.guests}", "S211"),
        ("${input.days > 1 ? 'a' : 1}", "S211"),
        ("${input.days > 1 ? 'a' : null}", "S213"),
        ("${input.day + ''}", None),
        ("${string(input.days)}", None),
    ],
)
def test_what_an_expression_gives_must_fit_its_field(value: str, code: str | None) -> None:
    assert codes(spoilt((NOTE, f'note: "{value}"}}'))) == ([code] if code else [])
