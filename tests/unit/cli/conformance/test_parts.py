"""The parts of `saga participant check` that need no Kafka: bodies, spellings, shell commands,
reports."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import pytest

from saga_cli.conformance.case import Case, Result, Status, case
from saga_cli.conformance.given import Body, Part
from saga_cli.conformance.options import read_bodies
from saga_cli.conformance.outside import Shell
from saga_cli.conformance.report import as_json, as_junit, as_table
from saga_cli.conformance.spelling import NoBlocks, in_blocks
from saga_cli.conformance.stage import Stage
from saga_cli.exits import CommandFailed, ExitCode
from saga_cli.main import main
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.schema import Schema

TAGGED: Final = Schema.parse(
    {
        "type": "record",
        "name": "t.Tagged",
        "fields": [
            {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
            {
                "name": "tags",
                "type": {
                    "type": "array",
                    "items": {"type": "record", "name": "t.Tag", "fields": [{"name": "n", "type": "long"}]},
                },
            },
            {"name": "prices", "type": {"type": "map", "values": ["null", "t.Tag"]}},
            {"name": "kind", "type": {"type": "enum", "name": "t.Kind", "symbols": ["a", "b"]}},
        ],
    }
)
VALUE: Final[dict[str, Any]] = {
    "id": "0198c1a2-0000-4000-8000-000000000000",
    "tags": [{"n": 1}, {"n": -300}],
    "prices": {"x": {"n": 7}, "y": None},
    "kind": "b",
}


def test_a_place_holder_becomes_the_sagas_own_text_or_a_field_of_the_reply() -> None:
    fields = {"id": "o-{{unique}}", "deep": [{"charge": "{{reply.charge_id}}"}], "amount": 3}
    assert Body(record="t.A", fields=fields).filled("u1", {"charge_id": 17}) == {
        "id": "o-u1",
        "deep": [{"charge": 17}],
        "amount": 3,
    }
    assert Body(record="t.A", fields={"c": "{{reply.charge_id}}"}).filled("u1", {}) == {"c": "u1"}


def test_bodies_are_of_the_actions_record_unless_they_name_one(tmp_path: Path) -> None:
    (tmp_path / "ok.json").write_text('{"amount": 1}')
    bodies = read_bodies(
        {
            Part.ACTION: f"shop.ChargeCard=@{tmp_path}/ok.json",
            Part.REJECT: f"@{tmp_path}/ok.json",
            Part.ACCEPT: 'shop.Hold={"room": "a=b"}',
            Part.FAIL: None,
        }
    )
    assert {part: (body.record, dict(body.fields)) for part, body in bodies.items()} == {
        Part.ACTION: ("shop.ChargeCard", {"amount": 1}),
        Part.REJECT: ("shop.ChargeCard", {"amount": 1}),
        Part.ACCEPT: ("shop.Hold", {"room": "a=b"}),
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({Part.ACTION: "{}"}, "--action: write RECORD=@FILE"),
        ({Part.ACTION: "a.B={}", Part.COMPENSATION: "{}"}, "--compensation: write RECORD=@FILE"),
        ({Part.ACTION: "a.B=@/nowhere.json"}, "--action: @/nowhere.json"),
        ({Part.ACTION: "a.B=[]"}, "--action: a JSON object is wanted"),
        ({Part.ACTION: 'a.B={"a":1,"a":2}'}, "--action: "),
    ],
)
def test_a_body_that_cannot_be_read_is_told(given: dict[Part, str | None], told: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        read_bodies(given)
    assert str(failed.value).startswith(told)
    assert failed.value.code is ExitCode.USAGE


def test_blocks_of_one_item_are_another_spelling_of_the_same_value() -> None:
    usual, blocks = encode(TAGGED, VALUE), in_blocks(TAGGED, VALUE)
    assert blocks != usual
    assert decode(blocks, Catalog([TAGGED])).value == decode(usual, Catalog([TAGGED])).value


def test_a_value_without_items_has_no_other_spelling() -> None:
    with pytest.raises(NoBlocks):
        in_blocks(TAGGED, VALUE | {"tags": [], "prices": {}})


async def test_an_effects_query_is_run_for_a_saga() -> None:
    shell = Shell(effects_query="test {saga_id} = s-1 && echo '2|1 for {unique}'")
    assert await shell.count_effects("s-1", "x") == [2, 1]
    assert shell.counts_effects and not shell.kills
    for query, told in (("echo none", "printed no number"), ("echo away >&2; exit 3", "ended with 3: away")):
        with pytest.raises(CommandFailed, match=told):
            await Shell(effects_query=query).count_effects("s-1", "x")


async def test_what_the_start_command_leaves_in_front_ends_with_the_check(tmp_path: Path) -> None:
    told = tmp_path / "told"
    in_front = f"trap 'echo ended >> {told}; exit' TERM; echo began >> {told}; while :; do sleep 0.05; done"
    async with Shell(kill_command="true", start_command=in_front) as shell:
        assert shell.kills
        await shell.kill()
        await shell.start()
        async with asyncio.timeout(60):
            while not told.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
    assert told.read_text() == "began\nended\n"


async def test_a_kill_command_that_fails_is_told() -> None:
    with pytest.raises(CommandFailed, match="--kill-command ended with 5"):
        await Shell(kill_command="exit 5").kill()


@case("group.one", "one thing", "The page says so.", "the-barrier")
async def _one(stage: Stage) -> None:
    raise NotImplementedError


def _results() -> list[Result]:
    other = Case(name="group.two", title="another", says="It says more.", section="sizes", play=_one.play)
    third = Case(name="kill.three", title="a third", says="It says yet more.", section="sizes", play=_one.play)
    return [
        Result(case=_one, status=Status.PASSED, took_s=0.25),
        Result(case=other, status=Status.FAILED, took_s=1.5, seen="was <answered> \x00", says="It says more."),
        Result(case=third, status=Status.LEFT_OUT, seen="--kill-command is not given"),
    ]


def test_the_table_says_what_failed_and_what_was_left_out() -> None:
    lines = as_table(_results()).splitlines()
    assert lines[1].split() == ["group.one", "passed", "0.2", "s"]
    assert "group.two: another" in lines
    assert "  page   It says more.  (docs/wire.md#sizes)" in lines
    assert "left out, because --kill-command is not given: 1 (kill.*)" in lines
    assert lines[-1] == "1 passed, 1 failed, 1 left out"


def test_json_and_junit_say_the_same() -> None:
    told = json.loads(json.dumps(as_json(_results())))
    assert told["passed"] is False
    assert [(one["name"], one["status"]) for one in told["cases"]] == [
        ("group.one", "passed"),
        ("group.two", "failed"),
        ("kill.three", "left_out"),
    ]
    suite = ElementTree.fromstring(as_junit(_results(), "payment"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    failure = suite.find("testcase[@name='group.two']/failure")
    assert failure is not None and failure.get("message") == "was <answered> �"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--participant", "Payment", "--action", "a.B={}"], "a participant's name matches"),
        (["--participant", "payment", "--action", "a.B={}", "--kill-command", "true"], "belong together"),
        (["--participant", "payment", "--action", "a.B={}", "--only", "nothing.*"], "no case has such a name"),
        (["--participant", "payment", "--action", "{}"], "--action: write RECORD=@FILE"),
    ],
)
def test_what_is_given_wrongly_is_told_in_one_line(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["participant", "check", *arguments]) == ExitCode.USAGE
    assert told in capsys.readouterr().err
