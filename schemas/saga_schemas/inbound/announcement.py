"""An announcement and its answer: both stages at once, since what they carry are our records."""

from __future__ import annotations

from typing import Final, TypeVar

from saga_schemas.errors import BadMessage
from saga_schemas.headers import AnnouncementAnswerHeaders, AnnouncementHeaders, decode_announcement, decode_announcement_answer
from saga_schemas.horizon import Horizon
from saga_schemas.inbound.envelope import Received, check_size, check_tenant, present
from saga_schemas.outcomes import AnnouncementKind
from saga_schemas.record_class import record
from saga_schemas.records import HorizonHeard, HorizonRecord, Sweep, SweptRows, read_own
from saga_schemas.token import AnnouncementKeys, TokenKeys, announcement_digest

M = TypeVar("M", HorizonRecord, HorizonHeard, Sweep, SweptRows)
_BAD_TOKEN: Final = "not the token of an announcement issued here"


@record
class Announcement:
    """What the coordinator says to a participant about no single saga."""

    headers: AnnouncementHeaders
    content: Horizon | Sweep
    digest: bytes
    """Of the value as it came: the answer carries it back."""


@record
class AnnouncementAnswer:
    """What a participant answers."""

    headers: AnnouncementAnswerHeaders
    content: HorizonHeard | SweptRows


def read_announcement(received: Received, *, participant: str, keys: AnnouncementKeys | None) -> Announcement:
    """An announcement from a command topic.

    Args:
        received: A record of which `announcement_kind` says that it is one.
        participant: Whose command topic that is.
        keys: What the coordinator signs announcements with; None: the token is not checked.

    Raises:
        BadMessage: Something is wrong with it: dead-letter it, nothing changes.
    """
    check_size(received)
    headers = decode_announcement(received.headers)
    value = present(received.value)
    _check_key(received.key, headers.kind)
    digest = announcement_digest(value)
    if keys is not None and not keys.verify(
        headers.token, headers.tenant, participant, headers.kind, headers.incarnation, digest
    ):
        raise BadMessage("token_invalid", _BAD_TOKEN)
    content: Horizon | Sweep
    if headers.kind is AnnouncementKind.HORIZON:
        content = _read(received, headers.record, value, HorizonRecord).horizon()
    else:
        content = _read(received, headers.record, value, Sweep)
    return Announcement(headers=headers, content=content, digest=digest)


def read_announcement_answer(received: Received, *, tenant: str, keys: TokenKeys, participant: str) -> AnnouncementAnswer:
    """An answer to an announcement that we issued.

    Args:
        received: A record of which `announcement_kind` says that it is one.
        tenant: The one that is served here.
        keys: What we sign commands with.
        participant: Whose reply topic that is.

    Raises:
        BadMessage: Something is wrong; `reason` is a row of the table of dead letters in
            docs/wire.md.
    """
    check_size(received)
    headers = decode_announcement_answer(received.headers)
    value = present(received.value)
    _check_key(received.key, headers.kind)
    check_tenant(headers.tenant, tenant)
    content: HorizonHeard | SweptRows
    if headers.kind is AnnouncementKind.HORIZON:
        content = _read(received, headers.record, value, HorizonHeard)
    else:
        content = _read(received, headers.record, value, SweptRows)
    signed = keys.announcement_keys()
    if not signed.verify(headers.token, headers.tenant, participant, headers.kind, headers.incarnation, content.asked):
        raise BadMessage("token_invalid", _BAD_TOKEN)
    return AnnouncementAnswer(headers=headers, content=content)


def _check_key(key: bytes | None, kind: AnnouncementKind) -> None:
    if key is None:
        raise BadMessage("null_key", "the key is the kind")
    if key != kind.encode():
        raise BadMessage("key_mismatch", "the key is the kind of the headers")


def _read(received: Received, named: str, value: bytes, model: type[M]) -> M:
    if named != model.avro_name:
        raise BadMessage("record_mismatch", f"this message carries {model.avro_name}")
    return read_own(value, model, received.headers)
