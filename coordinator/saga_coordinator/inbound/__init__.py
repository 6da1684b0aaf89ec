"""What comes from Kafka, before it is an engine event: positions, envelopes, payloads, dead letters."""
