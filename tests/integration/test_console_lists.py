"""The console's lists over a whole coordinator: what they show, what their acts do, and that what
users wrote is text."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from saga_coordinator.console.pages import sagas
from saga_coordinator.inbound.dead_letters import encode_headers
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import DeadLetter
from saga_schemas.outcomes import Outcome
from support.consoles import CATALOG, ORDER, SCRIPT, ConsoleHome, console_home
from support.coordinators import register

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGES = (
    "/sagas",
    "/sagas.csv",
    "/sagas.json",
    "/attention",
    "/definitions",
    "/definitions/order",
    "/dead-letters",
    "/schemas",
    "/audit",
    "/machine",
)
HOSTILE = ("%00", "%ff%fe", "%E2%80%AE", "x" * 5000, "-1", "1e9", "'%20OR%201=1--", SCRIPT, "../../etc", "99999999999999999999")
SHOWN = html.escape(SCRIPT)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsoleHome]:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('console') / 'test.sqlite'}"
    async with console_home(url) as made:
        yield made


async def test_pages_without_anything_say_what_to_do(tmp_path: Path) -> None:
    async with console_home(f"sqlite+aiosqlite:///{tmp_path / 'empty.sqlite'}") as empty:
        for path, sentence in (
            ("/attention", "Nothing needs a person."),
            ("/dead-letters", "Every record could be read."),
            ("/audit", "Nobody has acted yet."),
        ):
            page = await empty.page(path)
            assert 'class="empty"' in page and sentence in page


async def test_sagas_are_found_by_a_query_page_by_page(home: ConsoleHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sagas, "LINES", 2)
    ids = [await home.run(f"p-{n}{SCRIPT}") for n in range(3)]
    back = await home.run("b-1", outcomes={"ship": Outcome.REJECTED})

    first = await home.page("/sagas?query=key+starts+with+%22p-%22")

    assert "3 sagas" in first and f"p-2{SHOWN}" in first and f"p-0{SHOWN}" not in first
    older = re.search(r'href="(/console/sagas\?[^"]+)" rel="next"', first)
    assert older is not None
    second = (await home.browser.get(html.unescape(older[1]))).text
    assert f'href="/console/sagas/{ids[0]}"' in second and f"p-2{SHOWN}" not in second and ">Newest<" in second
    ended = await home.page("/sagas?query=phase+in+(COMPENSATED,+FORCED)")
    assert f'href="/console/sagas/{back}"' in ended and str(ids[0]) not in ended
    assert 'aria-current="page">Ended badly' in ended


async def test_columns_are_chosen_in_the_address_and_kept(home: ConsoleHome) -> None:
    saga = await home.run("c-1")

    page = await home.page("/sagas?columns=id&columns=trace&columns=labels&query=input.customer+%3D+%22c-1%22")

    assert "customer = c-1</span>" in page and 'value="label.customer"' in page
    assert ">customer</th>" in await home.page("/sagas?columns=label.customer,label.none")
    assert f'data-copy="{saga}"' in page and ">phase</th>" not in page and ">trace</th>" in page
    assert "columns=labels%2Cid%2Ctrace" in page, "the quick filters keep them"


async def test_a_query_that_cannot_be_read_shows_where(home: ConsoleHome) -> None:
    answer = await home.browser.get("/console/sagas", params={"query": f'fase = "{SCRIPT}"'})

    assert answer.status_code == 422 and SCRIPT not in answer.text
    assert "did you mean phase?" in answer.text and '<span class="hot">^</span>' in answer.text
    assert f'value="fase = &#34;{SHOWN}&#34;"' in answer.text, "it stays in its box"


async def test_a_list_is_a_file(home: ConsoleHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sagas, "PAGE_LINES", 2)
    for n in range(5):
        await home.run(f"=f-{n}")
    asked = {"query": 'key starts with "=f-"'}

    rows = list(csv.reader(io.StringIO((await home.browser.get("/console/sagas.csv", params=asked)).text)))
    found = (await home.browser.get("/console/sagas.json", params=asked)).json()

    assert [row[1] for row in rows] == ["key", *(f"'=f-{n}" for n in (4, 3, 2, 1, 0))]
    assert [item["key"] for item in found["items"]] == [f"=f-{n}" for n in (4, 3, 2, 1, 0)]
    assert (found["query"], found["more"]) == (asked["query"], False)
    monkeypatch.setattr(sagas, "MOST_LINES", 4)
    cut = (await home.browser.get("/console/sagas.json", params=asked)).json()
    assert (len(cut["items"]), cut["more"]) == (4, True)
    bad = await home.browser.get("/console/sagas.csv", params={"query": "fase = 1"})
    assert bad.status_code == 422 and "text/html" in bad.headers["content-type"]


async def test_a_stuck_saga_is_found_with_its_cause_retried_and_waived(home: ConsoleHome) -> None:
    saga = await home.stick("o-17")

    page = await home.page("/attention")

    assert "charge cannot be undone: payment fails as often as its policy allows" in page
    assert f'href="/console/sagas/{saga}"' in page and "o-17" in page
    assert f"no way {SHOWN}" in page, "its evidence is what the participant said"
    assert await home.act(f"/attention/{saga}/retry", step="charge") == "charge is asked again."
    assert "Not done" in await home.act(f"/attention/{saga}/retry", step="reserve")
    assert "charge is waived" in await home.act(f"/attention/{saga}/waive", step="charge", unsafe="yes")
    assert "Not done" in await home.act(f"/attention/{saga}/waive", step="charge", unsafe="yes")
    audit = await home.page("/audit?act=waive")
    assert f"because {SHOWN}" in audit and ">ada<" in audit and f'href="/console/sagas/{saga}"' in audit
    assert "retry charge" not in audit and "retry charge" in await home.page("/audit")


async def test_acts_on_what_is_not_there_say_so(home: ConsoleHome) -> None:
    unknown = "019b0000-0000-7000-8000-00000000ffff"

    assert await home.act(f"/attention/{unknown}/retry", step="charge") == "There is no such saga."
    assert await home.act("/attention/x/retry", step="charge") == "There is no such saga."
    assert await home.act(f"/attention/{unknown}/retry", step=SCRIPT) == "The saga has no such step."


async def test_a_second_version_is_compared_and_activated(home: ConsoleHome) -> None:
    text = ORDER.format(version=2).replace("participant: payment", "participant: bank")
    await register(home.store, text, CATALOG, activate=False)
    await home.instance.coordinator.definitions.refresh()

    assert "2 waits" in await home.page("/definitions")
    assert "Activate version 2" in await home.page("/definitions/order?version=2")
    diff = await home.page("/definitions/order/diff?from=1&to=2")
    assert "its participant: bank (before: payment)" in diff
    assert '<span class="minus">- participant: payment' in diff and '<span class="plus">+ participant: bank' in diff
    assert "2 is active" in await home.act("/definitions/order/2/activate")
    page = await home.page("/definitions/order")
    assert "version=2" in page and "by version" not in page
    assert "definition.activate" in await home.page("/audit?target=order@2")
    assert "There is no such definition" not in await home.act("/definitions/order/1/activate")
    assert "no such version" in await home.act("/definitions/order/9/activate")


async def test_a_letter_is_taken_apart(home: ConsoleHome) -> None:
    async with home.store.transaction() as tx:
        letter = DeadLetter(
            id=new_id(tx.now_us),
            consumer="replies",
            topic="saga.reply.payment",
            partition=1,
            offset=7,
            at_us=tx.now_us,
            reason="unknown_schema",
            detail=f"no schema {SCRIPT}",
            key=SCRIPT.encode(),
            value=b"\0\0\0\0\7" + SCRIPT.encode(),
            headers=encode_headers(((f"x-{SCRIPT}", SCRIPT.encode()), ("ce_sagastep", SCRIPT.encode()))),
            relayed=False,
        )
        await tx.add_dead_letters([letter])

    lines, page = await home.page("/dead-letters"), await home.page(f"/dead-letters/{letter.id}")

    assert f'href="/console/dead-letters/{letter.id}"' in lines and "saga.reply.payment[1]@7" in lines
    assert "not registered here" in page and "saga schema add FILE" in page and "from <b>payment</b>" in page
    assert f"x-{SHOWN}" in page and "no schema of id 00000007 is known here" in page
    assert "00 00 00 00 07 3c 73 63 72" in page


async def test_schemas_lead_to_who_reads_with_them(home: ConsoleHome) -> None:
    page = await home.page("/schemas")
    schema = next(row.id for row in home.instance.coordinator.definitions.schema_rows if row.subject == "t.Do")
    assert f'href="/console/schemas/{schema}">t.Do' in page

    one = await home.page(f"/schemas/{schema}")

    assert '"name": "t.Do"' in html.unescape(one)
    assert "order 1" in one
    assert "t.Do" in await home.page("/schemas?subject=t.Do")


async def test_the_machine_says_how_it_is_without_secrets(home: ConsoleHome) -> None:
    page = await home.page("/machine")

    assert "saga.reply.payment" in page and "SAGA_RETENTION_SAGAS" in page and "SQLite" in page
    assert "QUFB" not in page, "a token key"


@pytest.mark.parametrize("path", PAGES)
async def test_hostile_queries_get_a_page(home: ConsoleHome, path: str) -> None:
    names = (
        "act",
        "who",
        "target",
        "before",
        "version",
        "subject",
        "after",
        "from",
        "to",
        "query",
        "cursor",
        "columns",
        "nothing",
    )
    for value in HOSTILE:
        answer = await home.browser.get(f"/console{path}?" + "&".join(f"{name}={value}" for name in names))
        assert answer.status_code in (200, 404, 422), (path, value, answer.status_code)
        assert SCRIPT not in answer.text


@pytest.mark.parametrize(
    "path", ["/definitions/none", "/definitions/order/diff?to=99", "/dead-letters/x", "/schemas/x", "/schemas?subject=none"]
)
async def test_what_is_not_there_is_a_page_that_says_so(home: ConsoleHome, path: str) -> None:
    answer = await home.browser.get(f"/console{path}")

    assert answer.status_code == 404 and "There is no such" in answer.text


async def test_the_api_tells_the_same_acts(home: ConsoleHome) -> None:
    async with home.store.transaction() as tx:
        for n in range(3):
            await tx.add_audit(tenant="default", act=f"test {n}", target=f"t-{n}", who="bob", why="", at_us=tx.now_us)

    first = (await home.browser.get("/v1/audit", params={"who": "bob", "limit": 2})).json()
    second = (await home.browser.get("/v1/audit", params={"who": "bob", "limit": 2, "cursor": first["next"]})).json()

    assert [line["target"] for line in (*first["items"], *second["items"])] == ["t-2", "t-1", "t-0"]
    assert second["next"] is None
    bad = await home.browser.get("/v1/audit", params={"cursor": "x"})
    assert (bad.status_code, bad.json()["code"]) == (422, "request_invalid")


async def test_a_definition_is_paused_and_goes_on(home: ConsoleHome) -> None:
    assert "No definition and no participant is paused." in await home.page("/pauses")

    assert "The definition order is paused." in await home.act(
        "/pauses/pause", scope="definition", name="order", back="definition"
    )
    assert f"by ada: because {SHOWN}" in await home.page("/definitions/order")
    page = await home.page("/pauses")
    assert 'href="/console/definitions/order">order' in page and f"because {SHOWN}" in page
    assert "goes on" in await home.act("/pauses/resume", scope="definition", name="order")
    assert "Not done" in await home.act("/pauses/resume", of="definition order")
    assert "The participant payment is paused." in await home.act("/pauses/pause", of="participant payment")
    assert "goes on" in await home.act("/pauses/resume", of="participant payment")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"of": ""}, "say whether"),
        ({"of": "saga x"}, "say whether"),
        ({"of": f"definition {SCRIPT}"}, "There is no such definition"),
        ({"of": "participant none"}, "No"),
    ],
)
async def test_what_is_not_there_is_not_paused(home: ConsoleHome, fields: dict[str, str], says: str) -> None:
    assert says in await home.act("/pauses/pause", **fields)


async def test_a_query_is_kept_under_a_name(home: ConsoleHome) -> None:
    await home.run("kept")
    asked = {"query": f'key in (kept, "{SCRIPT}")', "columns": "id,phase"}
    assert "Save as…" in await home.page('/sagas?query=key+%3D+"x"')

    assert await home.act("/saved-views", name="my <b> view", **asked) == "Saved as my &lt;b&gt; view."
    page = await home.page("/sagas")
    assert "my &lt;b&gt; view" in page
    where = re.search(r'href="/console(/sagas\?[^"]+)" title="saved by ada"', page)
    assert where is not None
    shown = await home.page(html.unescape(where[1]))
    assert "Remove view…" in shown and ">phase</th>" in shown and ">definition</th>" not in shown
    assert "Not done" in await home.act("/saved-views", name="bad", query="fase = 1")
    assert "name: expected" in await home.act("/saved-views", name="a/b", query="open")
    assert "is removed" in await home.act("/saved-views/remove", name="my <b> view")
    assert "no view of this name" in await home.act("/saved-views/remove", name="my <b> view")
