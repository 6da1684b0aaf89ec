"""The sweep: effects that nobody owns after the coordinator's database was restored.

Incarnation 2 asks every participant for its rows, and what belongs to no saga goes on a list. One
saga of one step, in the role that `ROLES` names: rows do not know each other, and each is read at
any time. The network is a set of messages that only grows. With `pa_restore` the participant's
database is restored, too, and incarnation 3 asks again.
"""

from collections import namedtuple

from explore import main

ABSENT, ACCEPTED, DONE, FENCED, UNDONE = range(5)
ROW = "absent ACCEPTED DONE FENCED UNDONE".split()
GONE, FORWARD, BACK, COMPLETED, COMPENSATED = range(5)  # the saga in the coordinator's database
UNLISTED, LISTED, UNDOING, CLEARED, KEPT, ADOPTED = range(6)  # its effect on the list
NEVER, JUST, ASKED = range(3)  # was the participant's database restored, and was it asked again since?
A, C = "action", "compensation"
TWICE = 0  # in the place of a run: the same effect a second time, or undone a second time

Row = namedtuple("Row", "state run inc wish")
Participant = namedtuple("Participant", "row acted undone floor heard")  # the row, the ledger, the memory
Sweep = namedtuple("Sweep", "role inc saga run entry pa commands replies answers complete covered backup restored")
NONE, EMPTY = Row(ABSENT, 0, 0, 0), frozenset()


def begin(role, saga, row, sent, covered=False, stale=False):
    """The moment after the restore: what the database knows, and what incarnation 1 left elsewhere."""
    acted = frozenset({row.run} if row.state in (DONE, UNDONE) else ())
    undone = acted if row.state == UNDONE else EMPTY
    answers = frozenset({(1, ABSENT, 0)} if stale else ())  # of the sweep of an earlier restore
    commands = frozenset((kind, run, 1) for kind, run in sent)
    pa = Participant(row, acted, undone, 1, False)
    return Sweep(role, 2, saga, 1, UNLISTED, pa, commands, EMPTY, answers, False, covered, None, NEVER)


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

    flags = {"role": "lost", "pa_restore": 0, "mut": ""}
    mutants = (
        "known oldlist nofloor floorlater floorwithoutrow sameincarnation staleanswer nohold purgeearly purgedlost "
        "acceptedforgotten undoadopted nobarrier askedagain askedlate"
    ).split()

    def __init__(self, **flags):
        self.__dict__.update(self.flags | flags)
        self.starts = [self.again(s) for s in ROLES[self.role]()] if self.mut == "sameincarnation" else ROLES[self.role]()

    @staticmethod
    def again(s):
        """A past whose incarnation was 2 already: the same backup was restored before."""
        return s._replace(commands=frozenset((kind, run, 2) for kind, run, _ in s.commands))

    # ---- the participant

    def refuses(self, pa, inc):
        if self.mut == "floorwithoutrow" and pa.row.state:
            return inc < pa.row.inc
        return inc < max(pa.floor, pa.row.inc)

    def barrier(self, pa, kind, run, inc):
        row = pa.row
        if self.refuses(pa, inc) or row.state == ABSENT and pa.heard:
            return
        seen = row._replace(inc=max(inc, row.inc))
        if row.state in (ABSENT, FENCED, UNDONE) and kind == A and run > row.run:
            yield "succeeds", self.acts(pa, run)._replace(row=Row(DONE, run, inc, 0)), ("SUCCEEDED", run)
            yield "is accepted", pa._replace(row=Row(ACCEPTED, run, inc, 0)), None
        elif row.state == ABSENT:
            yield "fences", pa._replace(row=Row(FENCED, run, inc, 0)), ("NOTHING", run)
        elif row.state == ACCEPTED:
            yield "waits", pa._replace(row=seen._replace(wish=max(row.wish, run)) if kind == C and run >= row.run else seen), None
        elif row.state == DONE and kind == C and run >= row.run:
            yield "undoes", self.undoes(pa)._replace(row=seen._replace(state=UNDONE, run=run)), ("UNDONE", run)
        elif row.state == DONE:
            kept = seen._replace(run=max(run, row.run)) if kind == A else seen
            yield "says it is done", pa._replace(row=kept), ("SUCCEEDED" if kind == A else "NEWER", max(run, row.run))
        else:
            said = "FENCED" if kind == A else "UNDONE" if row.state == UNDONE else "NOTHING"
            yield f"says {said}", pa._replace(row=seen._replace(run=max(run, row.run))), (said, run)

    @staticmethod
    def acts(pa, run):
        return pa._replace(acted=pa.acted | {run if run not in pa.acted else TWICE})

    @staticmethod
    def undoes(pa):
        standing = pa.acted - pa.undone
        return pa._replace(undone=pa.undone | {max(standing) if standing else TWICE})

    def participant(self, s):
        pa, row = s.pa, s.pa.row

        def answer(pa, reply, inc):
            return s._replace(pa=pa, replies=s.replies | {reply} if reply and inc == s.inc else s.replies)

        for kind, run, inc in sorted(s.commands):
            for said, to, reply in self.barrier(pa, kind, run, inc):
                yield f"participant gets {kind} of run {run}, incarnation {inc}, and {said}", answer(to, reply, inc)
        if row.state == ACCEPTED and row.wish:
            undone = self.undoes(self.acts(pa, row.run))._replace(row=row._replace(state=UNDONE, run=row.wish, wish=0))
            yield "accepted work ends and is undone", answer(undone, ("UNDONE", row.wish), row.inc)
        elif row.state == ACCEPTED:
            done = self.acts(pa, row.run)._replace(row=row._replace(state=DONE))
            yield "accepted work ends", answer(done, ("SUCCEEDED", row.run), row.inc)
        if pa.floor < s.inc and self.mut != "nofloor":
            yield f"participant hears the sweep and remembers incarnation {s.inc}", s._replace(pa=pa._replace(floor=s.inc))
        if pa.floor == s.inc or self.mut in ("nofloor", "floorlater"):
            yield (
                f"participant reads its rows, here {ROW[row.state]}",
                s._replace(answers=s.answers | {(s.inc, row.state, row.run)}),
            )
        if s.covered:
            yield "participant hears a horizon and removes the row", s._replace(pa=pa._replace(row=NONE, heard=True))
        if s.backup:
            yield "participant restored", s._replace(pa=s.backup, backup=None, restored=JUST)
        elif self.pa_restore and s.restored == NEVER and not s.covered:
            yield "(backup of the participant)", s._replace(backup=pa)

    # ---- the coordinator

    def coordinator(self, s):
        for inc, state, run in sorted(s.answers):
            if inc == s.inc or self.mut == "staleanswer":
                yield f"coordinator reads an answer of incarnation {inc}: {ROW[state]}", self.read(s, state, run)
        yield from self.saga(s)
        yield from self.entry(s)
        unresolved = s.saga in (FORWARD, BACK) or s.entry in (LISTED, UNDOING)
        held = not (s.complete or self.mut == "nohold") or s.restored == JUST and self.mut != "askedlate"
        if not s.covered and not unresolved and not held and s.role != "new":
            yield "the horizon passes the saga", s._replace(covered=True, backup=None)  # the backup is too old now
        if s.saga in (COMPLETED, COMPENSATED) and (s.covered or self.mut == "purgeearly"):
            yield "retention removes the finished saga", s._replace(saga=GONE)
        if s.restored == JUST:
            entry = UNLISTED if s.entry == CLEARED else s.entry  # it may stand again: a new sweep, a new list
            again = s._replace(
                inc=2 if self.mut == "askedagain" else 3, entry=entry, complete=False, replies=EMPTY, restored=ASKED
            )
            yield f"the participant was restored: incarnation {again.inc} asks again", again

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
            yield "saga asks the action", s._replace(commands=s.commands | {(A, s.run, s.inc)})
            yield "saga goes back", s._replace(saga=BACK)
            if any(said == "SUCCEEDED" for said, run in s.replies if run >= s.run):
                yield "saga COMPLETED", s._replace(saga=COMPLETED, replies=EMPTY)
            if ("FENCED", s.run) in s.replies:
                yield "saga COMPENSATED", s._replace(saga=COMPENSATED, replies=EMPTY)
        if s.saga == BACK:
            yield from self.undo(s, "saga", s._replace(saga=COMPENSATED, replies=EMPTY))

    def undo(self, s, who, settled):
        """Ask the compensation until it is answered (rows 15 and 15b)."""
        yield f"{who} asks the compensation of run {s.run}", s._replace(commands=s.commands | {(C, s.run, s.inc)})
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
            yield "the effect is undone, as the answer had it", s._replace(pa=self.undoes(s.pa), entry=CLEARED)
        elif s.entry == UNDOING:
            yield from self.undo(s, "operator's undo", s._replace(entry=CLEARED))

    # ---- what must hold

    def wrong(self, s):
        pa = s.pa
        net = len(pa.acted) - len(pa.undone)
        stands = net or pa.row.state == ACCEPTED
        if TWICE in pa.acted | pa.undone or net not in (0, 1):
            return "an effect is undone twice, or is there twice"
        if s.entry == UNDOING and (s.saga != GONE or s.role != "lost"):
            return "an effect is undone that a saga owns"
        if s.restored == JUST:
            return ""
        owned = s.saga != GONE or s.entry != UNLISTED
        if s.role == "lost" and not owned and stands and (s.complete or pa.heard):
            return "an effect stands that no saga owns and no list has"
        if s.entry == CLEARED and stands:
            return "an undo is settled, and yet its effect stands"
        if s.restored == ASKED:  # what the participant lost of finished sagas is not healed
            return ""
        if s.saga == COMPENSATED and stands:
            return "COMPENSATED, and yet its effect stands"
        return "COMPLETED without its effect" if s.saga == COMPLETED and not net else ""

    def settled(self, s):
        resolved = s.saga not in (FORWARD, BACK) and s.entry not in (LISTED, UNDOING)
        return s.complete and resolved and s.restored != JUST and (s.saga != GONE or s.role != "new")

    def steps(self, s):
        for steps in (self.participant, self.coordinator):
            for label, to in steps(s):
                yield label, to, True, ""


if __name__ == "__main__":
    main(Shape)
