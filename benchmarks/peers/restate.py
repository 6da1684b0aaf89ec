"""Restate: its server, which keeps its own log on disk, and the order as a service in Python."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import asyncpg
import httpx
from http_load import Answer, Calls, Posted
from pace import LoadFailed, Pace
from peers.effects import TABLE
from peers.programs import restate_python, restate_server
from system import BENCHMARKS, Bench, wait_listening

from saga_cli.dev.process import free_ports

_QUIET: Final = {"RESTATE_DISABLE_TELEMETRY": "true", "RESTATE_LOG_FILTER": "warn", "SCARF_ANALYTICS": "false"}
_REGISTER_LIMIT_S: Final = 30.0


async def start_restate(bench: Bench) -> tuple[Callable[[Pace], Calls], dict[str, tuple[int, ...]]]:
    """Its load, and its processes by group."""
    program, python = restate_server(), restate_python()
    effects = bench.plain_database("restateparticipants")
    connection = await asyncpg.connect(effects)
    await connection.execute(TABLE)
    await connection.close()
    ingress, admin, node, serving = free_ports(4)
    addresses = {
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{node}",
    }
    server = bench.start(str(program), "--base-dir", str(bench.folder("restate")), environ=dict(os.environ) | addresses | _QUIET)
    hypercorn = ("-m", "hypercorn", "--workers", "0", "--worker-class", "uvloop", "--bind", f"127.0.0.1:{serving}")
    environ = dict(os.environ) | {"DATABASE": effects, "PYTHONPATH": str(BENCHMARKS)}
    participants = bench.start(str(python), *hypercorn, "peers.restate_service:app", environ=environ)
    wait_listening(ingress, admin, serving)
    _register(f"http://127.0.0.1:{admin}/deployments", f"http://127.0.0.1:{serving}")
    url = f"http://127.0.0.1:{ingress}/order/run"

    def request(key: str, number: int) -> Posted:
        return Posted(url, {"saga": key, "rejects": number % 10 == 0}, {})

    groups = {"server": (server,), "participants": (participants,), "PostgreSQL": bench.services["PostgreSQL"]}
    return lambda pace: Calls(request, _phase, pace), groups


def _register(deployments: str, service: str) -> None:
    answer = httpx.post(deployments, json={"uri": service}, timeout=_REGISTER_LIMIT_S)
    if answer.status_code != 201:
        raise SystemExit(f"Restate does not take the service: {answer.status_code} {answer.text[:300]}")


def _phase(answer: Answer) -> str:
    if answer.status != 200:
        raise LoadFailed(f"Restate answers {answer.status}: {answer.body[:300]!r}")
    return str(answer.body, "utf-8").strip('"')
