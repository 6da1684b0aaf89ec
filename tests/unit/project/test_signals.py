"""What tests start heeds a Ctrl-C, also where a shell started the tests in the background."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from support.paths import ROOT


def test_a_process_that_a_test_starts_heeds_sigint() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGINT); signal.pause()"],
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )

    assert ended.returncode == -signal.SIGINT


def test_it_does_so_where_the_tests_parent_ignores_sigint() -> None:
    ignoring = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    this = f"{__file__}::{test_a_process_that_a_test_starts_heeds_sigint.__name__}"
    inner = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", this]
    done = subprocess.run(
        [sys.executable, "-c", ignoring, *inner],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
