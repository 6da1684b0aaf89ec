"""Output for terminals that cannot show every character."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

DRAWN = "└─ ship  ▇▁ … Zoë 訂"
SCRIPT = (
    "import sys; from saga_cli.output_encoding import replace_unencodable; replace_unencodable(); "
    f"print({DRAWN!r}); print({DRAWN!r}, file=sys.stderr)"
)


@pytest.mark.parametrize(
    ("encoding", "expected"), [("latin-1", "`- ship  #. ... Zoë ?"), ("ascii", "`- ship  #. ... Zo? ?"), ("utf-8", DRAWN)]
)
def test_what_a_terminal_cannot_show_degrades_and_raises_nothing(encoding: str, expected: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=False)

    assert (done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)) == (0, f"{expected}\n", f"{expected}\n")


def test_the_command_itself_does_so() -> None:
    """`--help` draws boxes."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(
        [sys.executable, "-m", "saga_cli.main", "start", "--help"], env=environment, capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")
