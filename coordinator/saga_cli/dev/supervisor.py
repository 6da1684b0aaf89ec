"""Supervises a server that we started, and ends it when we end, even by `kill -9`.

It is run as a plain script (`python -I -S supervisor.py …`, the standard library only), one for
each server:

    supervisor.py [--remove DIR] SIGNAL -- command …

It starts the command, prints its pid, and waits. Its parent is gone when its standard input closes
or its parent process changes. Then it ends the server with SIGNAL, or with SIGKILL after a grace,
and removes DIR. It reaps the server and the orphans that a killed server leaves (PostgreSQL's
backends). So none stays a zombie where process 1 reaps nothing. It ends after the last of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time

_POLL_INTERVAL_S = 0.2
_GRACE_S = 3.0
_ORPHANS_LIMIT_S = 5.0
_PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> int:
    split = arguments.index("--")
    options, command = arguments[:split], arguments[split + 1 :]
    stop_signal = signal.Signals[options[-1]]
    parent = os.getppid()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # our parent handles a Ctrl-C; then our input closes
        signal.signal(ignored, signal.SIG_IGN)
    _adopt_orphans()
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, stderr=2, preexec_fn=_restore_signals)
    print(server.pid, flush=True)
    while server.poll() is None:
        if _parent_gone(parent):
            _end(server, stop_signal)
            if "--remove" in options:
                shutil.rmtree(options[options.index("--remove") + 1], ignore_errors=True)
    _reap_orphans()
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap_orphans() -> None:
    deadline = time.monotonic() + _ORPHANS_LIMIT_S
    with contextlib.suppress(ChildProcessError):  # none is left
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)


def _restore_signals() -> None:
    """Restore the signals' defaults: an ignored signal stays ignored over exec, and the server
    needs it."""
    for heard in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(heard, signal.SIG_DFL)


def _parent_gone(parent: int) -> bool:
    if os.getppid() != parent:  # a forked sibling may still hold the pipe's other end: the pipe alone is not enough
        return True
    readable, _, _ = select.select([0], [], [], _POLL_INTERVAL_S)
    return bool(readable) and not os.read(0, 1)


def _end(server: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        server.send_signal(stop_signal)
    deadline = time.monotonic() + _GRACE_S
    while server.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if server.poll() is None:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
