"""Prints what came of a check: a table for people, JSON and JUnit for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from saga_cli.conformance.case import Result, Status

PAGE = "docs/wire.md"


def summary(results: Sequence[Result]) -> str:
    """One line."""
    counts = Counter(result.status for result in results)
    return f"{counts[Status.PASSED]} passed, {counts[Status.FAILED]} failed, {counts[Status.LEFT_OUT]} left out"


def as_table(results: Sequence[Result]) -> str:
    """Each case, then what is wrong, what was left out and why."""
    width = max((len(result.case.name) for result in results), default=0)
    lines = [f"{'CASE':<{width}}  RESULT    TOOK"]
    for result in results:
        took = f"{result.took_s:.1f} s" if result.took_s else ""
        lines.append(f"{result.case.name:<{width}}  {result.status.value:<8}  {took}".rstrip())
    failed = [result for result in results if result.status is Status.FAILED]
    for result in failed:
        lines += ["", f"{result.case.name}: {result.case.title}"]
        lines += [f"  seen   {result.seen}", f"  page   {result.says}  ({PAGE}#{result.case.section})"]
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.status is Status.LEFT_OUT:
            reasons.setdefault(result.seen, []).append(result.case.name)
    if reasons:
        lines.append("")
    for reason, names in reasons.items():
        lines.append(f"left out, because {reason}: {len(names)} ({', '.join(sorted({_group(name) for name in names}))})")
    return "\n".join([*lines, "", summary(results)])


def _group(name: str) -> str:
    return name.rpartition(".")[0] + ".*"


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "passed": all(result.status is not Status.FAILED for result in results),
        "cases": [
            {
                "name": result.case.name,
                "title": result.case.title,
                "status": result.status.value.lower().replace(" ", "_"),
                "took_s": round(result.took_s, 3),
                "seen": result.seen or None,
                "page": result.says or result.case.says,
                "section": f"{PAGE}#{result.case.section}",
            }
            for result in results
        ],
    }


def as_junit(results: Sequence[Result], participant: str) -> str:
    """A JUnit file, as build servers read it."""
    counts = Counter(result.status for result in results)
    suite = ElementTree.Element(
        "testsuite",
        name=f"saga participant check {participant}",
        tests=str(len(results)),
        failures=str(counts[Status.FAILED]),
        skipped=str(counts[Status.LEFT_OUT]),
        time=f"{sum(result.took_s for result in results):.3f}",
    )
    for result in results:
        group, _, _ = result.case.name.partition(".")
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{participant}.{group}", name=result.case.name, time=f"{result.took_s:.3f}"
        )
        if result.status is Status.FAILED:
            failure = ElementTree.SubElement(case, "failure", message=_printable(result.seen))
            failure.text = _printable(f"seen: {result.seen}\npage: {result.says}\n{PAGE}#{result.case.section}")
        elif result.status is Status.LEFT_OUT:
            ElementTree.SubElement(case, "skipped", message=_printable(result.seen))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def _printable(text: str) -> str:
    """XML has no control characters."""
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)
