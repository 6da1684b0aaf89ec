"""Large payloads: the state says where they stand, a decision asks for what it reads, and one
transition moves no more than a share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.engine import decide, evolve, payloads, transition
from saga_coordinator.engine.encoding import decode_saga, encode_saga
from saga_coordinator.engine.events import Event, WakeUp
from saga_coordinator.engine.facts import CommandSent, payload_in
from saga_coordinator.engine.payloads import PayloadLost, Payloads, PayloadsWanted, brought
from saga_coordinator.engine.state import INLINE_BYTES, STATE_PAYLOADS_BYTES, Kept, Wanted, inline_bytes
from saga_schemas.outcomes import Outcome
from unit.coordinator.engine.sagas import EMPTY, SECOND, TIMES, Given, Player, Text, definition, play, step

LARGE = b"x" * (INLINE_BYTES + 1)
PATIENT = replace(TIMES, step_ms=None)


class Carrier(Player):
    """Reads what decisions want from its journal, as the shell does."""

    reads = 0

    def tell(self, event: Event) -> tuple[object, ...]:  # type: ignore[override]
        given: dict[Wanted, bytes | None] = {}
        before = self.saga
        while True:
            try:
                self.facts, after = transition(self.definition, before, event, self.env, empty=EMPTY, payloads=given)
            except PayloadsWanted as more:
                wanted = more.wanted
            else:
                break
            assert not wanted & given.keys(), "asked for twice"
            self.reads += 1
            given |= {one: payload_in(self.journal[one.kept.version - 1][1], one.step, one.what) for one in wanted}
        assert self.facts == decide(self.definition, before, event, self.env, empty=EMPTY, payloads=given)
        if self.facts:
            self.saga = evolve(before, self.facts)
            assert self.saga == after == decode_saga(self.saga.id, encode_saga(self.saga))
            self.journal.append((self.now, self.facts))
            self.sent = self.sent + [fact for fact in self.facts if isinstance(fact, CommandSent)]
        return self.facts

    def done(self, name: str, payload: bytes = LARGE) -> Carrier:
        self.tell(self.reply(name, Outcome.SUCCEEDED, payload=payload))
        return self


def carrier(*steps: object) -> Carrier:
    player = Carrier(definition(*steps))  # type: ignore[arg-type]
    player.start()
    return player


def reading(name: str) -> Text:
    return Text(f"Undo.{name}", reads=frozenset({name}))


@pytest.mark.parametrize("steps", [1, 8, 9, 100, 1_000])
def test_all_payloads_of_a_state_fit_its_share(steps: int) -> None:
    assert 2 * steps * inline_bytes(steps) <= STATE_PAYLOADS_BYTES
    assert inline_bytes(steps) <= INLINE_BYTES


def test_small_payloads_stand_in_the_state_and_large_ones_in_the_journal() -> None:
    player = carrier(step("a", times=PATIENT), step("b", after="a", times=PATIENT))
    player.done("a", LARGE[:-1])
    assert player.state.steps["a"].reply == LARGE[:-1]
    player.done("b")
    assert player.state.steps["b"].reply == Kept(version=player.state.version, size=len(LARGE))
    assert player.reads == 0


def test_a_mapping_reads_them_again_later_and_within_their_own_transition() -> None:
    reads_a = Text("Do.b", reads=frozenset({"a"}))
    player = carrier(
        step("a", undo=reading("a")), step("b", after="a", action=reads_a, undo=reading("b")), step("c", after="b", undo=None)
    )
    player.done("a")
    assert player.sent[-1].payload == b"Do.b(a=" + LARGE + b")"
    assert player.reads == 0, "it came in this transition"
    player.done("b").play("c:REJECTED")
    assert player.sent[-1].payload == b"Undo.b(b=" + LARGE + b")"
    player.play("b:UNDONE")
    assert player.sent[-1].payload == b"Undo.a(a=" + LARGE + b")"
    assert player.play("a:UNDONE").state.phase == "COMPENSATED"


def test_a_large_command_is_sent_again_with_the_same_bytes() -> None:
    player = carrier(step("a", times=PATIENT), step("b", after="a", times=PATIENT, action=Text("Do.b", reads=frozenset({"a"}))))
    player.done("a")
    first = player.sent[-1].payload
    assert isinstance(player.state.steps["b"].command, Kept)
    player.play("wait:5 wait:10 b:FAILED wait:1")
    assert [command.payload for command in player.sent[1:]] == [first] * 4
    assert player.state.steps["b"].command == Kept(version=2, size=len(first)), "where it came first"


def test_a_condition_reads_them_too() -> None:
    seen: list[object] = []

    class Looks(Given):
        def holds(self, context: object) -> bool:
            seen.append(context)
            return True

    looks = Looks(reads=frozenset({"a"}))
    player = carrier(step("a"), step("b", after="a"), step("c", after="b", when=looks)).done("a")
    player.play("b:SUCCEEDED")
    assert player.reads == 1
    assert seen[-1].replies == {"a": LARGE}  # type: ignore[attr-defined]


def test_what_many_steps_read_is_asked_for_at_once() -> None:
    names = [f"s{n}" for n in range(8)]
    player = carrier(*[step(name, undo=reading(name), after=()) for name in names], step("last", after=names))
    for name in names:
        player.done(name)
    player.play("cancel last:NOTHING_TO_UNDO")
    assert {command.payload[:8] for command in player.sent[-8:]} == {f"Undo.{name}(".encode() for name in names}
    assert player.reads == 1


def test_one_transition_sends_its_share_and_the_rest_follows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "TRANSITION_BYTES", 3 * len(LARGE))
    names = [f"s{n}" for n in range(8)]
    player = carrier(*[step(name, undo=reading(name), after=(), times=PATIENT) for name in names], step("last", after=names))
    for name in names:
        player.done(name)
    player.play("cancel last:NOTHING_TO_UNDO")
    sent = [len(player.commands)]
    while any(state.status == "undo_due" for state in player.state.steps.values()):
        player.play("wait:1")
        sent.append(len(player.commands))
    assert max(sent) <= 3
    assert sum(sent) == 8
    assert [state.due_at_us for state in player.state.steps.values() if state.status == "undo_due"] == []


def test_going_forward_and_asking_again_keep_to_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "TRANSITION_BYTES", 2 * len(LARGE))
    names = [f"s{n}" for n in range(5)]
    many = [step(name, after="a", times=PATIENT, action=Text(f"Do.{name}", reads=frozenset({"a"}))) for name in names]
    player = carrier(step("a"), *many).done("a")
    assert len(player.commands) < 5
    for _ in range(4):
        player.play("wait:1")
    assert {player.state.steps[name].status for name in names} == {"asked"}
    asked = len(player.sent)
    player.now += 100 * SECOND
    player.tell(WakeUp())
    assert 0 < len(player.commands) < 5, "the others are due still"
    for _ in range(4):
        player.play("wake")
    assert len(player.sent) - asked == 5


def test_a_lost_payload_is_an_error_of_this_decision() -> None:
    player = carrier(step("a", undo=reading("a")), step("b", after="a", undo=reading("b"))).done("a")
    kept = player.state.steps["a"].reply
    assert isinstance(kept, Kept)
    lost: Payloads = {Wanted(step="a", what="reply", kept=kept): None}
    player.play("cancel")
    answer = player.reply("b", Outcome.FENCED)
    with pytest.raises(PayloadLost):
        decide(player.definition, player.state, answer, player.env, empty=EMPTY, payloads=lost)


def test_what_a_transition_brings_is_at_hand_before_it_is_committed() -> None:
    player = carrier(step("a"), step("b", after="a")).done("a")
    kept = player.state.steps["a"].reply
    assert isinstance(kept, Kept)
    assert brought(player.facts, player.state) == {Wanted(step="a", what="reply", kept=kept): LARGE}


def test_a_state_of_an_earlier_release_is_read_as_it_is() -> None:
    player = play(definition(step("a"), step("b", after="a")), "a:SUCCEEDED")
    steps = {**player.state.steps, "a": replace(player.state.steps["a"], reply=LARGE)}
    old = replace(player.state, steps=steps)
    assert decode_saga(old.id, encode_saga(old)) == old
