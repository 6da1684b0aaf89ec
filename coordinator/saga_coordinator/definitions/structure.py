"""From a tree to a draft: the keys of a definition, their kinds and ranges (findings S0xx).

What the keys mean together is checked elsewhere (`graph`, `policy`, `mappings`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from saga_coordinator.definitions.document import MAX_ATTEMPTS, MAX_FACTOR, MAX_STEPS, MAX_VERSION, Kept
from saga_coordinator.definitions.draft import Draft, DraftCommand, DraftRetry, DraftStep, Given
from saga_coordinator.definitions.fields import Fields
from saga_coordinator.definitions.finding import Report, shown
from saga_coordinator.definitions.tree import Entry, Node
from saga_schemas.labels import LABEL_RULE, valid_label_name
from saga_schemas.limits import LABELS

SAGA_KEYS: Final = ("saga", "version", "input", "key", "show_key", "deadline", "retention", "labels", "steps")
STEP_KEYS: Final = (
    *("name", "participant", "command", "with", "reply", "after", "when"),
    *("pivot", "compensation", "retry", "timeout"),
)
COMPENSATION_KEYS: Final = ("command", "with", "retry")
RETRY_KEYS: Final = ("attempts", "first", "factor", "cap", "jitter", "never")
TIMEOUT_KEYS: Final = ("step", "reask", "heartbeat", "expiry", "attention")
RETENTION_KEYS: Final = ("sagas", "journals", "keys", "attention")
UNLIMITED: Final = "unlimited"
MAX_NEVER: Final = 100
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def read_draft(root: Node, report: Report) -> Draft:
    """Read what can be read."""
    fields = Fields(report, root, SAGA_KEYS, "a definition")
    draft = Draft(node=root)
    if not isinstance(root.value, Mapping):
        return draft
    draft.saga = fields.name("saga", "`saga: order`")
    if fields.need("version", "`version: 1`") is not None:
        draft.version = fields.whole("version", 1, MAX_VERSION)
    draft.input = fields.record("input", fields.need("input", "`input: shop.PlaceOrder`"))
    draft.key = fields.get("key")
    shown_key = fields.boolean("show_key")
    draft.show_key = shown_key is not None and shown_key.value
    draft.deadline = fields.duration("deadline")
    draft.retention = _retention(fields, report)
    draft.labels = _labels(fields)
    steps = fields.need("steps", "`steps:` with a list below it")
    if steps is not None:
        draft.steps = _steps(steps, fields, report)
    return draft


def _retention(parent: Fields, report: Report) -> dict[str, Given[Kept]] | None:
    node = parent.get("retention")
    if node is None:
        return None
    fields = Fields(report, node, RETENTION_KEYS, "retention")
    read = {key: fields.kept(key) for key in RETENTION_KEYS}
    return {key: given for key, given in read.items() if given is not None}


def _labels(fields: Fields) -> Mapping[str, Entry]:
    node = fields.get("labels")
    if node is None:
        return {}
    if not isinstance(node.value, Mapping):
        fields.wrong(node, f"labels must be a map from name to value, this is {node.kind}; write `customer: ${{input.customer}}`")
        return {}
    if len(node.value) > LABELS:
        fields.wrong(node, f"{len(node.value)} labels, at most {LABELS} are allowed")
        return {}
    for name, entry in node.value.items():
        if not valid_label_name(name):
            fields.wrong(entry.key, f"a label's name has {LABEL_RULE}")
    return node.value


def _steps(node: Node, fields: Fields, report: Report) -> list[DraftStep]:
    if not isinstance(node.value, tuple) or not node.value:
        fields.wrong(node, "steps must be a list with at least one step, each `- name: …`")
        return []
    if len(node.value) > MAX_STEPS:
        fields.add("S110", node, f"{len(node.value)} steps, at most {MAX_STEPS} are allowed; split the saga")
        return []
    return [_step(index, one, report) for index, one in enumerate(node.value)]


def _step(index: int, node: Node, report: Report) -> DraftStep:
    label = _label(index, node)
    fields = Fields(report, node, STEP_KEYS, "a step", label)
    if not isinstance(node.value, Mapping):
        return DraftStep(index=index, node=node, label=label, action=DraftCommand(node=node), after_readable=False)
    step = DraftStep(
        index=index,
        node=node,
        label=label,
        name=fields.name("name", "`name: reserve`"),
        participant=fields.name("participant", "`participant: inventory`"),
        action=_command(node, fields, label, report),
        reply=fields.record("reply", fields.get("reply")),
        when=fields.get("when"),
    )
    pivot = fields.boolean("pivot")
    step.pivot = pivot.node if pivot is not None and pivot.value else None
    _read_after(step, fields)
    _read_compensation(step, fields, report)
    step.limits = _limits(fields, label, report)
    return step


def _label(index: int, node: Node) -> str:
    name = node.value.get("name") if isinstance(node.value, Mapping) else None
    if name is not None and isinstance(name.node.value, str) and name.node.value:
        return shown(name.node.value)
    return f"#{index + 1}"


def _command(node: Node, fields: Fields, step: str, report: Report) -> DraftCommand:
    record = fields.need("command", "`command: shop.ReserveStock`")
    mapping = fields.get("with")
    command = DraftCommand(node=node if record is None else record, record=fields.record("command", record))
    if mapping is not None and isinstance(mapping.value, Mapping):
        command.mapping = mapping.value
    elif mapping is not None:
        fields.wrong(mapping, f"with must be a map from field to value, this is {mapping.kind}")
        command.mapping_readable = False
    command.retry = _retry(fields, step, report)
    return command


def _retry(parent: Fields, step: str, report: Report) -> DraftRetry:
    node = parent.get("retry")
    if node is None:
        return DraftRetry()
    fields = Fields(report, node, RETRY_KEYS, "retry", step)
    return DraftRetry(
        node=node,
        attempts=_attempts(fields),
        first=fields.duration("first"),
        factor=fields.number("factor", 1, MAX_FACTOR),
        cap=fields.duration("cap"),
        jitter=fields.number("jitter", 0, 1),
        never=_never(fields),
    )


def _attempts(fields: Fields) -> Given[int | None] | None:
    node = fields.get("attempts")
    if node is None:
        return None
    if node.value == UNLIMITED:
        return Given(None, node)
    if not isinstance(node.value, int) or isinstance(node.value, bool):
        fields.wrong(node, f"attempts must be a whole number or `{UNLIMITED}`, this is {node.kind}")
        return None
    given = fields.whole("attempts", 1, MAX_ATTEMPTS)
    return None if given is None else Given(given.value, given.node)


def _never(fields: Fields) -> Given[tuple[str, ...]] | None:
    node = fields.get("never")
    if node is None:
        return None
    codes = [one.value for one in node.value] if isinstance(node.value, tuple) else None
    if codes is None or len(codes) > MAX_NEVER or not all(isinstance(one, str) and _CODE.fullmatch(one) for one in codes):
        fields.wrong(node, f"never must be a list of at most {MAX_NEVER} failure codes, for example [no_such_account]")
        return None
    return Given(tuple(sorted({str(one) for one in codes})), node)


def _read_after(step: DraftStep, fields: Fields) -> None:
    node = fields.get("after")
    if node is None:
        return
    if not isinstance(node.value, tuple):
        fields.wrong(node, f"after must be a list of step names, this is {node.kind}; write [reserve], or [] for at once")
        step.after_readable = False
        return
    read = [fields.as_name("after", one) for one in node.value]
    step.after = tuple(one for one in read if one is not None)
    step.after_readable = len(step.after) == len(read)


def _read_compensation(step: DraftStep, fields: Fields, report: Report) -> None:
    entry = fields.entry("compensation")
    if entry is None:
        return
    node = entry.node
    step.compensation_key = node if node.line or not entry.key.line else entry.key
    if node.value == "none":
        return
    if isinstance(node.value, Mapping):
        inner = Fields(report, node, COMPENSATION_KEYS, "compensation", step.label)
        step.compensation_key = entry.key
        step.compensation = _command(node, inner, step.label, report)
    elif isinstance(node.value, str):
        step.compensation = DraftCommand(node=node, record=fields.record("compensation", node))
    else:
        fields.wrong(node, f"compensation must be a record's name, a map with `command:`, or none; this is {node.kind}")


def _limits(parent: Fields, step: str, report: Report) -> dict[str, Given[int]]:
    node = parent.get("timeout")
    if node is None:
        return {}
    fields = Fields(report, node, TIMEOUT_KEYS, "timeout", step)
    read = {key: fields.duration(key) for key in TIMEOUT_KEYS}
    return {key: given for key, given in read.items() if given is not None}
