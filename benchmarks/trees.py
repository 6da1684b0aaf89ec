"""Working trees measured in turn, round by round, each in a process of its own that stays: that is
how two versions are compared. CPU of that process counts, so that others on the machine do little
harm."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

WARM_UP_ROUNDS = 5
PACKAGES = ("schemas", "messaging", "coordinator", "participants")
HERE = Path(__file__).parent.parent

Costs = Mapping[str, float]
"""What one round cost, in CPU microseconds, by what was done."""


def main(script: str, doc: str | None, player: Callable[[], Callable[[], Costs]], *, rounds: int) -> None:
    """The command of a benchmark.

    Args:
        script: Its file: each tree's process runs it again.
        doc: What `--help` says.
        player: Makes, in that process, what plays one round.
        rounds: How many, unless the command says so.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, action="append", help="repeat it to compare")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        _serve(player())
        return
    trees = [tree.resolve() for tree in given.tree or [HERE]]
    costs = _rounds_of(script, trees, given.rounds)
    for what in costs[0][0]:
        print(f"CPU us, {what}")
        for tree, mine in zip(trees, costs, strict=True):
            print(f"    {_line(what, mine, costs[0])}  {tree}")


def _serve(play: Callable[[], Costs]) -> None:
    """Play a round for every line that comes, and answer with its costs."""
    from saga_cli.signals import tune_garbage_collection

    play()
    tune_garbage_collection()
    for _ in sys.stdin:
        print(json.dumps(play()), flush=True)


def _rounds_of(script: str, trees: Sequence[Path], rounds: int) -> list[list[Costs]]:
    """By tree, the costs of each round of `script`."""
    with ExitStack() as stack:
        running = [stack.enter_context(_started(script, tree)) for tree in trees]
        for _ in range(WARM_UP_ROUNDS):
            for process in running:
                _round(process)
        played = [_in_turn(running, number) for number in range(rounds)]
        for process in running:
            process.communicate()
    return [list(costs) for costs in zip(*played, strict=True)]


def _line(what: str, costs: Sequence[Costs], first: Sequence[Costs]) -> str:
    """One thing done by one tree: the least and the median of its rounds, and their ratios to the
    first tree's."""
    mine, other = [each[what] for each in costs], [each[what] for each in first]
    ratio = median(cost / of_first for cost, of_first in zip(mine, other, strict=True))
    return f"least {min(mine):.2f}, median {median(mine):.2f}; to the first: {ratio:.3f}, least {min(mine) / min(other):.3f}"


def _started(script: str, tree: Path) -> subprocess.Popen[str]:
    """By the tree's own copy of the script, which knows its packages; one that is older than this
    file has none that answers us."""
    own = tree / "benchmarks" / Path(script).name
    known = own.exists() and (own.parent / Path(__file__).name).exists()
    path = os.pathsep.join(str(tree / package) for package in PACKAGES)
    return subprocess.Popen(
        [sys.executable, str(own) if known else script, "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "0"},
    )


def _round(process: subprocess.Popen[str]) -> Costs:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    costs: Costs = json.loads(process.stdout.readline())
    return costs


def _in_turn(running: list[subprocess.Popen[str]], number: int) -> list[Costs]:
    """One round of each; another one begins each time, for what runs first after a pause costs
    more."""
    costs: dict[int, Costs] = {}
    for place in range(len(running)):
        which = (place + number) % len(running)
        costs[which] = _round(running[which])
    return [costs[which] for which in range(len(running))]
