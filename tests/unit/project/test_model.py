"""The horizon and the sweep, explored exhaustively (tests/model), and every mutant of them found.

What is run stands in the model's own scripts: block 3 of `run_all.sh`, and `mutants.sh`. The larger
configurations and the model of the tables take minutes, and a compiler: they are run by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from support.paths import ROOT

MODEL = ROOT / "tests" / "model"
BLOCK = re.compile(r"= 3 \] && \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
SHAPES = "".join(BLOCK.findall((MODEL / "run_all.sh").read_text())).splitlines()
MUTANTS = re.findall(r"^python3 (.+)$", (MODEL / "mutants.sh").read_text().replace(".py ", " "), re.MULTILINE)
HARMLESS = "# ok:"


def said(case: str) -> list[str]:
    """The lines that a model prints, given its name and its flags."""
    model, *flags = case.partition("#")[0].split()
    done = subprocess.run([sys.executable, f"{model}.py", *flags], cwd=MODEL, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("case", SHAPES)
def test_no_order_of_events_breaks_a_promise(case: str) -> None:
    assert said(case)[1].strip() == "ok (safety and liveness)"


@pytest.mark.parametrize("case", MUTANTS)
def test_a_planted_bug_is_found_unless_it_is_known_to_be_harmless(case: str) -> None:
    found = said(case)[1].strip()

    assert found.startswith("ok" if HARMLESS in case else ("VIOLATED", "LIVENESS"))


@pytest.mark.parametrize("model", ["horizon", "sweep"])
def test_every_mutant_of_the_model_is_tried(model: str) -> None:
    tried = {name for case in MUTANTS if case.startswith(model) for name in re.findall(r"mut=(\w+)", case)}

    assert tried == set(said(f"{model} mutants"))
    assert any(shape.startswith(model) for shape in SHAPES)
