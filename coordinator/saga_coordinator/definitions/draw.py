"""A definition as a Mermaid flowchart: steps in their order, the pivot marked, dashed arrows back
for what undoes them.
"""

from __future__ import annotations

from saga_coordinator.definitions.document import Document, StepDocument

_STYLES = (
    "  classDef compensatable fill:#eef6ff,stroke:#3b82c4",
    "  classDef pivot fill:#fff3d6,stroke:#c98a00,stroke-width:3px",
    "  classDef retriable fill:#eefaf0,stroke:#3f9a55",
    "  classDef undo fill:#fdeeee,stroke:#c0504d,stroke-dasharray:4 3",
)


def draw(document: Document) -> str:
    """Mermaid text; the same document gives the same text."""
    lines = ["---", f"title: {document.saga} {document.version}", "---", "flowchart LR"]
    ids = {step.name: f"s{place}" for place, step in enumerate(document.steps)}
    lines.extend(f"  {_box(ids[step.name], step)}:::{step.kind}" for step in document.steps)
    for step in document.steps:
        condition = "" if step.when is None else f"|{_label('when ' + _inside(step.when))}|"
        if not step.after and step.when is not None:
            lines.append(f'  start(("start")) -->{condition} {ids[step.name]}')
        lines.extend(f"  {ids[before]} -->{condition} {ids[step.name]}" for before in step.after)
    for step in document.steps:
        if step.compensation is not None:
            undo = f"u{ids[step.name][1:]}"
            text = _label(f"undo {step.name}<br/>{_short(step.compensation.command)}")
            lines.append(f"  {undo}({text}):::undo")
            lines.append(f"  {ids[step.name]} -.-> {undo}")
    lines.extend(_undo_order(document, ids))
    lines.extend(_STYLES)
    return "\n".join(lines) + "\n"


def _undo_order(document: Document, ids: dict[str, str]) -> list[str]:
    """Compensations run against the arrows: what came later is undone first.

    Steps that undo nothing are passed over.
    """
    undone = {step.name for step in document.steps if step.compensation is not None}
    before = {step.name: step.after for step in document.steps}
    lines: list[str] = []
    for step in document.steps:
        if step.name not in undone:
            continue
        waiting, seen = list(step.after), set[str]()
        while waiting:
            name = waiting.pop(0)
            if name in seen:
                continue
            seen.add(name)
            if name in undone:
                lines.append(f"  u{ids[step.name][1:]} -.-> u{ids[name][1:]}")
            else:
                waiting.extend(before[name])
    return lines


def _box(identity: str, step: StepDocument) -> str:
    mark = "★ " if step.kind == "pivot" else ""
    text = _label(f"{mark}{step.name}<br/>{step.participant}: {_short(step.command)}")
    return f"{identity}{{{{{text}}}}}" if step.kind == "pivot" else f"{identity}[{text}]"


def _short(record: str) -> str:
    return record.rpartition(".")[2]


def _inside(expression: str) -> str:
    text = expression[2:-1].strip()
    return text if len(text) <= 40 else text[:39] + "…"


def _label(text: str) -> str:
    """Quoted for Mermaid; the only markup let through is our own line break."""
    parts = text.split("<br/>")
    safe = [
        part.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;").replace("#", "&#35;")
        for part in parts
    ]
    return '"' + "<br/>".join(safe) + '"'
