"""Kafka through aiokafka: the only package that imports it. Serves a real cluster, and the stand-in
(`standin.py`).

What is set against aiokafka's defaults, and why:
- the producer is idempotent with acks=all, and since such a producer never expires a batch every
  wait here has a time limit;
- nothing is committed by itself, and a position that the topic does not hold is raised
  (`PositionLost`), never reset;
- a partition is parked (position 0, paused) the moment it is assigned: without a position aiokafka
  would look one up by itself;
- metadata is at most two seconds old, so that topics made or made anew are noticed.
On the stand-in there are no groups: all partitions are assigned. Truth is shown in
`tests/contract/test_broker.py`.
"""

from saga_messaging.kafka.broker import KafkaBroker
from saga_messaging.kafka.consumer import KafkaConsumer
from saga_messaging.kafka.producer import KafkaProducer
from saga_messaging.kafka.sideways import SidewaysProducer

__all__ = ["KafkaBroker", "KafkaConsumer", "KafkaProducer", "SidewaysProducer"]
