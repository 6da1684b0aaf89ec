"""The YAML reader: plain data with true positions, and for anything else findings, never an
exception."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_coordinator.definitions import lint
from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.tree import Node
from saga_coordinator.definitions.yaml_reader import read_yaml
from saga_schemas.catalog import Catalog
from unit.coordinator.definitions.spoil import SOUND, codes, spoilt, trip_catalog

EMPTY = Catalog()


def read(text: str | bytes) -> tuple[Node | None, list[str]]:
    report = Report("x")
    node = read_yaml(text, report)
    return node, [finding.code for finding in report.findings]


def value(text: str) -> object:
    node, found = read(text)
    assert node is not None
    assert found == []
    return node.plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: yes", "yes"),
        ("a: no", "no"),
        ("a: on", "on"),
        ("a: 1:30", "1:30"),
        ("a: 012", 12),
        ("a: 0o14", 12),
        ("a: 0x1F", 31),
        ("a: 1_000", "1_000"),
        ("a: 2026-01-01", "2026-01-01"),
        ("a: true", True),
        ("a: 'true'", "true"),
        ("a: ~", None),
        ("a:", None),
        ("a: 1.5", 1.5),
        ("a: 1e3", 1000.0),
        ("a: -7", -7),
        ("a: <<", "<<"),
        ("a: ${input.x}", "${input.x}"),
        ("a: |\n  one\n  two\n", "one\ntwo\n"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, expected: object) -> None:
    assert value(text) == {"a": expected}
    assert type(value(text)["a"]) is type(expected)  # type: ignore[index]  # it is a map


def test_every_value_knows_its_place() -> None:
    node, _ = read("a: 1\nb:\n  - x\n  - {c: é, d: 2}\n")
    assert node is not None
    entries = node.value
    assert isinstance(entries, dict)
    assert (entries["b"].key.line, entries["b"].key.column) == (2, 1)
    items = entries["b"].node.value
    assert isinstance(items, tuple)
    inner = items[1].value
    assert isinstance(inner, dict)
    assert (inner["d"].node.line, inner["d"].node.column) == (4, 15)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "S001"),
        ("# nothing\n", "S001"),
        ("a: b\n---\nc: d\n", "S001"),
        ("a: [b", "S001"),
        ("\tfoo: bar", "S001"),
        ("a: \x00", "S001"),
        (b"a: \xff", "S001"),
        ("a: '\ud800'", "S001"),
        ('a: "\\ud800"', "S001"),
        ('a: "\\U00110000"', "S001"),
        ("a: &x 1\nb: *x", "S005"),
        ("a: *nope", "S005"),
        ("a: !!python/object:os.system x", "S005"),
        ("a: !x {b: c}", "S005"),
        ("a: 1\na: 2", "S004"),
        ("? [a, b]\n: c", "S008"),
        ("1: a", "S008"),
        ("a: .inf", "S011"),
        ("a: 1e999", "S011"),
        ("a: " + "9" * 10_000, "S011"),
        ("[" * 20_000, "S003"),
        ("- " * 20_000 + "a", "S003"),
        ("[" + "a," * 200_000 + "]", "S003"),
        ("a: " + "{b: " * 3_000 + "}" * 3_000, "S003"),
    ],
)
def test_what_is_not_plain_data_is_a_finding(text: str | bytes, code: str) -> None:
    _, found = read(text)
    assert code in found


def test_aliases_cannot_blow_up() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20))
    _, found = read(bomb)
    assert set(found) == {"S005"}


def test_an_unquoted_expression_in_a_flow_mapping_says_to_quote_it() -> None:
    result = spoilt(('"${input.price}"', "${input.price}"))
    assert codes(result) == ["S002"]
    finding = result.findings[0]
    assert (finding.line, finding.column) == (17, 19)
    assert finding.message == 'YAML needs quotes around this expression: write "${input.price}"'


def test_it_hides_nothing_behind_it_and_is_said_for_each() -> None:
    result = spoilt(('"${input.days}"', "${input.dais}"), ('"${input.price}"', "${input.prize}"), ("first: 100ms", "first: soon"))
    assert [(finding.code, finding.line) for finding in result.findings] == [
        ("S002", 11),
        ("S205", 11),
        ("S009", 12),
        ("S002", 17),
        ("S205", 17),
    ]


def test_an_unquoted_expression_with_quotes_of_its_own_is_told_the_other_kind() -> None:
    result = spoilt(('"${input.price}"', '${input.tags["x"]}'))
    assert codes(result)[0] == "S002"
    assert "write '${input.tags[\"x\"]}'" in result.findings[0].message


def test_an_unquoted_expression_with_a_colon_says_so_too() -> None:
    result = spoilt(("key: ${input.id}", "key: ${input.insured ? input.id : 'x'}"))
    assert codes(result) == ["S002"]
    assert result.findings[0].line == 4


@settings(max_examples=300)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_gives_findings_and_never_an_exception(text: str | bytes) -> None:
    result = lint(text, "x", EMPTY)
    assert result.findings
    assert result.document is None
    for finding in result.findings:
        assert "\n" not in str(finding)


_SOUP = st.lists(
    st.sampled_from(
        [
            "saga",
            "steps",
            "name",
            "after",
            ": ",
            "- ",
            "\n",
            "  ",
            "[",
            "]",
            "{",
            "}",
            "${",
            "}",
            "*a",
            "&a ",
            "'",
            '"',
            ",",
            "#",
            "!!str ",
            "1",
        ]
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(_SOUP)
def test_any_soup_of_yaml_gives_findings_and_never_an_exception(parts: list[str]) -> None:
    assert lint("".join(parts), "x", EMPTY).findings


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
_CATALOG = trip_catalog()


@settings(max_examples=200)
@given(st.integers(0, SOUND.count("\n") - 1), st.integers(0, 60), st.text(alphabet="abc:{}[]$\"'- \n#&*!1", max_size=6))
def test_a_sound_file_with_a_wound_never_raises(line: int, column: int, wound: str) -> None:
    lines = SOUND.splitlines(keepends=True)
    lines[line] = lines[line][:column] + wound + lines[line][column:]
    result = lint("".join(lines), "x", _CATALOG)
    assert (result.document is None) == any(finding.severity == "error" for finding in result.findings)


@settings(max_examples=200)
@given(
    st.sampled_from(["saga", "version", "input", "key", "deadline", "steps", "show_key"]),
    _JSON,
)
def test_a_key_of_any_kind_never_raises(key: str, data: object) -> None:
    lines = [line for line in SOUND.splitlines() if not line.startswith(f"{key}:")]
    kept = [line for line in lines if not line.startswith((" ", "-"))] if key == "steps" else lines
    lint("\n".join([json.dumps(key) + ": " + json.dumps(data), *kept]), "x", _CATALOG)


@settings(max_examples=300)
@given(
    st.sampled_from(
        ["name", "participant", "command", "with", "reply", "after", "when", "pivot", "compensation", "retry", "timeout"]
    ),
    _JSON,
)
def test_a_key_of_a_step_of_any_kind_never_raises(key: str, data: object) -> None:
    step = {"name": "one", "participant": "p", "command": "t.Blank", "compensation": "none", key: data}
    head = SOUND.partition("steps:\n")[0]
    lint(f"{head}steps:\n  - {json.dumps(step)}\n", "x", _CATALOG)


@pytest.mark.parametrize("source", ["\ufeff" + SOUND, SOUND.encode("utf-8-sig")])
def test_a_byte_order_mark_is_no_part_of_the_file(source: str | bytes) -> None:
    result = lint(source, "trip.saga.yaml", trip_catalog())
    assert result.findings == ()
