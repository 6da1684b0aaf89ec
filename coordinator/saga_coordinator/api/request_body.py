"""Reads the body of a request: with a cap while it is read, as JSON only, parsed strictly, before
any model sees it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from saga_coordinator.api.problems import Problem
from saga_schemas import strict_json

MAX_BODY_BYTES: Final = 1024 * 1024


class StrictRequest(Request):
    """A request whose body obeys the limits.

    The framework reads bodies through `body` and `json` only.
    """

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._refuse_announced_size()
            chunks: list[bytes] = []
            size = 0
            async for chunk in self.stream():
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise Problem("body_too_large")
                chunks.append(chunk)
            self._body = b"".join(chunks)
            if self._body:
                _check_media_type(self.headers.getlist("content-type"))
        return self._body

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            try:
                self._json = strict_json.parse(await self.body())
            except strict_json.JsonInvalid as invalid:
                raise Problem("json_invalid", str(invalid)) from None
        return self._json

    def _refuse_announced_size(self) -> None:
        length = self.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > MAX_BODY_BYTES):
            raise Problem("body_too_large")


class StrictRoute(APIRoute):
    """A route that takes its body through a StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def _check_media_type(given: list[str]) -> None:
    if len(given) != 1:
        raise Problem("media_type_unsupported")
    media_type, *parameters = (part.strip().lower() for part in given[0].split(";"))
    charset = next((p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    family, _, subtype = media_type.partition("/")
    is_json = family == "application" and "/" not in subtype and (subtype == "json" or subtype.endswith("+json"))
    if not is_json or charset != "utf-8":
        raise Problem("media_type_unsupported")
