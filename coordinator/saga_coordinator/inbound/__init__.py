"""What comes from Kafka, before it is an event: positions, envelopes, payloads, dead letters."""
