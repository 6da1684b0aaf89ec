"""The console's page of one saga, over sagas that a whole coordinator runs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from contract.store_rows import by_hand
from saga_coordinator.api.app import create_app
from saga_coordinator.console.door import with_console
from saga_coordinator.store.port import Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end_one
from saga_messaging.memory import MemoryBroker
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.schema import Schema
from support.coordinators import closed, opened, register, running, settings_for, start
from support.drawn import parsed, texts
from support.scripted import DONE, FENCED, UNDONE, Answer, ScriptedParticipant, eventually

SCRIPT = "<script>alert(1)</script>"
DEFINITION = """
saga: order
version: 3
input: t.Order
key: ${input.id}
steps:
  - {name: reserve, participant: shop, command: t.Reserve, compensation: t.Release, after: []}
  - {name: screen, participant: shop, command: t.Reserve, compensation: none, after: []}
  - name: charge
    participant: shop
    command: t.Charge
    reply: t.Charged
    after: [reserve, screen]
    compensation:
      command: t.Refund
      with: {charge: "${steps.charge.reply.charge}"}
      retry: {attempts: 14, first: 1ms, cap: 1ms}
  - {name: ship, participant: shop, command: t.Reserve, pivot: true}
  - {name: notify, participant: shop, command: t.Reserve}
"""


def _schema(name: str, **fields: bool) -> Schema:
    """A record of texts; True: the field is masked."""
    entries = [{"name": field, "type": "string", **({"x-mask": True} if mask else {})} for field, mask in fields.items()]
    return Schema.parse({"type": "record", "name": f"t.{name}", "fields": entries})


CHARGED = _schema("Charged", charge=False, card=True)
CATALOG = Catalog(
    [
        _schema("Order", id=False, card=True, note=False),
        _schema("Reserve", id=False),
        _schema("Release", id=False),
        _schema("Charge", id=False, card=True, note=False),
        CHARGED,
        _schema("Refund", charge=False, card=True),
    ]
)


@dataclass
class Answers:
    """What the participant says: yes, but where the test says otherwise."""

    said: dict[tuple[str, Kind], Answer] = field(default_factory=dict)

    def __call__(self, command: CommandHeaders) -> Sequence[Answer]:
        if (command.step, command.kind) in self.said:
            return [self.said[command.step, command.kind]]
        if command.step == "charge" and command.kind is Kind.ACTION:
            payload = encode(CHARGED, {"charge": "ch-1", "card": "q4111"})
            return [Answer(outcome=Outcome.SUCCEEDED, payload=payload, record="t.Charged", handler_us=900)]
        return [{Kind.ACTION: DONE, Kind.COMPENSATION: UNDONE, Kind.RESOLVE: FENCED}[command.kind]]


@dataclass(frozen=True, slots=True)
class Home:
    """A coordinator without a port, and a browser without scripts."""

    instance: Instance
    store: Store
    answers: Answers
    browser: httpx.AsyncClient
    url: str

    async def start(self, key: str) -> UUID:
        return await start(self.instance, "order", {"id": key, "card": "q4111", "note": SCRIPT}, key)

    async def needs_a_person(self, saga_id: UUID) -> None:
        async def asked() -> bool:
            return bool(await self.store.attention_of(saga_id))

        await eventually(asked)

    async def stuck(self, key: str) -> UUID:
        """A saga whose charge cannot be undone."""
        self.answers.said = {
            ("ship", Kind.ACTION): Answer(outcome=Outcome.REJECTED, code="no_carrier", message=SCRIPT),
            ("charge", Kind.COMPENSATION): Answer(outcome=Outcome.FAILED, code="bank_down", message="answers 503"),
        }
        saga_id = await self.start(key)
        await self.needs_a_person(saga_id)
        return saga_id

    async def page(self, saga_id: UUID | str, **asked: str) -> str:
        answer = await self.browser.get(f"/console/sagas/{saga_id}", params=asked)
        assert answer.status_code == 200, answer.text
        assert "<script>alert" not in answer.text
        for drawing in drawings(answer.text):
            parsed(drawing)
        return answer.text

    async def act(self, path: str, **fields: str) -> str:
        """Sends a form of the page, and follows to what is told."""
        token = self.browser.cookies.get("saga_csrf") or ""
        form = {"token": token, "reason": "the bank is back", "actor": "ada", **fields}
        answer = await self.browser.post(f"/console/sagas/{path}", data=form)
        assert answer.status_code == 303
        page = await self.browser.get(answer.headers["location"])
        told = re.search(r'role="status">.*?<p>(.*?)</p>', page.text)
        assert told is not None
        return told[1]


def drawings(page: str) -> list[str]:
    return re.findall(r'<svg class="drawing.*?</svg>', page, re.DOTALL)


def words(page: str) -> str:
    """What stands on the page, without marks and with single spaces."""
    inside = page.split("<main", 1)[1].split("</main>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", inside).split())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('console') / 'store.sqlite'}"
    answers, broker = Answers(), MemoryBroker()
    participant = ScriptedParticipant(broker, "shop", answers)
    answering = asyncio.create_task(participant.run())
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(url, jaeger_url="http://127.0.0.1:16686")) as instance:
            app = with_console(create_app(instance.coordinator), instance.coordinator)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as browser:
                yield Home(instance, store, answers, browser, url)
    await end_one(answering)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def home(whole: Home) -> Home:
    """As it is at first: the participant says yes to everything."""
    whole.answers.said = {}
    whole.browser.cookies.clear()
    return whole


async def test_a_finished_saga(home: Home) -> None:
    saga_id = await home.start("good")
    assert await closed(home.instance, saga_id) == "COMPLETED"

    page = await home.page(saga_id)

    assert "sse-connect" not in page, "it never changes again"
    said = words(page)
    assert "good order 3 COMPLETED" in said and "ended" in said
    assert "shop answered SUCCEEDED to charge" in said and "completed: all was done engine, row 21b" in said
    graph, waterfall = drawings(page)
    assert texts(parsed(graph))[::2] == ["reserve", "screen", "charge", "ship", "notify"]
    assert {"reserve", "screen", "charge", "ship", "notify"} <= set(texts(parsed(waterfall)))
    acts = re.findall(r'action="([^"]*)"', page.split("<main", 1)[1])
    assert acts == [f"/console/sagas/{saga_id}/restart"], "nothing else can be done to it"


async def test_what_its_schema_masks_is_hidden_and_what_users_wrote_is_text(home: Home) -> None:
    saga_id = await home.start("masked")
    await closed(home.instance, saga_id)

    page = await home.page(saga_id, step="charge", direction="action")

    assert "q4111" not in page and "••••••••" in page
    assert "t.Charge" in page and "ch-1" in page, "the command and the reply are decoded"
    assert "&lt;script&gt;alert(1)" in page
    download = await home.browser.get(f"/console/sagas/{saga_id}/saga.json")
    assert download.headers["content-disposition"] == f'attachment; filename="saga-{saga_id}.json"'
    assert "q4111" not in download.text and len(json.loads(download.text)["journal"]) > 4
    assert "q4111" not in (await home.browser.get(f"/v1/sagas/{saga_id}")).text


async def test_a_stuck_saga_says_why_and_is_retried_through_its_form(home: Home) -> None:
    saga_id = await home.stuck("stuck")

    page = await home.page(saga_id)

    said = words(page)
    assert "charge cannot be undone: shop answered FAILED bank_down 14 times" in said
    assert "It moves when shop answers UNDONE, or when you act. reserve waits behind it." in said
    assert "ship: REJECTED no_carrier" in said
    assert "undo charge · attempt 14" in said
    assert "Charge 1 charge : stands, and could not be undone yet" in said
    graph = texts(parsed(drawings(page)[0]))
    assert graph[-4:] == ["undo reserve", "waits for undo charge", "undo charge", "14 × FAILED bank_down"]
    assert f"live?topic=saga%2F{saga_id}" in page
    assert "Diagnosis" in said and "docs/operations.md#" in said
    home.answers.said.pop(("charge", Kind.COMPENSATION))

    assert await home.act(f"{saga_id}/steps/charge/retry") == "charge is asked again now."

    assert await closed(home.instance, saga_id) == "COMPENSATED"
    said = words(await home.page(saga_id))
    assert "asked to try again charge the bank is back ada" in said
    assert "compensated: all that was done is undone" in said and "needs a person" not in said.split("Journal")[0]


async def test_a_step_is_waived_through_its_form_and_the_saga_says_who_answers_for_it(home: Home) -> None:
    saga_id = await home.stuck("waived")
    await home.page(saga_id)

    told = await home.act(f"{saga_id}/steps/charge/waive", unsafe="yes", reason=SCRIPT)

    assert told == "charge is waived. The saga goes on without it, and ends FORCED."
    assert await closed(home.instance, saga_id) == "FORCED"
    page = await home.page(saga_id)
    assert "charge was waived by ada" in words(page) and "waived: a person answers for it" in page


async def test_what_is_refused_is_told_and_nothing_is_done(home: Home) -> None:
    saga_id = await home.start("refused")
    await closed(home.instance, saga_id)
    await home.page(saga_id)

    assert "the saga is finished" in (await home.act(f"{saga_id}/cancel")).lower()
    assert await home.act("01a22986-0000-7000-8000-000000000000/cancel") == "There is no such saga."
    await home.page(saga_id)
    assert "say a reason" in await home.act(f"{saga_id}/cancel", reason=" ")


async def test_a_saga_that_waits_says_for_what_and_is_cancelled_through_its_form(home: Home) -> None:
    home.answers.said = {("reserve", Kind.ACTION): Answer(outcome=Outcome.IN_PROGRESS, note="counting")}
    saga_id = await home.start("waits")

    async def accepted() -> bool:
        return "works on it" in words(await home.page(saga_id))

    await eventually(accepted)
    said = words(await home.page(saga_id))
    assert "Waiting because shop works on it (reserve) , since" in said and "«counting»" in said
    home.answers.said = {}

    assert await home.act(f"{saga_id}/cancel") == "It goes back: what was done is undone."

    assert await closed(home.instance, saga_id) == "COMPENSATED"
    assert "cancel: the bank is back" in words(await home.page(saga_id))


async def test_an_answer_that_could_not_be_read_is_told_with_its_dead_letter(home: Home) -> None:
    unread = Answer(outcome=Outcome.SUCCEEDED, payload=b"\0\0\0\0\7" + SCRIPT.encode(), record="t.Charged")
    home.answers.said = {("charge", Kind.ACTION): unread}
    saga_id = await home.start("unread")

    async def refused() -> bool:
        return "gave an answer that cannot be read (charge)" in words(await home.page(saga_id))

    await eventually(refused)
    said = words(await home.page(saga_id))
    assert "Ask again now…" in said and "Dead letters of the last day" in said and "unknown_schema" in said
    home.answers.said = {}
    assert await home.act(f"{saga_id}/steps/charge/retry") == "charge is asked again now."
    assert await closed(home.instance, saga_id) == "COMPLETED"


async def test_a_saga_is_paused_and_resumed_through_its_forms(home: Home) -> None:
    home.answers.said = {("screen", Kind.ACTION): Answer(outcome=Outcome.IN_PROGRESS)}
    saga_id = await home.start("paused")
    await home.page(saga_id)

    assert (await home.act(f"{saga_id}/pause", reason=SCRIPT)).startswith("It is paused")

    said = words(await home.page(saga_id))
    assert "RUNNING paused" in said and "Paused since" in said and "by ada : &lt;script&gt;" in said
    assert "Resume…" in said and "Pause…" not in said
    assert (await home.act(f"{saga_id}/resume")).startswith("It goes on")
    assert "Paused since" not in words(await home.page(saga_id))


async def test_what_would_happen_is_said_before_and_a_saga_is_ended_as_it_is(home: Home) -> None:
    saga_id = await home.stuck("ended")

    on_cancel = words(await home.page(saga_id, preview="cancel"))
    on_terminate = words(await home.page(saga_id, preview="terminate"))

    assert "2 effects would be undone, in this order: charge, reserve." in on_cancel
    assert "1 charge shop t.Refund 2 reserve shop t.Release" in on_cancel
    assert "Nobody would be asked any more" in on_terminate or "would end FORCED" in on_terminate
    assert "What would happen on cancel" not in words(await home.page(saga_id, preview="explode"))
    assert (await home.act(f"{saga_id}/terminate")).startswith("It is ended as it was")
    assert await closed(home.instance, saga_id) == "FORCED"
    said = words(await home.page(saga_id, preview="cancel"))
    assert "It was ended as it was. The effect of" in said and "It would be refused: the saga is finished." in said


async def test_a_finished_saga_is_started_anew_through_its_form(home: Home) -> None:
    saga_id = await home.start("again")
    await closed(home.instance, saga_id)
    await home.page(saga_id)

    told = await home.act(f"{saga_id}/restart")

    assert told == f"This is the new saga; {saga_id} stays as it ended."
    found = await home.store.sagas_by_key("default", "again", None)
    assert len(found) == 2 and found[0].id != saga_id
    assert await closed(home.instance, found[0].id) == "COMPLETED"
    assert await home.act(f"{saga_id}/restart") == "It was restarted before: as this saga."


async def test_a_long_journal_is_read_page_by_page(home: Home) -> None:
    saga_id = await home.stuck("long")
    newest = await home.page(saga_id)
    older = re.search(r"\?before=(\d+)#journal", newest)
    row = await home.store.saga(saga_id)
    assert older is not None and row is not None and row.version > 25

    page = await home.page(saga_id, before=older[1])

    assert "started with the key long" in words(page) and "started with the key long" not in words(newest)
    assert "Newest" in words(page)
    for before in ("0", "-1", "x", "9" * 30, "١"):
        assert "Journal" in words(await home.page(saga_id, before=before))


@pytest.mark.parametrize(
    "asked", [{"step": SCRIPT}, {"step": "x" * 5000}, {"step": "notify"}, {"direction": "up", "steps": "all"}]
)
async def test_any_address_of_the_page_shows_it(home: Home, asked: dict[str, str]) -> None:
    saga_id = await home.start("addresses")
    await closed(home.instance, saga_id)

    assert "addresses" in await home.page(saga_id, **asked)


async def test_a_saga_whose_state_cannot_be_read_has_its_page(home: Home) -> None:
    saga_id = await home.start("unreadable")
    await closed(home.instance, saga_id)
    await by_hand(home.url, f"UPDATE saga SET state = x'00', state_version = version WHERE id = x'{saga_id.hex}'")

    page = await home.page(saga_id)

    assert "unreadable order 3 COMPLETED" in words(page) and "cannot be read" in words(page)
    assert "state not known" in texts(parsed(drawings(page)[0]))
    assert "shop answered SUCCEEDED to charge" in words(page), "the journal is whole"


@pytest.mark.parametrize("path", ["01a22986-0000-7000-8000-000000000000", "nonsense", "%00", "a" * 300])
async def test_a_saga_that_does_not_exist_is_said_in_words(home: Home, path: str) -> None:
    answer = await home.browser.get(f"/console/sagas/{path}")

    assert answer.status_code == 404
    assert "<h1>There is no such saga.</h1>" in answer.text and "a key or a query" in answer.text


async def test_a_saga_that_was_imported_is_shown_and_nothing_can_be_done_to_it(home: Home, tmp_path: Path) -> None:
    home.answers.said = {("ship", Kind.ACTION): Answer(outcome=Outcome.REJECTED, code="no_carrier")}
    saga_id = await home.start("moved")
    assert await closed(home.instance, saga_id) == "COMPENSATED"
    exported = await home.browser.get(f"/console/sagas/{saga_id}/saga.avro")
    assert exported.headers["content-type"] == "application/avro"
    url = f"sqlite+aiosqlite:///{tmp_path / 'elsewhere.sqlite'}"
    async with opened(url) as store, running(store, MemoryBroker(), settings_for(url)) as instance:
        app = with_console(create_app(instance.coordinator), instance.coordinator)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as there:
            avro = {"content-type": "application/avro"}
            taken = await there.post("/v1/imports", content=exported.content, headers=avro, params={"actor": SCRIPT[:20]})
            assert taken.status_code == 201

            page = (await there.get(f"/console/sagas/{saga_id}")).text

    said = words(page)
    assert "imported" in said and "it is only shown here" in said and "<script>alert" not in page
    assert "shop answered REJECTED no_carrier to ship" in said
    assert texts(parsed(drawings(page)[0]))[-3:-1] == ["no_carrier", "undo reserve"] or "undo charge" in said
    assert 'method="post"' not in page.split("<main", 1)[1] and "q4111" not in page


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("found", "/console/sagas/{id}"),
        (" order/found ", "/console/sagas/{id}"),
        ("{id}", "/console/sagas/{id}"),
        ("other/found", "/console/sagas?query=other%2Ffound"),
        ('phase = "RUNNING"', "/console/sagas?query=phase+%3D+%22RUNNING%22"),
        ("", "/console/sagas"),
        ("\x00" * 10 + "<", "/console/sagas?query=%00%00%00%00%00%00%00%00%00%00%3C"),
    ],
)
async def test_the_search_leads_to_the_saga_or_to_the_list(home: Home, asked: str, place: str) -> None:
    saga_id = await home.start("found")

    answer = await home.browser.get("/console/find", params={"q": asked.replace("{id}", str(saga_id))})

    assert (answer.status_code, answer.headers["location"]) == (303, place.replace("{id}", str(saga_id)))
