"""What a run of the demo will be, and whose folder it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from saga_cli.demo.directory import locked_directory
from saga_cli.demo.plan import planned
from saga_messaging.errors import ConfigurationError


def test_every_run_has_keys_of_its_own_and_every_fifth_order_no_carrier() -> None:
    one, other = (planned(orders=20, keep=False, bootstrap_servers=None, database=None) for _ in range(2))

    assert one.key(17).startswith("o-17-")
    assert {one.key(n) for n in range(20)}.isdisjoint({other.key(n) for n in range(20)}) or one.suffix == other.suffix
    assert [n for n in range(1, 21) if not one.has_carrier(n)] == [5, 10, 15, 20]


def test_on_postgresql_every_service_has_a_database_beside_the_coordinators() -> None:
    url = "postgresql+asyncpg://me:pw@db:5432/shop"

    plan = planned(orders=1, keep=False, bootstrap_servers="kafka:9092", database=f"{url}?ssl=require")

    assert plan.coordinator_url == f"{url}?ssl=require"
    assert plan.service_urls["payment"] == f"{url}_payment?ssl=require"


@pytest.mark.parametrize(
    "url", ["sqlite+aiosqlite:///x", "postgresql://h/db", "postgresql+asyncpg://h/", "postgresql+asyncpg://h/a'b"]
)
def test_another_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--database"):
        planned(orders=1, keep=False, bootstrap_servers=None, database=url)


def test_the_folder_is_emptied_of_what_a_demo_made_and_of_nothing_else(tmp_path: Path) -> None:
    for name in ("payment.sqlite", "payment.sqlite-wal", "payment.sqlite.faults", "demo.log", "mine.txt"):
        (tmp_path / name).touch()

    with locked_directory(tmp_path, keep=False):
        assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "lock"}


def test_what_keep_left_is_gone_on_with_once(tmp_path: Path) -> None:
    with locked_directory(tmp_path, keep=True):
        (tmp_path / "payment.sqlite").touch()
    with locked_directory(tmp_path, keep=False):
        assert (tmp_path / "payment.sqlite").exists()
    with locked_directory(tmp_path, keep=False):
        assert not (tmp_path / "payment.sqlite").exists()


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        locked_directory(tmp_path, keep=True),
        pytest.raises(ConfigurationError, match="a demo is running in"),
        locked_directory(tmp_path, keep=False),
    ):
        pass


def test_a_demo_that_stays_up_and_goes_on_has_more_services_than_one_that_rests() -> None:
    goes_on, rests, ends = (
        planned(orders=1, keep=keep, every_s=every_s, bootstrap_servers=None, database=None)
        for keep, every_s in ((True, 2.0), (True, 0.0), (False, 2.0))
    )

    assert [plan.goes_on for plan in (goes_on, rests, ends)] == [True, False, False]
    assert list(goes_on.service_urls) == ["inventory", "payment", "shipping", "fraud", "mail"]
    assert list(rests.service_urls) == list(ends.service_urls) == ["inventory", "payment", "shipping"]
