"""The watchdog: what must be looked at again and again, whatever the sagas do.

Definitions and schemas are read again when a look of the lookout finds that they changed, and every
two seconds while sagas are open: which definitions those are pinned to changes with them. Every
five seconds (every ten while no saga is open) missing topics are created, gauges are read,
unreadable records are relayed to their dead-letter topic, and participants whose commands nobody
reads are noticed. Every five the instance's row is renewed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from saga_coordinator.failures import one_line
from saga_coordinator.inbound.dead_letter_relay import DeadLetterRelay
from saga_coordinator.inbound.partition_reader import PartitionReader
from saga_coordinator.inbound.reply_envelope import CONSUMER as REPLIES
from saga_coordinator.loops.key_agreement import KeyAgreement, KeysDiffer
from saga_coordinator.loops.lookout import Lookout, Looks
from saga_coordinator.loops.start_loop import CONSUMER as STARTS
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.settings import Settings
from saga_coordinator.store.identifiers import made_name
from saga_coordinator.store.port import Figures, InstanceState, Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.traces.sampling import Sampling
from saga_messaging.broker import Broker, BrokerError, TopicForbidden
from saga_messaging.clock import Clock
from saga_messaging.errors import ConfigurationError
from saga_schemas.record_class import record
from saga_schemas.topics import Topics

DEFINITIONS_EVERY_S = 2.0
EVERY_S = 5.0
REST_FACTOR = 2
"""While no saga is open, looks around are rarer by it."""
INSTANCE_STALE_S = 20.0
UNREAD_AFTER_S = 30.0
FIGURES_PAUSE = 20
"""Counting the sagas pauses for so many times as long as it took."""
READING = "reading"
"""The name of the problem that partitions of ours stand still."""


LETTERS: Final = "dead_letters"
"""Shown by the log and the gauge alone: a dead letter that its topic refuses keeps no instance from
its work.
"""


@record
class Presence:
    """Under which name an instance is registered, and what it does."""

    name: str
    given: bool
    """Somebody chose the name: no other live instance may have it."""
    roles: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> Presence:
        """With a name of its own making where it was given none."""
        roles = tuple(sorted(settings.role_set | {"watchdog"}))
        return cls(name=settings.instance or made_name(), given=settings.instance is not None, roles=roles)


class Watchdog:
    """The small loops of one instance."""

    def __init__(
        self,
        *,
        store: Store,
        lookout: Lookout,
        broker: Broker,
        definitions: DefinitionCache,
        topics: Topics,
        instruments: Instruments,
        sampling: Sampling,
        clock: Clock,
        presence: Presence,
        reply_group: str,
        start_group: str,
        readers: Sequence[PartitionReader],
        key_agreement: KeyAgreement,
    ) -> None:
        self._store = store
        self._lookout = lookout
        self._registered = ""
        self._refreshed_at_s = self._said_at_s = -math.inf
        self._broker = broker
        self._definitions = definitions
        self._topics = topics
        self._instruments = instruments
        self._sampling = sampling
        self._clock = clock
        self.presence = presence
        self._groups = {reply_group: REPLIES, start_group: STARTS}
        self._reply_group = reply_group
        self._start_group = start_group
        self._readers = readers
        self._key_agreement = key_agreement
        self._unread_since_s: dict[str, float] = {}
        self._problems: dict[str, str] = {}
        self.kafka_away: str | None = None
        """Why the broker did not answer when it was asked who reads; None: it did."""
        self._letters = DeadLetterRelay(store, broker, topics, clock)
        self._figures_after_s = -math.inf
        self.figures: Figures | None = None
        """As they were read last; None: not yet."""
        self.lag: Mapping[str, int] = {}
        """By topic that this coordinator reads: records not read yet."""
        self.members: Mapping[str, int | None] = {}
        """By participant: how many read its command topic; None: nobody knows."""
        self._log = structlog.get_logger("watchdog")

    @property
    def problems(self) -> Mapping[str, str]:
        """Named reasons why this instance should get no requests."""
        unread = self._unread_partitions()
        found = {what: text for what, text in self._problems.items() if what != LETTERS}
        return {**found, READING: unread} if unread else found

    def troubles(self) -> list[str]:
        """What this instance does not do well, each with its name."""
        found = {**self._instruments.loops.stuck(), **self.problems}
        return [f"{what}: {text}" for what, text in sorted(found.items())]

    def unread(self) -> dict[str, str]:
        """Participants whose command topic nobody has read for half a minute, as a sentence."""
        return {
            name: f"no consumer on {self._topics.command(name)}: is the participant {name} running?"
            for name in self.unread_for_s()
        }

    def unread_for_s(self) -> dict[str, float]:
        """The same participants, and for how long nobody has read."""
        now_s = self._clock.monotonic_s()
        waited_s = {name: now_s - since_s for name, since_s in self._unread_since_s.items()}
        return {name: for_s for name, for_s in waited_s.items() if for_s >= UNREAD_AFTER_S}

    def _unread_partitions(self) -> str:
        return "; ".join(problem for reader in self._readers for problem in reader.problems)

    async def _reading(self) -> None:
        if unread := self._unread_partitions():
            raise BrokerError(unread)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._refresh_definitions())
            group.create_task(self._make_new_topics())
            group.create_task(self._look_around())
            group.create_task(self._stay_known())

    async def _refresh_definitions(self) -> None:
        looks = self._lookout.looks()
        while True:
            await self._try("definitions", lambda: self._refresh(looks))

    async def _refresh(self, looks: Looks) -> None:
        look, now_s = await looks.next(), self._clock.monotonic_s()
        self._definitions.seek_again()
        old = not look.at_rest and now_s - self._refreshed_at_s >= DEFINITIONS_EVERY_S
        if old or look.registered != self._registered:
            await self._definitions.refresh()
            self._registered, self._refreshed_at_s = look.registered, now_s

    async def _make_new_topics(self) -> None:
        """Those of a new definition are made before its first command is sent."""
        while True:
            await self._definitions.changed.wait()
            self._definitions.changed.clear()
            await self._try("topics", self.ensure_topics)

    async def _look_around(self) -> None:
        while True:
            await self._try("topics", self.ensure_topics)
            await self._try("figures", self._figures)
            await self._try(LETTERS, self._relay_letters)
            await self._try("readers", self._who_reads)
            await self._try(READING, self._reading)
            await self._clock.sleep(EVERY_S * REST_FACTOR if self._at_rest else EVERY_S)

    async def _stay_known(self) -> None:
        """Renew the instance's row and its token keys.

        This has a loop of its own: what asks Kafka may take long while Kafka is away, and the other
        instances must not take us for dead then.
        """
        looks, renewed_at_s = self._lookout.looks(), -math.inf
        every_s = EVERY_S if self.presence.given else EVERY_S * REST_FACTOR
        await self._try("instance", self._store.forget_instances)
        while True:
            await self._try("token_keys", lambda: self._agree_on_keys(looks))
            if self._clock.monotonic_s() - renewed_at_s >= every_s:
                renewed_at_s = self._clock.monotonic_s()
                await self._try("instance", self._renew_instance)

    async def _agree_on_keys(self, looks: Looks) -> None:
        look, now_s = await looks.next(), self._clock.monotonic_s()
        if now_s - self._said_at_s >= EVERY_S:
            await self._key_agreement.say(look.now_us)
            self._said_at_s = now_s
        self._key_agreement.compare(look)

    @property
    def _at_rest(self) -> bool:
        return self._lookout.latest is not None and self._lookout.latest.at_rest

    async def _relay_letters(self) -> None:
        look = self._lookout.latest
        if look is None or look.letters:
            await self._letters.look()

    async def _try(self, what: str, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except (StoreError, BrokerError, TimeoutError, KeysDiffer) as error:
            self._note(what, one_line(error))
        except ConfigurationError:
            raise
        except Exception as error:  # a bug ends neither the others nor the process
            self._log.error("watchdog_failed", what=what, exc_info=error)
            self._instruments.loop_failed("watchdog")
            self._note(what, type(error).__name__)
        else:
            self._problems.pop(what, None)
        self._instruments.trouble(what, what in self._problems)

    def _note(self, what: str, text: str) -> None:
        if self._problems.get(what) != text:
            self._log.warning("watchdog_trouble", what=what, error=text)
        self._problems[what] = text

    async def ensure_topics_at_start(self) -> None:
        """Create topics before the first loop runs, so that consumers find them. Trouble is logged,
        and tried again later.
        """
        await self._try("topics", self.ensure_topics)

    async def ensure_topics(self) -> None:
        """Create the topics that are missing.

        Raises:
            BrokerError: The broker is away, or does not let us create one; the instance reports it
                and goes on.
        """
        participants = await self._definitions.participants()
        wanted = {self._topics.start, self._topics.events, self._topics.dlq(REPLIES), self._topics.dlq(STARTS)}
        for name in participants:
            wanted |= {self._topics.command(name), self._topics.reply(name)}
        try:
            await self._broker.ensure_topics(sorted(wanted))
        except TopicForbidden as forbidden:
            raise BrokerError(f"topic_missing: {forbidden}") from forbidden

    async def _renew_instance(self) -> None:
        name = self.presence.name
        state = InstanceState(roles=self.presence.roles, problems=tuple(self.troubles()))
        if not await self._store.claim_instance(name, stale_s=INSTANCE_STALE_S, state=state):
            raise ConfigurationError(f"another live coordinator is called {name}: give each its own --instance")

    async def _figures(self) -> None:
        """Read the gauges, then pause: counting takes longer the more sagas are open, and must stay
        a small share of the time.
        """
        began_s = self._clock.monotonic_s()
        if began_s < self._figures_after_s:
            return
        self.figures = figures = await self._store.figures()
        self._sampling.owed(figures.spans_due)
        self._instruments.figures(figures)
        ended_s = self._clock.monotonic_s()
        self._figures_after_s = ended_s + (ended_s - began_s) * FIGURES_PAUSE

    async def _who_reads(self) -> None:
        participants = await self._definitions.participants()
        now_s = self._clock.monotonic_s()
        try:
            await self._broker.cluster_id()
        except (BrokerError, TimeoutError) as error:
            self.kafka_away = one_line(error)
            raise
        self.kafka_away = None
        members: dict[str, int | None] = {}
        for name in participants:
            members[name] = readers = await self._broker.readers(self._topics.command_group(name))
            if readers == 0:
                self._unread_since_s.setdefault(name, now_s)
            else:
                self._unread_since_s.pop(name, None)
        self.members = members
        self._instruments.unread({name: name in self.unread() for name in participants})
        await self._lag(participants)

    async def _lag(self, participants: frozenset[str]) -> None:
        found: dict[str, int] = {}
        groups = {self._reply_group: [self._topics.reply(name) for name in participants], self._start_group: [self._topics.start]}
        for group, topics in groups.items():
            for at, lag in (await self._broker.group_lag(group, topics)).items():
                found[at.topic] = found.get(at.topic, 0) + lag
        self.lag = found
        self._instruments.lag(found)
