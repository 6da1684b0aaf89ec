"""Addresses: what is one, and one line for what is none."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from saga_coordinator.archive.address import check_archive, checked_address, open_files
from saga_coordinator.settings import Settings
from saga_messaging.errors import ConfigurationError
from support.coordinators import settings_for

GOOD = [
    "file:///var/lib/saga/archive",
    "file://localhost/var/lib/saga",
    "file:///with%20space",
    "s3://bucket",
    "s3://my.bucket-1/prefix/of/it",
    "s3://bucket/p?endpoint=http://127.0.0.1:9000&region=eu-west-1",
    "s3://bucket?region=eu-west-1",
]
BAD = [
    ("", "write file:///PATH or s3://"),
    ("/var/lib/saga", "write file:///PATH or s3://"),
    ("gs://bucket", "write file:///PATH or s3://"),
    ("s3://bucket#x", "write file:///PATH or s3://"),
    ("file:relative", "three slashes"),
    ("file://host/path", "three slashes"),
    ("file:///", "three slashes"),
    ("file:///path?x=1", "three slashes"),
    ("s3://", "is no bucket's name"),
    ("s3://UPPER", "is no bucket's name"),
    ("s3://key:secret@bucket/p", "AWS_ACCESS_KEY_ID"),
    ("s3://bucket?endpoint=ftp://x", "write http://HOST:PORT"),
    ("s3://bucket?endpoint=http://u:p@host", "write http://HOST:PORT"),
    ("s3://bucket?endpoint=", "its options are"),
    ("s3://bucket?region=a&region=b", "its options are"),
    ("s3://bucket?access_key=x", "its options are"),
    ("s3://bucket/p\n", "write file:///PATH or s3://"),
]


@pytest.mark.parametrize("text", GOOD)
def test_an_address_is_kept_as_it_is(text: str) -> None:
    assert settings_for("sqlite+aiosqlite:///x.db", archive=text).archive == text


@pytest.mark.parametrize(("text", "said"), BAD)
def test_what_is_no_address_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        checked_address(text)
    assert "secret" not in str(refused.value)


def test_a_bad_setting_names_its_variable() -> None:
    environ = {"SAGA_DATABASE_URL": "sqlite+aiosqlite:///x.db", "SAGA_KAFKA_BOOTSTRAP_SERVERS": "h:1", "SAGA_ARCHIVE": "gs://x"}
    with pytest.raises(ConfigurationError, match=r"^SAGA_ARCHIVE: write file:///PATH") as refused:
        Settings.from_env(environ)
    assert "\n" not in str(refused.value)


async def test_a_directory_is_made_and_its_left_overs_are_cleared(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b c"
    await check_archive(root.as_uri())
    old, young = root / "unfinished" / "old.avro", root / "unfinished" / "young.avro"
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (1, 1))

    await check_archive(root.as_uri())

    assert [file.name for file in (root / "unfinished").iterdir()] == ["young.avro"]


async def test_a_directory_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    """Root may write anywhere: a file stands where the directory should."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"^SAGA_ARCHIVE: .* cannot be written to \(.*\): see to its disk") as refused:
        await check_archive((tmp_path / "file").as_uri())
    assert "\n" not in str(refused.value)


async def test_without_the_setting_nothing_is_checked() -> None:
    await check_archive(None)


async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "obstore" else find(name))
    with pytest.raises(ConfigurationError, match=r"pip install 'saga-coordinator\[archive\]'"):
        await check_archive("s3://bucket")


def test_a_bucket_that_is_away_delays_nothing() -> None:
    assert open_files("s3://bucket/p?endpoint=http://127.0.0.1:9").where == "s3://bucket/p"
