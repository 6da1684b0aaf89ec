"""`@frozen` is `@dataclass(frozen=True, slots=True, kw_only=True)` in everything but the cost of making one."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import pytest

from saga_schemas.frozen import frozen


@frozen
class Ours:
    name: str
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    name: str
    size: int = 1


def test_it_is_equal_hashed_and_shown_by_its_fields() -> None:
    one = Ours(name="a", size=2)
    assert one == Ours(name="a", size=2)
    assert one != Ours(name="a")
    assert hash(one) == hash(Theirs(name="a", size=2))
    assert repr(one).replace("Ours", "Theirs") == repr(Theirs(name="a", size=2))
    assert replace(one, size=3) == Ours(name="a", size=3)
    assert [each.name for each in fields(one)] == ["name", "size"]


def test_it_takes_its_fields_by_name_only_and_has_room_for_no_other() -> None:
    with pytest.raises(TypeError):
        Ours("a")  # type: ignore[misc]
    assert not hasattr(Ours(name="a"), "__dict__")


def test_to_the_type_checker_its_fields_are_read_only() -> None:
    one = Ours(name="a")
    one.size = 5  # type: ignore[misc]  # mypy complains of an ignore that ignores nothing
