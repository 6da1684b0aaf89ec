"""Whether a page of the console can be read by all and anywhere."""

from __future__ import annotations

from support.accessibility import violations
from support.visits import PHONE, TABLETS, Visits, overflow_px


def faults(visits: Visits, path: str) -> dict[str, object]:
    """What is wrong with a page by day and by night, on a desk, on tablets and on a phone, and
    without JavaScript; nothing where all is well."""
    page = visits.page(path)
    found: dict[str, object] = {"headings": page.locator("h1").count() - 1, "by day": violations(page)}
    page.emulate_media(color_scheme="dark")
    found["by night"] = violations(page, "contrast")
    for width, height in (PHONE, *TABLETS):
        page.set_viewport_size({"width": width, "height": height})
        found[f"too wide at {width} px"] = overflow_px(page)
        found[f"at {width} px"] = violations(page, "layout")
    heading, plain = page.locator("main h1").inner_text(), visits.page(path, javascript=False).locator("main h1").inner_text()
    found["without JavaScript"] = "" if plain == heading else plain
    return {what: fault for what, fault in found.items() if fault}
