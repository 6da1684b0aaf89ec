"""The page of promises defines every number that code, tests and docs mention, and names files that
exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "promise.md").read_text()
NUMBER = re.compile(r"\b([SL][1-9][0-9]?)\b")
READ = ("coordinator", "messaging", "participants", "schemas", "tests", "docs")


def defined() -> set[str]:
    return set(re.findall(r"^### ([SL]\d+)\. ", PAGE, re.MULTILINE))


def test_every_number_that_is_mentioned_is_defined() -> None:
    texts = (path for folder in READ for kind in ("py", "md", "cpp") for path in (ROOT / folder).rglob(f"*.{kind}"))
    mentioned = {number for path in texts for number in NUMBER.findall(path.read_text())}

    assert len(mentioned) > 20
    assert sorted(mentioned - defined()) == []


def test_every_promise_says_where_it_is_enforced_and_what_tests_it() -> None:
    sections = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]

    assert len(sections) == len(defined()) == 30
    assert [text.splitlines()[0] for text in sections if "- Enforced in:" not in text or "- Tests:" not in text] == []


def test_every_file_the_page_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+(?:\.py|\.cpp|/))`", PAGE))
    places = (ROOT, ROOT / "coordinator" / "saga_coordinator")

    assert len(named) > 30
    assert sorted(name for name in named if not any((place / name).exists() for place in places)) == []
