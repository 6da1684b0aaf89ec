"""A watcher between us and a server we started: the server ends when we do, even by `kill -9`.

Run as a plain script (`python -I -S keeper.py …`, the standard library only), one for each server:

    keeper.py [--remove DIR] SIGNAL -- command …

It starts the command, prints its pid, and waits. When its own standard input closes (its parent is gone, however it went) or its parent
changes, it ends the server: SIGNAL first, SIGKILL after a grace, then removes DIR. It reaps the server, so none is left as a zombie.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time

_LOOK_EVERY_S = 0.2
_GRACE_S = 3.0


def main(arguments: list[str]) -> int:
    split = arguments.index("--")
    options, command = arguments[:split], arguments[split + 1 :]
    stop_signal = signal.Signals[options[-1]]
    parent = os.getppid()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a Ctrl-C is for our parent to handle; then our input closes
        signal.signal(ignored, signal.SIG_IGN)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, stderr=2, restore_signals=True, preexec_fn=_heed_signals)
    print(server.pid, flush=True)
    while server.poll() is None:
        if _parent_gone(parent):
            _end(server, stop_signal)
            if "--remove" in options:
                shutil.rmtree(options[options.index("--remove") + 1], ignore_errors=True)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def _heed_signals() -> None:
    """An ignored signal stays ignored over exec: the server must hear its own again."""
    for heard in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(heard, signal.SIG_DFL)


def _parent_gone(parent: int) -> bool:
    if os.getppid() != parent:  # a forked sibling may still hold the pipe's other end: the pipe alone is not enough
        return True
    readable, _, _ = select.select([0], [], [], _LOOK_EVERY_S)
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
