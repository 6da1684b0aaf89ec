"""Take the pictures of docs/images from a running system: a coordinator and the demo's participants
on a real Kafka and PostgreSQL, and the system's Chromium.

What goes on in it is the same every time; ids, times and durations are those of the run.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.sync_api import Page

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from saga_cli.dev.services import resolve_kafka, resolve_postgres
from support.chromium import chromium, chromium_program
from support.console_system import ConsoleSystem, console_system, order
from support.paths import DOCS
from support.visits import DESK, PHONE, Visits, watched
from support.wire_services import wire_services

IMAGES: Final = DOCS / "images"
COLOURS: Final = 96
ORDERS: Final = 120
EVERY_S: Final = 0.5
"""Figures over time are by the minute: orders go on for more than one."""
SETTLE_MS: Final = 500


@dataclass(frozen=True)
class Shot:
    """One picture."""

    name: str
    path: str
    """Of the page; with the ids of what the system has."""
    scheme: Literal["light", "dark"] = "light"
    phone: bool = False


SHOTS: Final = (
    Shot("console-overview", "/"),
    Shot("console-overview-dark", "/", scheme="dark"),
    Shot("console-saga", "/sagas/{stuck}"),
    Shot("console-saga-dark", "/sagas/{stuck}", scheme="dark"),
    Shot("console-saga-phone", "/sagas/{stuck}", phone=True),
    Shot("console-attention", "/attention"),
    Shot("console-attention-phone", "/attention", phone=True),
    Shot("console-sagas", "/sagas?query=phase+%3D+COMPENSATED+and+started+%3E+-1h"),
    Shot("console-batch", "/batches/new?act=cancel&query=definition+%3D+waiting"),
    Shot("console-definition", "/definitions/order/diff?from=1&to=2"),
    Shot("console-dead-letter", "/dead-letters/{letter}"),
)


def busy(system: ConsoleSystem) -> None:
    """Orders for some minutes; every seventh has no carrier."""
    for number in range(ORDERS):
        began = time.monotonic()
        system.start(order(f"o-{100 + number}", carrier=None if number % 7 == 0 else "post"))
        time.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))


def taken(visits: Visits, shot: Shot, ids: dict[str, str]) -> bytes:
    page: Page = visits.page(shot.path.format(**ids), size=PHONE if shot.phone else DESK, scheme=shot.scheme)
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(SETTLE_MS)
    return page.screenshot(animations="disabled", caret="hide")


def small(picture: bytes) -> bytes:
    """The picture with few colours, which is as much as these pages have."""
    reduced = (
        Image.open(io.BytesIO(picture))
        .convert("RGB")
        .quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    )
    written = io.BytesIO()
    reduced.save(written, "PNG", optimize=True)
    return written.getvalue()


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    program = chromium_program()
    with (
        tempfile.TemporaryDirectory(prefix="saga-screenshots-") as folder,
        resolve_kafka(None) as kafka,
        resolve_postgres(None) as postgres,
        wire_services(kafka.bootstrap_servers, postgres, Path(folder)) as services,
    ):
        system = console_system(services)
        busy(system)
        with chromium(program) as browser, watched(browser, system.server) as visits:
            for shot in SHOTS:
                picture = small(taken(visits, shot, system.ids()))
                (IMAGES / f"{shot.name}.png").write_bytes(picture)
                print(f"docs/images/{shot.name}.png  {len(picture) // 1024} KiB", flush=True)


if __name__ == "__main__":
    main()
