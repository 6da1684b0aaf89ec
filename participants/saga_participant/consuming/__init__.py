"""From Kafka and back: the command loop, workers by key, replies, dead letters."""
