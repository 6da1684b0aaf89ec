"""DTM on the run's PostgreSQL: its server and one service with all participants.

What is set: finished branches are written before the next one starts (`UPDATE_BRANCH_SYNC`), for
else a crash forgets them; a pool of 64 sessions; and only fatal errors are logged, for else every
saga that is compensated is logged with a stack trace.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Final

import asyncpg
from http_load import Answer, Calls, Posted
from pace import LoadFailed, Pace
from peers.effects import TABLE
from peers.programs import DTM_SERVER, DTM_TABLES
from sqlalchemy.engine import make_url
from system import BENCHMARKS, Bench, wait_listening

from saga_cli.dev.process import free_ports

_SESSIONS: Final = "64"
_PHASES: Final = {200: "COMPLETED", 409: "COMPENSATED"}


async def start_dtm(bench: Bench) -> tuple[Callable[[Pace], Calls], dict[str, tuple[int, ...]]]:
    """Its load, and its processes by group."""
    program = DTM_SERVER.program()
    store, effects = bench.plain_database("dtm"), bench.plain_database("dtmparticipants")
    await _execute(store, DTM_SERVER.kept(DTM_TABLES).read_text())
    await _execute(effects, TABLE)
    http, grpc, json_rpc, serving = free_ports(4)
    ports = {"HTTP_PORT": str(http), "GRPC_PORT": str(grpc), "JSON_RPC_PORT": str(json_rpc)}
    settings = ports | _store(store) | {"UPDATE_BRANCH_SYNC": "1", "LOG_LEVEL": "fatal", "REQUEST_TIMEOUT": "30"}
    server = bench.start(str(program), environ=dict(os.environ) | settings)
    environ = dict(os.environ) | {"PYTHONPATH": str(BENCHMARKS)}
    participants = bench.start(sys.executable, "-m", "peers.dtm_participants", str(serving), effects, environ=environ)
    wait_listening(http, serving)
    request = _requests(f"http://127.0.0.1:{http}/api/dtmsvr/submit", f"http://127.0.0.1:{serving}")
    groups = {"server": (server,), "participants": (participants,), "PostgreSQL": bench.services["PostgreSQL"]}
    return lambda pace: Calls(request, _phase, pace), groups


def _store(url: str) -> dict[str, str]:
    """DTM's settings for this database, by the Unix socket where the URL has one."""
    parsed = make_url(url)
    host, port = parsed.query.get("host") or parsed.host, parsed.query.get("port") or parsed.port
    return {
        "STORE_DRIVER": "postgres",
        "STORE_HOST": str(host),
        "STORE_PORT": str(port),
        "STORE_USER": str(parsed.username),
        "STORE_PASSWORD": "none",
        "STORE_DB": str(parsed.database),
        "STORE_MAX_OPEN_CONNS": _SESSIONS,
        "STORE_MAX_IDLE_CONNS": _SESSIONS,
    }


def _requests(submit: str, service: str) -> Callable[[str, int], Posted]:
    steps = [
        {"action": f"{service}/{action}", "compensate": f"{service}/{compensation}"}
        for action, compensation in (("reserve", "release"), ("charge", "refund"), ("ship", "nothing"))
    ]

    def request(key: str, number: int) -> Posted:
        payload = json.dumps({"saga": key, "rejects": number % 10 == 0})
        body = {
            "gid": key,
            "trans_type": "saga",
            "protocol": "http",
            "wait_result": True,
            "steps": steps,
            "payloads": [payload] * 3,
        }
        return Posted(submit, body, {})

    return request


def _phase(answer: Answer) -> str:
    if answer.status not in _PHASES:
        raise LoadFailed(f"DTM answers {answer.status}: {answer.body[:300]!r}")
    return _PHASES[answer.status]


async def _execute(database: str, statements: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(statements)
    await connection.close()
