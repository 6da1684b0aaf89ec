"""The recorded messages of docs/wire.md: they are what the code produces, and a reader that has
only the page can decode them."""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Any

import pytest

from saga_messaging.broker import Record
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode
from saga_schemas.headers import decode_command, decode_event, decode_reply, decode_start
from saga_schemas.ids import parse_command_id
from saga_schemas.inbound import (
    read_command_envelope,
    read_command_payload,
    read_reply_envelope,
    read_reply_payload,
    read_start_envelope,
    read_start_payload,
)
from saga_schemas.outcomes import Outcome
from saga_schemas.plain import to_plain
from saga_schemas.records import OWN
from saga_schemas.schema import Schema, load_json, parse_all
from saga_schemas.token import TokenKeys
from support.paths import ROOT

PAGE = (ROOT / "docs" / "wire.md").read_text()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("record_transcripts")


@pytest.fixture
def messages(recorder: ModuleType) -> list[tuple[str, Record, Any]]:
    """What stands in the page, read from its text."""
    return list(recorder.parse(PAGE))


@pytest.fixture
def catalog() -> Catalog:
    """The schemas as the page gives them: id and document, from its JSON blocks."""
    blocks = re.findall(r"`(\S+)`, id `([0-9a-f]{8})`\n\n```json\n(.*?)```", PAGE, re.DOTALL)
    schemas = {schema.full_name: schema for schema in parse_all([load_json(document) for _, _, document in blocks])}
    assert {name: f"{schema.id:08x}" for name, schema in schemas.items()} == {name: id for name, id, _ in blocks}
    return Catalog([*schemas.values(), *OWN])


def test_the_page_holds_what_the_code_produces(recorder: ModuleType, messages: list[tuple[str, Record, Any]]) -> None:
    recorded = recorder.record_all()

    assert [(title, record.topic, record.key, record.headers, record.value, content) for title, record, content in messages] == [
        (each.title, each.topic, each.key, each.headers, each.value, each.content) for each in recorded
    ]
    assert recorder.markdown() in PAGE


def test_recording_twice_gives_the_same_bytes(recorder: ModuleType) -> None:
    assert recorder.markdown() == recorder.markdown()


def test_every_value_decodes_to_what_the_page_says(messages: list[tuple[str, Record, Any]], catalog: Catalog) -> None:
    for title, record, content in messages:
        assert record.value is not None
        decoded = decode(record.value, catalog)
        assert to_plain(decoded.writer, decoded.value) == content, title
        assert dict(record.headers)["ce_type"] == decoded.writer.full_name.encode(), title


def test_every_message_takes_the_road_in(messages: list[tuple[str, Record, Any]], catalog: Catalog, recorder: ModuleType) -> None:
    keys = TokenKeys.parse(recorder.TOKEN_KEYS)
    kinds = set()
    for _, record, _ in messages:
        kind = record.topic.split(".")[1]
        kinds.add(kind)
        match kind:
            case "start":
                start = read_start_envelope(record, tenant="default")
                read_start_payload(start, catalog, _newest(catalog, start.headers.record))
            case "cmd":
                command = read_command_envelope(record)
                read_command_payload(command, catalog, None)
            case "reply":
                reply = read_reply_envelope(record, tenant="default", keys=keys)
                read_reply_payload(reply, catalog, _newest(catalog, reply.headers.record))
            case "events":
                decode_event(record.headers)
            case "dlq":
                letter = dict(record.headers)
                assert letter["saga_dlq_reason"] == b"wrong_topic"
                assert int(letter["saga_dlq_offset"]) and int(letter["saga_dlq_partition"])

    assert kinds == {"start", "cmd", "reply", "events", "dlq"}


def _newest(catalog: Catalog, record: str) -> Schema:
    schema = catalog.latest(record)
    assert schema is not None
    return schema


def test_a_reply_echoes_the_command_it_names(messages: list[tuple[str, Record, Any]]) -> None:
    commands = {dict(r.headers)["ce_id"]: dict(r.headers) for _, r, _ in messages if r.topic.startswith("saga.cmd.")}
    echoed = ("ce_subject", "ce_sagakind", "ce_sagarun", "ce_sagaattempt", "ce_sagaincarnation", "ce_sagaversion", "ce_sagatoken")
    replies = [dict(record.headers) for _, record, _ in messages if record.topic.startswith("saga.reply.")]
    for headers in replies:
        command = commands[headers["ce_causationid"]]
        assert {name: headers[name] for name in echoed} == {name: command[name] for name in echoed}
    assert len(replies) >= 12


def test_the_headers_recorded_are_the_headers_the_page_lists(messages: list[tuple[str, Record, Any]]) -> None:
    listed = {name for row in re.findall(r"^\| (`[^|]+`) \|", PAGE, re.MULTILINE) for name in re.findall(r"`([a-z_-]+)`", row)}

    used = {name for _, record, _ in messages for name, _ in record.headers}

    assert used <= listed, used - listed


def test_a_command_id_names_its_place_in_the_journal(messages: list[tuple[str, Record, Any]]) -> None:
    for _, record, _ in messages:
        if record.topic.startswith("saga.cmd."):
            headers = decode_command(record.headers)
            where = parse_command_id(headers.message_id)
            assert where is not None and where.saga_id == headers.saga_id and where.version == headers.version


def test_all_outcomes_are_shown(messages: list[tuple[str, Record, Any]]) -> None:
    shown = {decode_reply(record.headers).outcome.value for _, record, _ in messages if record.topic.startswith("saga.reply.")}

    assert shown == set(Outcome)
    assert decode_start(next(r for _, r, _ in messages if r.topic == "saga.start").headers).definition == "reward"
