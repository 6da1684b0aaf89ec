"""Breadth first over all states of a shape, so that a counterexample is a shortest one.

Liveness by backward reachability. Shared by horizon.py and sweep.py.
"""

import sys
from collections import deque


def explore(shape, live=True, limit=3_000_000):
    """What was found ('' or a violation with its story), and how many states there are."""
    states = list(shape.starts)
    number = {s: i for i, s in enumerate(states)}
    came, back = [None] * len(states), [[] for _ in states]
    todo = deque(states)

    def story(i, last=""):
        told = [last] if last else []
        while came[i] is not None:
            i, label = came[i]
            told.append(label)
        return "".join(f"\n    {n}. {label}" for n, label in enumerate(reversed(told), 1))

    while todo:
        s = todo.popleft()
        i = number[s]
        for label, to, good, wrong in shape.steps(s):
            j = number.get(to)
            if j is None:
                j = number[to] = len(states)
                states.append(to)
                came.append((i, label))
                back.append([])
                todo.append(to)
                wrong = wrong or shape.wrong(to)
            if wrong:
                return f"VIOLATED {wrong}" + story(i, label), len(states)
            if good and live and j != i:
                back[j].append(i)
        if len(states) > limit:
            return "CUT", len(states)
    if live:
        fine = [shape.settled(s) for s in states]
        reached = [i for i, is_fine in enumerate(fine) if is_fine]
        while reached:
            for i in back[reached.pop()]:
                if not fine[i]:
                    fine[i] = True
                    reached.append(i)
        if not all(fine):
            first = fine.index(False)
            return "LIVENESS cannot be settled any more" + story(first), len(states)
    return "", len(states)


def main(shape):
    """Explore one configuration: `FLAG[=VALUE]... [mut=NAME] [live=0]`; `mutants` lists the names."""
    if sys.argv[1:] == ["mutants"]:
        sys.exit(print(*shape.mutants, sep="\n"))
    given = dict(word.split("=") if "=" in word else (word, "1") for word in sys.argv[1:])
    live = given.pop("live", "1") != "0"
    wrong = [name for name in given if name not in shape.flags]
    wrong += [given["mut"]] if given.get("mut") and given["mut"] not in shape.mutants else []
    if wrong:
        sys.exit(f"no flag or mutant {wrong[0]}")
    found, states = explore(shape(**{name: type(shape.flags[name])(value) for name, value in given.items()}), live)
    print(f"[{' '.join(sys.argv[1:])}] {states} states\n  {found or ('ok (safety and liveness)' if live else 'ok (safety)')}")
    sys.exit(1 if found else 0)
