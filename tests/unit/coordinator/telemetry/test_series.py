"""Series are bounded whatever the labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from saga_coordinator.telemetry.series import Series, show


def samples(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_beyond_the_cap_new_labels_count_as_other() -> None:
    registry = CollectorRegistry()
    counters = Series(Counter("a_total", "a", ["x", "y"], registry=registry), 2, most=2)
    for key in [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d"), ("1", "a")]:
        counters[key].inc()

    assert samples(registry, "a_total") == {("1", "a"): 2, ("2", "b"): 1, ("other", "other"): 2}


def test_gauges_beyond_the_cap_are_added_up() -> None:
    registry = CollectorRegistry()
    gauges = Series(Gauge("a", "a", ["x"], registry=registry), 1, most=2)
    show(gauges, {"1": 1, "2": 2, "3": 3, "4": 4})

    assert samples(registry, "a") == {("1",): 1, ("2",): 2, ("other",): 7}
    show(gauges, {"2": 5})
    assert samples(registry, "a") == {("2",): 5}


def test_a_forgotten_label_makes_room_for_another() -> None:
    registry = CollectorRegistry()
    gauges = Series(Gauge("a", "a", ["x"], registry=registry), 1, most=1)
    show(gauges, {"1": 1})
    show(gauges, {"2": 2})

    assert samples(registry, "a") == {("2",): 2}
