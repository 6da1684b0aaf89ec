"""The drawing: what comes after what, where the pivot is, and which way things are undone."""

from __future__ import annotations

from saga_coordinator.definitions import Saga, draw, lint
from saga_schemas.catalog import Catalog
from unit.coordinator.definitions.spoil import SOUND, trip_catalog

TOUR = """\
---
title: order 3
---
flowchart LR
  s0["reserve<br/>inventory: ReserveStock"]:::compensatable
  s1["screen<br/>fraud: ScreenOrder"]:::compensatable
  s2["charge<br/>payment: ChargeCard"]:::compensatable
  s3{{"★ ship<br/>shipping: BookCarrier"}}:::pivot
  s4["notify<br/>mail: SendConfirmation"]:::retriable
  s0 --> s2
  s1 --> s2
  s2 --> s3
  s3 --> s4
  u0("undo reserve<br/>ReleaseStock"):::undo
  s0 -.-> u0
  u2("undo charge<br/>RefundCard"):::undo
  s2 -.-> u2
  u2 -.-> u0
  classDef compensatable fill:#eef6ff,stroke:#3b82c4
  classDef pivot fill:#fff3d6,stroke:#c98a00,stroke-width:3px
  classDef retriable fill:#eefaf0,stroke:#3f9a55
  classDef undo fill:#fdeeee,stroke:#c0504d,stroke-dasharray:4 3
"""


def test_the_readmes_definition_is_drawn(tour_text: str, shop: Catalog) -> None:
    assert draw(lint(tour_text, "order", shop).required()) == TOUR


def test_a_condition_stands_on_its_arrow_and_cannot_break_out_of_it() -> None:
    text = SOUND.replace("command: t.RentCar", "command: t.RentCar\n    when: ${input.id != '\"]<b>#x'}")
    drawn = draw(lint(text, "trip", trip_catalog()).required())
    assert "|\"when input.id != '&quot;]&lt;b&gt;&#35;x'\"| s0" in drawn


def test_what_undoes_nothing_is_passed_over() -> None:
    catalog = trip_catalog()
    saga = Saga("chain", version=1, input="t.Trip")
    for name in ("a", "b", "c"):
        saga.step(name, to="p", command="t.Blank", compensation="none" if name == "b" else "t.Blank")
    assert "  u2 -.-> u0\n" in draw(saga.document(catalog))
