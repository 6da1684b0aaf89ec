"""A Kafka cluster as the port `saga_messaging.broker.Broker` wants it: its administration, and the
factory of its clients."""

from __future__ import annotations

from saga_messaging.kafka.administration import Administration
from saga_messaging.kafka.consumer import KafkaConsumer
from saga_messaging.kafka.producer import KafkaProducer


class KafkaBroker(Administration):
    """Clients of one cluster, and its administration."""

    def producer(self) -> KafkaProducer:
        return KafkaProducer(self._options, self._settings)

    def consumer(self, *, group: str | None, instance: str | None = None) -> KafkaConsumer:
        return KafkaConsumer(self, self._aside, self._options, self._settings, group, instance)
