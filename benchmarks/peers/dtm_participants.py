"""DTM's participants: one HTTP service, each call one effect.

    python -m peers.dtm_participants PORT DATABASE

The answer 409 is a no. DTM compensates the step that said no as well, so shipping has a
compensation, which does nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import uvloop
from aiohttp import web
from peers.effects import Effects

Handler = Callable[[web.Request], Awaitable[web.Response]]


def main() -> None:
    port, database = int(sys.argv[1]), sys.argv[2]
    loop = uvloop.new_event_loop()
    effects = Effects(database)
    app = web.Application()
    for service, operation in (("inventory", "reserve"), ("payment", "charge"), ("payment", "refund"), ("inventory", "release")):
        app.router.add_post(f"/{operation}", _writes(effects, service, operation))
    app.router.add_post("/ship", _writes(effects, "shipping", "ship"))
    app.router.add_post("/nothing", _nothing)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


def _writes(effects: Effects, service: str, operation: str) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        await effects.write(service, request.query["gid"], operation)
        if operation == "ship" and (await request.json())["rejects"]:
            return web.json_response({"dtm_result": "FAILURE"}, status=409)
        return await _nothing(request)

    return handle


async def _nothing(_: web.Request) -> web.Response:
    return web.json_response({"dtm_result": "SUCCESS"})


if __name__ == "__main__":
    main()
