"""What all pages share: escaping, headers, addresses, and pages for what goes wrong."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from jinja2 import UndefinedError
from markupsafe import Markup
from prometheus_client import CollectorRegistry, Counter

from saga_coordinator.console.door import with_console
from saga_coordinator.console.rendering import TEMPLATES, Templates, visible
from saga_coordinator.store.port import StoreError


async def test_what_users_named_is_text(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/console/")

    assert page.status_code == 200
    assert "order&lt;b&gt;" in page.text and "<b>" not in page.text.split("<main", 1)[1].split("</main>")[0]
    assert "1,284" in page.text


async def test_no_page_of_another_site_shows_or_scripts_it(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/console/")

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    body = page.text.lower()
    assert re.search(r"<script(?![^>]*\bsrc=)", body) is None, "a script stands in the page: the policy forbids it"
    assert re.search(r"\son\w+=|\sstyle=", body) is None


async def test_every_address_of_a_page_is_below_the_prefix(scripted: Any) -> None:
    scripted.settings.console_prefix = "/ops"
    app = with_console(FastAPI(), scripted)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as browser:
        straight, through = await browser.get("/console/"), await browser.get("/ops/console/")
        home = await browser.get("/ops/console")

        assert straight.status_code == through.status_code == 200
        assert (home.status_code, home.headers["location"]) == (307, "/ops/console/")
        addresses = re.findall(r'(?:href|src|action)="(/[^"]*)"', through.text)
        assert len(addresses) > 10 and all(one.startswith("/ops/console/") for one in addresses)
        style = next(one for one in addresses if one.endswith("console.css"))
        content = await browser.get(style)
        font = re.search(r'url\("([^"]+)"\)', content.text)
        assert font is not None and (await browser.get(font[1])).headers["content-type"] == "font/woff2"


@pytest.mark.parametrize("template", sorted(path.name for path in TEMPLATES.glob("*.html")))
def test_no_template_leads_past_the_prefix(template: str) -> None:
    """A proxy may let people come to the console alone: `/metrics` is nowhere then."""
    text = (TEMPLATES / template).read_text("utf-8")

    assert re.findall(r'(?:href|src|action|hx-get|sse-connect)="/[^"]*"', text) == []


async def test_metrics_are_shown_below_the_console(browser: httpx.AsyncClient, scripted: Any) -> None:
    registry = CollectorRegistry()
    Counter("asked", "How often.", registry=registry).inc()
    scripted.instruments = SimpleNamespace(registry=registry)

    answer = await browser.get("/console/metrics")

    assert answer.headers["content-type"].startswith("text/plain") and "asked_total 1.0" in answer.text


async def test_styles_are_kept_by_browsers_and_change_their_address_with_their_content(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/console/")
    style = re.search(r'href="([^"]+console\.css)"', page.text)
    assert style is not None

    answer = await browser.get(style[1])
    other = await browser.get(re.sub(r"/[0-9a-f]{12}/", "/000000000000/", style[1]))

    assert "immutable" in answer.headers["cache-control"] and answer.headers["content-type"].startswith("text/css")
    assert other.status_code == 404


@pytest.mark.parametrize("path", ["/console/nothing", "/console/static/000000000000/../../settings.py", "/console/%00"])
async def test_what_is_not_there_is_said_on_a_page_with_a_way_on(browser: httpx.AsyncClient, path: str) -> None:
    page = await browser.get(path)

    assert page.status_code == 404
    assert "<h1>There is nothing at this path.</h1>" in page.text and 'href="/console/sagas"' in page.text


async def test_a_database_that_is_away_is_said_on_a_page(browser: httpx.AsyncClient, scripted: Any) -> None:
    scripted.store.raises = StoreError("secret words of the driver")

    page = await browser.get("/console/")

    assert page.status_code == 503
    assert "The database does not answer." in page.text and "secret" not in page.text


async def test_the_count_of_attention_is_asked_once_for_many_pages(browser: httpx.AsyncClient, scripted: Any) -> None:
    scripted.store.attention = 100

    pages = [await browser.get("/console/") for _ in range(5)]

    assert all(">99+</span>" in page.text for page in pages)
    assert scripted.store.asked == 1


def test_a_template_without_what_it_reads_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        Templates("/console").render("problem.html", title="t")


def test_characters_that_hide_or_turn_others_are_marked() -> None:
    assert visible("a\u202eb\x00c\u200bd\n\t") == "a�b�c�d\n\t"
    assert visible("Žluťoučký 🐎 – ok") == "Žluťoučký 🐎 – ok"
    assert Templates("/console")._environment.from_string("{{ x }}{{ y }}").render(x="\u202e<", y=Markup("<b>")) == "�&lt;<b>"
