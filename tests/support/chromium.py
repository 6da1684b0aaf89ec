"""The system's Chromium under Playwright: found, and never downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, sync_playwright

VARIABLE: Final = "SAGA_TEST_CHROMIUM"
_NAMES: Final = ("chromium", "chromium-browser")
_FLAGS: Final = (
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # nor may the browser itself ask anybody
    "--disable-gpu",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
)


class ChromiumMissing(RuntimeError):
    """There is no Chromium. The message says what to do."""


def chromium_program(environ: Mapping[str, str] = os.environ) -> str:
    """Return the program's path.

    Raises:
        ChromiumMissing: There is none, or none where the variable says.
    """
    if named := environ.get(VARIABLE):
        found = shutil.which(named, path=environ.get("PATH"))
        if found is None:
            raise ChromiumMissing(f"{VARIABLE}={named} is no program")
        return found
    for name in _NAMES:
        if found := shutil.which(name, path=environ.get("PATH")):
            return found
    raise ChromiumMissing(
        f"no Chromium found (looked for {', '.join(_NAMES)}): install your system's package, on Debian and Ubuntu chromium, "
        f"or name a program with {VARIABLE}"
    )


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """A running browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS), timeout=120_000)
        try:
            yield browser
        finally:
            browser.close()
