"""The horizon (S16): "no saga below T is open, except these", and what may then be forgotten.

One saga of one step is enough: rows and horizons speak about each saga alone, and T is chosen
freely. The network is a set of messages that only grows. Runs are left out: rows know them, the
horizon does not.
"""

from collections import namedtuple

from explore import main

UNBORN, MINTED, IDLE, ASKED, UNDO, COMPLETED, COMPENSATED, FORCED, LOST, LISTED = range(10)
PHASE = "unborn minted idle asked undo_asked COMPLETED COMPENSATED FORCED lost listed".split()
OPEN = (IDLE, ASKED, UNDO)
ABSENT, ACCEPTED, DONE, FENCED, UNDONE = range(5)
ROW = "absent ACCEPTED DONE FENCED UNDONE".split()
ACTION, COMPENSATION = range(2)
KIND = "action compensation".split()
SUCCEEDED, REFUSED, UNDID, NOTHING = 1, 2, 4, 8

Coordinator = namedtuple("Coordinator", "phase id closed T")  # id: the time in the saga's id; T: stored
Participant = namedtuple("Participant", "row inc wish acted undone T spared")  # the row, the ledger, the memory
World = namedtuple("World", "now co inc commands replies horizons pa worker co_backup co_backup_at pa_backup pa_restored")
NOBODY, NEW = Coordinator(UNBORN, -1, -1, 0), Participant(ABSENT, 0, 0, 0, 0, 0, False)
START = World(0, NOBODY, 1, (-1,) * 4, 0, frozenset(), NEW, None, None, -1, None, False)


class Shape:
    """A configuration. Expiry, skew and window are in ticks of a clock that stops at `end`."""

    starts = (START,)
    flags = dict.fromkeys("expiry skew window larger lie old acc force workers restore late pa_restore".split(), 0)
    flags |= {"end": 4, "mut": ""}
    mutants = (
        "noexpiry noskew nowindow sametick noexceptions exceptatclose stuckforgotten announcefirst unchecked nohold "
        "removefirst lower comesback split listedforgotten exceptionsforgotten exceptionsremoved rowignored coveredrow readfirst"
    ).split()

    def __init__(self, **flags):
        self.__dict__.update(self.flags | flags)
        x, k, w = (0 if self.mut == f"no{name}" else getattr(self, name) for name in ("expiry", "skew", "window"))
        self.lag = (max(x, w) if self.larger else x + w) + k

    # ---- the coordinator

    def excepted(self, s, t):
        """Whether the saga is an exception of a horizon T that is announced now."""
        phase, at = s.co.phase, s.co.id
        if at < 0 or at >= t or phase == MINTED or self.mut == "noexceptions":
            return False
        if phase == LISTED:
            return self.mut != "listedforgotten"
        if phase in OPEN:
            return not (self.mut == "stuckforgotten" and phase == UNDO)
        since = s.now - self.lag + (self.mut == "sametick")
        return phase != LOST and self.mut != "exceptatclose" and s.co.closed >= since

    def coordinator(self, s):
        co, phase = s.co, s.co.phase

        def become(phase, **more):
            closed = {"closed": s.now} if phase in (COMPLETED, COMPENSATED, FORCED) else {}
            return s._replace(co=co._replace(phase=phase, **closed), **({"replies": 0} if closed else {}) | more)

        def ask(kind):
            which, until = kind + 2 * (s.inc - 1), 99 if self.lie else s.now + self.expiry
            return {"commands": s.commands[:which] + (max(s.commands[which], until),) + s.commands[which + 1 :]}

        if phase == UNBORN:
            for at in range(max(0, s.now - self.skew), s.now + 1):
                yield f"an instance makes the id {at}", s._replace(co=co._replace(phase=MINTED, id=at)), True
        elif phase == MINTED:
            if co.id >= co.T or self.mut == "unchecked":
                yield f"the start of saga {co.id} commits", become(IDLE), True
            else:
                yield "the start is refused: its id is below the horizon", s._replace(co=co._replace(phase=UNBORN, id=-1)), True
        elif phase == IDLE:
            yield "action sent", become(ASKED, **ask(ACTION)), True
            ended = become(COMPENSATED) if s.inc == 1 else become(UNDO, **ask(COMPENSATION))  # row 12
            yield "cancelled before anything was sent", ended, False
        elif phase == ASKED:
            yield "action sent again", s._replace(**ask(ACTION)), True
            if s.replies & SUCCEEDED:
                yield "SUCCEEDED: COMPLETED", become(COMPLETED), True
            if s.replies & REFUSED:
                yield "FENCED: COMPENSATED", become(COMPENSATED), True
            yield "going back, compensation sent", become(UNDO, **ask(COMPENSATION)), True
        elif phase == UNDO:
            yield "compensation sent again", s._replace(**ask(COMPENSATION)), True
            if s.replies & (UNDID | NOTHING):
                yield "UNDONE or NOTHING_TO_UNDO: COMPENSATED", become(COMPENSATED), True
        elif phase == LOST:
            yield "the lost saga is found by the sweep and listed", become(LISTED), True
        elif phase == LISTED:  # below the stored T, too: it is an exception, and stays one
            yield "the lost saga is adopted, compensation sent", become(UNDO, **ask(COMPENSATION)), True
        if self.force and phase in OPEN:
            yield "forced to its end", become(FORCED), False
        if phase != LOST or self.mut == "nohold":
            yield from self.announcing(s)
        if self.restore and s.inc == 1:
            if s.co_backup is None:
                yield "(backup of the coordinator)", s._replace(co_backup=co, co_backup_at=s.now), False
            elif self.late or s.now <= s.co_backup_at + self.window + self.skew:
                yield "coordinator restored, incarnation 2", self.restored(s), False

    def announcing(self, s):
        """T is stored first, so that no start below it can commit; then exceptions are looked for."""
        for t in range(s.co.T + 1, s.now - self.lag + 1):
            yield f"horizon {t} stored", s._replace(co=s.co._replace(T=t)), True
            if self.mut == "announcefirst":
                yield f"horizon {t} announced", s._replace(horizons=s.horizons | {(t, self.excepted(s, t))}), True
        if s.co.T:
            told = (s.co.T, self.excepted(s, s.co.T))
            label = f"horizon {s.co.T} announced" + (", except the saga" if told[1] else "")
            yield label, s._replace(horizons=s.horizons | {told}), True

    @staticmethod
    def restored(s):
        old = s.co_backup
        if old.phase in (UNBORN, MINTED):  # the backup does not know the saga
            born = s.co.phase not in (UNBORN, MINTED)
            old = old._replace(phase=LOST, id=s.co.id) if born else old._replace(phase=UNBORN, id=-1)
        return s._replace(co=old, inc=2, replies=0, co_backup=None, co_backup_at=-1)

    # ---- the participant

    def refuses(self, pa, at):
        """Whether the remembered horizon refuses a saga that has no row."""
        if self.old:
            return False
        return at < pa.T and (not pa.spared or self.mut == "exceptionsforgotten")

    def hear(self, pa, at, t, spared):
        """The memory after a horizon: T only rises, and below it an exception never comes back."""
        if t < pa.T and self.mut != "lower":
            return pa
        known = at >= pa.T or pa.spared or self.mut in ("lower", "comesback")
        return pa._replace(T=t, spared=at < t and spared and known)

    def barrier(self, s, kind, inc, verdict):
        """What a command's transaction may commit: (said, participant, reply, what is wrong)."""
        pa = s.pa
        if pa.row == ABSENT:
            if verdict is not None:  # EXPIRED is a hint, which changes nothing
                return
            if kind == COMPENSATION:
                wrong = "NOTHING_TO_UNDO for an effect that stands" if pa.acted > pa.undone else ""
                yield "NOTHING_TO_UNDO", pa._replace(row=FENCED, inc=inc), NOTHING, wrong
                return
            yield "SUCCEEDED", pa._replace(row=DONE, inc=inc, acted=pa.acted + 1), SUCCEEDED, ""
            if self.acc:
                yield "IN_PROGRESS", pa._replace(row=ACCEPTED, inc=inc, wish=0), 0, ""
            return
        ignored = s.co.id < pa.T and (self.mut == "rowignored" or self.mut == "coveredrow" and not pa.spared)
        if inc < pa.inc or ignored:
            return
        pa = pa._replace(inc=inc)
        if pa.row == ACCEPTED:
            yield "IN_PROGRESS", pa._replace(wish=max(pa.wish, kind)), 0, ""
        elif kind == ACTION:
            yield ("SUCCEEDED, stored", pa, SUCCEEDED, "") if pa.row == DONE else ("FENCED", pa, REFUSED, "")
        elif pa.row == DONE:
            yield "UNDONE", pa._replace(row=UNDONE, undone=pa.undone + 1), UNDID, ""
        else:
            yield ("NOTHING_TO_UNDO", pa, NOTHING, "") if pa.row == FENCED else ("UNDONE, stored", pa, UNDID, "")

    def verdict(self, s, until):
        """Why a command without a row is refused. The worst clock is behind by the whole skew."""
        if self.refuses(s.pa, s.co.id):
            return "below the horizon"
        return None if until > s.now - self.skew else "expired"

    def participant(self, s):
        pa = s.pa
        locked = s.worker is not None and self.mut != "readfirst"

        def answer(said, label, pa, reply, wrong, **more):
            heard = s.replies | reply if reply and said == s.inc and s.co.phase in OPEN else s.replies
            return label, s._replace(pa=pa, replies=heard, **more), True, wrong

        for which, until in enumerate(s.commands):
            if until < 0 or locked:
                continue
            kind, inc = which % 2, which // 2 + 1
            verdict = self.verdict(s, until)
            name = f"{KIND[kind]} of incarnation {inc}"
            for said, row, reply, wrong in self.barrier(s, kind, inc, verdict):
                yield answer(inc, f"participant gets {name}, row {ROW[pa.row]}: {said}", row, reply, wrong)
            if self.workers and s.worker is None:
                yield f"a worker takes {name}, finds it {verdict or 'good'}", s._replace(worker=(kind, inc, verdict)), False, ""
        if s.worker is not None:
            kind, inc, verdict = s.worker
            for said, row, reply, wrong in self.barrier(s, kind, inc, verdict):
                yield answer(inc, f"the worker commits {KIND[kind]}, row {ROW[pa.row]}: {said}", row, reply, wrong, worker=None)
            yield "the worker rolls back", s._replace(worker=None), True, ""
        if pa.row == ACCEPTED and not locked:
            done = pa._replace(acted=pa.acted + 1)
            if pa.wish:
                undone = done._replace(row=UNDONE, undone=pa.undone + 1, wish=0)
                yield answer(pa.inc, "accepted work ends and is undone", undone, UNDID, "")
            else:
                yield answer(pa.inc, "accepted work ends", done._replace(row=DONE), SUCCEEDED, "")
        yield from self.forgetting(s, locked)
        if self.pa_restore and not s.pa_restored:
            if s.pa_backup is None:
                yield "(backup of the participant)", s._replace(pa_backup=pa), False, ""
            else:
                yield "participant restored", s._replace(pa=s.pa_backup, pa_backup=None, pa_restored=True, worker=None), False, ""

    def forgetting(self, s, locked):
        """Hearing a horizon, and removing the row."""
        pa, at, gone = s.pa, s.co.id, {"row": ABSENT, "inc": 0, "wish": 0}
        for t, spared in s.horizons:
            if not self.old:
                heard = self.hear(pa, at, t, spared)
                if self.mut == "split" and heard.T > pa.T:
                    heard = heard._replace(spared=at < pa.T and pa.spared)
                if heard != pa:
                    yield f"participant remembers horizon {t}", s._replace(pa=heard), True, ""
            if (self.old or self.mut == "removefirst") and pa.row and at < t and not spared and not locked:
                wrong = "a row is removed while its saga is open or lost" if self.owned(s) else ""
                yield f"participant removes the row below horizon {t}", s._replace(pa=pa._replace(**gone)), True, wrong
        below = at < pa.T and (not pa.spared or self.mut == "exceptionsremoved")
        if not self.old and pa.row and below and not locked:
            wrong = "a row is removed while its saga is open or lost" if self.owned(s) and not self.late else ""
            yield "participant removes the row", s._replace(pa=pa._replace(**gone)), True, wrong

    # ---- what must hold

    @staticmethod
    def owned(s):
        return s.co.phase in OPEN or s.co.phase in (LOST, LISTED)

    def wrong(self, s):
        pa, phase = s.pa, s.co.phase
        if pa.acted > 1:
            return "a second effect"
        if pa.undone > pa.acted:
            return "undone twice"
        if self.owned(s) and not self.late and s.co.id < pa.T and not pa.spared and not self.old:
            return "a participant refuses an open or lost saga as below the horizon"
        net = pa.acted - pa.undone
        if not s.pa_restored and (phase == COMPLETED and net != 1 or phase == COMPENSATED and net != 0):
            return f"the saga is {PHASE[phase]}, its net effect is {net}"
        return ""

    def settled(self, s):
        """Every state must reach this: the saga is final, its row gone if the clock allows it."""
        if self.owned(s) or s.worker:
            return False
        collectable = s.co.closed + self.lag < self.end and s.co.id < self.end - self.lag
        return s.co.phase in (UNBORN, MINTED) or s.pa.row == ABSENT or not collectable

    def steps(self, s):
        if s.now < self.end:
            yield "tick", s._replace(now=s.now + 1), True, ""
        for label, to, good in self.coordinator(s):
            yield label, to, good, ""
        yield from self.participant(s)


if __name__ == "__main__":
    main(Shape)
