"""The console's acts on many: a dry run, a batch and how far it is; letters that are sent again,
and acts of two people."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from saga_coordinator.inbound.dead_letters import encode_headers
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import DeadLetter
from support.consoles import SCRIPT, ConsoleHome, console_home
from support.scripted import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
SHOWN = html.escape(SCRIPT)
ALL_OF_IT = 'key starts with "many-"'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsoleHome]:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('console') / 'test.sqlite'}"
    async with console_home(url) as made:
        yield made


async def test_many_are_retried_after_a_dry_run(home: ConsoleHome) -> None:
    assert "No batch has run yet." in await home.page("/batches")
    sagas = [await home.stick(f"many-{n}{SCRIPT}") for n in range(3)]
    home.outcomes.clear()
    attention = await home.page("/attention")
    assert "3 sagas cannot be undone at payment, which fails" in attention
    dry = re.search(r'href="/console(/batches/new\?[^"]+)">Retry all', attention)
    assert dry is not None

    page = await home.page(html.unescape(dry[1]))

    assert "Retry would come to 3 sagas" in page and f"many-2{SHOWN}" in page
    assert "charge: stuck_back → undo_asked" in page and "Retry 3 sagas" in page
    assert [(await home.store.attention_of(saga)) != [] for saga in sagas] == [True] * 3, "nothing was changed"

    assert await home.act("/batches", act="retry", query=ALL_OF_IT, rate="100") == "It has begun: retry of 3 sagas."
    (row,) = await home.instance.coordinator.batches()

    async def is_done() -> bool:
        return (await home.instance.coordinator.batch(row.id)).status == "done"

    await eventually(is_done)
    done = await home.page(f"/batches/{row.id}")
    assert f"because {SHOWN}" in done and ">ada<" in done and ">3</b>" in done
    assert "Nothing needs a person." in await home.page("/attention")
    assert f'href="/console/batches/{row.id}"' in await home.page("/batches")


async def test_ticked_sagas_make_a_query(home: ConsoleHome) -> None:
    ended, other = await home.run("t-1"), await home.run("t-2")
    listed = await home.page("/sagas?query=key+starts+with+%22t-%22")
    assert f'name="id" value="{ended}"' in listed and 'name="act" value="cancel"' in listed

    page = await home.page(f"/batches/new?act=cancel&id={ended}&id={other}&id={SCRIPT.replace('<', '%3C')}")

    assert "Cancel would come to 2 sagas" in page and page.count("would be refused: the saga is finished") == 2


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/batches/new?act=cancel&query=fase+%3D+1", "did you mean phase?"),
        ("/batches/new?act=nothing&query=open", "There is no such act."),
        ("/batches/x", "There is no such"),
        ("/batches/019b0000-0000-7000-8000-00000000ffff", "There is no such"),
    ],
)
async def test_what_cannot_be_done_is_said_on_the_page(home: ConsoleHome, path: str, says: str) -> None:
    answer = await home.browser.get(f"/console{path}")

    assert answer.status_code in (404, 422) and says in answer.text


async def test_a_batch_of_nothing_is_refused(home: ConsoleHome) -> None:
    assert "No saga matches." in await home.page("/batches/new?act=cancel&query=key+%3D+%22none%22")
    assert "no saga matches" in await home.act("/batches", act="cancel", query='key = "none"')
    assert "Not done" in await home.act("/batches", act="cancel", query="fase = 1")
    assert "say a rate" in await home.act("/batches", act="cancel", query="open", rate="100000")


async def test_a_batch_that_runs_is_stopped(home: ConsoleHome) -> None:
    for n in range(4):
        await home.stick(f"slow-{n}")
    await home.act("/batches", act="retry", query='key starts with "slow-"', rate="1")
    row = (await home.instance.coordinator.batches())[0]

    page = await home.page(f"/batches/{row.id}")

    assert "left at 1 a second" in page and "hx-get" in page
    assert "It is stopped after" in await home.act(f"/batches/{row.id}/stop")
    assert "Stopped by ada" in await home.page(f"/batches/{row.id}")
    assert "already" in await home.act(f"/batches/{row.id}/stop")


async def test_a_letter_is_sent_again_once(home: ConsoleHome) -> None:
    async with home.store.transaction() as tx:
        letter = DeadLetter(
            id=new_id(tx.now_us),
            consumer="replies",
            topic="saga.reply.payment",
            partition=0,
            offset=10_000,
            at_us=tx.now_us,
            reason="unknown_schema",
            detail="",
            key=b"k",
            value=b"\0\0\0\0\7rest",
            headers=encode_headers((("ce_sagastep", b"charge"),)),
            relayed=True,
        )
        await tx.add_dead_letters([letter])
    path = f"/dead-letters/{letter.id}"

    assert "Send it again" in await home.page(path)
    assert "It is sent again" in await home.act(f"{path}/redrive")
    page = await home.page(path)
    assert "Sent again" in page and f"by ada: because {SHOWN}" in page
    assert "sent again before" in await home.act(f"{path}/redrive")
    assert "It is sent again" in await home.act(f"{path}/redrive", again="yes")
    assert "sent again</span>" in await home.page("/dead-letters")
    assert "There is no such" in await home.act("/dead-letters/x/redrive")


async def test_an_act_of_two_people_waits_for_the_second(tmp_path: Path) -> None:
    async with console_home(f"sqlite+aiosqlite:///{tmp_path / 'two.sqlite'}", confirm_acts="waive") as home:
        assert "No act waits for a second person." in await home.page("/confirmations")
        saga = await home.stick("two")
        waived = f"/attention/{saga}/waive"
        assert "waits for a second person" in await home.act(waived, step="charge", unsafe="yes")
        (row,) = await home.instance.coordinator.confirmations()

        page = await home.page("/confirmations")

        assert f"because {SHOWN}" in page and f"/confirmations/{row.id}/confirm" in page
        assert "somebody else does" in await home.act(f"/confirmations/{row.id}/confirm")
        assert "Confirmed and done" in await home.act(f"/confirmations/{row.id}/confirm", actor="bob")
        assert await home.store.attention_of(saga) == []
        await home.stick("again")
        again = (await home.store.alike_attention("default", of_each=1, limit=1))[0].saga_id
        await home.act(f"/attention/{again}/waive", step="charge", unsafe="yes")
        (row,) = await home.instance.coordinator.confirmations()
        assert "is not done" in await home.act(f"/confirmations/{row.id}/refuse", actor="eve")
        settled = await home.page("/confirmations?all=yes")
        assert "confirmed" in settled and "by eve" in settled
        assert "There is no such" in await home.act("/confirmations/x/confirm")
