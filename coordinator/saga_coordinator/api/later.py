"""What an instance serves but does not need for its sagas: loaded when somebody asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class LaterApplication:
    """An ASGI application that is loaded at the first request.

    `load` runs in a thread: the instance does its work meanwhile.
    """

    def __init__(self, load: Callable[[], ASGIApp]) -> None:
        self._load = load
        self._loading = asyncio.Lock()
        self._app: ASGIApp | None = None

    @property
    def is_loaded(self) -> bool:
        return self._app is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._app or await self.loaded())(scope, receive, send)

    async def loaded(self) -> ASGIApp:
        """The application, loaded now if nobody has asked for it. Raises what loading raises."""
        async with self._loading:
            if self._app is None:
                self._app = await asyncio.to_thread(self._load)
            return self._app
