"""Writes the files of schemas/saga_schemas/vectors, by which an implementation in another language
checks itself: recorded messages, schema ids, tokens.

    python tools/generate_vectors.py            writes what differs
    python tools/generate_vectors.py --check    only says so, and exits 1

The messages are those of docs/wire.md (record_transcripts.py). tests/unit/schemas/test_vectors.py
runs the check, and computes ids and tokens again by a second implementation.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import record_transcripts
from record_transcripts import Transcript
from schema_id_cases import CASES, DIFFERENT, RULES, SAME, Case

from saga_messaging.broker import Record
from saga_schemas import gate
from saga_schemas.codec import decode
from saga_schemas.headers import names as h
from saga_schemas.ids import uuid7
from saga_schemas.outcomes import AnnouncementKind, Kind
from saga_schemas.plain import to_plain
from saga_schemas.schema import Schema, load_json
from saga_schemas.token import TokenKeys

FOLDER: Final = Path(__file__).resolve().parents[1] / "schemas" / "saga_schemas" / "vectors"
ECHOED: Final = (
    h.SUBJECT, h.CORRELATION, h.KIND, h.STEP, h.RUN, h.ATTEMPT, h.INCARNATION, h.VERSION, h.TENANT, h.TOKEN, h.ORIGIN,
)  # fmt: skip
"""The headers of a command that its reply carries unchanged."""

KIND_BY_TOPIC: Final = {"start": "start", "cmd": "command", "reply": "reply", "events": "event", "dlq": "dead letter"}
HOW_TO_CHECK: Final = {
    "start": "Write it: encode `content` with the schema that ce_type names, put 00 and the schema's id before it: these are "
    "the bytes of `value`. Write the headers; their order is free.",
    "command": "Read it: `value` is 00, four bytes of schema id, and the Avro of `content`. Everything that its reply echoes "
    "stands in the headers.",
    "reply": "Answer the command in `answers` with this outcome and `content`. The headers named in `echoed` are the command's, "
    "and ce_causationid is its ce_id. Take ce_id, ce_source, ce_time, traceparent, ce_sagaseq and ce_sagarowrun from this "
    "message, as far as it has them: the headers are then these, in any order. `value` is 00, the id of the schema that ce_type "
    "names, and the Avro of `content`.",
    "event": "Read it: `value` is 00, four bytes of schema id, and the Avro of `content`. ce_sequence sorts as text.",
    "dead letter": "Read it: key, headers and value are those of the record that could not be read, and the four "
    "headers saga_dlq_ say why and where it stood.",
}


def recorded_messages() -> dict[str, Any]:
    """Every kind of message, as bytes and as text."""
    recorded = record_transcripts.record_all()
    numbers = {_id(each.headers): number for number, each in enumerate(recorded, start=1) if _kind(each.topic) == "command"}
    key_id, _, key = record_transcripts.TOKEN_KEYS.partition(":")
    return {
        "about": "Messages of docs/wire.md, made by the coordinator's and the participant kit's own code with fixed time, ids and "
        "key. `value` is hexadecimal. Header values are UTF-8.",
        "token_keys": [{"id": key_id, "base64": key}],
        "schemas": [
            {"record": schema.full_name, "id": schema.id, "id_hex": f"{schema.id:08x}", "canonical": schema.canonical.decode()}
            for schema in record_transcripts.catalog()
        ],
        "messages": [{"number": number} | _message(each, numbers) for number, each in enumerate(recorded, start=1)],
    }


def _message(recorded: Transcript, numbers: dict[str, int]) -> dict[str, Any]:
    kind = _kind(recorded.topic)
    written: dict[str, Any] = {"kind": kind, "title": recorded.title, "story": recorded.story}
    written |= _record(recorded.topic, recorded.key, recorded.headers, recorded.value, recorded.content)
    if recorded.answers is not None:
        written["echoed"] = [name for name, _ in recorded.headers if name in ECHOED]
        written["answers"] = _answered(recorded.answers, numbers)
    return written | {"how_to_check": HOW_TO_CHECK[kind]}


def _answered(command: Record, numbers: dict[str, int]) -> dict[str, Any]:
    """The command as a whole, and its number where it is a message of the page, too."""
    assert command.key is not None and command.value is not None
    decoded = decode(command.value, record_transcripts.catalog())
    number = numbers.get(_id(command.headers))
    content = to_plain(decoded.writer, decoded.value)
    return {"number": number} | _record(command.topic, command.key, command.headers, command.value, content)


def _record(topic: str, key: bytes, headers: Any, value: bytes, content: Any) -> dict[str, Any]:
    by_name = {name: (text or b"").decode() for name, text in headers}
    assert len(by_name) == len(headers), "a header stands there twice"
    return {"topic": topic, "key": key.decode(), "headers": by_name, "value": value.hex(), "content": content}


def _kind(topic: str) -> str:
    return KIND_BY_TOPIC[topic.split(".")[1]]


def _id(headers: Any) -> str:
    return bytes(dict(headers)[h.ID]).decode()


# --- schema ids -----------------------------------------------------------------------------------


def schema_ids() -> dict[str, Any]:
    """Documents with their canonical form and id."""
    return {
        "about": "How the id of a schema is made, rule by rule. `document` is the text of a file as somebody wrote it, `others` are "
        "files with types that it refers to; `canonical` is what is hashed, as UTF-8.",
        "rules": [{"number": number, "rule": rule} for number, rule in enumerate(RULES, start=1)],
        "cases": [_case(case) for case in CASES],
        "the same id": [{"of": [one, other], "because": why} for one, other, why in SAME],
        "different ids": [{"of": [one, other], "because": why} for one, other, why in DIFFERENT],
    }


def _case(case: Case) -> dict[str, Any]:
    known = {str(gate.full_name_of(document)): document for document in map(load_json, case.others)}
    schema = Schema.parse(load_json(case.document), known)
    return {
        "name": case.name,
        "shows": case.shows,
        "rules": list(case.rules),
        "document": case.document,
        "others": list(case.others),
        "canonical": schema.canonical.decode(),
        "sha256": hashlib.sha256(schema.canonical).hexdigest(),
        "id": schema.id,
        "id_hex": f"{schema.id:08x}",
    }


# --- tokens ---------------------------------------------------------------------------------------

_SAGA: Final = uuid7(record_transcripts.BEGAN_US, bytes([7]) * 10)
_KEYS: Final = TokenKeys(current="k1", keys={"k1": bytes(range(32)), "older_key-0": bytes(range(100, 116))})
_ISSUED: Final = ("default", _SAGA, "charge", Kind.ACTION, 1, 1)
_TOKENS: Final[tuple[tuple[str, str, tuple[str, UUID, str, Kind, int, int]], ...]] = (
    ("k1", "An action.", _ISSUED),
    ("k1", "Its compensation: a kind of its own.", ("default", _SAGA, "charge", Kind.COMPENSATION, 1, 1)),
    ("k1", "RESOLVE: a kind of its own, too.", ("default", _SAGA, "charge", Kind.RESOLVE, 1, 1)),
    ("k1", "Another run. (Another attempt has the same token.)", ("default", _SAGA, "charge", Kind.ACTION, 2, 1)),
    ("k1", "After a restore: another incarnation.", ("default", _SAGA, "charge", Kind.ACTION, 1, 2)),
    ("k1", "A step of many.", ("default", _SAGA, "charge[3]", Kind.ACTION, 1, 1)),
    ("k1", "Lengths count bytes of UTF-8, not characters.", ("zürich", _SAGA, "charge", Kind.ACTION, 1, 1)),
    ("k1", "The largest numbers.", ("default", _SAGA, "charge", Kind.ACTION, 2**31 - 1, 2**31 - 1)),
    ("k1", "A tenant with a colon: lengths keep parts apart.", ("default:16", _SAGA, "charge", Kind.ACTION, 1, 1)),
    ("older_key-0", "Another key with another id: it still verifies while sagas are open.", _ISSUED),
)


def tokens() -> dict[str, Any]:
    """What is signed, and the token it gives."""
    good = _KEYS.sign(*_ISSUED)
    return {
        "about": "For whoever writes a coordinator, or checks what one issues. A participant does nothing of this: it echoes "
        "ce_sagatoken as it came and looks at nothing in it. The token is `<key id>.<base64url without padding of the "
        "HMAC-SHA256 of message>`. `message` is in hexadecimal: `saga token 1`, a zero byte, then tenant, the 16 bytes of the "
        "saga id, step, kind, run and incarnation (in decimal), each as `<length in bytes, decimal>:<bytes>`.",
        "keys": [{"id": key_id, "hex": key.hex()} for key_id, key in _KEYS.keys.items()],
        "tokens": [_token(key_id, shows, parts) for key_id, shows, parts in _TOKENS],
        "refused": [
            {"token": token, "because": why, "fields": _fields(_ISSUED)}
            for token, why in (
                (_KEYS.sign(*_TOKENS[1][2]), "The compensation's token on an action."),
                (_KEYS.sign(*_TOKENS[3][2]), "The token of another run."),
                (f"{good[:-1]}{_next(good[-1])}", "The last character differs only in bits that base64 does not use."),
                (f"{good}=", "Padding is not written."),
                (f"k9.{good.partition('.')[2]}", "No key has this id."),
                (good.partition(".")[2], "The id of the key is missing."),
            )
        ],
        "announcements": _announcements(),
    }


def _announcements() -> dict[str, Any]:
    """For a participant that verifies."""
    keys, value = _KEYS.announcement_keys(), b"\0the framed value"
    fields: dict[str, Any] = {"tenant": "default", "participant": "payment", "incarnation": 1}
    return {
        "about": "The key of announcements is HMAC-SHA256, under the token key, of the text `saga announcement key 1`, a zero byte "
        "and the id of the key. A participant is given it, and not the token key. The signed message is `saga announcement 1`, a "
        "zero byte, then tenant, participant, kind, incarnation (in decimal) and the SHA-256 of the value, each as above.",
        "keys": [{"id": key_id, "hex": key.hex()} for key_id, key in keys.keys.items()],
        "tokens": [
            {
                "key": keys.current,
                "fields": fields | {"kind": kind.value},
                "value": value.hex(),
                "token": keys.sign(**fields, kind=kind, value=value),
            }
            for kind in AnnouncementKind
        ],
    }


def _token(key_id: str, shows: str, parts: tuple[str, UUID, str, Kind, int, int]) -> dict[str, Any]:
    keys = TokenKeys(current=key_id, keys=_KEYS.keys)
    tenant, saga_id, step, kind, run, incarnation = parts
    signed = (tenant.encode(), saga_id.bytes, step.encode(), kind.encode(), b"%d" % run, b"%d" % incarnation)
    message = b"saga token 1\0" + b"".join(b"%d:%b" % (len(part), part) for part in signed)
    mac = hmac.digest(_KEYS.keys[key_id], message, "sha256")
    return {
        "shows": shows,
        "key": key_id,
        "fields": _fields(parts),
        "message": message.hex(),
        "hmac": mac.hex(),
        "token": keys.sign(*parts),
    }


def _fields(parts: tuple[str, UUID, str, Kind, int, int]) -> dict[str, Any]:
    tenant, saga_id, step, kind, run, incarnation = parts
    return {"tenant": tenant, "saga_id": str(saga_id), "step": step, "kind": kind.value, "run": run, "incarnation": incarnation}


def _next(character: str) -> str:
    """A neighbour in the alphabet of base64url.

    Of the last of 43 characters only four bits count.
    """
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(character) ^ 1]


# --- files ----------------------------------------------------------------------------------------


def files() -> dict[str, str]:
    """The text of each file, by its name."""
    made = {
        "recorded-messages.json": recorded_messages(),
        "schema-id-vectors.json": schema_ids(),
        "token-vectors.json": tokens(),
    }
    return {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in made.items()}


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    stale = []
    for name, text in files().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    print(f"{'stale' if check else 'written'}: {', '.join(stale)}" if stale else "all vectors are as the code says")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
