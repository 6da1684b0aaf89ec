"""How often Python's garbage collector runs in a process of the command line."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_less_often() -> None:
    """Let the collector run less often.

    Records make many objects, and few cycles among them.
    """
    gc.set_threshold(20_000, 20, 20)


def leave_out_what_is_loaded() -> None:
    """Let the collector walk nothing that is there now: modules stay for ever.

    It does not run before: of 180,000 objects that `saga serve` loads 2,400 are garbage, and
    finding them takes a tenth of the time in which it starts. The API, which is loaded later,
    brings 50,000 more.
    """
    gc.freeze()


@contextmanager
def loading() -> Iterator[None]:
    """Import what a long-running process needs, without the collector: it would walk what was
    imported before again and again, for another tenth of that time.
    """
    gc.disable()
    try:
        yield
    finally:
        leave_out_what_is_loaded()
        gc.enable()
