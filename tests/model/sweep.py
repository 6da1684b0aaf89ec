"""The sweep: effects that nobody owns after the coordinator's database was restored.

Incarnation 2 asks every participant for its rows, and what belongs to no saga goes on a list. One
saga of one step, in the role that `ROLES` names: rows do not know each other, and each is read at
any time. The network is a set of messages that only grows.
"""

from collections import namedtuple

from explore import main

ABSENT, ACCEPTED, DONE, FENCED, UNDONE = range(5)
ROW = "absent ACCEPTED DONE FENCED UNDONE".split()
GONE, FORWARD, BACK, COMPLETED, COMPENSATED = range(5)  # the saga in the coordinator's database
UNLISTED, LISTED, UNDOING, CLEARED, KEPT, ADOPTED = range(6)  # its effect on the list
A, C = "action", "compensation"

Row = namedtuple("Row", "state run inc wish")
Sweep = namedtuple("Sweep", "role saga run entry row acted undone floor commands replies answers complete covered heard")
NONE, EMPTY = Row(ABSENT, 0, 0, 0), frozenset()


def begin(role, saga, row, sent, covered=False, stale=False):
    """The moment after the restore: what the database knows, and what incarnation 1 left elsewhere."""
    acted = frozenset({row.run} if row.state in (DONE, UNDONE) else ())
    undone = acted if row.state == UNDONE else EMPTY
    answers = frozenset({(1, ABSENT, 0)} if stale else ())  # of the sweep of an earlier restore
    commands = frozenset((kind, run, 1) for kind, run in sent)
    return Sweep(role, saga, 1, UNLISTED, row, acted, undone, 1, commands, EMPTY, answers, False, covered, False)


def pasts():
    """What incarnation 1 may have left: (row, commands that may still arrive)."""
    first, back, again, twice = [(A, 1)], [(A, 1), (C, 1)], [(A, 1), (C, 1), (A, 2)], [(A, 1), (C, 1), (A, 2), (C, 2)]
    rows = {"": NONE} | {f"{ROW[state]}{run}": Row(state, run, 1, 0) for state in range(1, 5) for run in (1, 2)}
    for sent, names in (
        (first, ("", "ACCEPTED1", "DONE1")),
        (back, ("", "ACCEPTED1", "DONE1", "FENCED1", "UNDONE1")),
        (again, ("FENCED1", "UNDONE1", "ACCEPTED2", "DONE2")),
        (twice, ("FENCED1", "ACCEPTED2", "DONE2", "FENCED2", "UNDONE2")),
    ):
        yield from ((rows[name], sent) for name in names)
    yield NONE, []


ROLES = {
    "lost": lambda: [begin("lost", GONE, row, sent, stale=stale) for row, sent in pasts() for stale in (False, True)],
    "open": lambda: [begin("open", saga, row, sent) for row, sent in pasts() if sent for saga in (FORWARD, BACK)],
    "finished": lambda: [
        begin("finished", COMPLETED, Row(DONE, 1, 1, 0), [(A, 1)]),
        begin("finished", COMPENSATED, Row(UNDONE, 1, 1, 0), [(A, 1), (C, 1)]),
    ],
    "purged": lambda: [begin("purged", GONE, Row(DONE, 1, 1, 0), [(A, 1)], covered=True)],
    "new": lambda: [begin("new", GONE, NONE, [])],
}


class Shape:
    """One role, and every past that it may have."""

    flags = {"role": "lost", "mut": ""}
    mutants = (
        "known oldlist nofloor floorlater floorwithoutrow sameincarnation staleanswer nohold purgeearly purgedlost "
        "acceptedforgotten undoadopted nobarrier"
    ).split()

    def __init__(self, **flags):
        self.__dict__.update(self.flags | flags)
        self.starts = [self.again(s) for s in ROLES[self.role]()] if self.mut == "sameincarnation" else ROLES[self.role]()

    @staticmethod
    def again(s):
        """A past whose incarnation was 2 already: the same backup was restored before."""
        return s._replace(commands=frozenset((kind, run, 2) for kind, run, _ in s.commands))

    # ---- the participant

    def refuses(self, s, inc):
        if self.mut == "floorwithoutrow" and s.row.state:
            return inc < s.row.inc
        return inc < max(s.floor, s.row.inc)

    def barrier(self, s, kind, run, inc):
        row = s.row
        if self.refuses(s, inc) or row.state == ABSENT and s.heard:
            return
        seen = row._replace(inc=max(inc, row.inc))
        if row.state in (ABSENT, FENCED, UNDONE) and kind == A and run > row.run:
            yield "succeeds", self.acts(s, run)._replace(row=Row(DONE, run, inc, 0)), ("SUCCEEDED", run)
            yield "is accepted", s._replace(row=Row(ACCEPTED, run, inc, 0)), None
        elif row.state == ABSENT:
            yield "fences", s._replace(row=Row(FENCED, run, inc, 0)), ("NOTHING", run)
        elif row.state == ACCEPTED:
            yield "waits", s._replace(row=seen._replace(wish=max(row.wish, run)) if kind == C and run >= row.run else seen), None
        elif row.state == DONE and kind == C and run >= row.run:
            yield "undoes", self.undoes(s, row.run)._replace(row=seen._replace(state=UNDONE, run=run)), ("UNDONE", run)
        elif row.state == DONE:
            kept = seen._replace(run=max(run, row.run)) if kind == A else seen
            yield "says it is done", s._replace(row=kept), ("SUCCEEDED" if kind == A else "NEWER", max(run, row.run))
        else:
            said = "FENCED" if kind == A else "UNDONE" if row.state == UNDONE else "NOTHING"
            yield f"says {said}", s._replace(row=seen._replace(run=max(run, row.run))), (said, run)

    @staticmethod
    def acts(s, run):
        return s._replace(acted=s.acted | {run})

    @staticmethod
    def undoes(s, run):
        return s._replace(undone=s.undone | {max(s.acted)} if s.acted - s.undone else s.undone | {0})

    def participant(self, s):
        row = s.row
        for kind, run, inc in sorted(s.commands):
            for said, to, reply in self.barrier(s, kind, run, inc):
                replies = s.replies | {reply} if reply and inc == 2 else s.replies
                yield f"participant gets {kind} of run {run}, incarnation {inc}, and {said}", to._replace(replies=replies)
        if row.state == ACCEPTED:
            if row.wish:
                ended = self.undoes(self.acts(s, row.run), row.run)._replace(row=row._replace(state=UNDONE, run=row.wish, wish=0))
            else:
                ended = self.acts(s, row.run)._replace(row=row._replace(state=DONE))
            reply = ("UNDONE", row.wish) if row.wish else ("SUCCEEDED", row.run)
            yield "accepted work ends", ended._replace(replies=s.replies | {reply} if row.inc == 2 else s.replies)
        if s.floor < 2 and self.mut != "nofloor":
            yield "participant hears the sweep and remembers incarnation 2", s._replace(floor=2)
        if s.floor == 2 or self.mut in ("nofloor", "floorlater"):
            yield f"participant reads its rows, here {ROW[row.state]}", s._replace(answers=s.answers | {(2, row.state, row.run)})
        if s.covered:
            yield "participant hears a horizon and removes the row", s._replace(row=NONE, heard=True)

    # ---- the coordinator

    def coordinator(self, s):
        for inc, state, run in sorted(s.answers):
            if inc == 2 or self.mut == "staleanswer":
                yield f"coordinator reads an answer of incarnation {inc}: {ROW[state]}", self.read(s, state, run)
        yield from self.saga(s)
        yield from self.entry(s)
        unresolved = s.saga in (FORWARD, BACK) or s.entry in (LISTED, UNDOING)
        if not s.covered and not unresolved and (s.complete or self.mut == "nohold") and s.role != "new":
            yield "the horizon passes the saga", s._replace(covered=True)
        if s.saga in (COMPLETED, COMPENSATED) and (s.covered or self.mut == "purgeearly"):
            yield "retention removes the finished saga", s._replace(saga=GONE)

    def read(self, s, state, run):
        known = s.saga != GONE and self.mut != "known" and not (self.mut == "oldlist" and s.role == "new")
        finished = s.covered and self.mut != "purgedlost"
        effect = state == DONE or state == ACCEPTED and self.mut != "acceptedforgotten"
        if effect and not known and not finished and s.entry == UNLISTED:
            return s._replace(entry=LISTED, run=max(s.run, run), complete=True)
        return s._replace(complete=True)

    def saga(self, s):
        if s.saga == GONE and s.role == "new" and not s.commands:
            yield "a new saga starts", s._replace(saga=FORWARD)
        if s.saga == FORWARD:
            yield "saga asks the action", s._replace(commands=s.commands | {(A, s.run, 2)})
            yield "saga goes back", s._replace(saga=BACK)
            if any(said == "SUCCEEDED" for said, run in s.replies if run >= s.run):
                yield "saga COMPLETED", s._replace(saga=COMPLETED, replies=EMPTY)
            if ("FENCED", s.run) in s.replies:
                yield "saga COMPENSATED", s._replace(saga=COMPENSATED, replies=EMPTY)
        if s.saga == BACK:
            yield from self.undo(s, "saga", s._replace(saga=COMPENSATED, replies=EMPTY))

    def undo(self, s, who, settled):
        """Ask the compensation until it is answered (rows 15 and 15b)."""
        yield f"{who} asks the compensation of run {s.run}", s._replace(commands=s.commands | {(C, s.run, 2)})
        newer = [run for said, run in s.replies if said == "NEWER" and run > s.run]
        if newer:
            yield f"{who} learns of run {max(newer)}", s._replace(run=max(newer))
        if {("UNDONE", s.run), ("NOTHING", s.run)} & s.replies:
            yield f"{who} is answered: settled", settled

    def entry(self, s):
        """What the operator may do with a listed effect: each a compare-and-set on the entry."""
        if s.entry == LISTED:
            yield "operator adopts it as a stuck saga", s._replace(entry=ADOPTED, saga=BACK)
            yield "operator adopts it as a stuck saga and goes on", s._replace(entry=ADOPTED, saga=FORWARD)
            yield "operator keeps it", s._replace(entry=KEPT)
        if s.entry == LISTED or s.entry == ADOPTED and self.mut == "undoadopted":
            yield "operator undoes it", s._replace(entry=UNDOING)
        if s.entry == UNDOING and self.mut == "nobarrier":
            yield "the effect is undone, as the answer had it", self.undoes(s, s.run)._replace(entry=CLEARED)
        elif s.entry == UNDOING:
            yield from self.undo(s, "operator's undo", s._replace(entry=CLEARED))

    # ---- what must hold

    def wrong(self, s):
        net = len(s.acted) - len(s.undone)
        working = s.row.state == ACCEPTED
        if 0 in s.undone or net not in (0, 1):
            return "an effect is undone twice, or is there twice"
        if s.entry == UNDOING and (s.saga != GONE or s.role != "lost"):
            return "an effect is undone that a saga owns"
        owned = s.saga != GONE or s.entry != UNLISTED
        if s.role == "lost" and not owned and (net or working) and (s.complete or s.heard):
            return "an effect stands that no saga owns and no list has"
        if (s.saga == COMPENSATED or s.entry == CLEARED) and (net or working):
            return "settled, and yet its effect stands"
        return "COMPLETED without its effect" if s.saga == COMPLETED and not net else ""

    def settled(self, s):
        return (
            s.complete
            and s.saga not in (FORWARD, BACK)
            and s.entry not in (LISTED, UNDOING)
            and (s.saga != GONE or s.role != "new")
        )

    def steps(self, s):
        for steps in (self.participant, self.coordinator):
            for label, to in steps(s):
                yield label, to, True, ""


if __name__ == "__main__":
    main(Shape)
