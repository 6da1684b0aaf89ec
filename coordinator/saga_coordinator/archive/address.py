"""The address of an archive: `file:///path`, or `s3://bucket/prefix?endpoint=…&region=…`."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from saga_coordinator.archive.files import Files
from saga_coordinator.archive.port import ArchiveError
from saga_messaging.errors import ConfigurationError

_FORMS: Final = "write file:///PATH or s3://BUCKET/PREFIX?endpoint=http://HOST:PORT&region=NAME"
_OPTIONS: Final = frozenset({"endpoint", "region"})
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ENDPOINT: Final = re.compile(r"https?://[^\s/?#@]+/?")


def checked_address(text: str) -> str:
    """The address, if it is one. Raises ValueError."""
    parts = _split(text)
    if parts.scheme == "file":
        _directory(parts)
    elif parts.scheme == "s3":
        _bucket(parts)
    else:
        raise ValueError(_FORMS)
    return text


def open_files(text: str) -> Files:
    """The files at an address. Nothing is asked of an object store yet.

    Raises:
        ConfigurationError: It is no address, or the library for it is not installed.
    """
    try:
        parts = _split(checked_address(text))
    except ValueError as error:
        raise ConfigurationError(f"SAGA_ARCHIVE: {error}") from None
    if parts.scheme == "file":
        from saga_coordinator.archive.directory import Directory

        return Directory(_directory(parts))
    if importlib.util.find_spec("obstore") is None:
        raise ConfigurationError("SAGA_ARCHIVE: an object store needs obstore: pip install 'saga-coordinator[archive]'")
    from saga_coordinator.archive.bucket import Bucket  # only who has one pays for the library

    options = _bucket(parts)
    return Bucket(parts.netloc, parts.path.strip("/"), endpoint=options.get("endpoint"), region=options.get("region"))


async def check_archive(text: str | None) -> None:
    """Look whether files can be written to the archive of the settings. Raises
    ConfigurationError."""
    if text is None:
        return
    try:
        await open_files(text).check()
    except ArchiveError as error:
        raise ConfigurationError(f"SAGA_ARCHIVE: {error}") from None


def _split(text: str) -> SplitResult:
    if "@" in text.partition("?")[0] and not text.startswith("file:"):
        raise ValueError("write the credentials into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    parts = urlsplit(text)
    if parts.fragment or not text.isprintable():
        raise ValueError(_FORMS)
    return parts


def _directory(parts: SplitResult) -> Path:
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or parts.query or not path.startswith("/") or path.strip("/") == "":
        raise ValueError("write file:///PATH, with three slashes and a whole path")
    return Path(path)


def _bucket(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if _BUCKET.fullmatch(parts.netloc) is None:
        raise ValueError(f"{parts.netloc!r} is no bucket's name: {_FORMS}")
    if len(pairs) != len(options) or options.keys() - _OPTIONS or not all(options.values()):
        raise ValueError(f"its options are endpoint and region: {_FORMS}")
    if "endpoint" in options and _ENDPOINT.fullmatch(options["endpoint"]) is None:
        raise ValueError("endpoint: write http://HOST:PORT")
    return options
