"""An archive in an object store that speaks S3's protocol, by the library obstore.

The library is the extra `archive`. It finds its credentials where Amazon's tools find theirs: the
environment, a container's role, an instance's role. A file counts as kept when the store has
acknowledged it and then says that it has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from saga_coordinator.archive.names import is_day
from saga_coordinator.archive.port import ArchiveError

if TYPE_CHECKING:
    from obstore.store import S3Config

R = TypeVar("R")

LIMIT_S: Final = 60.0
"""How long one call may take, its repetitions included."""
_REQUEST_S: Final = 20
_CONNECT_S: Final = 5
_RETRIES: Final = 3
_WHY_CHARS: Final = 200


class Bucket:
    """Files below one prefix of a bucket."""

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint: str | None = None, region: str | None = None, limit_s: float = LIMIT_S
    ) -> None:
        self._bucket, self._prefix, self._endpoint, self._limit_s = bucket, prefix, endpoint, limit_s
        config: S3Config = {}
        if endpoint is not None:
            config["endpoint"] = endpoint
        if region is not None:
            config["region"] = region
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            client_options={
                "timeout": timedelta(seconds=min(_REQUEST_S, limit_s)),
                "connect_timeout": timedelta(seconds=_CONNECT_S),
                "allow_http": endpoint is not None and endpoint.startswith("http://"),
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=limit_s)},
            config=config,
        )

    @property
    def where(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    async def check(self) -> None:
        """A store that is away now may be there when it is needed: nothing is asked."""

    async def put(self, day: str, name: str, content: bytes) -> None:
        path = f"{day}/{name}"
        await self._do(obstore.put_async(self._store, path, content, use_multipart=False))
        kept = await self._do(obstore.head_async(self._store, path))
        if kept["size"] != len(content):
            raise self._failed(f"it has {kept['size']} bytes of {path}, which has {len(content)}")

    async def days(self) -> list[str]:
        found = await self._do(obstore.list_with_delimiter_async(self._store))
        return sorted(day for day in (_last(path) for path in found["common_prefixes"]) if is_day(day))

    async def names(self, day: str) -> list[str]:
        found = await self._do(obstore.list_with_delimiter_async(self._store, day))
        return sorted(_last(one["path"]) for one in found["objects"])

    async def get(self, day: str, name: str) -> bytes:
        return bytes(await self._do(self._content(f"{day}/{name}")))

    async def _content(self, path: str) -> obstore.Bytes:
        return await (await obstore.get_async(self._store, path)).bytes_async()

    async def _do(self, call: Coroutine[Any, Any, R]) -> R:
        try:
            async with asyncio.timeout(self._limit_s):
                return await call
        except TimeoutError:
            raise self._failed(f"it does not answer within {self._limit_s:g} s") from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise self._failed(f"it refuses us ({_why(error)}): see to AWS_ACCESS_KEY_ID and the bucket's rights") from None
        except (NotFoundError, FileNotFoundError) as error:  # the second is what it raises, the first what it says
            raise self._failed(f"there is no such bucket or object ({_why(error)})") from None
        except (BaseError, InvalidPathError, OSError, ValueError) as error:
            raise self._failed(_why(error)) from None

    def _failed(self, why: str) -> ArchiveError:
        at = f" at {self._endpoint}" if self._endpoint else ""
        return ArchiveError(f"the object store{at} did not do as asked for {self.where}: {why}")


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _why(error: Exception) -> str:
    """The library's own words, on one line: it shows several causes below each other."""
    return " ".join(str(error).split())[:_WHY_CHARS]
