"""A program that ends by itself: its exit status, or that it was ended when it took too long."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from saga_cli.dev import process
from saga_cli.dev.process import ServerProcess, ServiceFailed, free_port, free_ports


def program(tmp_path: Path, script: str) -> ServerProcess:
    return ServerProcess("the program", ["/bin/sh", "-c", script], log=tmp_path / "log", stop_signal=signal.SIGTERM)


@pytest.mark.parametrize("status", [0, 3])
def test_its_exit_status_and_what_it_said(tmp_path: Path, status: int) -> None:
    running = program(tmp_path, f"echo said; exit {status}")
    running.start()

    assert running.wait(limit_s=60) == status
    assert str(running.failure("failed")) == f"the program failed; end of {tmp_path / 'log'}: said"
    assert not running.running


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    running = program(tmp_path, "exec sleep 600")
    running.start()
    pid = running.pid
    assert pid is not None

    with pytest.raises(ServiceFailed, match="the program did not end within 0 s; end of"):
        running.wait(limit_s=0.05)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_port_that_was_given_is_not_given_again_though_nobody_listens_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PORTS", process.PORTS[:60])

    given = [free_port() for _ in range(10)]
    given += free_ports(10)

    assert len(set(given)) == 20
