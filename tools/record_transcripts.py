"""Records the transcripts at the end of docs/wire.md: real messages, made by the coordinator's own
code, always the same bytes.

Three sagas of examples/loyalty are played: the start is read as the start loop reads it, the engine
decides, the outbound builder writes the commands, every reply is written as the kit writes it and
read back as the reply loop reads it before the engine gets it. Time, ids and the token key are
fixed. `tools/generate_docs.py` puts the text into the page, `tools/generate_vectors.py` puts the
messages into a file of the package; tests read them from there and decode them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from saga_coordinator.definitions import compile_definition, lint
from saga_coordinator.engine import ENGINE_REV
from saga_coordinator.engine.encoding import FORMAT
from saga_coordinator.engine.events import Cancel, Env, Event, Start, WakeUp
from saga_coordinator.inbound.dead_letters import dead_letter, relayed
from saga_coordinator.inbound.reply_envelope import CONSUMER, ReplyEnvelopes
from saga_coordinator.inbound.reply_payload import ReplyPayloads
from saga_coordinator.sagas.messages import Outbound
from saga_coordinator.sagas.work import FoldContext, SagaWork
from saga_coordinator.store.port import SagaRow
from saga_coordinator.traces.sampling import Sampling
from saga_messaging.broker import Headers, Outgoing, Record
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import BadMessage
from saga_schemas.files import read_schemas
from saga_schemas.headers import CommandHeaders, StartHeaders, answer, decode_command
from saga_schemas.headers.names import CAUSATION
from saga_schemas.ids import span_id_of, uuid7
from saga_schemas.inbound import read_start_envelope
from saga_schemas.outcomes import Outcome
from saga_schemas.plain import to_plain
from saga_schemas.records import EMPTY_BYTES, OWN, Empty, Failure, Progress, encode_own
from saga_schemas.token import TokenKeys
from saga_schemas.topics import Topics
from saga_schemas.trace_context import parse_context

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "loyalty"
TOKEN_KEYS = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""The bytes 0 to 31: only for these transcripts."""
BEGAN_US = 1_793_714_706_000_123
"""2026-11-03T14:05:06.000123Z."""
CLUSTER_ID = "3f0c9a52-5b1e-4c61-9d0e-6f2a4f3c1b77"
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
TENANT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One recorded message."""

    title: str
    story: str
    topic: str
    key: bytes
    headers: Headers
    value: bytes
    content: Mapping[str, Any]
    """The value as plain JSON."""
    answers: Record | None = None
    """Of a reply: the command it answers."""

    def text(self) -> str:
        lines = [f"topic   {self.topic}", f"key     {self.key.decode()}"]
        lines += [f"header  {name}: {(value or b'').decode()}" for name, value in self.headers]
        lines += [f"value   {self.value.hex()}", f"        {json.dumps(self.content, ensure_ascii=False)}"]
        return "\n".join(lines) + "\n"


@dataclass
class Stage:
    """One saga, and the messages around it as they are recorded."""

    catalog: Catalog
    seed: int
    source: bytes = field(default_factory=lambda: (EXAMPLE / "reward.saga.yaml").read_bytes())
    """The definition."""
    now: int = BEGAN_US
    transcripts: list[Transcript] = field(default_factory=list)
    commands: dict[str, Record] = field(default_factory=dict)
    """The last command of each step and kind: `grant action`."""
    asked: dict[str, Record] = field(default_factory=dict)
    """Every command by its id."""
    work: SagaWork | None = None

    def __post_init__(self) -> None:
        self.compiled = compile_definition(lint(self.source, "reward.saga.yaml", self.catalog).required(), self.catalog)
        self.topics = Topics()
        keys = TokenKeys.parse(TOKEN_KEYS)
        self.envelopes = ReplyEnvelopes(keys=keys, tenant=TENANT)
        self.payloads = ReplyPayloads(catalog=self.catalog, topics=self.topics)
        outbound = Outbound(topics=self.topics, keys=keys, cluster_id=CLUSTER_ID)
        self.context = FoldContext(outbound=outbound, empty=EMPTY_BYTES, new_id=lambda now: UUID(int=0), sampling=Sampling(0.0))

    # --- what happens -----------------------------------------------------------------------------

    def start(self) -> None:
        record = self._start_record()
        self._keep(
            "A start", "Anyone allowed writes it. Key: the business key. `ce_id`: the request id. Nothing else is needed.", record
        )
        begun = read_start_envelope(record, tenant=TENANT)
        payload = self.compiled.take_input(begun, self.catalog)
        saga_id = uuid7(self.now, bytes([self.seed]) * 10)
        given = begun.headers.traceparent
        trace = Sampling(0.0).begin(saga_id, parse_context(given))
        row = SagaRow(
            id=saga_id,
            tenant=TENANT,
            definition_id=1,
            version=0,
            phase="RUNNING",
            engine_rev=ENGINE_REV,
            state_format=FORMAT,
            incarnation=1,
            state=b"",
            state_version=0,
            facts_print=0,
            business_key=payload.key,
            wake_at_us=None,
            trace_id=trace.trace_id,
            parent_span=trace.parent_span,
            trace_flags=trace.flags,
            tracestate=trace.tracestate,
            baggage=None,
            max_expiry_us=0,
            started_at_us=self.now,
            closed_at_us=None,
        )
        self.work = SagaWork.begin(row, self.compiled, self.context, started_at_us=self.now)
        self.happens(
            Start(
                id=str(saga_id),
                tenant=TENANT,
                key=payload.key,
                input=payload.framed,
                incarnation=1,
                message_id=begun.headers.message_id,
            )
        )

    def happens(self, event: Event, *, after_ms: int = 3) -> list[Record]:
        """Let the engine decide; the messages that leave."""
        self.now += after_ms * 1000
        assert self.work is not None
        before = len(self.work.messages)
        self.work.apply(event, Env(now_us=self.now))
        left = [self.sent(message.record) for message in self.work.messages[before:]]
        for record in left:
            if record.topic != self.topics.events:
                about = decode_command(record.headers)
                self.commands[f"{about.step} {about.kind.value}"] = self.asked[about.message_id] = record
        return left

    def reply(
        self, to: Record, outcome: Outcome, record: str, value: bytes, *, seq: int | None = None, row_run: int | None = None
    ) -> Record:
        """The answer, as a participant writes it: everything but its own words is echoed."""
        self.now += 5000
        about = decode_command(to.headers)
        reply_id = UUID(bytes=bytes([self.seed, len(self.transcripts)]) * 8, version=4)
        span = span_id_of(f"process {about.message_id}")
        headers = answer(
            about,
            message_id=str(reply_id),
            source=f"/{self._participant(about)}",
            record=record,
            time_us=self.now,
            outcome=outcome,
            seq=seq,
            row_run=row_run,
            traceparent=f"00-{(about.traceparent or CALLER).split('-')[1]}-{span}-00",
        )
        topic = self.topics.reply(self._participant(about))
        return self.sent(Outgoing(topic=topic, key=to.key, value=value, headers=headers.encode()))

    def arrives(self, reply: Record) -> list[Record]:
        """The coordinator reads it and decides."""
        return self.happens(self.payloads.read(self.envelopes.read(reply), self.compiled))

    # --- what is kept -----------------------------------------------------------------------------

    def show(self, title: str, story: str, record: Record) -> None:
        self._keep(title, story, record)

    def _keep(self, title: str, story: str, record: Record) -> None:
        assert record.key is not None and record.value is not None
        decoded = decode(record.value, self.catalog)
        is_reply = self.topics.participant_of_reply(record.topic) is not None
        self.transcripts.append(
            Transcript(
                title=title,
                story=story,
                topic=record.topic,
                key=record.key,
                headers=record.headers,
                value=record.value,
                content=to_plain(decoded.writer, decoded.value),
                answers=self.asked.get(dict(record.headers)[CAUSATION].decode()) if is_reply else None,
            )
        )

    def _start_record(self) -> Record:
        schema = self.compiled.input_schema
        purchase = {"purchase_id": "p-17", "customer": "ada", "points": 250, "email": None}
        headers = StartHeaders(
            message_id="till-4:2026-11-03:81",
            source="/till/4",
            record=schema.full_name,
            tenant=TENANT,
            definition="reward",
            time_us=self.now,
            traceparent=CALLER,
        )
        return self.sent(Outgoing(topic=self.topics.start, key=b"p-17", value=encode(schema, purchase), headers=headers.encode()))

    def sent(self, sent: Outgoing) -> Record:
        return Record(
            topic=sent.topic,
            partition=0,
            offset=0,
            timestamp_ms=self.now // 1000,
            key=sent.key,
            value=sent.value,
            headers=sent.headers,
        )

    def _participant(self, about: CommandHeaders) -> str:
        return self.compiled.definition.by_name[about.step].participant

    def own(self, record: str, value: dict[str, Any]) -> tuple[str, bytes]:
        """A record of the participant's, framed."""
        schema = self.catalog.latest(record)
        assert schema is not None
        return record, encode(schema, value)


_EMPTY = (Empty.avro_name, EMPTY_BYTES)


def catalog() -> Catalog:
    """What both sides know: the protocol's own records and the example's."""
    return Catalog([*OWN, *read_schemas(EXAMPLE / "schemas")])


def record_all() -> list[Transcript]:
    """Every transcript of the page, in its order."""
    return [*_undone_purchase(), *_resolved_pivot(), *_undone_while_accepted()]


def _undone_purchase() -> list[Transcript]:
    """A technical failure, a success, a business no, and the way back."""
    stage = Stage(catalog(), seed=7)
    stage.start()
    grant = stage.commands["grant action"]
    stage.show("A command", "The coordinator asks the participant `loyalty` to act.", grant)
    failed = stage.reply(grant, Outcome.FAILED, Failure.avro_name, encode_own(Failure.of("db_busy", "no connection", 200)))
    stage.show("FAILED", "This attempt had no effect; the participant asks for 200 ms. Nothing is remembered.", failed)
    stage.arrives(failed)
    stage.happens(WakeUp(), after_ms=201)
    again = stage.commands["grant action"]
    stage.show(
        "Asked again",
        "The same run: the same idempotency key and token. Another attempt, so another id; a timer caused it.",
        again,
    )
    working = stage.reply(again, Outcome.IN_PROGRESS, Progress.avro_name, encode_own(Progress.of("waiting for the bank")), seq=1)
    stage.show("IN_PROGRESS", "Accepted; the answer comes later. Only a higher `ce_sagaseq` counts as news.", working)
    stage.arrives(working)
    done = stage.reply(again, Outcome.SUCCEEDED, *stage.own("loyalty.PointsGranted", {"grant_id": "g-1", "balance": 1250}))
    stage.show("SUCCEEDED", "The effect is committed. The value is the participant's own record.", done)
    stage.arrives(done)
    voucher = stage.commands["voucher action"]
    stage.show("A command to another participant", "The next step is asked: its own topic, its own token.", voucher)
    no = stage.reply(
        voucher,
        Outcome.REJECTED,
        Failure.avro_name,
        encode_own(Failure.of("no_address", "there is no email to send a voucher to")),
    )
    stage.show("REJECTED", "A definite business no from the participant `vouchers`.", no)
    left = stage.arrives(no)
    events = [record for record in left if record.topic == stage.topics.events]
    stage.show("A lifecycle event", "The saga goes back, and says why.", events[0])
    undo = stage.commands["grant compensation"]
    stage.show("A compensation", "Sent once every step that came after is settled. A direction of its own: another token.", undo)
    stage.show(
        "UNDONE", "The effect was undone. Without data the value is `saga.v1.Empty`.", stage.reply(undo, Outcome.UNDONE, *_EMPTY)
    )
    newer = stage.reply(undo, Outcome.SUCCEEDED, *_EMPTY, row_run=2)
    stage.show("SUCCEEDED to a compensation", "Instead: the row is of run 2, so run 1 may not undo it (row B7).", newer)
    return stage.transcripts


def _resolved_pivot() -> list[Transcript]:
    """A cancel while the pivot is open: its participant is asked what became of it."""
    stage = Stage(catalog(), seed=9)
    stage.start()
    stage.transcripts.clear()
    granted = stage.own("loyalty.PointsGranted", {"grant_id": "g-2", "balance": 1500})
    stage.arrives(stage.reply(stage.commands["grant action"], Outcome.SUCCEEDED, *granted))
    stage.happens(Cancel(reason="the customer left", actor="till"))
    resolve = stage.commands["voucher resolve"]
    stage.show("RESOLVE", "Was it done? If not, it never will be. The value is always `saga.v1.Empty`.", resolve)
    stage.show(
        "FENCED", "There was no row, so one was written that forbids the action.", stage.reply(resolve, Outcome.FENCED, *_EMPTY)
    )
    stage.show(
        "EXPIRED",
        "Instead: there is no row, and the command is older than its `ce_expirytime`.",
        stage.reply(resolve, Outcome.EXPIRED, *_EMPTY),
    )
    done = stage.reply(resolve, Outcome.SUCCEEDED, *_EMPTY)
    stage.show(
        "SUCCEEDED to a RESOLVE",
        "Instead: it was done, and this is the stored reply. `vouchers` has no record of its own to say.",
        done,
    )
    return stage.transcripts


def _undone_while_accepted() -> list[Transcript]:
    """A cancel while the first step is accepted: its compensation waits for the end of the work."""
    definition = (EXAMPLE / "reward.saga.yaml").read_bytes().replace(b"${steps.grant.reply.grant_id}", b"${input.purchase_id}")
    stage = Stage(catalog(), seed=11, source=definition)
    stage.start()
    stage.transcripts.clear()
    accepted = _in_progress(stage, stage.commands["grant action"])
    stage.arrives(accepted)
    stage.happens(Cancel(reason="the customer left", actor="till"))
    undo = stage.commands["grant compensation"]
    stage.show(
        "A compensation of work that is accepted",
        "The saga was cancelled after an IN_PROGRESS. (Here `grant_id` comes from the input.)",
        undo,
    )
    waits = _in_progress(stage, undo)
    stage.show(
        "IN_PROGRESS to a compensation",
        "The wish is noted, and the work goes on. There is no news, so `ce_sagaseq` stays.",
        waits,
    )
    stage.arrives(waits)
    nothing = stage.reply(undo, Outcome.NOTHING_TO_UNDO, *_EMPTY)
    stage.show("NOTHING_TO_UNDO", "Given later: the work ended without effect.", nothing)
    stage.show(
        "UNSUPPORTED",
        "Instead: nobody here handles `loyalty.RevokePoints`. The step asks for a person.",
        stage.reply(undo, Outcome.UNSUPPORTED, *_EMPTY),
    )
    stage.show(
        "A dead letter",
        "No. 19 on the topic of another participant. The coordinator refuses it, and keeps it as it was.",
        _refused(stage, replace(nothing, topic=stage.topics.reply("vouchers"), partition=3, offset=41)),
    )
    return stage.transcripts


def _in_progress(stage: Stage, to: Record) -> Record:
    return stage.reply(to, Outcome.IN_PROGRESS, Progress.avro_name, encode_own(Progress.of()), seq=1)


def _refused(stage: Stage, reply: Record) -> Record:
    """The dead letter of a reply, which the coordinator's own code refuses."""
    try:
        stage.payloads.read(stage.envelopes.read(reply), stage.compiled)
    except BadMessage as bad:
        return stage.sent(relayed(stage.topics, dead_letter(CONSUMER, reply, bad, stage.now)))
    raise AssertionError("the reply was to be refused")


_BLOCK = re.compile(r"### \d+\. (?P<title>.+?)\n\n(?P<story>.+?)\n\n```text\n(?P<text>.*?)```\n", re.DOTALL)


def markdown() -> str:
    """The transcripts as they stand in the page."""
    parts = [f"### {n}. {t.title}\n\n{t.story}\n\n```text\n{t.text()}```\n" for n, t in enumerate(record_all(), start=1)]
    return "\n".join(parts)


def parse(page: str) -> Iterator[tuple[str, Record, Any]]:
    """Title, message and content of every transcript in a page: what a reader in another language
    would do."""
    for block in _BLOCK.finditer(page):
        lines = block["text"].splitlines()
        found = [line.split(maxsplit=1) for line in lines[:-1]]
        topic, key, value = (next(rest for word, rest in found if word == wanted) for wanted in ("topic", "key", "value"))
        headers = tuple(tuple(rest.split(": ", 1)) for word, rest in found if word == "header")
        record = Record(
            topic=topic,
            partition=0,
            offset=0,
            timestamp_ms=0,
            key=key.encode(),
            value=bytes.fromhex(value),
            headers=tuple((name, text.encode()) for name, text in headers),
        )
        yield block["title"], record, json.loads(lines[-1])


if __name__ == "__main__":
    print(markdown(), end="")
