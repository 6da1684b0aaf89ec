"""Tokens: forging, replaying on another command and changing keys."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from saga_schemas.ids import uuid7
from saga_schemas.outcomes import Kind
from saga_schemas.token import TokenKeys

SAGA = uuid7(1_762_179_906_000_123, bytes(range(10)))
OTHER = uuid7(1_762_179_906_000_124, bytes(range(10)))
KEYS = TokenKeys(current="k1", keys={"k1": b"1" * 32, "k0": b"0" * 32})
ISSUED: dict[str, Any] = {"tenant": "default", "saga_id": SAGA, "step": "charge", "kind": Kind.ACTION, "run": 1, "incarnation": 1}


def test_a_token_we_issued_verifies_and_is_short_ascii() -> None:
    token = KEYS.sign(**ISSUED)
    assert KEYS.verify(token, **ISSUED)
    assert token.isascii()
    assert len(token) <= 128


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("tenant", "other"),
        ("saga_id", OTHER),
        ("step", "ship"),
        ("kind", Kind.COMPENSATION),
        ("kind", Kind.RESOLVE),
        ("run", 2),
        ("incarnation", 2),
    ],
)
def test_a_token_replayed_on_another_command_is_refused(part: str, value: Any) -> None:
    assert not KEYS.verify(KEYS.sign(**ISSUED), **(ISSUED | {part: value}))


def test_parts_cannot_be_shifted_into_each_other() -> None:
    one = KEYS.sign("a", SAGA, "1:b", Kind.ACTION, 1, 11)
    assert not KEYS.verify(one, "a", SAGA, "1:b", Kind.ACTION, 11, 1)
    assert not KEYS.verify(one, "a1:", SAGA, "b", Kind.ACTION, 1, 11)


def test_every_changed_character_of_a_token_is_noticed() -> None:
    token = KEYS.sign(**ISSUED)
    for position in range(len(token)):
        forged = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        assert not KEYS.verify(forged, **ISSUED), position


@pytest.mark.parametrize("token", ["", ".", "k1", "k1.", "k9." + "A" * 43, "k1.é", "x" * 129, "k1\x00." + "A" * 43])
def test_what_is_no_token_is_refused_without_an_error(token: str) -> None:
    assert not KEYS.verify(token, **ISSUED)


def test_old_keys_verify_while_the_first_one_signs() -> None:
    before = TokenKeys(current="k0", keys={"k0": b"0" * 32})
    after = TokenKeys.parse(f"k1:{base64.b64encode(b'1' * 32).decode()}, k0:{base64.b64encode(b'0' * 32).decode()}")
    assert after.verify(before.sign(**ISSUED), **ISSUED)
    assert after.sign(**ISSUED).startswith("k1.")
    assert not before.verify(after.sign(**ISSUED), **ISSUED)


def test_another_key_under_the_same_id_does_not_verify_what_was_just_signed() -> None:
    other = TokenKeys(current="k1", keys={"k1": b"2" * 32})
    assert not other.verify(KEYS.sign(**ISSUED), **ISSUED)
    assert not KEYS.verify(other.sign(**ISSUED), **ISSUED)
    assert KEYS.verify(KEYS.sign(**ISSUED), **ISSUED)


def test_of_two_commands_signed_one_after_the_other_each_has_its_own_token() -> None:
    several = [ISSUED | {"run": run, "saga_id": saga} for run in range(50) for saga in (SAGA, OTHER)]
    tokens = [KEYS.sign(**each) for each in several]
    assert len(set(tokens)) == len(several)
    assert [KEYS.verify(token, **ISSUED) for token in tokens].count(True) == 1


@pytest.mark.parametrize("text", ["", "k1", "k1:", "k1:!!!", ":AAAA", "k 1:AAAA", "k1:c2hvcnQ=", f"k1:{'A' * 44},k1:{'B' * 44}"])
def test_keys_that_cannot_be_used_are_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(ValueError, match="token key") as caught:
        TokenKeys.parse(text)
    assert "AAAA" not in str(caught.value)
    assert "c2hvcnQ" not in str(caught.value)


def test_keys_are_never_printed() -> None:
    assert "1111" not in repr(KEYS)
