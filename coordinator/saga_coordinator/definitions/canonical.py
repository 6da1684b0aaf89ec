"""From a checked draft to the canonical document, and back to data of the file's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saga_coordinator.definitions.document import (
    TIMEOUT,
    CompensationDocument,
    Document,
    Kept,
    RetentionPolicy,
    RetryPolicy,
    StepDocument,
    TimeLimits,
)
from saga_coordinator.definitions.draft import Draft, DraftCommand, DraftStep, Given
from saga_coordinator.definitions.fields import NEVER, duration_text
from saga_coordinator.definitions.graph import Graph
from saga_coordinator.definitions.policy import retry_policy
from saga_coordinator.definitions.structure import RETENTION_KEYS, UNLIMITED


def document_of(draft: Draft, graph: Graph, replies: Mapping[int, str | None]) -> Document:
    """The document of a draft without errors.

    `replies` are the resolved reply records by index of the step.
    """
    assert draft.saga is not None and draft.version is not None and draft.input is not None, "a draft without errors is whole"
    return Document(
        format=1,
        saga=draft.saga.value,
        version=draft.version.value,
        input=draft.input.value,
        key=None if draft.key is None else str(draft.key.value),
        show_key=draft.show_key,
        deadline_ms=None if draft.deadline is None else draft.deadline.value,
        retention=_retention(draft.retention),
        labels={name: entry.node.plain for name, entry in draft.labels.items()} or None,
        steps=tuple(_step(step, draft, graph, replies[step.index]) for step in draft.steps),
    )


def _retention(given: Mapping[str, Given[Kept]] | None) -> RetentionPolicy | None:
    if not given:
        return None
    return RetentionPolicy(**{key: given[key].value if key in given else None for key in RETENTION_KEYS})


def _step(step: DraftStep, draft: Draft, graph: Graph, reply: str | None) -> StepDocument:
    kind = graph.kinds[step.index]
    assert step.name is not None and step.participant is not None and step.action.record is not None and kind is not None
    return StepDocument(
        name=step.name.value,
        participant=step.participant.value,
        command=step.action.record.value,
        **{"with": _mapping(step.action)},
        reply=reply,
        after=tuple(draft.steps[index].label for index in graph.after[step.index]),
        kind=kind,
        when=None if step.when is None else str(step.when.value),
        compensation=None if step.compensation is None else _compensation(step.compensation),
        retry=retry_policy(step.action.retry, kind),
        timeout=_timeout(step.limits),
    )


def _compensation(command: DraftCommand) -> CompensationDocument:
    assert command.record is not None
    return CompensationDocument(
        command=command.record.value, **{"with": _mapping(command)}, retry=retry_policy(command.retry, None)
    )


def _mapping(command: DraftCommand) -> dict[str, Any]:
    return {name: entry.node.plain for name, entry in command.mapping.items()}


def _timeout(limits: Mapping[str, Given[int]]) -> TimeLimits:
    given = {f"{key}_ms": limit.value for key, limit in limits.items()}
    reask = given.get("reask_ms", TIMEOUT.reask_ms)
    return TIMEOUT.model_copy(update={**given, "reask_cap_ms": max(reask, TIMEOUT.reask_cap_ms)})


def source_of(document: Document) -> dict[str, Any]:
    """The document as data of the file's shape, everything said.

    Reading it gives the same document.
    """
    source: dict[str, Any] = {
        "saga": document.saga,
        "version": document.version,
        "input": document.input,
        "show_key": document.show_key,
        "steps": [_step_source(step) for step in document.steps],
    }
    if document.key is not None:
        source["key"] = document.key
    if document.deadline_ms is not None:
        source["deadline"] = duration_text(document.deadline_ms)
    if document.retention is not None:
        said = document.retention.model_dump(exclude_none=True)
        source["retention"] = {key: kept if kept == NEVER else duration_text(kept) for key, kept in said.items()}
    if document.labels is not None:
        source["labels"] = document.labels
    return source


def _step_source(step: StepDocument) -> dict[str, Any]:
    source: dict[str, Any] = {
        "name": step.name,
        "participant": step.participant,
        "command": step.command,
        "with": step.mapping,
        "after": list(step.after),
        "pivot": step.kind == "pivot",
        "retry": _retry_source(step.retry),
        "timeout": _timeout_source(step.timeout),
    }
    if step.reply is not None:
        source["reply"] = step.reply
    if step.when is not None:
        source["when"] = step.when
    if step.compensation is not None:
        undo = step.compensation
        source["compensation"] = {"command": undo.command, "with": undo.mapping, "retry": _retry_source(undo.retry)}
    elif step.kind == "compensatable":
        source["compensation"] = "none"
    return source


def _retry_source(retry: RetryPolicy) -> dict[str, Any]:
    return {
        "attempts": UNLIMITED if retry.attempts is None else retry.attempts,
        "first": duration_text(retry.first_ms),
        "factor": retry.factor,
        "cap": duration_text(retry.cap_ms),
        "jitter": retry.jitter,
        "never": list(retry.never),
    }


def _timeout_source(limits: TimeLimits) -> dict[str, Any]:
    given = {
        "step": limits.step_ms,
        "reask": limits.reask_ms,
        "heartbeat": limits.heartbeat_ms,
        "expiry": limits.expiry_ms,
        "attention": limits.attention_ms,
    }
    return {key: duration_text(value) for key, value in given.items() if value is not None}
