"""The files by which an implementation in another language checks itself: they are what the code
produces, and true by a second implementation that knows docs/wire.md and nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import importlib.resources
import json
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from hatchling.builders.wheel import WheelBuilder

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.outcomes import AnnouncementKind, Kind
from saga_schemas.plain import from_plain, to_plain
from saga_schemas.schema import Schema
from saga_schemas.token import AnnouncementKeys, TokenKeys
from support.paths import ROOT

FILES = ("recorded-messages.json", "schema-id-vectors.json", "token-vectors.json")


def vectors(name: str) -> Any:
    return json.loads((importlib.resources.files("saga_schemas") / "vectors" / name).read_text(encoding="utf-8"))


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("generate_vectors")


# --- the files ------------------------------------------------------------------------------------


def test_the_files_are_as_the_code_says(generator: ModuleType) -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in generator.FOLDER.iterdir()}

    assert written == generator.files(), "run: python tools/generate_vectors.py"
    assert sorted(written) == sorted(FILES)


def test_the_wheel_carries_them() -> None:
    packed = {included.distribution_path for included in WheelBuilder(str(ROOT)).recurse_included_files()}

    assert {f"saga_schemas/vectors/{name}" for name in FILES} <= packed


# --- recorded messages ----------------------------------------------------------------------------

RECORDED = vectors("recorded-messages.json")
MESSAGES: list[dict[str, Any]] = RECORDED["messages"]
REPLIES = [message for message in MESSAGES if message["kind"] == "reply"]


def test_every_value_is_its_content_under_the_schema_that_stands_beside_it() -> None:
    catalog = Catalog(Schema.parse_json(schema["canonical"]) for schema in RECORDED["schemas"])
    values = [*MESSAGES, *(reply["answers"] for reply in REPLIES)]
    for message in (message for message in values if message.get("kind") != "dead letter"):
        decoded = decode(bytes.fromhex(message["value"]), catalog)
        schema = catalog.latest(message["headers"]["ce_type"])

        assert decoded.writer == schema, message["headers"]["ce_id"]
        assert to_plain(schema, decoded.value) == message["content"]
        assert encode(schema, from_plain(schema, message["content"])).hex() == message["value"]


def test_the_schemas_have_the_ids_that_are_said() -> None:
    for schema in RECORDED["schemas"]:
        assert (schema["id"], schema["id_hex"]) == id_of(schema["canonical"])


def test_every_kind_of_message_stands_there_with_a_way_to_check_it() -> None:
    assert {message["kind"] for message in MESSAGES} >= {"start", "command", "reply", "event"}
    assert [message["number"] for message in MESSAGES] == list(range(1, len(MESSAGES) + 1))
    assert all(message["how_to_check"] for message in MESSAGES)
    assert len(REPLIES) >= 8


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply["title"])
def test_a_reply_stands_beside_the_command_that_it_answers(reply: dict[str, Any]) -> None:
    command = reply["answers"]
    said, asked = reply["headers"], command["headers"]

    assert said["ce_causationid"] == asked["ce_id"]
    assert reply["key"] == command["key"]
    assert {"ce_sagatoken", "ce_sagarun", "ce_sagakind", "ce_sagastep", "ce_sagatenant", "ce_sagaversion"} <= {*reply["echoed"]}
    assert {name: said[name] for name in reply["echoed"]} == {name: asked[name] for name in reply["echoed"]}
    if command["number"] is not None:
        listed = MESSAGES[command["number"] - 1]
        assert {name: listed[name] for name in ("topic", "key", "headers", "value")} == {
            name: command[name] for name in ("topic", "key", "headers", "value")
        }


# --- schema ids, a second time --------------------------------------------------------------------

IDS = vectors("schema-id-vectors.json")
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in IDS["cases"]}
PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def canonical(node: Any, others: dict[str, Any], namespace: str, seen: dict[str, Any]) -> Any:
    """Rules 1 to 8."""
    if isinstance(node, list):
        return [canonical(branch, others, namespace, seen) for branch in node]
    if isinstance(node, str):
        full = node if node in PRIMITIVES or "." in node or not namespace else f"{namespace}.{node}"
        return canonical(others[full], others, "", seen) if full in others and full not in seen else full
    out = {key: value for key, value in node.items() if key not in ("doc", "namespace")}
    if "name" in node:
        out["name"] = full_name(node, namespace)
        if out["name"] in seen:
            return out["name"]
        seen[out["name"]] = node
        namespace = out["name"].rpartition(".")[0]
    if "fields" in node:
        kept = [{key: value for key, value in entry.items() if key not in ("doc", "namespace")} for entry in node["fields"]]
        out["fields"] = [entry | {"type": canonical(entry["type"], others, namespace, seen)} for entry in kept]
    for inner in {"items", "values"} & node.keys():
        out[inner] = canonical(node[inner], others, namespace, seen)
    return out


def full_name(node: dict[str, Any], namespace: str = "") -> str:
    space = node.get("namespace", namespace)
    return str(node["name"]) if "." in node["name"] or not space else f"{space}.{node['name']}"


def written(value: Any) -> str:
    """Rules 9 to 12: JSON, by hand."""
    match value:
        case dict():
            keys = sorted(value, key=lambda key: key.encode())
            return "{" + ",".join(f"{written(key)}:{written(value[key])}" for key in keys) + "}"
        case list():
            return "[" + ",".join(map(written, value)) + "]"
        case str():
            return '"' + "".join(ESCAPES.get(char) or (char if char >= " " else f"\\u{ord(char):04x}") for char in value) + '"'
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case float():
            return shortest(value)
        case _:
            return str(value)


def shortest(value: float) -> str:
    """The fewest digits that give the same double back, found by trying."""
    digits = next(text for text in (f"{value:.{places}e}" for places in range(17)) if float(text) == value)
    mantissa, _, exponent = digits.partition("e")
    if value == 0 or 1e-4 <= abs(value) < 1e16:
        places = max(len(mantissa.partition(".")[2]) - int(exponent), 1)
        return f"{value:.{places}f}"
    return f"{mantissa}e{exponent[0]}{int(exponent[1:]):02d}"


def id_of(text: str) -> tuple[int, str]:
    """Rule 13."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 2**30 + 2**30
    return number, f"{number:08x}"


@pytest.mark.parametrize("name", CASES)
def test_a_second_implementation_gives_the_same_form_and_id(name: str) -> None:
    case = CASES[name]
    others = {full_name(document): document for document in map(json.loads, case["others"])}
    text = written(canonical(json.loads(case["document"]), others, "", {}))

    assert text == case["canonical"]
    assert (case["id"], case["id_hex"]) == id_of(text)
    assert case["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_each_rule_is_shown_by_a_case() -> None:
    assert {number for case in CASES.values() for number in case["rules"]} == {rule["number"] for rule in IDS["rules"]}


def test_pairs_have_one_id_or_two_as_is_said() -> None:
    assert IDS["the same id"] and IDS["different ids"]
    assert [pair for pair in IDS["the same id"] if len({CASES[name]["id"] for name in pair["of"]}) != 1] == []
    assert [pair for pair in IDS["different ids"] if len({CASES[name]["id"] for name in pair["of"]}) != 2] == []


# --- tokens, a second time ------------------------------------------------------------------------

TOKENS = vectors("token-vectors.json")
KEYS = {key["id"]: bytes.fromhex(key["hex"]) for key in TOKENS["keys"]}


def fields(given: dict[str, Any]) -> dict[str, Any]:
    return given | {"saga_id": UUID(given["saga_id"]), "kind": Kind(given["kind"])}


@pytest.mark.parametrize("vector", TOKENS["tokens"], ids=lambda vector: vector["shows"])
def test_a_token_is_what_the_page_says(vector: dict[str, Any]) -> None:
    said = vector["fields"]
    parts: list[bytes] = [
        said["tenant"].encode(),
        bytes.fromhex(said["saga_id"].replace("-", "")),
        *(str(said[name]).encode() for name in ("step", "kind", "run", "incarnation")),
    ]
    message = b"saga token 1\0" + b"".join(str(len(part)).encode() + b":" + part for part in parts)
    mac = hmac.new(KEYS[vector["key"]], message, hashlib.sha256).digest()

    assert (vector["message"], vector["hmac"]) == (message.hex(), mac.hex())
    assert vector["token"] == f"{vector['key']}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    assert TokenKeys(current="k1", keys=KEYS).verify(vector["token"], **fields(said))


def test_no_two_tokens_are_alike() -> None:
    assert len({vector["token"] for vector in TOKENS["tokens"]}) == len(TOKENS["tokens"])


@pytest.mark.parametrize("vector", TOKENS["announcements"]["tokens"], ids=lambda vector: vector["fields"]["kind"])
def test_an_announcements_token_is_what_the_page_says(vector: dict[str, Any]) -> None:
    said, key_id = vector["fields"], vector["key"]
    key = hmac.new(KEYS[key_id], b"saga announcement key 1\0" + key_id.encode(), hashlib.sha256).digest()
    parts = [str(said[name]).encode() for name in ("tenant", "participant", "kind", "incarnation")]
    parts.append(hashlib.sha256(bytes.fromhex(vector["value"])).digest())
    message = b"saga announcement 1\0" + b"".join(str(len(part)).encode() + b":" + part for part in parts)
    mac = hmac.new(key, message, hashlib.sha256).digest()

    assert {"id": key_id, "hex": key.hex()} in TOKENS["announcements"]["keys"]
    assert vector["token"] == f"{key_id}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    given = said | {"kind": AnnouncementKind(said["kind"])}
    assert AnnouncementKeys(current=key_id, keys={key_id: key}).verify(vector["token"], **given, digest=parts[-1])


@pytest.mark.parametrize("vector", TOKENS["refused"], ids=lambda vector: vector["because"])
def test_a_token_to_be_refused_is_refused(vector: dict[str, Any]) -> None:
    assert not TokenKeys(current="k1", keys=KEYS).verify(vector["token"], **fields(vector["fields"]))
