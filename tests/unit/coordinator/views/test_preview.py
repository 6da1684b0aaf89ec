"""What an act would do, said beforehand: and that the act then does just that."""

from __future__ import annotations

import pytest

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.facts import EffectLeft
from saga_coordinator.views.preview import PreviewedAct, PreviewView, preview
from unit.coordinator.engine.rows import CHAIN, LINE, NONE_A, READS, TO_P, TO_R
from unit.coordinator.engine.sagas import play

CANCEL, TERMINATE = PreviewedAct.CANCEL, PreviewedAct.TERMINATE


def of(act: PreviewedAct, shape: Definition, script: str) -> PreviewView:
    player = play(shape, script)
    return preview(act, shape, player.state, player.now)


@pytest.mark.parametrize(
    ("shape", "script", "first", "undo", "stays"),
    [
        (CHAIN, "a:SUCCEEDED b:SUCCEEDED", [], ["c?", "b", "a"], []),
        (CHAIN, "", [], ["a?"], []),
        (CHAIN, "a:SUCCEEDED cancel", [], ["b?", "a"], []),
        (LINE, TO_P, ["p"], ["b", "a"], []),
        (NONE_A, "a:SUCCEEDED", [], ["b?"], ["a"]),
        (READS, "", ["a"], ["b?", "a?"], []),
    ],
)
def test_a_cancel_undoes_in_this_order(
    shape: Definition, script: str, first: list[str], undo: list[str], stays: list[str]
) -> None:
    seen = of(CANCEL, shape, script)
    assert (seen.allowed, seen.refusal) == (True, None)
    assert list(seen.settle_first) == first
    assert [one.step + "?" * (not one.certain) for one in seen.undo] == undo
    assert [one.order for one in seen.undo] == list(range(1, len(undo) + 1))
    assert list(seen.stays) == stays


def test_the_act_does_what_was_said() -> None:
    player = play(CHAIN, "a:SUCCEEDED b:SUCCEEDED")
    said = [one.step for one in preview(CANCEL, CHAIN, player.state, player.now).undo]
    player.play("cancel c:NOTHING_TO_UNDO b:UNDONE a:UNDONE")
    done = [sent.step for sent in player.sent if sent.kind == "compensation"]
    assert (done, player.state.phase) == (said, "COMPENSATED")


@pytest.mark.parametrize(("script", "code"), [(TO_R, "past_pivot"), ("a:REJECTED", "finished"), ("recover", "recovering")])
def test_what_would_be_refused_says_why(script: str, code: str) -> None:
    seen = of(CANCEL, LINE, script)
    assert (seen.allowed, seen.refusal, len(seen.sentences)) == (False, code, 1)


def test_a_cancel_in_words() -> None:
    assert of(CANCEL, CHAIN, "a:SUCCEEDED b:SUCCEEDED").sentences == (
        "3 effects would be undone, in this order: c (if it was done), b, a",
    )
    assert of(CANCEL, LINE, TO_P).sentences == (
        "first p-service is asked what became of p; if it was done, the saga goes forward and nothing is undone",
        "2 effects would be undone, in this order: b, a",
    )


@pytest.mark.parametrize("script", ["", "a:SUCCEEDED", TO_P + " cancel", TO_R, "a:SUCCEEDED recover"])
def test_a_termination_leaves_what_was_said(script: str) -> None:
    seen = of(TERMINATE, LINE, script)
    player = play(LINE, script + " terminate")
    left = {fact.step: fact.effect for fact in player.facts if isinstance(fact, EffectLeft)}
    assert left == dict.fromkeys(seen.stays, "stays") | dict.fromkeys(seen.may_stay, "may_stay")


def test_a_termination_in_words() -> None:
    assert of(TERMINATE, LINE, "a:SUCCEEDED").sentences == (
        "the saga would end FORCED; nobody would be asked any more, and nothing undone",
        "one effect would stay: a",
        "of b nobody would know: asked and not settled, it may be done or undone yet",
    )


def test_a_preview_changes_nothing() -> None:
    player = play(CHAIN, "a:SUCCEEDED")
    before = player.saga
    preview(CANCEL, CHAIN, player.state, player.now)
    assert player.saga == before
