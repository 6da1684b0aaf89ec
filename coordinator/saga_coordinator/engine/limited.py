"""A definition with the limits that a person has changed for one saga."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from saga_coordinator.engine.definition import CommandSpec, Definition, Retry, Step
from saga_coordinator.engine.state import Saga


def limited(definition: Definition, saga: Saga) -> Definition:
    """The definition as this saga follows it: nearly always as it is."""
    if not saga.limits:
        return definition
    limits = saga.limits
    steps = tuple(limited_step(step, limits[step.name]) if step.name in limits else step for step in definition.steps)
    return replace(definition, steps=steps)


def limited_step(step: Step, limits: Mapping[str, int]) -> Step:
    """The step with these limits. 0 attempts: without end; 0 ms of a step: no limit."""
    timing = step.timing
    return replace(
        step,
        action=_spec(step.action, limits, "attempts"),
        compensation=None if step.compensation is None else _spec(step.compensation, limits, "undo_attempts"),
        timing=replace(
            timing,
            step_ms=(limits["step_ms"] or None) if "step_ms" in limits else timing.step_ms,
            reask_ms=limits.get("reask_ms", timing.reask_ms),
            reask_cap_ms=limits.get("reask_cap_ms", timing.reask_cap_ms),
            attention_ms=limits.get("attention_ms", timing.attention_ms),
        ),
    )


def _spec(spec: CommandSpec, limits: Mapping[str, int], attempts: str) -> CommandSpec:
    retry = spec.retry
    changed: Retry = replace(
        retry,
        attempts=(limits[attempts] or None) if attempts in limits else retry.attempts,
        cap_ms=limits.get("cap_ms", retry.cap_ms),
    )
    return replace(spec, retry=changed)
