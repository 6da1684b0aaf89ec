"""Every line of a process of ours is one line of our format, whoever says it, and none quotes what
an exception says."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from saga_coordinator import logs as coordinator_logs
from saga_messaging import logs

SECRET = "card 4711"


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """The logging of the tests' own process is put back."""
    root, kept = logging.getLogger(), logging.getLogger().handlers[:]
    levels = {
        name: logging.getLogger(name).level
        for name in ("", "aiokafka", "saga_participant", "saga_messaging", "saga_coordinator", "saga_demo")
    }
    yield
    root.handlers[:] = kept
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def said(capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    text = capfd.readouterr().err
    assert SECRET not in text
    return [json.loads(line) for line in text.splitlines()]


def fails() -> None:
    raise ValueError(SECRET)


async def test_a_library_a_task_nobody_awaited_and_our_own_say_lines_of_one_format(capfd: pytest.CaptureFixture[str]) -> None:
    coordinator_logs.configure("info", "json")
    logs.hear_the_loop()
    try:
        fails()
    except ValueError as error:
        logging.getLogger("sqlalchemy.pool").exception("a pool\nof two lines")
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=True)
        structlog.get_logger("x").error("loop_failed", saga="s-1", exc_info=error)

    async def unseen() -> None:
        fails()

    task = asyncio.ensure_future(unseen())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    asyncio.get_running_loop().call_soon(fails)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    found = said(capfd)
    assert [line["error"] for line in found] == ["ValueError"] * 5
    assert {line["level"] for line in found} == {"error"}
    assert all(str(line["at"][-1]).startswith("test_logs.py:") and "fails" in str(line["at"][-1]) for line in found)  # type: ignore[index]
    assert found[0]["event"] == "a pool of two lines"
    assert "never retrieved" in str(found[3]["event"])
    assert all({"event", "timestamp"} <= line.keys() for line in found)


def test_levels_are_ours_for_us_and_warnings_for_libraries(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning", "json")
    for name in ("saga_participant", "saga_messaging.start", "sqlalchemy"):
        logging.getLogger(name).info("quiet")
        logging.getLogger(name).warning("loud", extra={"saga": "s-1"})
    logging.getLogger("aiokafka.consumer").error("what BrokerError says better")
    assert [(line["logger"], line["event"], line["saga"]) for line in said(capfd)] == [
        ("saga_participant", "loud", "s-1"),
        ("saga_messaging.start", "loud", "s-1"),
        ("sqlalchemy", "loud", "s-1"),
    ]


def test_text_for_people_is_one_line_too(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "console")
    try:
        fails()
    except ValueError:
        logging.getLogger("saga_participant").exception("it\nfailed")
    text = capfd.readouterr().err
    assert text.count("\n") == 1
    assert "it failed error=ValueError at=['test_logs.py" in text
    assert SECRET not in text
