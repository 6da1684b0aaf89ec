"""Refuses a request whose body has two lengths, and closes a connection instead of reading a body
that nobody wants."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saga_coordinator.api.problems import Problem, problem_response


class FramingGuard:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        names = [name for name, _ in scope["headers"]]
        sized, chunked = b"content-length" in names, b"transfer-encoding" in names
        unread = chunked or (sized and (b"content-length", b"0") not in scope["headers"])

        async def reading() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and bool(message.get("more_body"))
            return message

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start" and unread:
                # Otherwise the server reads the rest of the body, however long, to find the next
                # request.
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        if sized and chunked:  # request smuggling: a proxy before us may have used the other length
            refusal = problem_response(Problem("bad_request", "Content-Length and Transfer-Encoding exclude each other"))
            await refusal(scope, reading, answering)
        else:
            await self._app(scope, reading, answering)
